"""What retrieval needs of pictures: their MIME type by the first bytes, and a crop."""

from __future__ import annotations

import io
import warnings

from headroom_core.errors import InvalidInput, MissingExtra, StoreError

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)
_MOST_PIXELS = 200_000_000


def mime_of(data: bytes) -> str:
    """The MIME type; ``application/octet-stream`` where the first bytes say nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for signature, mime in _SIGNATURES if data.startswith(signature)), "application/octet-stream")


def cropped(data: bytes, region: str) -> tuple[bytes, str]:
    """A region ``left,top,right,bottom`` in pixels, clipped to the picture, as PNG, and what it is in words.

    Raises ``InvalidInput`` for a region that cannot be read or lies outside, ``StoreError`` for a broken picture.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise MissingExtra("pillow", "all") from error
    try:
        left, top, right, bottom = (int(number) for number in region.split(","))
    except ValueError:
        raise InvalidInput(f"A region is left,top,right,bottom in pixels, not {region[:60]!r}.") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound below is ours
            with Image.open(io.BytesIO(data)) as picture:
                width, height = picture.size
                box = (max(0, left), max(0, top), min(width, right), min(height, bottom))
                if box[0] >= box[2] or box[1] >= box[3]:
                    raise InvalidInput(
                        f"The region {region[:60]} lies outside this picture of {width}x{height} pixels."
                    )
                if width * height > _MOST_PIXELS:
                    raise InvalidInput(f"A picture of {width}x{height} pixels is too large to crop; ask for all of it.")
                out = io.BytesIO()
                picture.crop(box).convert("RGBA" if "A" in picture.getbands() else "RGB").save(out, "PNG")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise StoreError("The picture cannot be opened; ask for all of it.") from error
    return out.getvalue(), f"region {box[0]},{box[1]},{box[2]},{box[3]} of {width}x{height}"
