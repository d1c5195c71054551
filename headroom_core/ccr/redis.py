"""Blobs in Redis or Valkey: one server, Sentinel or Cluster, shared by a fleet.

Layout: ``hr:{key}`` holds a value, or names its chunks ``hr:{key}:generation:number``; ``hr:index:{namespace}`` is a
sorted set of the namespace's keys by expiry. The braces put what belongs together into one cluster slot.

A value is complete or not there: chunks are written before the head that names them, and a new value brings chunks of
a new generation. Durability is the server's: with ``appendonly yes`` and ``appendfsync always`` an acknowledged put
outlives a crash of the server; with the defaults of Redis up to a minute of puts may be lost with it. Give it a
``maxmemory-policy`` of ``noeviction`` (a full server then refuses, and parts go out unchanged).
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from headroom_core.ccr.blobs import Item, check_key, check_ttl
from headroom_core.ccr.redis_client import client_of
from headroom_core.errors import StoreError

_CHUNK_BYTES = 512 << 10
_WHOLE, _CHUNKED = b"\x00", b"\x01"
_HEAD = struct.Struct(">c8sIQ")  # form, generation, number of chunks, bytes
_CHUNKS_AT_ONCE = 16
_MOST_CHUNKS = 4096  # 2 GiB
_KEYS_AT_ONCE = 500
_SLACK_MS = 60_000  # chunks outlive their head
_UNNAMED_MS = 600_000  # life of chunks until a head names them: what a killed writer leaves goes by itself
_INDEX_SLACK_S = 86_400.0  # clocks of clients differ
_LONGEST_MS = 1 << 50
_READ_AGAIN = 5  # times, while others replace the value


class RedisBlobs:
    """A store behind a ``redis.Redis``, ``redis.RedisCluster`` or Valkey client of the same interface.

    ``RedisBlobs.from_url`` makes the client, pooled and with timeouts. Safe between threads and after a fork.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._cluster = hasattr(client, "nodes_manager")
        self._keeps_index: bool | None = None

    @classmethod
    def from_url(
        cls, url: str, *, timeout_s: float = 2.0, connect_timeout_s: float = 0.5, **options: Any
    ) -> RedisBlobs:
        """A store behind a url.

        ``redis://``, ``rediss://``, ``unix://`` and ``valkey://`` name one server, ``redis+cluster://host:port`` a cluster by
        one of its nodes, ``redis+sentinel://host:port,host:port/service/db`` a service that Sentinel watches. Further
        options go to the client of redis-py.
        """
        return cls(client_of(url, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s, **options))

    def __repr__(self) -> str:
        return f"RedisBlobs({type(self._client).__name__})"

    def get(self, key: str, /) -> bytes | None:
        """Return the value, or None where there is none or its life is over."""
        check_key(key)
        with _explained():
            for _ in range(_READ_AGAIN):
                head = self._client.get(_name(key))
                if head is None:
                    return None
                if head[:1] != _CHUNKED:
                    return bytes(head[1:])
                chunks = self._chunks(_chunk_names(key, head))
                if chunks is not None and len(chunks) == _HEAD.unpack_from(head)[3]:
                    return chunks
        return None

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Store one value; as durable when it returns as the server makes it."""
        self.put_many([(key, value, ttl_s)])

    def put_many(self, items: Sequence[Item], /) -> None:
        """Chunks first, then all heads in one transaction (in a cluster: one for each key)."""
        for key, _, ttl_s in items:
            check_key(key)
            check_ttl(ttl_s)
        with _explained():
            for group in [[item] for item in items] if self._cluster else [list(items)]:
                self._put(group)

    def delete(self, key: str, /) -> None:
        """Delete one key; one that is not there is no error."""
        self.delete_many([key])

    def delete_many(self, keys: Sequence[str], /) -> None:
        """Delete the keys; the server frees their memory in the background."""
        with _explained():
            for group in _groups(keys, _KEYS_AT_ONCE):
                # Chunks first: while its head is there, a value can be deleted again. Then those of a put in between.
                self._unlink_chunks(group, self._heads(group))
                self._unlink_chunks(group, self._without_heads(group))

    def keys(self, prefix: str = "", /) -> list[str]:
        """List the living keys that begin with the prefix, in order. Walks the namespace's index, never the KEYS command."""
        with _explained():
            found = set(self._indexed(prefix))
            if not self._index_is_whole():
                found.update(self._scanned(prefix))
            return [key for group in _groups(sorted(found), _KEYS_AT_ONCE) for key in self._living(group)]

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the life of a key; False where it is not there."""
        check_key(key)
        check_ttl(ttl_s)
        with _explained():
            with self._client.pipeline(transaction=False) as pipe:
                pipe.getrange(_name(key), 0, _HEAD.size - 1)
                _live(pipe, _name(key), _milliseconds(ttl_s))
                pipe.exists(_name(key))
                pipe.zadd(_index(key), {key: _expiry(ttl_s)}, xx=True)
                head, _, there, _ = pipe.execute()
            chunks = _chunk_names(key, head)
            if chunks:
                with self._client.pipeline(transaction=False) as pipe:
                    for name in chunks:
                        _live(pipe, name, _milliseconds(ttl_s, _SLACK_MS))
                    pipe.execute()
            return bool(there)

    def close(self) -> None:
        """Close the pooled connections; they open again when they are needed."""
        self._client.close()

    def _put(self, items: Sequence[Item]) -> None:
        heads = [self._stored_chunks(item) for item in items]
        with self._client.pipeline(transaction=True) as pipe:
            for key, _, _ in items:
                pipe.getrange(_name(key), 0, _HEAD.size - 1)
            for (key, _, ttl_s), head in zip(items, heads, strict=True):
                for name in _chunk_names(key, head):
                    _live(pipe, name, _milliseconds(ttl_s, _SLACK_MS))
                pipe.set(_name(key), head, px=_milliseconds(ttl_s))
                if not self._cluster:
                    self._note(pipe, key, ttl_s)
            if self._cluster:  # the index lies in another slot: before the head, so that no value is without its entry
                for key, _, ttl_s in items:
                    self._note(self._client, key, ttl_s)
            answers = pipe.execute()
        for (key, _, _), before in zip(items, answers, strict=False):
            stale = _chunk_names(key, before)
            if stale:
                self._client.unlink(*stale)

    def _note(self, client: Any, key: str, ttl_s: float | None) -> None:
        client.zadd(_index(key), {key: _expiry(ttl_s)})
        client.zremrangebyscore(_index(key), "-inf", time.time() - _INDEX_SLACK_S)

    def _stored_chunks(self, item: Item) -> bytes:
        """Write the chunks of a large value; returns the head that names them, or holds a small value whole."""
        key, value, _ = item
        if len(value) <= _CHUNK_BYTES:
            return _WHOLE + value
        count = -(-len(value) // _CHUNK_BYTES)
        if count > _MOST_CHUNKS:
            raise StoreError(f"A value of {len(value)} bytes is too large for the Redis store: 2 GiB is the most.")
        head = _HEAD.pack(_CHUNKED, secrets.token_bytes(8), count, len(value))
        view = memoryview(value)
        numbered = list(enumerate(_chunk_names(key, head)))
        for group in _groups(numbered, _CHUNKS_AT_ONCE):
            with self._client.pipeline(transaction=False) as pipe:
                for number, name in group:
                    chunk = bytes(view[number * _CHUNK_BYTES : (number + 1) * _CHUNK_BYTES])
                    pipe.set(name, chunk, px=_UNNAMED_MS)
                pipe.execute()
        return head

    def _chunks(self, names: Sequence[str]) -> bytes | None:
        pieces: list[bytes] = []
        for group in _groups(names, _CHUNKS_AT_ONCE):
            read = self._client.mget(group)
            if None in read:
                return None
            pieces.extend(read)
        return b"".join(pieces)

    def _heads(self, keys: Sequence[str]) -> list[bytes]:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(_name(key), 0, _HEAD.size - 1)
            return list(pipe.execute())

    def _without_heads(self, keys: Sequence[str]) -> list[bytes]:
        """Delete the heads; returns what they were at that moment."""
        heads: list[bytes] = []
        for group in [[key] for key in keys] if self._cluster else [keys]:
            with self._client.pipeline(transaction=True) as pipe:
                for key in group:
                    pipe.getrange(_name(key), 0, _HEAD.size - 1)
                for key in group:
                    pipe.unlink(_name(key))
                heads.extend(pipe.execute()[: len(group)])
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zrem(_index(key), key)
            pipe.execute()
        return heads

    def _unlink_chunks(self, keys: Sequence[str], heads: Sequence[bytes]) -> None:
        names = [name for key, head in zip(keys, heads, strict=True) for name in _chunk_names(key, head)]
        for group in _groups(names, _KEYS_AT_ONCE):
            with self._client.pipeline(transaction=False) as pipe:
                for name in group:
                    pipe.unlink(name)
                pipe.execute()

    def _living(self, keys: Sequence[str]) -> Iterator[str]:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.exists(_name(key))
            there = pipe.execute()
        return (key for key, exists in zip(keys, there, strict=True) if exists)

    def _indexed(self, prefix: str) -> Iterator[str]:
        if "/" in prefix:
            indices = [_index(prefix)]
        else:
            indices = [
                _text(name) for name in self._client.scan_iter(match=f"hr:index:{{{_literal(prefix)}*", count=1000)
            ]
        for index in indices:
            for member, _ in self._client.zscan_iter(index, count=1000):
                if _text(member).startswith(prefix):
                    yield _text(member)

    def _scanned(self, prefix: str) -> Iterator[str]:
        for raw in self._client.scan_iter(match=f"hr:{{{_literal(prefix)}*}}", count=1000):
            yield _text(raw)[len("hr:{") : -1]

    def _index_is_whole(self) -> bool:
        """Not where the server may evict it; unknown counts as may."""
        if self._keeps_index is None:
            import redis

            try:
                policy = self._client.config_get("maxmemory-policy")
                self._keeps_index = "allkeys" not in str(policy)
            except redis.ResponseError:  # hosted servers forbid CONFIG
                self._keeps_index = False
        return self._keeps_index


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the client's errors into a sentence with the kind of error only.

    Their messages quote arguments, values among them, so they are not chained either: a traceback would show them.
    """
    import redis

    try:
        yield
    except redis.RedisError as error:
        said = f"{type(error).__name__} {error}"
        remedy = next(
            (text for sign, text in _REMEDIES if sign in said), "Check that the server runs and the url is right."
        )
        raise StoreError(f"The Redis store failed ({type(error).__name__}). {remedy}") from None
    except OSError as error:
        raise StoreError(f"The Redis store cannot be reached ({type(error).__name__}).") from None


_REMEDIES = (
    (
        "OutOfMemory",
        "The server is full: raise maxmemory, give originals a shorter ttl_s, or forget what is done with.",
    ),
    ("ReadOnly", "This is a replica: give the url of the master, or of Sentinel."),
    ("MISCONF", "The server cannot write its snapshots: look at its log and its disk."),
    ("Authentication", "The server wants another password: put it into the url."),
    ("NoPermission", "The account may not do this: it needs the string, sorted set and key commands on hr:*."),
    ("Timeout", "The server is slow or away: raise timeout_s if this is normal."),
)


def _name(key: str) -> str:
    return f"hr:{{{key}}}"


def _index(key: str) -> str:
    return f"hr:index:{{{key.partition('/')[0]}}}"


def _chunk_names(key: str, head: bytes) -> list[str]:
    if head[:1] != _CHUNKED or len(head) < _HEAD.size:
        return []
    _, generation, count, _ = _HEAD.unpack_from(head)
    if count > _MOST_CHUNKS:
        return []  # nothing of ours: whoever wrote it wants us to run out of memory
    return [f"{_name(key)}:{generation.hex()}:{number}" for number in range(count)]


def _milliseconds(ttl_s: float | None, slack: int = 0) -> int | None:
    return None if ttl_s is None else min(max(1, int(ttl_s * 1000)), _LONGEST_MS) + slack


def _live(client: Any, name: str, milliseconds: int | None) -> None:
    if milliseconds is None:
        client.persist(name)
    else:
        client.pexpire(name, milliseconds)


def _expiry(ttl_s: float | None) -> float:
    return float("inf") if ttl_s is None else time.time() + ttl_s


def _literal(prefix: str) -> str:
    """The prefix for MATCH, with what means something there escaped."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in prefix)


def _text(raw: bytes | str) -> str:
    return raw.decode("ascii") if isinstance(raw, bytes) else raw


def _groups(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
