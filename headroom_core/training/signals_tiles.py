"""Squares of pictures with a map of where text stands: what the text branch of the signal net learns from.

Real pictures carry boxes of read or annotated lines; photos without text are ground on which lines cut from the others,
or drawn here, are laid. A map cell covers 8 px; its value is the share that text covers, NaN where it is not known.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

SIDE = 256
CELL = 8
_UNKNOWN = 128
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
_SYLLABLES = "ta|ne|ri|so|lu|ma|ke|vo|pi|sha|der|ing|ment|pro|con|al|ty|be|ran|os|th|ex|qu|w|y|z|gr|pl|j"
_PLAIN_FONTS = ("symbol", "dingbat", "cmsy", "cmex", "cmmi", "stixsiz", "emoji", "last")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A grey picture, its text map at half size (0 none, 255 text, 128 not known) and the boxes of its lines."""

    grey: Any
    text: Any
    boxes: tuple[tuple[float, float, float, float], ...]
    empty: bool


def mapped(image: Any, sure: Sequence[Sequence[float]], unsure: Sequence[Sequence[float]], *, known: bool) -> Mapped:
    """A picture with the boxes that hold text, those that may, and whether the rest is known to hold none."""
    from PIL import Image, ImageDraw

    grey = image.convert("L")
    half = Image.new("L", (max(1, grey.size[0] // 2), max(1, grey.size[1] // 2)), 0 if known else _UNKNOWN)
    draw = ImageDraw.Draw(half)
    for boxes, value in ((unsure, _UNKNOWN), (sure, 255)):
        for box in boxes:
            left, top, right, bottom = (edge / 2 for edge in box)
            draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=value)
    return Mapped(grey, half, tuple((b[0], b[1], b[2], b[3]) for b in sure), known and not sure and not unsure)


class Tiles:
    """Draws tiles from mapped pictures: seeded, endless."""

    def __init__(self, pictures: Sequence[Mapped], rng: random.Random) -> None:
        self._rng = rng
        self._written = [picture for picture in pictures if picture.boxes]
        self._grounds = [picture for picture in pictures if picture.empty]
        self._others = [picture for picture in pictures if not picture.boxes and not picture.empty]

    def draw(self) -> tuple[Any, Any]:
        """One tile: grey [256, 256] uint8 and its map [32, 32] float32 with NaN where it is not known."""
        chance = self._rng.random()
        if chance < 0.42:
            tile, text = self._cut(self._rng.choice(self._written), near=self._rng.random() < 0.75)
        elif chance < 0.62:
            tile, text = self._cut(self._rng.choice(self._grounds), near=False)
            if self._rng.random() < 0.5:
                tile = tile.transpose(self._rng.randrange(5))
        elif chance < 0.66 and self._others:
            tile, text = self._cut(self._rng.choice(self._others), near=False)
        elif chance < 0.72:
            tile, text = self._pattern()
        else:
            tile, text = self._laid()
        return self._worn(tile, text)

    def _cut(self, picture: Mapped, *, near: bool) -> tuple[Any, Any]:
        """A square of the picture at some scale, around one of its lines where ``near``."""
        from PIL.Image import Resampling

        rng, (wide, high) = self._rng, picture.grey.size
        if near and picture.boxes:
            box = rng.choice(picture.boxes)
            letter = rng.choice((7, 9, 12, 16, 24, 40, 70, 110)) * rng.uniform(0.8, 1.25)
            side = SIDE * min(max(0.3, (box[3] - box[1]) / letter), 4.0)
            spot = (
                rng.uniform(box[0], box[2]) - side * rng.random(),
                rng.uniform(box[1], box[3]) - side * rng.random(),
            )
        else:
            side = SIDE * rng.choice((0.5, 0.75, 1.0, 1.4, 2.0)) * rng.uniform(0.85, 1.2)
            spot = (rng.uniform(-8, wide - side + 8), rng.uniform(-8, high - side + 8))
        side = min(side, wide, high)
        left, top = (min(max(0.0, at), float(room - side)) for at, room in zip(spot, (wide, high), strict=True))
        tile = picture.grey.resize(
            (SIDE, SIDE), Resampling.BILINEAR, (left, top, left + side, top + side), reducing_gap=2.0
        )
        sizes = picture.text.size
        around = (left / 2, top / 2, min((left + side) / 2, sizes[0]), min((top + side) / 2, sizes[1]))
        return tile, picture.text.resize((SIDE // 2, SIDE // 2), Resampling.NEAREST, around)

    def _laid(self) -> tuple[Any, Any]:
        """Lines of text, cut from other pictures or drawn, laid on a photo or a plain ground."""
        from PIL import Image

        rng = self._rng
        if rng.random() < 0.85:
            tile, text = self._cut(rng.choice(self._grounds), near=False)
        else:
            tile, text = Image.new("L", (SIDE, SIDE), rng.randrange(256)), Image.new("L", (SIDE // 2, SIDE // 2), 0)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
            line = self._line() if rng.random() < 0.4 else drawn_line(rng)
            if line is not None:
                self._paste(tile, text, line)
        return tile, text

    def _line(self) -> Any:
        """A line of another picture."""
        picture = self._rng.choice(self._written)
        box = self._rng.choice(picture.boxes)
        if box[3] - box[1] < 8 or box[2] - box[0] < 12:
            return None
        return picture.grey.crop(tuple(round(edge) for edge in box))

    def _paste(self, tile: Any, text: Any, line: Any) -> None:
        """Lay a line as it is, or only its ink, somewhere; a little turned now and then."""
        from PIL import Image, ImageOps
        from PIL.Image import Resampling

        rng = self._rng
        high = min(200, round(rng.choice((7, 9, 11, 14, 18, 24, 32, 48, 80, 130)) * rng.uniform(0.85, 1.2)))
        wide = max(4, round(line.size[0] * high / line.size[1]))
        line = line.resize((min(wide, 1200), high), Resampling.BILINEAR, reducing_gap=2.0)
        line = line.crop((0, 0, min(line.size[0], SIDE), high))
        mask = Image.new("L", line.size, 255)
        ink = ImageOps.autocontrast(line)
        if sum(ink.resize((8, 8)).getdata()) > 64 * 127:  # dark ink on light paper
            ink = ImageOps.invert(ink)
        if rng.random() < 0.6:
            shade = rng.choice((0, 255, rng.randrange(256)))
            opaque = rng.uniform(0.45, 1.0)
            line, blend = Image.new("L", line.size, shade), ink.point(lambda value: round(value * opaque))
        else:
            blend = mask
        if rng.random() < 0.35:
            angle = rng.uniform(-14, 14) if rng.random() < 0.85 else 90
            line, blend, mask = (x.rotate(angle, Resampling.BILINEAR, expand=True) for x in (line, blend, mask))
        spot = tuple(rng.randint(min(0, SIDE - side), max(0, SIDE - side)) for side in line.size)
        tile.paste(line, spot, blend)
        small = mask.resize((max(1, mask.size[0] // 2), max(1, mask.size[1] // 2)))
        text.paste(255, (spot[0] // 2, spot[1] // 2), small.point(lambda value: 255 if value > 127 else 0))

    def _pattern(self) -> tuple[Any, Any]:
        """Stripes, grids, brick, noise, shapes: edges that are no letters."""
        import numpy as np
        from PIL import Image, ImageDraw

        rng = self._rng
        tile = Image.new("L", (SIDE, SIDE), rng.randrange(256))
        draw, kind = ImageDraw.Draw(tile), rng.randrange(5)
        if kind == 0:
            noise = np.random.default_rng(rng.randrange(1 << 30))
            cell = rng.choice((1, 2, 4, 8))
            made = noise.integers(0, 255, (SIDE // cell, SIDE // cell), dtype="uint8")
            tile = Image.fromarray(made).resize((SIDE, SIDE), rng.choice((0, 2)))
        elif kind <= 2:
            step, width, shade = rng.randint(4, 40), rng.randint(1, 8), rng.randrange(256)
            for at in range(0, SIDE, step):
                draw.line((at, 0, at + rng.choice((0, 0, 1)) * 40, SIDE), fill=shade, width=width)
                if kind == 2:
                    draw.line((0, at, SIDE, at), fill=shade, width=width)
        else:
            for _ in range(rng.randint(4, 90)):
                x, y, r = rng.randint(-20, SIDE), rng.randint(-20, SIDE), rng.randint(2, 60)
                shape = rng.choice((draw.ellipse, draw.rectangle)) if kind == 3 or rng.random() < 0.3 else None
                if shape is None:
                    draw.line(
                        (x, y, x + rng.randint(-80, 80), y + rng.randint(-80, 80)),
                        rng.randrange(256),
                        rng.randint(1, 5),
                    )
                else:
                    filled = rng.randrange(256) if rng.random() < 0.6 else None
                    shape((x, y, x + r, y + rng.randint(2, 60)), fill=filled, outline=rng.randrange(256))
        return tile, Image.new("L", (SIDE // 2, SIDE // 2), 0)

    def _worn(self, tile: Any, text: Any) -> tuple[Any, Any]:
        """Other light, inverted, blurred, noisy, as JPEG, turned; then arrays."""
        import numpy as np
        from PIL import Image, ImageFilter
        from PIL.Image import Resampling

        rng = self._rng
        if rng.random() < 0.12:
            angle = rng.uniform(-12, 12)
            tile = tile.rotate(angle, Resampling.BILINEAR, fillcolor=int(np.asarray(tile).mean()))
            text = text.rotate(angle, Resampling.NEAREST, fillcolor=0)
        if rng.random() < 0.15:
            tile = tile.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3)))
        if rng.random() < 0.25:
            out = io.BytesIO()
            tile.save(out, "JPEG", quality=rng.randint(30, 90))
            tile = Image.open(out).convert("L")
        grey: Any = np.asarray(tile, dtype=np.float32)
        if rng.random() < 0.25:
            grey = 255 - grey
        grey = (grey - 128) * rng.uniform(0.4, 1.25) + 128 + rng.uniform(-35, 35)
        if rng.random() < 0.2:
            grey = grey + np.random.default_rng(rng.randrange(1 << 30)).normal(0, rng.uniform(2, 14), grey.shape)
        return grey.clip(0, 255).astype(np.uint8), covered(text)


def covered(text: Any) -> Any:
    """A half-size map picture as shares of cells, NaN where a cell is mostly not known."""
    import numpy as np

    step = CELL // 2
    high, wide = (side // step for side in text.size[::-1])
    cells = np.asarray(text)[: high * step, : wide * step].reshape(high, step, wide, step).astype(np.int16)
    share = (cells == 255).mean((1, 3), dtype=np.float32)
    unknown = (cells == _UNKNOWN).mean((1, 3))
    share[(unknown > 0.4) & (share < 0.5)] = np.nan
    return share


def words(rng: random.Random, count: int) -> str:
    """Pronounceable words and figures."""
    syllables = _SYLLABLES.split("|")
    made = []
    for _ in range(count):
        word = "".join(rng.choice(syllables) for _ in range(rng.randint(1, 4)))
        case = rng.choice((str.lower, str.lower, str.upper, str.title))
        made.append(case(word) if rng.random() > 0.2 else f"{rng.choice(('', '$', '#', ''))}{rng.randint(1, 99999)}")
    return " ".join(made)


def drawn_line(rng: random.Random) -> Any:
    """A few words in one of this machine's fonts, dark on light or light on dark."""
    from PIL import Image, ImageDraw

    font, text = font_of(rng, rng.choice((16, 24, 36, 60))), words(rng, rng.randint(1, 4))
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    if right - left < 4 or bottom - top < 4 or right - left > 4000:
        return None
    dark = rng.random() < 0.5
    line = Image.new("L", (right - left + 4, bottom - top + 4), 255 if dark else 0)
    ImageDraw.Draw(line).text((2 - left, 2 - top), text, fill=0 if dark else 255, font=font)
    return line


def font_of(rng: random.Random, size: int) -> Any:
    """A font of this size: any of this machine's, else Pillow's own."""
    from PIL import ImageFont

    found = _fonts()
    if not found or rng.random() < 0.2:
        return ImageFont.load_default(size)
    return ImageFont.truetype(rng.choice(found), size)


@lru_cache(maxsize=1)
def _fonts() -> tuple[str, ...]:
    """Paths of fonts with Latin letters: the system's and those that matplotlib carries."""
    import importlib.util

    from PIL import ImageFont

    folders = [Path(folder) for folder in _FONT_FOLDERS]
    if importlib.util.find_spec("matplotlib") is not None:
        import matplotlib as mpl

        folders.append(Path(mpl.get_data_path()) / "fonts" / "ttf")
    files = sorted({file.name: file for folder in folders for file in folder.rglob("*.[to]tf")}.values())
    kept = []
    for file in files:
        if any(word in file.name.lower() for word in _PLAIN_FONTS):
            continue
        font = ImageFont.truetype(str(file), 24)
        if font.getmask("A").getbbox() and bytes(font.getmask("A")) != bytes(font.getmask("g")):
            kept.append(str(file))
    return tuple(kept)
