"""Bad and odd pictures are left as they came, each with its reason; good ones decode to 8 bits."""

from __future__ import annotations

import io
import re
import struct
import zlib

import pytest
from PIL import Image

from headroom_core.image.codec import Picture, Unusable, decode, encode, mime_of, size_of
from tests.image.pictures import picture_bytes


def _bomb() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 9_900, 9_900, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)  # type: ignore[arg-type]
    return out.getvalue()


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _saved(Image.new("RGB", (60, 40), "red"), "JPEG", exif=exif)


def _animated() -> bytes:
    frames = [Image.new("RGB", (40, 40), (80 * at, 0, 0)) for at in range(3)]
    return _saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _deep_rgb() -> bytes:
    """A PNG that says 16 bits a channel."""
    data = bytearray(picture_bytes(40, 40))
    data[24] = 16
    head = bytes(data[12:29])
    data[29:33] = struct.pack(">I", zlib.crc32(head))
    return bytes(data)


BAD = {
    "empty": (b"", None, "empty"),
    "truncated png": (picture_bytes()[:900], None, "truncated|not readable"),
    "truncated jpeg": (picture_bytes(form="JPEG")[:2000], None, "truncated"),
    "wrong mime": (picture_bytes(form="JPEG"), "image/png", "wrong mime type: declared image/png, is image/jpeg"),
    "bomb": (_bomb(), "image/png", "bomb"),
    "animated": (_animated(), "image/gif", "animated"),
    "cmyk": (picture_bytes(form="JPEG", mode="CMYK"), None, "CMYK"),
    "16 bit grey": (_saved(Image.new("I;16", (40, 40), 300), "PNG"), None, "16 bits"),
    "16 bit rgb": (_deep_rgb(), None, "16 bits"),
    "translucent": (_saved(Image.new("RGBA", (40, 40), (255, 0, 0, 90)), "PNG"), None, "translucent"),
    "exif rotated": (_rotated(), None, "EXIF"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", "svg"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic", "heic"),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "image/avif", "image/avif is not decoded"),
    "one pixel": (picture_bytes(1, 1), None, "1×1"),
    "very wide": (_saved(Image.new("L", (30_000, 20)), "PNG"), None, "30000×20"),
    "no picture": (b"%PDF-1.7 something else entirely", None, "not an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_have_their_reason(name: str) -> None:
    """Each bad picture is refused with the word that explains it."""
    data, mime, reason = BAD[name]
    found = decode(data, mime)
    assert isinstance(found, Unusable), found

    assert re.search(reason, found.reason), found.reason


@pytest.mark.parametrize(("form", "lossless"), [("PNG", True), ("JPEG", False), ("WEBP", False), ("BMP", True)])
def test_good_pictures_decode(form: str, lossless: bool) -> None:
    """Usual formats decode, and say whether they lose anything."""
    found = decode(picture_bytes(80, 60, form=form))
    assert isinstance(found, Picture)
    assert found.size == (80, 60)
    assert found.lossless is lossless
    assert found.mime == mime_of(found.data)


def test_an_opaque_alpha_channel_is_dropped() -> None:
    """Screens are often saved with an alpha channel that hides nothing; they are usable, pixels unchanged."""
    image = Image.new("RGBA", (50, 50), (10, 200, 30, 255))
    found = decode(_saved(image, "PNG"))
    assert isinstance(found, Picture)
    assert found.image.mode == "RGB"
    assert found.image.getpixel((5, 5)) == (10, 200, 30)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_sizes_come_from_the_header(form: str) -> None:
    """Width and height are known without decoding, even of a picture that is cut off."""
    data = picture_bytes(123, 77, form=form)
    assert size_of(data) == (123, 77)
    assert size_of(b"nothing") is None


def test_lossless_stays_lossless() -> None:
    """What must not lose anything is written as PNG and reads back to the same pixels."""
    image = Image.effect_noise((64, 48), 80).convert("RGB")
    data, mime = encode(image, lossless=True)
    assert mime == "image/png"
    assert Image.open(io.BytesIO(data)).tobytes() == image.tobytes()
