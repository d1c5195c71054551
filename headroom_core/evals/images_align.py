"""Pictures that no technique touches: what is stated that they cost, and what alignment does to them, beside the peer.

Both are asked to preserve every picture of a sample. Tokens are by the provider's own formula (``tokens.images``); the
error of pixels is against what the provider would have shown its model of the picture as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from headroom_core.image import Technique
from headroom_core.image.align import provider_view
from headroom_core.image.codec import Picture, Unusable, decode
from headroom_core.image.plan import aligned, tokens_of
from headroom_core.tokens.profiles import profile_for
from headroom_core.types import Bytes, Image

from . import data
from .images_answers import Asked, message
from .images_peer import Messages, opened, pictures

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

PROVIDERS = ("openai", "anthropic")


@dataclass(frozen=True, slots=True)
class Aligned:
    """One picture: tokens billed and stated, tokens and bytes after, and what became of its pixels."""

    billed: int
    stated: int
    after: int
    bytes_before: int
    bytes_after: int
    changed: bool
    made_lossy: bool
    enlarged: bool
    pixel_error: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over pictures; ``off`` is the median error of the stated tokens, a share of those billed."""

    count: int
    off: float
    tokens_saved: float
    bytes_saved: float
    changed: int
    made_lossy: int
    enlarged: int
    worst_pixel_error: float


def sample(every: int) -> list[Path]:
    """Every n-th picture of the pack, in the order of its index."""
    return [data.path() / row["file"] for row in data.rows("images", "index.jsonl")][::every]


def ours(files: Sequence[Path]) -> Iterator[tuple[str, Aligned]]:
    """(provider, what became of the picture) by what our compressor does to pictures that it preserves."""

    def ask(messages: Messages, provider: str) -> tuple[Image, int]:
        block = pictures(messages)[0]
        return aligned(block, provider) or block, tokens_of(block, provider)

    yield from _rows(files, ask)


def theirs(files: Sequence[Path], python: Path) -> Iterator[tuple[str, Aligned]]:
    """(provider, what became of the picture) by the peer, told to preserve."""
    with opened(python) as peer:

        def ask(messages: Messages, provider: str) -> tuple[Image, int]:
            out, stated = peer(messages, provider, Technique.PRESERVE.value)
            return pictures(out)[0], stated or 0

        yield from _rows(files, ask)


def sums(rows: Sequence[Aligned]) -> Sums:
    """The rows of one provider together."""
    billed, size = sum(row.billed for row in rows), sum(row.bytes_before for row in rows)
    return Sums(
        len(rows),
        median(abs(row.stated - row.billed) / row.billed for row in rows),
        1 - sum(row.after for row in rows) / billed,
        1 - sum(row.bytes_after for row in rows) / size,
        sum(row.changed for row in rows),
        sum(row.made_lossy for row in rows),
        sum(row.enlarged for row in rows),
        max(row.pixel_error for row in rows),
    )


def _rows(files: Sequence[Path], ask: Callable[[Messages, str], tuple[Image, int]]) -> Iterator[tuple[str, Aligned]]:
    for file in files:
        content = file.read_bytes()
        was = decode(content)
        if isinstance(was, Unusable):
            continue
        asked = Asked("picture", "", content, was.mime, "Keep this picture.", "")
        for provider in PROVIDERS:
            yield provider, _compared(was, *ask(message(asked, provider), provider), provider)


def _compared(was: Picture, sent: Image, stated: int, provider: str) -> Aligned:
    assert isinstance(sent.source, Bytes)
    now = decode(sent.source.data)
    assert isinstance(now, Picture)
    before = tokens_of(Image(Bytes(was.data), was.mime, "high"), provider)
    changed = now.data != was.data
    lossy = changed and now.mime == "image/jpeg"
    larger = now.size[0] > was.size[0] or now.size[1] > was.size[1]
    error = _difference(was.image, now.image, provider) if changed else 0.0
    after = tokens_of(sent, provider)
    return Aligned(before, stated, after, len(was.data), len(now.data), changed, lossy, larger, error)


def _difference(was: PilImage, now: PilImage, provider: str) -> float:
    """Mean difference of grey levels (0 to 255) between the two views, in the size of the first."""
    import numpy as np

    profile = profile_for(provider)
    first, second = (provider_view(image, profile).convert("L") for image in (was, now))
    second = second.resize(first.size) if second.size != first.size else second
    return float(np.abs(np.asarray(first, dtype=float) - np.asarray(second, dtype=float)).mean())
