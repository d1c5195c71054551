"""What every store of bytes shares: key names, namespaces as key prefixes, and writes in one go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable
from urllib.parse import quote

from headroom_core.errors import InvalidInput
from headroom_core.types import Blobs

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch; a fake one in tests."""

Item: TypeAlias = tuple[str, bytes, float | None]
"""Key, value, time to live in seconds (None: for ever)."""

_LONGEST_KEY = 512
_LONGEST_PREFIX = 320
_PRINTABLE = frozenset(map(chr, range(0x21, 0x7F)))


@runtime_checkable
class Batched(Protocol):
    """A store that writes or deletes several keys in one transaction or one round trip."""

    def put_many(self, items: Sequence[Item], /) -> None:
        """All are durable when it returns; on an error none, some or all are stored."""

    def delete_many(self, keys: Sequence[str], /) -> None:
        """What is deleted is overwritten as far as the medium lets us."""


def put_many(blobs: Blobs, items: Sequence[Item]) -> None:
    """Store the items in this order, in one go where the store can."""
    if isinstance(blobs, Batched):
        blobs.put_many(items)
        return
    for key, value, ttl_s in items:
        blobs.put(key, value, ttl_s=ttl_s)


def delete_many(blobs: Blobs, keys: Sequence[str]) -> None:
    """Delete the keys, in one go where the store can."""
    if isinstance(blobs, Batched):
        blobs.delete_many(keys)
        return
    for key in keys:
        blobs.delete(key)


def prefix_of(namespace: str) -> str:
    """The key prefix of a namespace: percent-encoded, so that none can reach into another; a long one is hashed.

    >>> prefix_of("shop/tenant 7")
    'shop%2Ftenant%207/'
    """
    if not isinstance(namespace, str) or not namespace:
        raise InvalidInput(f"A namespace is a text that is not empty, not {type(namespace).__name__} of length 0.")
    raw = namespace.encode("utf-8", "surrogatepass")
    encoded = quote(raw, safe="")
    if len(encoded) > _LONGEST_PREFIX:
        encoded = "%~" + hashlib.sha256(raw).hexdigest()  # percent-encoding never gives "%~"
    return encoded + "/"


def check_key(key: str) -> str:
    """The key itself, if it is one: 1 to 512 printable ASCII characters without a space."""
    if not 0 < len(key) <= _LONGEST_KEY or not _PRINTABLE.issuperset(key):
        raise InvalidInput(f"A key is 1 to {_LONGEST_KEY} printable ASCII characters, not these {len(key)}.")
    return key


def check_ttl(ttl_s: float | None) -> float | None:
    """The time to live itself, if it is positive or None."""
    if ttl_s is not None and not ttl_s > 0:
        raise InvalidInput(f"ttl_s must be positive or None (for ever), not {ttl_s}.")
    return ttl_s
