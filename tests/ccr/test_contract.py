"""Every store of the library, and every bridge, against the one contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from headroom_core.ccr.bridge import bridge, decoded, encoded
from headroom_core.ccr.encrypted import EncryptedBlobs
from headroom_core.ccr.guard import GuardedBlobs
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.redis import RedisBlobs
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.testing.stores import BlobsContract
from headroom_core.types import Blobs

from .servers import RedisServer, Watched


class TestMemory(BlobsContract):
    def make(self) -> Blobs:
        return MemoryBlobs(clock=self.clock)


class TestMemoryLru(BlobsContract):
    def make(self) -> Blobs:
        return MemoryBlobs(clock=self.clock, evict="lru")


class TestEncrypted(BlobsContract):
    def make(self) -> Blobs:
        pytest.importorskip("cryptography")
        return EncryptedBlobs(MemoryBlobs(clock=self.clock), key=b"k" * 32)


class TestGuarded(BlobsContract):
    def make(self) -> Blobs:
        return GuardedBlobs(MemoryBlobs(clock=self.clock), timeout_s=60)


class TestSqlite(BlobsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.made = 0

    def make(self) -> Blobs:
        self.made += 1
        return SqliteBlobs(self.folder / f"{self.made}.sqlite3", clock=self.clock)

    def reopen(self, blobs: Blobs) -> Blobs:
        return SqliteBlobs(self.folder / f"{self.made}.sqlite3", clock=self.clock)


class RedisContract(BlobsContract):
    """A server keeps its own time: letting time pass shortens the life of every key."""

    url: str

    def make(self) -> Blobs:
        blobs = RedisBlobs.from_url(self.url)
        blobs._client.flushall()
        return blobs

    def reopen(self, blobs: Blobs) -> Blobs:
        return RedisBlobs.from_url(self.url)

    def advance(self, blobs: Blobs, seconds: float) -> None:
        client = blobs._client  # type: ignore[attr-defined]
        for key in list(client.scan_iter(match="hr:*", count=1000)):
            left = client.pttl(key)
            if left > seconds * 1000:
                client.pexpire(key, left - int(seconds * 1000))
            elif left >= 0:
                client.delete(key)


class TestRedis(RedisContract):
    @pytest.fixture(autouse=True)
    def _server(self, redis_at: RedisServer) -> None:
        self.url = redis_at.url


class TestRedisThatEvicts(RedisContract):
    """Where the server may drop the index, listing does not lean on it."""

    @pytest.fixture(autouse=True)
    def _server(self, redis_that_evicts: RedisServer) -> None:
        self.url = redis_that_evicts.url

    def make(self) -> Blobs:
        blobs = super().make()
        client = blobs._client  # type: ignore[attr-defined]
        real = client.zscan_iter
        client.zscan_iter = lambda name, **_: real("no-such-index")
        return blobs


class TestRedisCluster(RedisContract):
    """Three masters: keys, chunks and indices lie on different ones."""

    @pytest.fixture(autouse=True)
    def _server(self, redis_cluster: list[RedisServer]) -> None:
        self.url = f"redis+cluster://127.0.0.1:{redis_cluster[1].port}"


class TestRedisSentinel(RedisContract):
    @pytest.fixture(autouse=True)
    def _server(self, redis_sentinel: Watched) -> None:
        self.url = redis_sentinel.url


class TestLangChainBridge(BlobsContract):
    def make(self) -> Blobs:
        stores = pytest.importorskip("langchain_core.stores")
        return bridge(stores.InMemoryByteStore(), clock=self.clock)


class TestLangChainFiles(BlobsContract):
    operations = 20

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.made = 0

    def make(self) -> Blobs:
        self.made += 1
        return self.reopen(None)  # type: ignore[arg-type]

    def reopen(self, blobs: Blobs) -> Blobs:
        storage = pytest.importorskip("langchain_classic.storage")
        return bridge(storage.LocalFileStore(self.folder / str(self.made)), clock=self.clock)


class TestLangGraphBridge(BlobsContract):
    def make(self) -> Blobs:
        memory = pytest.importorskip("langgraph.store.memory")
        return bridge(memory.InMemoryStore(), clock=self.clock)


class TestLlamaIndexBridge(BlobsContract):
    def make(self) -> Blobs:
        kvstore = pytest.importorskip("llama_index.core.storage.kvstore")
        return bridge(kvstore.SimpleKVStore(), clock=self.clock)


@pytest.mark.parametrize(
    "key", ["a/1", "a%2Fb/o.hr_x", "../../etc/passwd", "a" * 512, "/" * 300, "_2F/_", "~" * 500, "a//b"]
)
def test_bridged_names_are_safe_and_come_back(key: str) -> None:
    """Every key becomes a name without dots and over-long segments, and comes back; prefixes stay prefixes."""
    name = encoded(key)
    assert decoded(name) == key
    assert "." not in name
    assert max(map(len, name.split("/"))) <= 110
    for end in range(len(key)):
        assert name.startswith(encoded(key[:end]))
