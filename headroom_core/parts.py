"""Which blocks of a conversation may be compressed, and with which question in mind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .cache import digest
from .types import Block, Bytes, Image, Message, Source, Text, Url

_QUERY_CHARS = 2_000
_MOST_BESIDE = 3

Key: TypeAlias = tuple[str | bytes | None, ...]
"""Under which a decision about a block is remembered: everything that it depends on."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block that stands where compression is allowed, and the question at that place.

    ``marked`` is the text that would hold the marker if the block were a result of ours already: its own, or for a
    picture the text that follows it; ``beside`` are the digests of the pictures that may belong to that result.
    """

    at: tuple[int, int]
    block: Text | Image
    query: str | None
    marked: str
    beside: tuple[str, ...]

    @property
    def key(self) -> Key:
        """The content itself, not a digest of it: a string knows its hash, and finding it again compares one pointer."""
        block = self.block
        content = block.text if isinstance(block, Text) else _named(block.source)
        detail = getattr(block, "detail", None)
        marked = self.marked if self.beside else None
        return (content, self.query, block.protected, block.tool, detail, *self.beside, marked)


class Trail:
    """What a decision about repeats depends on: all blocks so far. Their digest is worked out when it is asked for."""

    def __init__(self) -> None:
        self._digest = b""
        self._waiting: list[Key] = []

    def add(self, key: Key) -> None:
        """One more block, by the key of its decision."""
        self._waiting.append(key)

    def digest(self) -> bytes:
        """16 bytes for all blocks so far, in their order."""
        for key in self._waiting:
            self._digest = digest(self._digest, *key)
        self._waiting.clear()
        return self._digest


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
                yield Candidate((m, b), block, asked if query is None else query, *_marked(message.blocks, b))


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


def beside(pictures: Sequence[Image]) -> str:
    """One digest of the pictures that stand beside a marker; empty where there are none."""
    data = [_named(image.source) for image in pictures]
    return digest(*data).hex() if data else ""


def _named(source: Source) -> bytes | str:
    """What tells one picture from another."""
    if isinstance(source, Bytes):
        return source.data
    return f"url {source.url}" if isinstance(source, Url) else f"file {source.id}"


def _marked(blocks: Sequence[Block], b: int) -> tuple[str, tuple[str, ...]]:
    """The text that would hold the marker of a result with block ``b`` in it, and the digests of pictures before it."""
    end = b
    while end < len(blocks) and isinstance(blocks[end], Image):
        end += 1
    last = blocks[end] if end < len(blocks) else None
    if not isinstance(last, Text):
        return "", ()
    start = end
    while start > max(0, end - _MOST_BESIDE) and isinstance(blocks[start - 1], Image):
        start -= 1
    own = range(start, min(b, end - 1) + 1) if end > b else range(start, end + 1)
    return last.text, tuple(beside([i for i in blocks[at:end] if isinstance(i, Image)]) for at in own)
