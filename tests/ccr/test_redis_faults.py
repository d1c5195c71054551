"""Redis slow, full, killed, frozen, back again, with another master: no call fails, and hardly one waits."""

from __future__ import annotations

import random
import signal
import statistics
import struct
import threading
import time
import traceback
import tracemalloc
from pathlib import Path

import pytest

from headroom_core.ccr.marks import read_mark
from headroom_core.ccr.originals import Originals, open_originals
from headroom_core.ccr.redis import RedisBlobs
from headroom_core.errors import InvalidInput, StoreError

from .servers import RedisServer, redis_cluster_of, redis_server, redis_watched
from .test_faults import conversation, marked, reversible
from .test_sqlite import hammered


class Load:
    """Threads that compress one conversation after the other; what was sent, what failed, how long the store took."""

    def __init__(self, originals: Originals, threads: int = 3) -> None:
        self.originals = originals
        self.sent: list[tuple[str, str]] = []
        self.failures: list[BaseException] = []
        self.waited: list[float] = []
        self._stop = threading.Event()
        self._put = originals.put
        originals.put = self._timed  # type: ignore[method-assign, assignment]
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, more: int, *, kind: bool) -> None:
        """Until so many more parts went out marked, or as they came."""
        wanted = self._count(kind) + more
        end = time.monotonic() + 60
        while self._count(kind) < wanted and time.monotonic() < end:
            self._stop.wait(0.02)
        assert self._count(kind) >= wanted

    def check(self) -> None:
        """No call failed; what left with a marker can be read."""
        assert self.failures == []
        for original, text in self.sent:
            mark = read_mark(text)
            assert text == original or mark is not None
            assert mark is None or self.originals.get(mark.ref, namespace="ns").decode() == original

    def _count(self, kind: bool) -> int:
        return sum(marked(text) is kind for _, text in list(self.sent))

    def _timed(self, *args: object, **kwargs: object) -> str:
        started = time.perf_counter()
        try:
            return self._put(*args, **kwargs)  # type: ignore[arg-type]
        finally:
            self.waited.append(time.perf_counter() - started)

    def _work(self, thread: int) -> None:
        seed = thread * 10_000
        while not self._stop.is_set():
            seed += 1
            messages = conversation(seed)
            try:
                outcome = reversible(self.originals)(messages)
                self.sent.append((str(messages[1]["content"]), str(outcome.messages[1]["content"])))
            except Exception as error:  # noqa: BLE001 - any error at all fails this test
                self.failures.append(error)


def p99(waited: list[float]) -> float:
    return sorted(waited)[int(len(waited) * 0.99)]


def test_redis_killed_under_load_fails_no_call(tmp_path: Path) -> None:
    """Threads compress while the server is killed and started again: no call raises, no marker is dead, it recovers, and
    while it is down the store adds at most 100 ms to a call at the 99th percentile.

    What is acknowledged with ``appendfsync always`` outlives the kill.
    """
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        with Load(open_originals(server.url, key=b"k" * 32, timeout_s=0.5)) as load:
            load.until(5, kind=True)
            server.kill()
            load.waited.clear()
            load.until(300, kind=False)
            assert p99(load.waited) <= 0.1
            server.start()
            load.until(5, kind=True)
        load.check()


def test_a_frozen_redis_holds_up_few_calls(tmp_path: Path) -> None:
    """A server that accepts and never answers costs the first calls their timeout, once; the rest wait hardly at all."""
    with redis_server(tmp_path) as server:
        with Load(open_originals(server.url, key=b"k" * 32, timeout_s=0.5)) as load:
            load.until(5, kind=True)
            assert server.process is not None
            server.process.send_signal(signal.SIGSTOP)
            load.waited.clear()
            load.until(1000, kind=False)
            assert max(load.waited) < 1.5
            assert p99(load.waited) <= 0.1
            server.process.send_signal(signal.SIGCONT)
            load.until(5, kind=True)
        load.check()


def test_another_master_takes_over(tmp_path: Path) -> None:
    """The master that Sentinel watches is killed under load: no call fails, and the replica goes on as the master."""
    with redis_watched(tmp_path) as watched:
        with Load(open_originals(watched.url, key=b"k" * 32, timeout_s=0.5)) as load:
            load.until(5, kind=True)
            watched.master.kill()
            load.waited.clear()
            load.until(150, kind=False)
            assert p99(load.waited) <= 0.1
            load.sent.clear()  # what the replica had not yet is lost with the master
            load.until(5, kind=True)
        load.check()
        assert RedisBlobs.from_url(watched.replica.url).keys("ns/")


def test_a_node_of_a_cluster_is_killed(tmp_path: Path) -> None:
    """One of three masters is gone and comes back: no call fails, none waits long."""
    with redis_cluster_of(3, tmp_path) as servers:
        url = f"redis+cluster://127.0.0.1:{servers[0].port}"
        with Load(open_originals(url, key=b"k" * 32, timeout_s=0.5)) as load:
            load.until(20, kind=True)
            servers[2].kill()
            load.waited.clear()
            load.until(300, kind=False)
            assert p99(load.waited) <= 0.1
            load.sent.clear()  # without appendonly that node comes back empty
            servers[2].start()
            load.until(5, kind=True)
        assert load.failures == []


def test_while_redis_is_down_calls_wait_hardly_at_all(tmp_path: Path) -> None:
    """One call after the other, each tried: the 99th percentile of what the store adds is at most 100 ms."""
    with redis_server(tmp_path) as server:
        originals = open_originals(server.url, key=b"k" * 32)
        originals.put(b"x", namespace="ns")
        server.kill()
        took = []
        for number in range(500):
            started = time.perf_counter()
            with pytest.raises(StoreError):
                originals.put(b"%d" % number, namespace="ns")
            took.append(time.perf_counter() - started)
        assert p99(took) <= 0.1


def test_no_traceback_of_a_redis_error_shows_a_value(tmp_path: Path) -> None:
    """The client quotes the arguments of a command that failed; neither the error nor what it is chained to repeats them."""
    value = b" ".join([b"secret", b"value"])  # in two words here: a traceback shows lines of the source too
    with redis_server(tmp_path) as server:
        blobs = RedisBlobs.from_url(server.url)
        blobs._client.execute_command("ACL SETUSER default -set")
        with pytest.raises(StoreError, match="may not do this") as caught:
            blobs.put("ns/k", value)
        assert "secret value" not in "".join(traceback.format_exception(caught.value))


def test_redis_round_trips_are_short(redis_at: RedisServer) -> None:
    """On loopback, keeping an original of 20 kB and reading it back costs a few milliseconds (aim: 2 at the median)."""
    originals = open_originals(redis_at.url, key=b"k" * 32)
    took = []
    for number in range(200):
        data = f"{number} ".encode() * 4000
        started = time.perf_counter()
        originals.put(data, namespace="ns")
        took.append(time.perf_counter() - started)
    assert statistics.median(took) < 0.02
    originals.forget(namespace="ns")


def test_a_full_redis_refuses(tmp_path: Path) -> None:
    """With a bound on memory and no eviction, the store says that it is full, keeps what it has, and half-written chunks
    of a refused value do not show."""
    with redis_server(tmp_path, "--maxmemory", "12mb", "--maxmemory-policy", "noeviction") as server:
        blobs = RedisBlobs.from_url(server.url)
        blobs.put("ns/first", b"kept")
        with pytest.raises(StoreError, match="full"):
            blobs.put("ns/huge", random.Random(0).randbytes(30_000_000), ttl_s=100)
        assert blobs.get("ns/first") == b"kept"
        assert blobs.get("ns/huge") is None
        assert list(blobs.keys("ns/")) == ["ns/first"]


def test_a_head_that_names_a_thousand_million_chunks_is_none(redis_at: RedisServer) -> None:
    """What somebody else wrote into the server cannot make a reader run out of memory."""
    blobs = RedisBlobs.from_url(redis_at.url)
    blobs._client.set("hr:{ns/k}", struct.pack(">c8sIQ", b"\x01", b"g" * 8, 2**32 - 1, 2**63))
    tracemalloc.start()
    assert blobs.get("ns/k") is None
    blobs.delete("ns/k")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert blobs._client.get("hr:{ns/k}") is None


def test_a_redis_error_names_no_content(tmp_path: Path) -> None:
    """Neither value, key nor password is in the error or its text."""
    blobs = RedisBlobs.from_url("redis://user:secret-password@127.0.0.1:1/0")
    with pytest.raises(StoreError) as caught:
        blobs.put("ns/secret-key", b"secret-value")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(blobs)


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:notaport/0", "redis+sentinel://127.0.0.1:26379", "redis+nothing://x"]
)
def test_redis_urls_that_cannot_be_read(url: str) -> None:
    """A url that names no server is refused with the right spelling."""
    with pytest.raises(InvalidInput, match=r"Redis url|Sentinel url"):
        RedisBlobs.from_url(url)


class _At:
    """Opens the store behind a url; travels to another process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self) -> RedisBlobs:
        return RedisBlobs.from_url(self.url, timeout_s=30)


@pytest.mark.parametrize(
    ("processes", "threads", "operations"),
    [(3, 4, 40), pytest.param(8, 8, 1000, marks=pytest.mark.full)],
)
def test_redis_loses_and_mixes_nothing(redis_at: RedisServer, processes: int, threads: int, operations: int) -> None:
    """Processes with threads write and read at once: nothing lost, nothing mixed up, nobody fails."""
    assert hammered(_At(redis_at.url), processes, threads, operations) == dict.fromkeys(range(processes), 0)
