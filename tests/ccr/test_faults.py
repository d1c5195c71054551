"""Store slow, full, away, back again: the user's call works, nothing lossy leaves without its original."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headroom_core.ccr.guard import GuardedBlobs
from headroom_core.ccr.marks import is_own, read_mark
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals, open_originals
from headroom_core.ccr.redis import RedisBlobs
from headroom_core.errors import InvalidInput, StoreError, UnknownReference
from headroom_core.pipeline import Compressor
from headroom_core.testing.stores import FakeClock, FaultyBlobs

from .servers import RedisServer, redis_server
from .test_sqlite import hammered


def conversation(seed: int) -> list[dict[str, object]]:
    chance = random.Random(seed)
    rows = [
        {"id": i, "status": "completed", "owner": f"user{chance.randrange(10**6)}", "note": "all went well " * 3}
        for i in range(120)
    ]
    return [
        {"role": "user", "content": "Which order failed?"},
        {"role": "tool", "tool_call_id": "1", "content": json.dumps(rows)},
    ]


def reversible(originals: Originals) -> Compressor:
    return Compressor(originals=originals, retrievable=True, namespace="ns")


def marked(text: object) -> bool:
    return isinstance(text, str) and read_mark(text) is not None


@pytest.mark.parametrize(
    "fault", [StoreError("full"), StoreError("away"), OSError("disk"), RuntimeError("a bug"), MemoryError()]
)
def test_a_store_that_fails_leaves_the_part_as_it_was(fault: Exception) -> None:
    """Whatever the store raises: the same objects go out, the outcome says why, and no marker leaves."""
    blobs = FaultyBlobs(MemoryBlobs())
    compress = reversible(Originals(blobs, key=b"k" * 32))
    blobs.fault = fault
    messages = conversation(1)
    outcome = compress(messages)
    assert outcome.messages[1] is messages[1]
    assert [skip.by in ("store", "guard") for skip in outcome.skipped if skip.part.at[0] == 1] == [True]
    assert not outcome.changes


def test_a_marker_leaves_only_after_its_original() -> None:
    """Each marker that goes out while the store comes and goes resolves afterwards."""
    chance = random.Random(3)
    blobs = FaultyBlobs(MemoryBlobs())
    blobs.before = lambda: setattr(blobs, "fault", StoreError("away") if chance.random() < 0.3 else None)
    originals = Originals(blobs, key=b"k" * 32)
    texts = [
        (conversation(seed)[1]["content"], reversible(originals)(conversation(seed)).messages[1]["content"])
        for seed in range(40)
    ]
    blobs.before, blobs.fault = (lambda: None), None
    found = 0
    for original, sent in texts:
        mark = read_mark(sent)
        if mark is None:
            assert sent == original
        else:
            found += 1
            assert is_own(sent, originals, "ns")
            assert originals.get(mark.ref, namespace="ns").decode() == original
    assert 0 < found < 40


def test_the_breaker_opens_and_closes() -> None:
    """Three failures open it; then calls fail at once until the rest is over; one trial closes it or doubles the rest."""
    clock = FakeClock()
    store = FaultyBlobs(MemoryBlobs())
    blobs = GuardedBlobs(store, timeout_s=60, failures=3, rest_s=1.0, longest_rest_s=4.0, clock=clock)
    store.fault = StoreError("away")
    for _ in range(10):
        with pytest.raises(StoreError):
            blobs.get("k")
    assert (store.calls, blobs.state, blobs.failed, blobs.refused) == (3, "open", 3, 7)
    for rest in (1.0, 2.0, 4.0, 4.0):
        clock.advance(rest - 0.1)
        with pytest.raises(StoreError, match="tried again"):
            blobs.get("k")
        clock.advance(0.2)
        with pytest.raises(StoreError, match="away"):
            blobs.get("k")
    store.fault = None
    clock.advance(4.1)
    assert blobs.get("k") is None
    assert blobs.state == "closed"
    blobs.put("k", b"v")
    assert blobs.get("k") == b"v"


def test_a_mistake_of_the_caller_does_not_open_the_breaker() -> None:
    """InvalidInput says nothing about the store."""
    blobs = GuardedBlobs(MemoryBlobs(), timeout_s=60, failures=1)
    for _ in range(3):
        with pytest.raises(InvalidInput):
            blobs.put("bad key", b"")
    assert blobs.state == "closed"


def test_a_store_that_hangs_holds_nobody() -> None:
    """Calls come back after the timeout, later ones at once; at most at_once calls hang; then it is back."""
    hang = threading.Event()
    store = FaultyBlobs(MemoryBlobs(), before=lambda: hang.wait(30))
    clock = FakeClock()
    blobs = GuardedBlobs(store, timeout_s=0.05, failures=3, at_once=4, clock=clock)
    before = threading.active_count()
    started = time.monotonic()
    refused = 0
    for _ in range(200):
        try:
            blobs.get("k")
        except StoreError:
            refused += 1
    assert refused == 200
    assert time.monotonic() - started < 5
    assert threading.active_count() - before <= 4
    assert store.calls <= 4
    hang.set()
    clock.advance(60)
    assert blobs.get("k") is None
    assert blobs.state == "closed"
    blobs.close()


def test_only_one_call_tries_a_store_that_was_away() -> None:
    """While the trial is under way, all others still fail at once."""
    clock = FakeClock()
    gate = threading.Event()
    store = FaultyBlobs(MemoryBlobs())
    blobs = GuardedBlobs(store, timeout_s=60, failures=1, clock=clock)
    store.fault = StoreError("away")
    with pytest.raises(StoreError):
        blobs.get("k")
    store.fault, store.before, calls = None, lambda: gate.wait(30), store.calls
    clock.advance(2.0)
    trial = threading.Thread(target=blobs.get, args=("k",))
    trial.start()
    while store.calls == calls:
        pass
    assert blobs.state == "trial"
    for _ in range(20):
        with pytest.raises(StoreError, match="tried again"):
            blobs.get("k")
    gate.set()
    trial.join()
    assert store.calls == calls + 1
    assert blobs.state == "closed"


async def test_a_slow_store_does_not_block_the_loop() -> None:
    """Adapters cross to a thread: while the store hangs, the event loop goes on."""
    gate = threading.Event()
    originals = Originals(FaultyBlobs(MemoryBlobs(), before=lambda: gate.wait(30)), key=b"k" * 32)
    waiting = asyncio.create_task(asyncio.to_thread(originals.put, b"data", namespace="ns"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert await waiting == originals.ref(b"data", namespace="ns")


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


def test_redis_killed_under_load_fails_no_call(tmp_path: Path) -> None:
    """Threads compress while the server is killed and started again: no call raises, no marker is dead, and it recovers.

    What is acknowledged with ``appendfsync always`` outlives the kill.
    """
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        originals = open_originals(server.url, key=b"k" * 32, timeout_s=0.5)
        failures: list[BaseException] = []
        sent: list[tuple[object, object]] = []
        stop = threading.Event()

        def work(thread: int) -> None:
            seed = thread * 10_000
            while not stop.is_set():
                seed += 1
                messages = conversation(seed)
                try:
                    sent.append((messages[1]["content"], reversible(originals)(messages).messages[1]["content"]))
                except Exception as error:  # noqa: BLE001 - any error at all fails this test
                    failures.append(error)

        workers = [threading.Thread(target=work, args=(thread,)) for thread in range(3)]
        for worker in workers:
            worker.start()

        def until(more: int, kind: bool) -> None:
            wanted = sum(marked(text) is kind for _, text in sent) + more
            end = time.monotonic() + 60
            while sum(marked(text) is kind for _, text in list(sent)) < wanted and time.monotonic() < end:
                stop.wait(0.02)

        until(5, kind=True)
        server.kill()
        until(10, kind=False)
        server.start()
        until(5, kind=True)
        stop.set()
        for worker in workers:
            worker.join()
        assert failures == []
        kept = [(original, read_mark(str(text))) for original, text in sent if marked(text)]
        assert len(kept) >= 10
        assert len(kept) < len(sent)
        for original, mark in kept:
            assert mark is not None
            assert originals.get(mark.ref, namespace="ns").decode() == original


def test_while_redis_is_down_calls_wait_hardly_at_all(tmp_path: Path) -> None:
    """With the breaker, the 99th percentile of what the store adds to a call is at most 100 ms while it is down."""
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
        assert sorted(took)[494] <= 0.1


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


def test_sentinel_finds_the_master(tmp_path: Path) -> None:
    """A store by Sentinel's url writes to the master that Sentinel names."""
    (tmp_path / "data").mkdir()
    with redis_server(tmp_path / "data") as master:
        settings = tmp_path / "sentinel.conf"
        settings.write_text(f"sentinel monitor main 127.0.0.1 {master.port} 1\n")
        sentinel = RedisServer(tmp_path)
        sentinel.program_settings = [str(settings), "--sentinel"]
        sentinel.start()
        try:
            blobs = RedisBlobs.from_url(f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0")
            blobs.put("ns/k", b"v")
            assert RedisBlobs.from_url(master.url).get("ns/k") == b"v"
        finally:
            sentinel.kill()


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


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_guarded_store_works_after_a_fork() -> None:
    """The child gets threads of its own."""
    program = (
        "import os\n"
        "from headroom_core.ccr.guard import GuardedBlobs\n"
        "from headroom_core.ccr.memory import MemoryBlobs\n"
        "blobs = GuardedBlobs(MemoryBlobs(), timeout_s=20)\n"
        "blobs.put('k', b'v')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if blobs.get('k') == b'v' else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0 and blobs.get('k') == b'v'\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def test_an_original_that_is_gone_is_never_half_there() -> None:
    """Lost data under a living note: the tool's caller gets UnknownReference, not an empty text."""
    blobs = MemoryBlobs()
    originals = Originals(blobs, key=b"k" * 32)
    ref = originals.put(b"data", namespace="ns", note="3 rows")
    assert originals.renew(ref, namespace="ns")
    blobs.delete(f"ns/o.{ref}")
    assert not originals.renew(ref, namespace="ns")
    with pytest.raises(UnknownReference):
        originals.get(ref, namespace="ns")
    assert originals.put(b"data", namespace="ns") == ref
    assert originals.get(ref, namespace="ns") == b"data"
