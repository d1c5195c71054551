"""Originals over LangChain's and LangGraph's stores, and our stores offered as a ``ByteStore``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote

from langchain_core.stores import BaseStore

from headroom_core.ccr.blobs import delete_many, prefix_of, put_many
from headroom_core.ccr.bridge import bridge
from headroom_core.ccr.originals import DAYS_30, Originals
from headroom_core.types import Blobs


def originals_in(store: Any, *, ttl_s: float | None = DAYS_30, **options: Any) -> Originals:
    """Keep originals in a LangChain ``ByteStore`` or a LangGraph ``BaseStore``: ``Compressor(originals=originals_in(s))``.

    ``options`` go to ``Originals``.
    """
    return Originals(bridge(store), ttl_s=ttl_s, **options)


class HeadroomByteStore(BaseStore[str, bytes]):
    """Any of our byte stores (memory, SQLite, Redis) as a LangChain ``ByteStore``.

    Keys are any text; ``namespace`` keeps them apart from what else lies in the store, ``ttl_s`` is the life of a
    value from the moment it is set.
    """

    def __init__(self, blobs: Blobs, *, namespace: str = "langchain", ttl_s: float | None = None) -> None:
        self._blobs = blobs
        self._prefix = prefix_of(namespace)
        self._ttl_s = ttl_s

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values, None where there is none."""
        return [self._blobs.get(self._name(key)) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store the pairs."""
        put_many(self._blobs, [(self._name(key), value, self._ttl_s) for key, value in key_value_pairs])

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete the keys; one that is not there is no error."""
        delete_many(self._blobs, [self._name(key) for key in keys])

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """The keys that begin with ``prefix``."""
        for name in self._blobs.keys(self._name(prefix or "")):
            yield unquote(name[len(self._prefix) :], errors="surrogatepass")

    def _name(self, key: str) -> str:
        return self._prefix + quote(key.encode("utf-8", "surrogatepass"), safe="")
