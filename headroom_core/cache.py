"""A byte-bounded memory of decisions: the same part, question and options are worked out once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

from . import forks

T = TypeVar("T")


def digest(*fields: str | bytes | None) -> bytes:
    """A 16-byte key over fields whose boundaries count."""
    made = hashlib.blake2b(digest_size=16)
    for field in fields:
        data = b"" if field is None else field.encode("utf-8", "surrogatepass") if isinstance(field, str) else field
        made.update(b"%d:" % (-1 if field is None else len(data)))
        made.update(data)
    return made.digest()


class BoundedCache(Generic[T]):
    """Least recently used first out, by bytes. Safe between threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0
        self._entries: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = Lock()
        forks.follow(self)

    def get(self, key: Hashable) -> T | None:
        """The value under ``key``, made the most recent; None where there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Hold ``value`` of about ``size`` bytes, letting go of the oldest beyond the bound."""
        with self._lock:
            old = self._entries.pop(key, None)
            self._held += size - (old[1] if old else 0)
            self._entries[key] = (value, size)
            while self._held > self._max_bytes and self._entries:
                self._held -= self._entries.popitem(last=False)[1][1]

    def before_fork(self) -> None:
        """Nobody changes the entries while the process is copied."""
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Go on, in the parent and in the child."""
        self._lock.release()
