"""Forgotten is gone: from every store, from the disk, damaged or not, whoever reads or writes at that moment."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import pytest

from headroom_core.ccr.bridge import bridge
from headroom_core.ccr.encrypted import EncryptedBlobs
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.ccr.redis import RedisBlobs
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.errors import StoreError
from headroom_core.testing.stores import FakeClock

from .servers import RedisServer


def test_deleted_bytes_are_gone_from_the_disk(tmp_path: Path) -> None:
    """After forget, no file of the store holds the content any more."""
    originals = Originals(SqliteBlobs(tmp_path / "s.sqlite3"), key=b"k" * 32)
    secret = os.urandom(3000)
    ref = originals.put(secret, namespace="ns", note="left-out-secret-note")
    assert any(secret[:200] in file.read_bytes() for file in tmp_path.iterdir())
    originals.forget(ref, namespace="ns")
    for file in tmp_path.iterdir():
        assert secret[:50] not in file.read_bytes()
        assert b"left-out-secret-note" not in file.read_bytes()


def test_bytes_that_a_reader_keeps_in_the_log_are_named(tmp_path: Path) -> None:
    """While another process reads an older state, forget says that the log still holds the bytes; afterwards they go."""
    path = tmp_path / "s.sqlite3"
    originals = Originals(SqliteBlobs(path, timeout_s=0.05), key=b"k" * 32)
    secret = os.urandom(3000)
    ref = originals.put(secret, namespace="ns")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM blobs").fetchone()
    with pytest.raises(StoreError, match="still in the log"):
        originals.forget(ref, namespace="ns")
    reader.execute("ROLLBACK")
    reader.close()
    originals.forget(namespace="ns")
    assert not any(secret[:50] in file.read_bytes() for file in tmp_path.iterdir())


class _Dict(dict[str, bytes]):
    """A store of LangChain's interface."""

    def mget(self, keys: list[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def mset(self, pairs: list[tuple[str, bytes]]) -> None:
        self.update(pairs)

    def mdelete(self, keys: list[str]) -> None:
        for key in keys:
            del self[key]

    def yield_keys(self, *, prefix: str | None = None) -> list[str]:
        return [key for key in self if key.startswith(prefix or "")]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("behind", ["encrypted", "bridge"])
def test_what_is_damaged_can_be_forgotten(behind: str, whole: bool) -> None:
    """A value that cannot be read any more is deleted like any other, by its reference and with its namespace."""
    if behind == "encrypted":
        pytest.importorskip("cryptography")
    held = _Dict()
    memory = MemoryBlobs()
    blobs = bridge(held) if behind == "bridge" else EncryptedBlobs(memory, key=b"k" * 32)
    originals = Originals(blobs, key=b"k" * 32)
    ref = originals.put(b"data", namespace="ns", note="n")
    for key in list(held):
        held[key] = b"x"
    for key in memory.keys():
        memory.put(key, b"x")
    with pytest.raises(StoreError):
        originals.get(ref, namespace="ns")
    assert originals.forget(None if whole else ref, namespace="ns") == 1
    assert not held
    assert memory.keys() == []


def test_no_chunk_outlives_its_value(redis_at: RedisServer) -> None:
    """A large value that is replaced while it is being deleted leaves no chunk on the server."""
    blobs = RedisBlobs.from_url(redis_at.url)
    blobs._client.flushall()
    first, second = (random.Random(seed).randbytes(1_500_000) for seed in (1, 2))
    blobs.put("ns/k", first)
    read = blobs._heads

    def replaced_meanwhile(keys: list[str]) -> list[bytes]:
        heads = read(keys)
        RedisBlobs.from_url(redis_at.url).put("ns/k", second)
        return heads

    blobs._heads = replaced_meanwhile  # type: ignore[method-assign, assignment]
    blobs.delete("ns/k")
    assert list(blobs._client.scan_iter(match="*")) == []


def test_what_forgetting_one_original_leaves_says_nothing() -> None:
    """Of a remembered lossy result a keyed digest stays: no content, not computable without the key, gone in time."""
    clock = FakeClock()
    blobs = MemoryBlobs(clock=clock)
    originals = Originals(blobs, key=b"k" * 32, ttl_s=60.0)
    ref = originals.put(b"the whole secret text", namespace="ns", note="a secret note")
    originals.remember("secret text", "ns")
    assert originals.forget(ref, namespace="ns") == 1
    (left,) = blobs.keys()
    name = left.removeprefix("ns/r.")
    assert blobs.get(left) == b"\x01"  # nothing but the fact
    assert len(name) == 26
    assert ref[3:] not in left
    for key in (b"another key of 32 bytes.........", b"\x00" * 32):
        stranger = Originals(blobs, key=key)
        assert not stranger.recognises("secret text", "ns")
    assert not originals.recognises("secret text", "another namespace")
    clock.now += 61
    assert blobs.keys() == []


def test_forgetting_a_namespace_leaves_no_digest() -> None:
    """Remembered results go with their namespace, and only with theirs."""
    blobs = MemoryBlobs()
    originals = Originals(blobs, key=b"k" * 32)
    for namespace in ("ns", "other"):
        originals.remember("a result", namespace)
    originals.forget(namespace="ns")
    assert [key.partition("/")[0] for key in blobs.keys()] == ["other"]
