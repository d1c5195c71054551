"""The secrets behind references, seals and encryption, and what is derived from them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field

from headroom_core import settings
from headroom_core.errors import InvalidInput

_SHORTEST_KEY = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """The key in use and those rotated out: the first makes new references, what the others issued still counts."""

    current: bytes = field(repr=False)
    old: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for key in self:
            if not isinstance(key, bytes) or len(key) < _SHORTEST_KEY:
                raise InvalidInput(f"A key is at least {_SHORTEST_KEY} bytes. Make one with: secrets.token_bytes(32)")

    def __iter__(self) -> Iterator[bytes]:
        return iter((self.current, *self.old))

    @classmethod
    def of(cls, key: bytes | Keys | None) -> Keys:
        """Keys from one key, from keys, or (None) from the environment and the state folder."""
        if isinstance(key, Keys):
            return key
        if key is not None:
            return cls(key)
        current, *old = settings.keys()
        return cls(current, tuple(old))


def digest(key: bytes, purpose: str, *fields: bytes) -> bytes:
    """HMAC-SHA256 over a purpose and length-prefixed fields, so that no two different inputs run into each other."""
    mac = hmac.new(key, purpose.encode(), hashlib.sha256)
    for value in fields:
        mac.update(len(value).to_bytes(8, "big"))
        mac.update(value)
    return mac.digest()


def readable(raw: bytes, characters: int) -> str:
    """The first characters of the base32 form, lower case: 5 bits each, one token in about two characters."""
    return base64.b32encode(raw).decode("ascii").lower()[:characters]
