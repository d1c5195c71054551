"""The nouns of the library: frozen values that flow one way through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

Strength: TypeAlias = Literal["lossless", "reversible", "lossy"]
"""``lossless`` re-encodes only; ``reversible`` leaves a marker and stores the original; ``lossy`` leaves no marker."""

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead from a raw message to one of its blocks."""

TokenCounter: TypeAlias = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Bytes:
    """Image data that is at hand."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Url:
    """An image that the provider fetches; the library fetches it only where the caller allows it."""

    url: str = field(repr=False)  # a signed one is a password


@dataclass(frozen=True, slots=True)
class FileId:
    """An image that lies with the provider."""

    id: str


Source: TypeAlias = Bytes | Url | FileId


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a message, or of a tool result inside one.

    ``path`` says where it stands in the raw message; ``role`` is set where the block's role differs from its
    message's (a tool result in a user message); ``protected`` holds the reason why it must not be changed.
    """

    text: str = field(repr=False)
    path: Path = ()
    role: str | None = None
    tool: str | None = None
    protected: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its source, MIME type and the provider's detail setting, if the message names one."""

    source: Source
    mime: str | None = None
    detail: str | None = None
    path: Path = ()
    role: str | None = None
    tool: str | None = None
    protected: str | None = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """A block that the library does not understand, and therefore never touches."""

    raw: Any = field(repr=False)
    path: Path = ()


Block: TypeAlias = Text | Image | Opaque


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``raw`` is the framework's own message; it goes out again where no block changed."""

    role: str
    blocks: tuple[Block, ...]
    raw: Any = field(default=None, repr=False, compare=False)


Kind: TypeAlias = Literal[
    "json", "log", "search", "diff", "code", "table", "html", "config", "tree", "trace", "prose", "image", "opaque"
]


@dataclass(frozen=True, slots=True)
class Part:
    """A block that may be compressed. ``at`` is (message index, block index); ``tokens`` counts it as it came."""

    at: tuple[int, int]
    kind: Kind
    block: Text | Image
    tokens: int

    @property
    def text(self) -> str:
        """The part's text; empty for an image."""
        return self.block.text if isinstance(self.block, Text) else ""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a transform makes of a part.

    ``left_out`` is one readable line about what is gone, or None where nothing is: the rewrite is then lossless.
    ``index`` holds what retrieval needs beyond the original itself (JSON-like).
    """

    blocks: tuple[Block, ...]
    left_out: str | None = None
    index: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, left_out: str | None = None, **index: Any) -> Rewrite:
        """A rewrite into one text block."""
        return cls((Text(text),), left_out, index)

    @property
    def text(self) -> str:
        """The text blocks, joined by newlines."""
        return "\n".join(block.text for block in self.blocks if isinstance(block, Text))


class Nested(Protocol):
    """Compress a text inside a part (a log in a JSON cell) as a part of its own."""

    def __call__(self, text: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
        """The text made smaller, or None: leave it."""
        ...


def leave(text: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
    """A ``Nested`` that leaves everything as it is."""
    return None


def unheard(reason: str) -> None:
    """Where nobody asks why a part was left."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a transform may know besides the part. ``target_ratio`` is the share of tokens to keep, in (0, 1].

    ``note`` hears why a part is left, where there is more to say than that nothing was gained.
    """

    count: TokenCounter
    query: str | None = None
    strength: Strength = "lossy"
    target_ratio: float | None = None
    max_risk: float | None = None
    retrievable: bool = False
    provider: str | None = None
    model: str | None = None
    nested: Nested = leave
    note: Callable[[str], None] = unheard


class Transform(Protocol):
    """Makes one part smaller, or returns None to leave it. Pure: no store, no clock, no random number."""

    @property
    def name(self) -> str:
        """What outcomes call it."""
        ...

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """The part made smaller, or None."""
        ...


class JointTransform(Protocol):
    """Makes several parts smaller under one budget."""

    @property
    def name(self) -> str:
        """What outcomes call it."""
        ...

    def __call__(self, parts: Sequence[Part], context: Context, /) -> list[Rewrite | None]:
        """One rewrite, or None, for each part."""
        ...


@runtime_checkable
class Blobs(Protocol):
    """A byte store with time to live; what back ends implement. Keys are ASCII ``namespace/name`` strings."""

    def get(self, key: str, /) -> bytes | None:
        """The value; None where there is none or its time is up."""
        ...

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Keep the value; durable when this returns."""

    def delete(self, key: str, /) -> None:
        """Remove the value, if it is there."""
        ...

    def keys(self, prefix: str = "", /) -> Sequence[str]:
        """All keys that begin with ``prefix``."""
        ...

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the time to live; False where the key is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """A part that went out smaller: what it was, what it became, its tokens now, who did it, and its reference."""

    part: Part
    rewrite: Rewrite
    tokens: int
    by: str
    ref: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A part that went out as it came, and the reason."""

    part: Part
    by: str
    reason: str
