"""Over a fork in one piece: a child gets one thread only, so a lock that another thread holds would stay locked in it."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """What holds a lock, a thread or a connection that a child must not inherit as it is."""

    def before_fork(self) -> None:
        """Take the lock, so that nothing is half changed at the fork."""

    def after_fork(self, *, child: bool) -> None:
        """Let the lock go, in the parent and in the child; a child starts anew what it did not get."""


def follow(owner: Forked) -> None:
    """From now on ``owner`` is asked before and after each fork, for as long as it lives."""
    with _lock:
        _owners.add(owner)


def _before() -> None:
    _lock.acquire()
    for owner in list(_owners):
        owner.before_fork()
        _held.append(owner)


def _after(*, child: bool) -> None:
    while _held:
        _held.pop().after_fork(child=child)
    _lock.release()


_lock = threading.Lock()
_owners: weakref.WeakSet[Forked] = weakref.WeakSet()
_held: list[Forked] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=lambda: _after(child=False), after_in_child=lambda: _after(child=True)
    )
