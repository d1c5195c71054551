"""Blobs in this process's memory: for tests, notebooks and short-lived agents."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from headroom_core import forks
from headroom_core.ccr.blobs import Clock, Item, check_key, check_ttl
from headroom_core.errors import InvalidInput, StoreError

_OVERHEAD_BYTES = 200  # of one entry: key object, tuple, table slot
_SWEEP_EVERY = 512  # puts between two sweeps for expired entries


class MemoryBlobs:
    """A store within ``max_bytes``. Gone with the process.

    ``evict="expired"`` never drops an entry that is still alive: a full store refuses with ``StoreError``, and the
    part goes out unchanged. ``evict="lru"`` drops the least recently used entries instead; their markers go dead.
    """

    def __init__(
        self,
        *,
        max_bytes: int | None = 256 << 20,
        evict: Literal["expired", "lru"] = "expired",
        clock: Clock = time.time,
    ) -> None:
        if evict not in ("expired", "lru"):
            raise InvalidInput(f"evict must be 'expired' or 'lru', not {evict!r}.")
        self._max_bytes = max_bytes
        self._evict = evict
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float | None]] = OrderedDict()
        self._bytes = 0
        self._puts = 0
        self._lock = threading.Lock()
        forks.follow(self)

    def __repr__(self) -> str:
        return f"MemoryBlobs(entries={len(self._entries)}, bytes={self._bytes})"

    def get(self, key: str, /) -> bytes | None:
        """Return the value, or None where there is none or its life is over."""
        with self._lock:
            entry = self._alive(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Store one value; durable when it returns."""
        self.put_many([(key, value, ttl_s)])

    def put_many(self, items: Sequence[Item], /) -> None:
        """All or none are stored."""
        for key, _, ttl_s in items:
            check_key(key)
            check_ttl(ttl_s)
        now = self._clock()
        with self._lock:
            self._puts += 1
            if self._puts % _SWEEP_EVERY == 0:
                self._sweep()
            self._make_room(items)
            for key, value, ttl_s in items:
                self._drop(key)
                self._entries[key] = (bytes(value), None if ttl_s is None else now + ttl_s)
                self._bytes += _size(key, value)

    def delete(self, key: str, /) -> None:
        """Delete one key; one that is not there is no error."""
        self.delete_many([key])

    def delete_many(self, keys: Sequence[str], /) -> None:
        """Delete the keys."""
        with self._lock:
            for key in keys:
                self._drop(key)

    def keys(self, prefix: str = "", /) -> list[str]:
        """List the living keys that begin with the prefix, in order."""
        with self._lock:
            return sorted(key for key in list(self._entries) if key.startswith(prefix) and self._alive(key))

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the life of a key; False where it is not there."""
        check_ttl(ttl_s)
        with self._lock:
            entry = self._alive(key)
            if entry is None:
                return False
            self._entries[key] = (entry[0], None if ttl_s is None else self._clock() + ttl_s)
            self._entries.move_to_end(key)
            return True

    def close(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def before_fork(self) -> None:
        """Nobody changes the entries while the process is copied."""
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Go on, in the parent and, each for itself, in the child."""
        self._lock.release()

    def _alive(self, key: str) -> tuple[bytes, float | None] | None:
        entry = self._entries.get(key)
        if entry is not None and entry[1] is not None and entry[1] <= self._clock():
            self._drop(key)
            return None
        return entry

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry[0])

    def _sweep(self) -> None:
        for key in list(self._entries):
            self._alive(key)

    def _make_room(self, items: Sequence[Item]) -> None:
        if self._max_bytes is None:
            return
        replaced = {key: _size(key, self._entries[key][0]) for key, _, _ in items if key in self._entries}
        needed = sum(_size(key, value) for key, value, _ in items)
        if self._bytes - sum(replaced.values()) + needed <= self._max_bytes:
            return
        self._sweep()
        while self._evict == "lru" and self._entries and self._bytes + needed > self._max_bytes:
            self._drop(next(iter(self._entries)))
        if self._bytes - sum(size for key, size in replaced.items() if key in self._entries) + needed > self._max_bytes:
            raise StoreError(
                f"The memory store is full: {self._bytes} of {self._max_bytes} bytes are taken and {needed} more are "
                "needed. Give it a larger max_bytes, originals a shorter ttl_s, or forget what is done with."
            )


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD_BYTES
