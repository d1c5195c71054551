"""Originals: what was left out, kept under keyed references until it is called back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from headroom_core import settings
from headroom_core.ccr import frames
from headroom_core.ccr.blobs import check_ttl, delete_many, prefix_of, put_many
from headroom_core.ccr.keys import Keys, digest, readable
from headroom_core.ccr.marks import is_ref
from headroom_core.errors import InvalidInput, StoreError, UnknownReference
from headroom_core.types import Blobs

DAYS_30 = 30 * 86_400.0
_NOTES_LIVE = 12  # times as long as the data: the retrieve tool can then say what was kept
_REF_CHARACTERS = 16  # 80 bits
_SEAL_CHARACTERS = 10  # 50 bits
_RESULT_CHARACTERS = 26  # 130 bits
_TAG_BYTES = 16
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entry:
    """An original and what was noted about it. ``note`` says what was left out of it when it was last compressed."""

    data: bytes = field(repr=False)
    kind: str
    note: str = field(default="", repr=False)
    index: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """The original as text. Raises ``InvalidInput`` for one that is none (an image)."""
        try:
            return self.data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise InvalidInput(f"This original is no text but {len(self.data)} bytes of kind {self.kind}.") from None


class Originals:
    """Keeps originals in any ``Blobs``, each under a reference that only its own namespace can resolve.

    A reference is an HMAC over namespace and content: the same content gets the same reference again, in another
    process too, and nobody without the key can compute, guess or alter one (80 bits). ``key`` comes from ``settings``
    by default. ``ttl_s`` counts from the last access; None keeps for ever. ``max_bytes`` bounds a single original.
    """

    def __init__(
        self,
        blobs: Blobs,
        *,
        key: bytes | Keys | None = None,
        ttl_s: float | None = DAYS_30,
        max_bytes: int | None = 256 << 20,
    ) -> None:
        self._blobs = blobs
        self._keys = Keys.of(key)
        self._ttl_s = check_ttl(ttl_s)
        self._note_ttl_s = None if ttl_s is None else ttl_s * _NOTES_LIVE
        self._max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"Originals({type(self._blobs).__name__}, ttl_s={self._ttl_s})"

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ref(self, data: bytes, *, namespace: str) -> str:
        """The reference of this content in this namespace. No store is asked."""
        return _ref(self._keys.current, data, namespace)

    def put(
        self,
        data: bytes,
        *,
        namespace: str,
        kind: str = "prose",
        note: str = "",
        index: Mapping[str, object] = _NOTHING,
    ) -> str:
        """Keep the data; durable when it returns its reference.

        The same data again only renews its life and its note. Raises ``StoreError`` where the store fails or is full.
        """
        if self._max_bytes is not None and len(data) > self._max_bytes:
            raise StoreError(f"The original has {len(data)} bytes; max_bytes is {self._max_bytes}.")
        ref = self.ref(data, namespace=namespace)
        said = note.encode("utf-8", "surrogatepass")
        tag = _tag(self._keys.current, "note", ref, said, namespace)
        noted = (_key(namespace, "n", ref), tag + said, self._note_ttl_s)
        kept = _key(namespace, "o", ref)
        if not self._blobs.touch(kept, ttl_s=self._ttl_s):
            frame = frames.pack(
                data, kind, index, lambda header: _tag(self._keys.current, "header", ref, header, namespace)
            )
            put_many(self._blobs, [noted, (kept, frame, self._ttl_s)])
        elif self._blobs.get(noted[0]) != noted[1]:
            put_many(self._blobs, [noted])
        else:
            self._blobs.touch(noted[0], ttl_s=self._note_ttl_s)
        return ref

    def get(self, ref: str, *, namespace: str) -> bytes:
        """The original, byte for byte; its life is renewed.

        Raises ``UnknownReference`` for missing, expired and foreign references alike, ``StoreError`` where the store
        fails or what lies there is not what was put.
        """
        return self._open(ref, namespace)[0]

    def entry(self, ref: str, *, namespace: str) -> Entry:
        """The original with its kind, note and index. Raises as ``get`` does."""
        data, kind, index = self._open(ref, namespace)
        return Entry(data, kind, self.note(ref, namespace=namespace) or "", index)

    def note(self, ref: str, *, namespace: str) -> str | None:
        """What was left out of this original; it outlives the data, so that an expired reference can be explained.

        None where there is none, or one that we did not write.
        """
        raw = self._blobs.get(_key(namespace, "n", ref)) if is_ref(ref) else None
        if raw is None:
            return None
        tag, said = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        ours = [hmac.compare_digest(_tag(key, "note", ref, said, namespace), tag) for key in self._keys]
        return said.decode("utf-8", "surrogatepass") if any(ours) else None

    def renew(self, ref: str, *, namespace: str) -> bool:
        """Renew the life of an original without reading it; False where it is not there (any more)."""
        if not is_ref(ref):
            return False
        self._blobs.touch(_key(namespace, "n", ref), ttl_s=self._note_ttl_s)
        return self._blobs.touch(_key(namespace, "o", ref), ttl_s=self._ttl_s)

    def forget(self, ref: str | None = None, *, namespace: str) -> int:
        """Delete one original, or all that this namespace holds, with their notes. Returns how many originals went.

        Marks of forgotten originals stay in the texts that carry them; they resolve to nothing.
        """
        if ref is None:
            keys = list(self._blobs.keys(prefix_of(namespace)))
        elif is_ref(ref):
            keys = [key for what in "on" if self._there(key := _key(namespace, what, ref))]
        else:
            return 0
        delete_many(self._blobs, keys)
        originals = prefix_of(namespace) + "o."
        return sum(key.startswith(originals) for key in keys)

    def seal(self, ref: str, text: str, *, namespace: str) -> str:
        """A MAC over reference and text: proves that this namespace put out exactly this text for this original."""
        return _seal(self._keys.current, ref, text, namespace)

    def verifies(self, ref: str, text: str, seal: str, *, namespace: str) -> bool:
        """Is this our seal, made with any of our keys? Takes the same time wherever they differ."""
        given = seal.encode("utf-8", "surrogatepass")
        ours = [_seal(key, ref, text, namespace).encode("ascii") for key in self._keys]
        return sum(hmac.compare_digest(given, own) for own in ours) > 0  # no early way out

    def remember(self, text: str, namespace: str) -> None:
        """Keep a keyed digest of a lossy result, so that it is recognised when it comes in again."""
        self._blobs.put(_result(self._keys.current, text, namespace), b"\x01", ttl_s=self._ttl_s)

    def recognises(self, text: str, namespace: str) -> bool:
        """Was this text remembered as a result of ours in this namespace?"""
        return any(self._blobs.touch(_result(key, text, namespace), ttl_s=self._ttl_s) for key in self._keys)

    def close(self) -> None:
        """Close the store, if it can be closed."""
        close = getattr(self._blobs, "close", None)
        if close is not None:
            close()

    def _there(self, key: str) -> bool:
        """Is anything kept under the key? What is damaged counts: it can be forgotten."""
        try:
            return self._blobs.touch(key, ttl_s=self._ttl_s)
        except StoreError:
            return True

    def _open(self, ref: str, namespace: str) -> tuple[bytes, str, dict[str, object]]:
        kept = _key(namespace, "o", ref) if is_ref(ref) else None
        frame = self._blobs.get(kept) if kept else None
        if kept is None or frame is None:
            raise UnknownReference(
                "No original is kept under this reference here: it is unknown, expired or forgotten."
            )

        def genuine(header: bytes, data: bytes, tag: bytes) -> bool:
            return any(
                hmac.compare_digest(_ref(key, data, namespace), ref)
                and hmac.compare_digest(_tag(key, "header", ref, header, namespace), tag)
                for key in self._keys
            )

        data, kind, index = frames.unpack(frame, self._max_bytes, genuine)
        self._blobs.touch(kept, ttl_s=self._ttl_s)
        self._blobs.touch(_key(namespace, "n", ref), ttl_s=self._note_ttl_s)
        return data, kind, index


def open_originals(
    url: str | None = None,
    *,
    key: bytes | Keys | None = None,
    ttl_s: float | None = DAYS_30,
    max_bytes: int | None = 256 << 20,
    encrypted: bool = False,
    **options: Any,
) -> Originals:
    """Open the store behind a url: ``memory://``, ``sqlite:///path`` or ``redis://…``; further options go to the store.

    Without a url: ``settings.store_url()``, else SQLite in the state folder. ``encrypted`` keeps the values with
    AES-GCM under a key per namespace (extra ``crypto``).
    """
    blobs, keys = open_blobs(url or settings.store_url(), **options), Keys.of(key)
    if encrypted:
        from headroom_core.ccr.encrypted import EncryptedBlobs

        blobs = EncryptedBlobs(blobs, key=keys)
    return Originals(blobs, key=keys, ttl_s=ttl_s, max_bytes=max_bytes)


def default_originals() -> Originals:
    """The store of this user account, opened once per process and shared by all who name none.

    It follows the environment: where HEADROOM_STORE, HEADROOM_HOME or a key changes, another one is opened.
    """
    asked = settings.store_and_keys()
    if asked not in _opened:  # without a lock, which a fork might copy held: of two threads one opens for both
        _opened.setdefault(asked, open_originals())
    return _opened[asked]


_opened: dict[tuple[str | None, ...], Originals] = {}


def open_blobs(url: str | None = None, **options: Any) -> Blobs:
    """The store behind a url, without the reference layer above it."""
    if url is None:
        from headroom_core.ccr.sqlite import SqliteBlobs

        return SqliteBlobs(settings.home() / "originals.sqlite3", **options)
    scheme, found, _ = url.partition("://")
    scheme = scheme.lower() if found else ""  # what is no url may hold a password: say none of it
    if scheme == "memory":
        from headroom_core.ccr.memory import MemoryBlobs

        if url.lower() != "memory://":
            raise InvalidInput("A memory url is memory:// and nothing after it.")
        return MemoryBlobs(**options)
    if scheme == "sqlite":
        from headroom_core.ccr.sqlite import SqliteBlobs

        return SqliteBlobs.from_url(url, **options)
    if scheme.startswith(("redis", "valkey", "unix")):
        from headroom_core.ccr.guard import GuardedBlobs
        from headroom_core.ccr.redis import RedisBlobs

        return GuardedBlobs(RedisBlobs.from_url(url, **options), timeout_s=None)
    raise InvalidInput(
        f"A store url begins with memory://, sqlite:/// or redis://, not with {scheme[:20]!r}. "
        "Any other store works through headroom_core.ccr.bridge."
    )


def _key(namespace: str, what: str, name: str) -> str:
    return f"{prefix_of(namespace)}{what}.{name}"


def _ref(key: bytes, data: bytes, namespace: str) -> str:
    mac = digest(key, "ref", namespace.encode("utf-8", "surrogatepass"), hashlib.sha256(data).digest())
    return "hr_" + readable(mac, _REF_CHARACTERS)


def _tag(key: bytes, what: str, ref: str, said: bytes, namespace: str) -> bytes:
    return digest(key, what, namespace.encode("utf-8", "surrogatepass"), ref.encode("ascii"), said)[:_TAG_BYTES]


def _seal(key: bytes, ref: str, text: str, namespace: str) -> str:
    fields = (part.encode("utf-8", "surrogatepass") for part in (namespace, ref, text))
    return readable(digest(key, "seal", *fields), _SEAL_CHARACTERS)


def _result(key: bytes, text: str, namespace: str) -> str:
    mac = digest(key, "result", *(part.encode("utf-8", "surrogatepass") for part in (namespace, text)))
    return _key(namespace, "r", readable(mac, _RESULT_CHARACTERS))
