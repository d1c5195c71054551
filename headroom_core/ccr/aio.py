"""Originals for asyncio: each call runs in a thread of its own small pool, so that the event loop never waits for a store.

There is one way through the store, the synchronous one: compression takes processor time and runs in a thread anyway,
and a client of its own for asyncio would have to do all that ``redis`` and ``sqlite`` do (chunks, indices, breakers,
transactions) a second time. The pool bounds what a store that hangs can hold; what waits behind it costs no thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import ParamSpec, TypeVar

from headroom_core import forks
from headroom_core.ccr.originals import Entry, Originals

P = ParamSpec("P")
T = TypeVar("T")

_NOTHING: Mapping[str, object] = MappingProxyType({})


class AsyncOriginals:
    """``Originals`` whose methods are awaited. Errors are the same; a cancelled call may still take effect.

    ``at_once`` is the number of threads, and so of pooled connections, in use at a time.
    """

    def __init__(self, originals: Originals, *, at_once: int = 16) -> None:
        self.originals = originals
        self._at_once = at_once
        self._threads = self._started()
        forks.follow(self)

    def __repr__(self) -> str:
        return f"AsyncOriginals({self.originals!r})"

    async def __aenter__(self) -> AsyncOriginals:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def put(
        self,
        data: bytes,
        *,
        namespace: str,
        kind: str = "prose",
        note: str = "",
        index: Mapping[str, object] = _NOTHING,
    ) -> str:
        """Keep the data; durable when its reference arrives."""
        return await self._away(self.originals.put, data, namespace=namespace, kind=kind, note=note, index=index)

    async def get(self, ref: str, *, namespace: str) -> bytes:
        """The original, byte for byte; its life is renewed."""
        return await self._away(self.originals.get, ref, namespace=namespace)

    async def entry(self, ref: str, *, namespace: str) -> Entry:
        """The original with its kind, note and index."""
        return await self._away(self.originals.entry, ref, namespace=namespace)

    async def note(self, ref: str, *, namespace: str) -> str | None:
        """What was left out of this original."""
        return await self._away(self.originals.note, ref, namespace=namespace)

    async def renew(self, ref: str, *, namespace: str) -> bool:
        """Renew the life of an original; False where it is not there (any more)."""
        return await self._away(self.originals.renew, ref, namespace=namespace)

    async def forget(self, ref: str | None = None, *, namespace: str) -> int:
        """Delete one original, or all that this namespace holds; how many went."""
        return await self._away(self.originals.forget, ref, namespace=namespace)

    async def close(self) -> None:
        """Close the store, then the threads."""
        await self._away(self.originals.close)
        self._threads.shutdown(wait=False)

    def before_fork(self) -> None:
        """Nothing is held here."""

    def after_fork(self, *, child: bool) -> None:
        """A child gets threads of its own."""
        if child:
            self._threads = self._started()

    def _started(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._at_once, thread_name_prefix="headroom-originals")

    async def _away(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *args, **kwargs))
