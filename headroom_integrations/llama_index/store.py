"""Originals over any ``BaseKVStore`` of LlamaIndex, and our stores offered as one."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote, unquote

from llama_index.core.storage.kvstore.types import DEFAULT_BATCH_SIZE, DEFAULT_COLLECTION, BaseKVStore

from headroom_core.ccr.blobs import prefix_of, put_many
from headroom_core.ccr.bridge import bridge
from headroom_core.ccr.originals import DAYS_30, Originals
from headroom_core.types import Blobs


def originals_in(store: BaseKVStore, *, ttl_s: float | None = DAYS_30, **options: Any) -> Originals:
    """Keep originals in a ``BaseKVStore``: ``Compressor(originals=originals_in(store))``. ``options`` go to ``Originals``."""
    return Originals(bridge(store), ttl_s=ttl_s, **options)


class HeadroomKVStore(BaseKVStore):
    """Any of our byte stores (memory, SQLite, Redis) as a ``BaseKVStore``: for document stores, index stores, caches.

    Keys and collections are any text, values anything that JSON holds. ``namespace`` keeps them apart from what else
    lies in the store, ``ttl_s`` is the life of a value from the moment it is put.
    """

    def __init__(self, blobs: Blobs, *, namespace: str = "llama_index", ttl_s: float | None = None) -> None:
        self._blobs = blobs
        self._prefix = prefix_of(namespace)
        self._ttl_s = ttl_s

    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Store a value."""
        self._blobs.put(self._name(key, collection), _packed(val), ttl_s=self._ttl_s)

    async def aput(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """As ``put``."""
        await asyncio.to_thread(self.put, key, val, collection)

    def put_all(
        self,
        kv_pairs: list[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Store the pairs, all at once where the store can."""
        put_many(self._blobs, [(self._name(key, collection), _packed(val), self._ttl_s) for key, val in kv_pairs])

    async def aput_all(
        self,
        kv_pairs: list[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """As ``put_all``."""
        await asyncio.to_thread(self.put_all, kv_pairs, collection, batch_size)

    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """The value, or None."""
        return _unpacked(self._blobs.get(self._name(key, collection)))

    async def aget(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """As ``get``."""
        return await asyncio.to_thread(self.get, key, collection)

    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """All values of a collection."""
        start = self._name("", collection)
        found = {name[len(start) :]: _unpacked(self._blobs.get(name)) for name in self._blobs.keys(start)}
        return {unquote(key, errors="surrogatepass"): val for key, val in found.items() if val is not None}

    async def aget_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """As ``get_all``."""
        return await asyncio.to_thread(self.get_all, collection)

    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Delete a value; False where there was none."""
        name = self._name(key, collection)
        there = self._blobs.get(name) is not None
        self._blobs.delete(name)
        return there

    async def adelete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """As ``delete``."""
        return await asyncio.to_thread(self.delete, key, collection)

    def _name(self, key: str, collection: str) -> str:
        return f"{self._prefix}{_quoted(collection)}:{_quoted(key)}"


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _packed(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode("ascii")


def _unpacked(raw: bytes | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    value: dict[str, Any] = json.loads(raw)
    return value
