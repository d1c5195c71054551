"""Any key-value store of LangChain, LangGraph or LlamaIndex as ``Blobs``, and through theirs Postgres, S3, MongoDB, files.

    Originals(bridge(LocalFileStore("originals")))          # LangChain: BaseStore[str, bytes]
    Originals(bridge(PostgresStore(connection)))            # LangGraph: BaseStore
    Originals(bridge(SimpleKVStore()))                      # LlamaIndex: BaseKVStore

Those interfaces know no time to live, so each value carries its expiry, which is checked when it is read; ``purge``
removes what has expired. Durability and transactions are those of the store behind.
"""

from __future__ import annotations

import base64
import re
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from headroom_core import forks
from headroom_core.ccr.blobs import Clock, check_key, check_ttl
from headroom_core.errors import HeadroomError, InvalidInput, StoreError

_EXPIRES = struct.Struct(">d")
_FOR_EVER = float("inf")
_RENEW_BELOW = 0.9  # a touch rewrites the value when less than this share of its life is left
_SEGMENT = 100  # characters: file systems bound the length of a name
_ROOT = "headroom"


def bridge(store: Any, *, clock: Clock = time.time) -> BridgedBlobs:
    """The store as ``Blobs``. Which interface it has is told by its methods.

    Raises ``InvalidInput`` where it has none of the three.
    """
    for methods, door in _DOORS:
        if all(callable(getattr(store, method, None)) for method in methods):
            return BridgedBlobs(door(store), clock=clock)
    raise InvalidInput(
        f"{type(store).__name__} is no ByteStore of LangChain, BaseStore of LangGraph or BaseKVStore of LlamaIndex."
    )


class Door(Protocol):
    """The four things that the bridge asks of a store. Names come from ``encoded``."""

    def read(self, key: str) -> bytes | None:
        """The value, or None."""

    def write(self, key: str, value: bytes) -> None:
        """Store one value; durable when it returns."""

    def remove(self, keys: list[str]) -> None:
        """Delete the keys; one that is not there is no error."""

    def names(self, prefix: str) -> Iterable[str]:
        """At least the keys that begin with the prefix."""


class BridgedBlobs:
    """``Blobs`` over a ``Door``. ``touch`` may leave up to a tenth of the life unrenewed, since it rewrites the value."""

    def __init__(self, door: Door, *, clock: Clock = time.time) -> None:
        self._door = door
        self._clock = clock
        self._lock = threading.Lock()  # a renewal must not undo a put, and some stores show values half written
        forks.follow(self)

    def __repr__(self) -> str:
        return f"BridgedBlobs({type(self._door).__name__.lstrip('_')})"

    def get(self, key: str, /) -> bytes | None:
        """Return the value, or None where there is none or its life is over."""
        with self._lock, _explained():
            found = self._read(key)
        return None if found is None else found[1]

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Store one value; as durable when it returns as the store behind makes it."""
        check_key(key)
        with self._lock, _explained():
            self._door.write(key, _EXPIRES.pack(self._expiry(ttl_s)) + value)

    def delete(self, key: str, /) -> None:
        """Delete one key; one that is not there is no error."""
        self.delete_many([key])

    def delete_many(self, keys: list[str], /) -> None:
        """Delete the keys."""
        with self._lock, _explained():
            self._door.remove(list(keys))

    def keys(self, prefix: str = "", /) -> list[str]:
        """List the living keys that begin with the prefix, in order. Reads each value for its expiry."""
        with _explained():
            names = sorted({key for key in self._door.names(prefix) if key.startswith(prefix)})
        return [key for key in names if self._there(key)]

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the life of a key; False where it is not there."""
        expires = self._expiry(ttl_s)
        with self._lock, _explained():
            found = self._read(key)
            if found is None:
                return False
            if not self._fresh(found[0], expires, ttl_s):
                self._door.write(key, _EXPIRES.pack(expires) + found[1])
            return True

    def purge(self) -> int:
        """Delete what has expired; returns how many values went. Run it now and then."""
        with _explained():
            names = set(self._door.names(""))
        gone = [key for key in names if not self._there(key)]
        with self._lock, _explained():
            self._door.remove([key for key in gone if self._read(key) is None])
        return len(gone)

    def before_fork(self) -> None:
        """The store behind may be slow: a fork does not wait for it."""

    def after_fork(self, *, child: bool) -> None:
        """A call that was under way is the parent's: a child begins with a lock of its own."""
        if child:
            self._lock = threading.Lock()

    def _there(self, key: str) -> bool:
        """Damaged values count: they can be listed and forgotten, only not read."""
        try:
            return self.get(key) is not None
        except StoreError:
            return True

    def _read(self, key: str) -> tuple[float, bytes] | None:
        raw = self._door.read(check_key(key))
        if raw is None:
            return None
        if len(raw) < _EXPIRES.size:
            raise StoreError("A value in the store behind the bridge is damaged. Forget its reference.")
        expires = float(_EXPIRES.unpack_from(raw)[0])
        return None if expires <= self._clock() else (expires, raw[_EXPIRES.size :])

    def _expiry(self, ttl_s: float | None) -> float:
        check_ttl(ttl_s)
        return _FOR_EVER if ttl_s is None else self._clock() + ttl_s

    def _fresh(self, now_expires: float, wanted: float, ttl_s: float | None) -> bool:
        if now_expires == wanted or ttl_s is None:
            return now_expires == wanted
        return _RENEW_BELOW * ttl_s < now_expires - self._clock() <= ttl_s


@contextmanager
def _explained() -> Iterator[None]:
    """Whatever the store behind raises becomes ``StoreError`` with its kind only: messages of databases quote values."""
    try:
        yield
    except HeadroomError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again, by another name
        raise StoreError(f"The store behind the bridge failed ({type(error).__name__}).") from None


class _LangChainStore:
    """``BaseStore[str, bytes]``: mget, mset, mdelete, yield_keys."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self, key: str) -> bytes | None:
        value = self._store.mget([encoded(key)])[0]
        return None if value is None else bytes(value)

    def write(self, key: str, value: bytes) -> None:
        self._store.mset([(encoded(key), value)])

    def remove(self, keys: list[str]) -> None:
        self._store.mdelete([name for key in keys if self.read(key) is not None for name in [encoded(key)]])

    def names(self, prefix: str) -> Iterator[str]:
        folder = encoded(prefix).rpartition("/")[0]  # some take the prefix for a folder, others for the start of a text
        for name in self._store.yield_keys(prefix=folder or None):
            yield decoded(name)


class _LangGraphStore:
    """``langgraph.store.base.BaseStore``: items of plain values under a tuple of names and a key."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self, key: str) -> bytes | None:
        item = self._store.get(*_place(key))
        return None if item is None else base64.b64decode(item.value["data"])

    def write(self, key: str, value: bytes) -> None:
        self._store.put(*_place(key), {"data": base64.b64encode(value).decode("ascii")}, index=False)

    def remove(self, keys: list[str]) -> None:
        for key in keys:
            self._store.delete(*_place(key))

    def names(self, prefix: str) -> Iterator[str]:
        namespace, slash, _ = prefix.partition("/")
        under = (_ROOT, encoded(namespace)) if slash else (_ROOT,)
        found: list[Any] = []
        while page := self._store.search(under, limit=100, offset=len(found)):
            found.extend(page)
        for item in found:
            if item.namespace[: len(under)] == under:
                yield decoded(item.namespace[1]) + "/" + decoded(item.key)


class _LlamaIndexStore:
    """``BaseKVStore``: plain values under a key, in one collection for each namespace and one that lists them."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._listed: set[str] = set()

    def read(self, key: str) -> bytes | None:
        (_, namespace), name = _place(key)
        value = self._store.get(name, collection=f"{_ROOT}-{namespace}")
        return None if value is None else base64.b64decode(value["data"])

    def write(self, key: str, value: bytes) -> None:
        (_, namespace), name = _place(key)
        if namespace not in self._listed:
            self._store.put(namespace, {"listed": True}, collection=_ROOT)
            self._listed.add(namespace)
        data = {"data": base64.b64encode(value).decode("ascii")}
        self._store.put(name, data, collection=f"{_ROOT}-{namespace}")

    def remove(self, keys: list[str]) -> None:
        for key in keys:
            (_, namespace), name = _place(key)
            self._store.delete(name, collection=f"{_ROOT}-{namespace}")

    def names(self, prefix: str) -> Iterator[str]:
        namespace, slash, _ = prefix.partition("/")
        listed = [encoded(namespace)] if slash else sorted(self._store.get_all(collection=_ROOT))
        for place in listed:
            for name in sorted(self._store.get_all(collection=f"{_ROOT}-{place}")):
                yield decoded(place) + "/" + decoded(name)


_DOORS: tuple[tuple[tuple[str, ...], type[Any]], ...] = (
    (("mget", "mset", "mdelete", "yield_keys"), _LangChainStore),
    (("get", "put", "delete", "search", "list_namespaces"), _LangGraphStore),
    (("get", "put", "delete", "get_all"), _LlamaIndexStore),
)


def encoded(key: str) -> str:
    """A key of letters, digits, ``-``, ``_`` and ``/`` that any store takes, also as a path of files.

    What else it holds becomes ``_`` and two hex digits; ``/`` ends a segment (``_2F/``), and long segments are split.
    The encoding of a prefix is a prefix of the encoding.
    """
    name: list[str] = []
    room = _SEGMENT
    for character in key:
        if room <= 0:
            name.append("/")
            room = _SEGMENT
        if character == "/":
            name.append("_2F/")
            room = _SEGMENT
            continue
        written = character if _PLAIN.match(character) else f"_{ord(character):02X}"
        name.append(written)
        room -= len(written)
    return "".join(name)


def decoded(name: str) -> str:
    """The key that ``encoded`` made this name of."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name.replace("/", ""))


_PLAIN = re.compile(r"[A-Za-z0-9-]")
_ESCAPED = re.compile(r"_([0-9A-F]{2})")


def _place(key: str) -> tuple[tuple[str, str], str]:
    namespace, _, name = key.partition("/")
    return (_ROOT, encoded(namespace)), encoded(name)
