"""A breaker around a store that may be slow or away: the user's call waits briefly, then not at all, until it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from typing import TypeVar

from headroom_core import forks
from headroom_core.ccr.blobs import Clock, Item, delete_many, put_many
from headroom_core.errors import InvalidInput, StoreError
from headroom_core.types import Blobs

T = TypeVar("T")


class GuardedBlobs:
    """Any ``Blobs``, with at most ``timeout_s`` per call and a breaker.

    ``timeout_s=None`` is for stores that keep time themselves (Redis): calls then run in the caller's thread.

    After ``failures`` failed calls in a row the breaker opens: calls fail at once for ``rest_s`` seconds, twice as long
    after each failed trial, at most ``longest_rest_s``. Then one call goes through as a trial, and the others still
    fail at once; when it succeeds, all go through again. At most ``at_once`` calls are under way, so that a store that
    hangs holds neither threads nor memory without bound, nor the end of the program. A call that timed out may still take
    effect later.

    ``state`` is ``closed``, ``open`` or ``trial``; ``failed`` counts failed calls, ``refused`` those that were spared.
    """

    def __init__(
        self,
        blobs: Blobs,
        *,
        timeout_s: float | None = 2.0,
        failures: int = 3,
        rest_s: float = 1.0,
        longest_rest_s: float = 30.0,
        at_once: int = 32,
        clock: Clock = time.monotonic,
    ) -> None:
        if min(timeout_s or 1.0, rest_s, longest_rest_s) <= 0 or min(failures, at_once) < 1:
            raise InvalidInput("The times and counts of GuardedBlobs are positive.")
        self._blobs = blobs
        self._timeout_s = timeout_s
        self._failures = failures
        self._first_rest_s = self._rest_s = rest_s
        self._longest_rest_s = longest_rest_s
        self._at_once = at_once
        self._clock = clock
        self._in_a_row = 0
        self._open_until: float | None = None
        self._trial = False
        self.failed = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(at_once)
        forks.follow(self)

    def __repr__(self) -> str:
        return f"GuardedBlobs({self._blobs!r}, state={self.state!r}, failed={self.failed}, refused={self.refused})"

    @property
    def state(self) -> str:
        """``closed`` (all goes through), ``open`` (nothing does) or ``trial``."""
        if self._open_until is None:
            return "closed"
        return "trial" if self._trial else "open"

    def get(self, key: str, /) -> bytes | None:
        """Return the value, or None where there is none or its life is over."""
        return self._through(lambda: self._blobs.get(key))

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Store one value; durable when it returns."""
        self._through(lambda: self._blobs.put(key, value, ttl_s=ttl_s))

    def put_many(self, items: Sequence[Item], /) -> None:
        """Store the items in one go where the store can."""
        self._through(lambda: put_many(self._blobs, items))

    def delete(self, key: str, /) -> None:
        """Delete one key; one that is not there is no error."""
        self._through(lambda: self._blobs.delete(key))

    def delete_many(self, keys: Sequence[str], /) -> None:
        """Delete the keys in one go where the store can."""
        self._through(lambda: delete_many(self._blobs, keys))

    def keys(self, prefix: str = "", /) -> list[str]:
        """List the living keys that begin with the prefix, in order."""
        return self._through(lambda: list(self._blobs.keys(prefix)))

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the life of a key; False where it is not there."""
        return self._through(lambda: self._blobs.touch(key, ttl_s=ttl_s))

    def close(self) -> None:
        """Close the store; calls that hang are left behind."""
        close = getattr(self._blobs, "close", None)
        if close is not None:
            close()

    def before_fork(self) -> None:
        """Nobody counts while the process is copied."""
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Go on. Calls and the trial that were under way are the parent's: a child begins with none."""
        if child:
            self._trial = False
            self._slots = threading.BoundedSemaphore(self._at_once)
        self._lock.release()

    def _through(self, call: Callable[[], T]) -> T:
        trial = self._admitted()
        try:
            result = self._timed(call)
        except InvalidInput:
            self._ended(trial, good=True)  # the caller's mistake says nothing about the store
            raise
        except BaseException:
            self._ended(trial, good=False)
            raise
        self._ended(trial, good=True)
        return result

    def _timed(self, call: Callable[[], T]) -> T:
        if self._timeout_s is None:
            return call()
        slots = self._slots
        if not slots.acquire(timeout=self._timeout_s):
            raise StoreError(
                f"The store is busy: {self._at_once} calls are under way. Raise at_once if this is normal."
            )
        turn: Future[T] = Future()
        turn.add_done_callback(lambda _: slots.release())
        # A daemon of its own: the threads of an executor are waited for at the end of the program, however long they hang.
        thread = threading.Thread(target=_run, args=(turn, call), name="headroom-store", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had
            slots.release()
            raise
        try:
            return turn.result(self._timeout_s)
        except TookTooLong:
            raise StoreError(
                f"The store did not answer within {self._timeout_s} s. Raise timeout_s if this is normal."
            ) from None

    def _admitted(self) -> bool:
        """True for the one call that tries an open breaker; raises for all others while it is open."""
        with self._lock:
            if self._open_until is None:
                return False
            if not self._trial and self._clock() >= self._open_until:
                self._trial = True
                return True
            self.refused += 1
            raise StoreError("The store is away; it is tried again shortly.")

    def _ended(self, trial: bool, *, good: bool) -> None:
        with self._lock:
            if trial:
                self._trial = False
            if good:
                self._in_a_row = 0
                if trial:
                    self._open_until, self._rest_s = None, self._first_rest_s
                return
            self.failed += 1
            self._in_a_row += 1
            if trial:
                self._rest_s = min(self._rest_s * 2, self._longest_rest_s)
            if trial or (self._open_until is None and self._in_a_row >= self._failures):
                self._open_until = self._clock() + self._rest_s


def _run(turn: Future[T], call: Callable[[], T]) -> None:
    """Run the call and hand its result, or what it raised, to whoever waits for it."""
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - raised again by ``turn.result``
        turn.set_exception(error)
    else:
        turn.set_result(result)
