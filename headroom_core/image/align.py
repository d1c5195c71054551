"""Alignment without loss: send the pixel grid that the provider would make anyway, in fewer bytes.

A picture above a provider's limits is scaled down there before the model sees it. ``align`` does the same scaling
here, so tokens and pixels stay what they were and the request gets smaller. It never enlarges, never writes a lossy
format (a JPEG becomes a PNG of the smaller grid, or stays), and does nothing where the provider's grid is not
published exactly. Lossy plans are elsewhere: see ``downscale``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headroom_core.tokens.images import AnthropicPatches, MistralRows, OpenAiPatches, OpenAiTiles
from headroom_core.tokens.profiles import Profile

from .codec import Picture, encode

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

_EXACT = (OpenAiTiles, OpenAiPatches, AnthropicPatches, MistralRows)


@dataclass(frozen=True, slots=True)
class Aligned:
    """A picture on the provider's grid: bytes, type and size; its tokens are those of the picture that came."""

    data: bytes = field(repr=False)
    mime: str
    size: tuple[int, int]


def provider_view(image: PilImage, profile: Profile, detail: str | None = None) -> PilImage:
    """The pixels that the model sees of this picture; the same object where the provider does not scale down."""
    from PIL.Image import Resampling

    seen = profile.seen(*image.size, detail)
    if seen[0] >= image.size[0] and seen[1] >= image.size[1]:
        return image
    return image.resize(seen, Resampling.LANCZOS)


def align(picture: Picture, profile: Profile, detail: str | None = None) -> Aligned | None:
    """The same view in fewer bytes, or None where there is nothing to gain without loss."""
    if not isinstance(profile.formula, _EXACT):
        return None
    view = provider_view(picture.image, profile, detail)
    if view is picture.image:
        return None
    if profile.tokens(*view.size, detail) != profile.tokens(*picture.size, detail):
        return None
    if profile.seen(*view.size, detail) != view.size:
        return None
    data, mime = encode(view, lossless=True)
    return Aligned(data, mime, view.size) if len(data) < len(picture.data) else None
