"""Values that lie encrypted in a store: AES-256-GCM with a key per namespace."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from headroom_core.ccr.blobs import Item, check_key, delete_many, put_many
from headroom_core.ccr.keys import Keys, digest
from headroom_core.errors import MissingExtra, StoreError
from headroom_core.types import Blobs

_MAGIC = b"hre1"
_NONCE_BYTES = 12
_KEY_ID_BYTES = 4


class EncryptedBlobs:
    """Any ``Blobs``, with every value encrypted and bound to its key: copied elsewhere, it does not open.

    The keys of the entries stay readable: they hold the namespace in plain and a keyed reference. ``key`` as in
    ``Originals``; what rotated-out keys encrypted still opens. Needs the ``cryptography`` package.
    """

    def __init__(self, blobs: Blobs, *, key: bytes | Keys | None = None) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError as error:
            raise MissingExtra("cryptography", "crypto") from error
        self._blobs = blobs
        self._keys = Keys.of(key)
        self._cipher: Any = AESGCM
        self._invalid: type[Exception] = InvalidTag

    def __repr__(self) -> str:
        return f"EncryptedBlobs({self._blobs!r})"

    def get(self, key: str, /) -> bytes | None:
        """Return the value, or None. Raises ``StoreError`` for one that was altered, moved or written in plain."""
        sealed = self._blobs.get(key)
        return None if sealed is None else self._opened(key, sealed)

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Store one value; durable when it returns."""
        self._blobs.put(key, self._sealed(key, value), ttl_s=ttl_s)

    def put_many(self, items: Sequence[Item], /) -> None:
        """Store the items in one go where the store can."""
        put_many(self._blobs, [(key, self._sealed(key, value), ttl_s) for key, value, ttl_s in items])

    def delete(self, key: str, /) -> None:
        """Delete one key; one that is not there is no error."""
        self._blobs.delete(key)

    def delete_many(self, keys: Sequence[str], /) -> None:
        """Delete the keys in one go where the store can."""
        delete_many(self._blobs, keys)

    def keys(self, prefix: str = "", /) -> list[str]:
        """List the living keys that begin with the prefix, in order."""
        return list(self._blobs.keys(prefix))

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the life of a key; False where it is not there."""
        return self._blobs.touch(key, ttl_s=ttl_s)

    def close(self) -> None:
        """Close the store, if it can be closed."""
        close = getattr(self._blobs, "close", None)
        if close is not None:
            close()

    def _sealed(self, key: str, value: bytes) -> bytes:
        check_key(key)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = _MAGIC + _key_id(self._keys.current) + nonce
        secret = _namespace_key(self._keys.current, key)
        return head + bytes(self._cipher(secret).encrypt(nonce, value, head + key.encode("ascii")))

    def _opened(self, key: str, sealed: bytes) -> bytes:
        check_key(key)
        start = len(_MAGIC) + _KEY_ID_BYTES
        head = sealed[: start + _NONCE_BYTES]
        for secret in self._keys:
            if head[:start] != _MAGIC + _key_id(secret):
                continue
            try:
                cipher = self._cipher(_namespace_key(secret, key))
                return bytes(cipher.decrypt(head[start:], sealed[len(head) :], head + key.encode("ascii")))
            except (self._invalid, ValueError) as error:
                raise StoreError(
                    "An encrypted value was altered or moved in the store. Forget its reference."
                ) from error
        raise StoreError(
            "A value in the store is not encrypted with any of our keys. Check HEADROOM_KEY and HEADROOM_OLD_KEYS; "
            "a store that was filled without encryption is read without it."
        )


def _key_id(secret: bytes) -> bytes:
    return digest(secret, "encryption key id")[:_KEY_ID_BYTES]


def _namespace_key(secret: bytes, key: str) -> bytes:
    return digest(secret, "encryption", key.partition("/")[0].encode("ascii"))
