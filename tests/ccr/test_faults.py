"""Store slow, full, away, back again: the user's call works, nothing lossy leaves without its original."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time

import pytest

from headroom_core.ccr.guard import GuardedBlobs
from headroom_core.ccr.marks import is_own, read_mark
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.errors import InvalidInput, StoreError, UnknownReference
from headroom_core.pipeline import Compressor
from headroom_core.testing.stores import FakeClock, FaultyBlobs


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
