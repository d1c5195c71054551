"""Forks: a child never waits for a lock, a thread or a trial that only its parent has."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from headroom_core.cache import BoundedCache
from headroom_core.ccr.aio import AsyncOriginals
from headroom_core.ccr.bridge import bridge
from headroom_core.ccr.guard import GuardedBlobs
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.errors import StoreError
from headroom_core.testing.stores import FakeClock, FaultyBlobs

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def in_a_child(work: Callable[[], bool]) -> bool:
    """Did ``work`` return True in a forked child? One that hangs is killed after ten seconds."""
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = work()
        finally:
            os._exit(0 if good else 1)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        done, state = os.waitpid(child, os.WNOHANG)
        if done:
            return state == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_a_child_that_hangs_would_be_noticed() -> None:
    """The check itself: a lock that is held at the fork stays locked in the child."""
    lock = threading.Lock()
    with lock:
        assert not in_a_child(lambda: lock.acquire(timeout=0.2))


def busy(work: Callable[[int], object], check: Callable[[], bool]) -> bool:
    """Fork several times while threads do ``work`` without a pause; does ``check`` hold in every child?"""
    stop = threading.Event()

    def on(number: int) -> None:
        while not stop.is_set():
            work(number)

    threads = [threading.Thread(target=on, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        return all(in_a_child(check) for _ in range(12))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_stores_and_caches_go_on_in_a_child() -> None:
    """Threads read and write while the process forks: the child reads and writes too."""
    memory, cache = MemoryBlobs(), BoundedCache[int](10_000)
    guarded = GuardedBlobs(MemoryBlobs(), timeout_s=5)
    bridged = bridge(_Slow())
    for store in (memory, guarded, bridged):

        def work(number: int, store: object = store) -> None:
            store.put(f"ns/{number}", b"x" * 2000)  # type: ignore[attr-defined]
            cache.put(b"%d" % number, number, 100)

        def check(store: object = store) -> bool:
            store.put("ns/child", b"c")  # type: ignore[attr-defined]
            cache.put(b"child", 1, 100)
            return bool(store.get("ns/child") == b"c" and cache.get(b"child") == 1)  # type: ignore[attr-defined]

        assert busy(work, check), store


class _Slow:
    """A store of LangChain's interface that takes its time."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def mget(self, keys: list[str]) -> list[bytes | None]:
        return [self.held.get(key) for key in keys]

    def mset(self, pairs: list[tuple[str, bytes]]) -> None:
        time.sleep(0.005)
        self.held.update(pairs)

    def mdelete(self, keys: list[str]) -> None:
        for key in keys:
            self.held.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> list[str]:
        return list(self.held)


def test_a_trial_of_the_parent_is_not_the_childs() -> None:
    """Fork while the parent tries a store that was away: the child tries it itself, and is not refused for ever."""
    clock, gate = FakeClock(), threading.Event()
    store = FaultyBlobs(MemoryBlobs())
    blobs = GuardedBlobs(store, timeout_s=None, failures=1, clock=clock)
    store.fault = StoreError("away")
    with pytest.raises(StoreError):
        blobs.get("k")
    store.fault, store.before = None, lambda: gate.wait(30)
    clock.advance(60)
    trial = threading.Thread(target=blobs.get, args=("k",))
    trial.start()
    while blobs.state != "trial":
        time.sleep(0.001)

    def check() -> bool:
        store.before = lambda: None
        return blobs.get("k") is None and blobs.state == "closed"

    try:
        assert in_a_child(check)
    finally:
        gate.set()
        trial.join()


def test_awaited_originals_work_in_a_child() -> None:
    """Threads that the parent's pool had started do not exist in the child, which starts its own."""
    originals = AsyncOriginals(Originals(MemoryBlobs(), key=b"k" * 32))
    ref = asyncio.run(originals.put(b"data", namespace="ns"))
    assert in_a_child(lambda: asyncio.run(originals.get(ref, namespace="ns")) == b"data")


def test_a_store_that_hangs_does_not_keep_the_program_alive() -> None:
    """A call that never comes back is left behind when the program ends."""
    program = (
        "import threading\n"
        "from headroom_core.ccr.guard import GuardedBlobs\n"
        "from headroom_core.ccr.memory import MemoryBlobs\n"
        "from headroom_core.errors import StoreError\n"
        "from headroom_core.testing.stores import FaultyBlobs\n"
        "hang = threading.Event()\n"
        "blobs = GuardedBlobs(FaultyBlobs(MemoryBlobs(), before=hang.wait), timeout_s=0.05)\n"
        "try:\n"
        "    blobs.get('k')\n"
        "except StoreError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "refused\n"
