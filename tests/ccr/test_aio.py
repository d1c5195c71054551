"""Originals under asyncio: awaited calls do what the others do, and the loop never waits for a store."""

from __future__ import annotations

import asyncio
import threading

import pytest

from headroom_core.ccr.aio import AsyncOriginals
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals, open_originals
from headroom_core.errors import UnknownReference
from headroom_core.testing.stores import FaultyBlobs

from .servers import RedisServer


async def test_awaited_calls_do_what_the_others_do() -> None:
    """Put, get, entry, note, renew and forget, with the same references and errors."""
    plain = Originals(MemoryBlobs(), key=b"k" * 32)
    async with AsyncOriginals(plain) as originals:
        ref = await originals.put(b"data", namespace="ns", kind="log", note="all of it")
        assert ref == plain.ref(b"data", namespace="ns")
        assert await originals.get(ref, namespace="ns") == b"data"
        entry = await originals.entry(ref, namespace="ns")
        assert (entry.data, entry.kind, entry.note) == (b"data", "log", "all of it")
        assert await originals.note(ref, namespace="ns") == "all of it"
        assert await originals.renew(ref, namespace="ns")
        with pytest.raises(UnknownReference):
            await originals.get(ref, namespace="another")
        assert await originals.forget(ref, namespace="ns") == 1
        assert not await originals.renew(ref, namespace="ns")


async def test_the_loop_turns_while_the_store_hangs() -> None:
    """Forty calls wait for a store that hangs; the loop goes on, few threads are held, and all is done afterwards."""
    gate, under_way, most = threading.Event(), [0], [0]
    blobs = FaultyBlobs(MemoryBlobs())
    counted = threading.Lock()

    def wait() -> None:
        with counted:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        gate.wait(60)
        with counted:
            under_way[0] -= 1

    blobs.before = wait
    originals = AsyncOriginals(Originals(blobs, key=b"k" * 32), at_once=4)
    puts = [asyncio.ensure_future(originals.put(b"%d" % n, namespace="ns")) for n in range(40)]
    for _ in range(2_000):
        await asyncio.sleep(0)
    assert not any(put.done() for put in puts)
    gate.set()
    refs = await asyncio.gather(*puts)
    assert most[0] <= 4
    assert [await originals.get(ref, namespace="ns") for ref in refs] == [b"%d" % n for n in range(40)]
    await originals.close()


async def test_many_at_once_through_a_pool(redis_at: RedisServer) -> None:
    """Two hundred tasks on Redis: nothing is lost or mixed up."""
    async with AsyncOriginals(open_originals(redis_at.url, key=b"k" * 32)) as originals:

        async def round_trip(number: int) -> bool:
            data = b"%d " % number * 50
            ref = await originals.put(data, namespace=f"tenant-{number % 7}")
            return await originals.get(ref, namespace=f"tenant-{number % 7}") == data

        assert all(await asyncio.gather(*map(round_trip, range(200))))
