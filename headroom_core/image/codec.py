"""Decode pictures safely and encode them again without surprises.

What cannot be handled without changing its meaning (animation, CMYK, 16 bits, translucency, a rotation in the EXIF
data) is not decoded but returned as ``Unusable`` with the reason; the caller then leaves the picture as it came.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000
MAX_SIDE = 10_000
MIN_SIDE = 16

_EXIF_ORIENTATION = 0x0112
_MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_MIME |= {"BMP": "image/bmp", "TIFF": "image/tiff"}
_READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # MPO comes as JPEG; no other decoder is ever asked
_SAME_MIME = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_DAMAGED = (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error)
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


@dataclass(frozen=True, slots=True)
class Unusable:
    """A picture that is left as it came, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: its bytes as they came, and its pixels as an 8-bit RGB or grey image."""

    data: bytes = field(repr=False)
    mime: str
    image: PilImage
    lossless: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.size


def mime_of(data: bytes) -> str | None:
    """The MIME type that the first bytes show, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS | _AVIF_BRANDS:
        return "image/avif" if data[8:12] in _AVIF_BRANDS else "image/heic"
    if data[:2] == b"BM":
        return "image/bmp"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "image/tiff"
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!doctype")) and b"<svg" in data[:4096].lower()):
        return "image/svg+xml"
    return None


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header alone, or None where it cannot be read. Decodes no pixel."""
    if mime_of(data) == "image/png" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return (width, height) if width and height else None
    opened = _open(data)
    return None if isinstance(opened, Unusable) else opened.size


def decode(data: bytes, mime: str | None = None) -> Picture | Unusable:
    """The picture in ``data``, or why it stays as it is. ``mime`` is what the message says it is."""
    refused = _refuse_by_header(data, mime)
    if refused is not None:
        return refused
    image = _open(data)
    if isinstance(image, Unusable):
        return image
    try:
        with _quietly():
            refused = _refuse_by_shape(image) or _refuse_by_content(image, data)
            flat = refused or _load(image)
    except _DAMAGED as error:
        return Unusable(f"truncated or damaged: {type(error).__name__}")
    if isinstance(flat, Unusable):
        return flat
    found = _MIME.get(image.format or "", "")
    return Picture(data, found, flat, lossless=_is_lossless(found, data))


def encode(image: PilImage, *, lossless: bool, quality: int = 90) -> tuple[bytes, str]:
    """Bytes and MIME type: PNG where nothing may be lost, else JPEG."""
    out = io.BytesIO()
    if lossless:
        image.save(out, "PNG", compress_level=6)
        return out.getvalue(), "image/png"
    image.convert("RGB").save(out, "JPEG", quality=quality, optimize=True, subsampling=0)
    return out.getvalue(), "image/jpeg"


def _refuse_by_header(data: bytes, mime: str | None) -> Unusable | None:
    if not data:
        return Unusable("empty: no image bytes")
    if len(data) > MAX_BYTES:
        return Unusable(f"{len(data):,} bytes is over the limit of {MAX_BYTES:,}")
    found = mime_of(data)
    if found is None:
        return Unusable("not an image format that we know")
    if found in ("image/svg+xml", "image/heic", "image/avif"):
        return Unusable(f"{found} is not decoded")
    said = _SAME_MIME.get((mime or "").lower(), (mime or "").lower())
    if said and said != "image/*" and said != found:
        return Unusable(f"wrong mime type: declared {mime}, is {found}")
    return None


@contextmanager
def _quietly() -> Iterator[None]:
    """Whatever Pillow warns of in a picture is no concern of the caller's program, which may turn warnings into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(data: bytes) -> PilImage | Unusable:
    from PIL import Image, UnidentifiedImageError

    try:
        with _quietly():
            return Image.open(io.BytesIO(data), formats=_READ)
    except Image.DecompressionBombError:
        return Unusable("decompression bomb: far more pixels than bytes suggest")
    except (UnidentifiedImageError, *_DAMAGED) as error:
        return Unusable(f"not readable: {type(error).__name__}")


def _refuse_by_shape(image: PilImage) -> Unusable | None:
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        return Unusable(f"{width}×{height}: a side is over {MAX_SIDE:,} px")
    if width * height > MAX_PIXELS:
        return Unusable(f"decompression bomb: {width}×{height} is over {MAX_PIXELS // 1_000_000} megapixels")
    if min(width, height) < MIN_SIDE:
        return Unusable(f"{width}×{height}: nothing to save on so small a picture")
    return None


def _refuse_by_content(image: PilImage, data: bytes) -> Unusable | None:
    if getattr(image, "is_animated", False) and image.format != "MPO":  # to count all frames would take time
        return Unusable("animated or of several pages")
    if image.mode in ("CMYK", "YCCK", "LAB", "HSV"):
        return Unusable(f"{image.mode} colours")
    if image.mode.startswith(("I", "F")) or (image.format == "PNG" and data[24:25] == b"\x10"):
        return Unusable("16 bits a channel")
    if image.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1):
        return Unusable("rotated by its EXIF data")
    return None


def _load(image: PilImage) -> PilImage | Unusable:
    """The pixels, flattened to RGB or grey; translucent pictures are refused, opaque alpha channels are dropped."""
    image.load()
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        lowest = rgba.getchannel("A").getextrema()[0]
        if not isinstance(lowest, (int, float)) or lowest < 255:
            return Unusable("translucent: what lies behind it is not known")
        return rgba.convert("RGB")
    return image if image.mode in ("RGB", "L") else image.convert("RGB")


def _is_lossless(mime: str, data: bytes) -> bool:
    if mime == "image/webp":
        return data[12:16] == b"VP8L"
    return mime != "image/jpeg"
