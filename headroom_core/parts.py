"""Which blocks of a conversation may be compressed, and with which question in mind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .types import Image, Message, Text

_QUERY_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block that stands where compression is allowed, the question at that place, and its number among all blocks."""

    at: tuple[int, int]
    block: Text | Image
    query: str | None


def candidates(messages: Sequence[Message], roles: Sequence[str], query: str | None) -> Iterator[Candidate]:
    """Every text and image of the given roles, in order.

    The question is ``query`` where the caller gave one, else the last user text at or before the message, so that
    what a message becomes depends on nothing that comes after it.
    """
    asked: str | None = None
    for m, message in enumerate(messages):
        asked = _question(message) or asked
        for b, block in enumerate(message.blocks):
            if isinstance(block, (Text, Image)) and (block.role or message.role) in roles:
                yield Candidate((m, b), block, asked if query is None else query)


def _question(message: Message) -> str | None:
    """The user's own text in a message: its head and tail where it is long."""
    if message.role != "user":
        return None
    text = "\n".join(block.text for block in message.blocks if isinstance(block, Text) and block.role in (None, "user"))
    text = text.strip()
    if len(text) <= _QUERY_CHARS:
        return text or None
    half = _QUERY_CHARS // 2
    return f"{text[:half]}\n{text[-half:]}"
