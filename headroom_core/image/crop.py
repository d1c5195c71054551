"""Where in the picture the answer stands: named places, rows that the question asks for, salient regions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headroom_core.tokens.profiles import Profile

from .asked import asked_rows
from .downscale import Plan, shrink
from .layout import Row, around
from .ocr import Box

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

_LINE = 4
_SCALE = 0.9
_LEGIBLE = 24.0
_AROUND = 0.06
_SIZE_WORDS = r"(?:very |far |upper |lower )?"
_VERTICAL = {"top": "top", "upper": "top", "uppermost": "top", "topmost": "top", "header": "top", "heading": "top",
             "bottom": "bottom", "lower": "bottom", "lowest": "bottom", "footer": "bottom", "last": "bottom"}  # fmt: skip
_HORIZONTAL = {"left": "left", "leftmost": "left", "right": "right", "rightmost": "right"}
_CORNER = re.compile(r"\b(?P<v>top|upper|bottom|lower)(?:most)?[ -](?:most )?(?P<h>left|right)\b", re.I)
_NAMED = re.compile(
    rf"\b(?P<line>top|bottom|last|lowest)(?:most)? (?:line|row)s?\b"
    rf"|\b(?P<band>header|footer|heading)\b"
    rf"|\b(?P<half>top|upper|bottom|lower|left|right)[ -](?:hand )?(?:half|third|part|side|section|edge|area|portion|corner|panel"
    rf"|column|plot|subplot|chart|sidebar|image)\b"
    rf"|\b(?:in|at|on|near|from) the {_SIZE_WORDS}(?P<at>top|bottom|left|right)\b(?! of (?!the (?:page|picture|image|photo|screen"
    rf"|document|form|receipt|screenshot|slide|figure)))"
    rf"|\b(?P<middle>middle|cent(?:er|re)) of the (?:page|picture|image|photo|screen|document|screenshot|figure)\b"
    rf"|^(?P<bare>top|bottom|left|right|middle|cent(?:er|re))$",
    re.I,
)
_ASKS_SIDE = re.compile(r"\b(?:which|what) (?:side|part|corner|half)\b|\b(?:left|right|top|bottom) or (?:on |to |at )?(?:the )?"
                        r"(?:left|right|top|bottom)\b", re.I)  # fmt: skip
_NUMBERS = re.compile(r"^\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*$")


@dataclass(frozen=True, slots=True)
class Region:
    """Boxes to send, in pixels, top to bottom, and how they were found; ``by_rows``: by text that answers."""

    boxes: tuple[Box, ...]
    how: str
    by_rows: bool = False

    def share(self, size: tuple[int, int]) -> float:
        """Share of the picture's area."""
        return sum((box[2] - box[0]) * (box[3] - box[1]) for box in self.boxes) / (size[0] * size[1])


def named_place(text: str | None) -> tuple[Box, str] | None:
    """The place that the words name as fractions of the picture (left, top, right, bottom), and those words."""
    if not text or _ASKS_SIDE.search(text):
        return None
    found = _CORNER.search(text) or _NAMED.search(text.strip())
    if found is None:
        return None
    part = {key: value.lower() for key, value in found.groupdict().items() if value}
    said = found.group(0).lower()
    if "v" in part:
        top, bottom = (0.0, 0.45) if part["v"] in ("top", "upper") else (0.55, 1.0)
        left, right = (0.0, 0.5) if part["h"] == "left" else (0.5, 1.0)
        return (left, top, right, bottom), said
    if "line" in part or "band" in part:
        return ((0.0, 0.0, 1.0, 0.2) if part.get("line") == "top" or part.get("band") in ("header", "heading")
                else (0.0, 0.8, 1.0, 1.0)), said  # fmt: skip
    word = part.get("half") or part.get("at") or part.get("bare") or part.get("middle") or ""
    if word in ("middle", "center", "centre"):
        return (0.25, 0.25, 0.75, 0.75), said
    size = 0.5 if re.search(r"half|side|plot|chart|panel|image", said) else 0.4
    return _side(word, size), said


def _side(word: str, size: float) -> Box:
    if word in _VERTICAL:
        return (0.0, 0.0, 1.0, size) if _VERTICAL[word] == "top" else (0.0, 1 - size, 1.0, 1.0)
    return (0.0, 0.0, size, 1.0) if _HORIZONTAL.get(word) == "left" else (1 - size, 0.0, 1.0, 1.0)


def box_of(region: str, size: tuple[int, int]) -> Box | None:
    """Pixels of "bottom right" or "x0,y0,x1,y1" (pixels, or fractions where all are at most 1); None if not understood."""
    numbers = _NUMBERS.match(region)
    if numbers is None:
        place = named_place(region)
        return scaled(place[0], size) if place else None
    edges = [float(number) for number in numbers.groups()]
    if max(edges) <= 1:
        edges = [edge * side for edge, side in zip(edges, (*size, *size), strict=True)]
    box = clamp((edges[0], edges[1], edges[2], edges[3]), size)
    return box if box[2] - box[0] >= 1 and box[3] - box[1] >= 1 else None


def scaled(fractions: Box, size: tuple[int, int]) -> Box:
    """Fractions of a picture as pixels."""
    return (fractions[0] * size[0], fractions[1] * size[1], fractions[2] * size[0], fractions[3] * size[1])


def clamp(box: Box, size: tuple[int, int]) -> Box:
    """The part of the box inside the picture."""
    return (max(0.0, box[0]), max(0.0, box[1]), min(float(size[0]), box[2]), min(float(size[1]), box[3]))


def find(query: str | None, rows: Sequence[Row], size: tuple[int, int], *, unsure: bool = False) -> Region | None:
    """The region that the question asks for: a named place first, then the rows that answer to it; None if unsure.

    Where what was read is ``unsure``, all rows make a region, with more around them, for letters may have been missed:
    they go out as pixels, what is no text stays.
    """
    place = named_place(query)
    if place is not None:
        return Region((scaled(place[0], size),), f"named place: {place[1]}")
    kept = asked_rows(rows, query)
    if rows and unsure and len(kept) == len(rows):
        return _text_region(rows, size, "all text", _AROUND * max(size))
    if not rows or len(kept) >= 0.6 * len(rows):
        return None
    return _text_region([rows[at] for at in kept], size, f"{len(kept)} of {len(rows)} lines that answer to it")


def _text_region(rows: Sequence[Row], size: tuple[int, int], why: str, more: float = 0.0) -> Region | None:
    strips = _strips(rows, size, more)
    return Region(strips, why, True) if strips else None


def _strips(rows: Sequence[Row], size: tuple[int, int], more: float) -> tuple[Box, ...]:
    """Boxes around the rows, with a margin (and ``more`` px); neighbours are joined, all of one width: rows stay whole."""
    left, _, right, _ = around([row.box for row in rows])
    strips: list[Box] = []
    for row in sorted(rows, key=lambda row: row.box[1]):
        high, wide = 0.35 * (row.box[3] - row.box[1]) + more, 0.7 * (row.box[3] - row.box[1]) + more
        box = clamp((left - wide, row.box[1] - high, right + wide, row.box[3] + high), size)
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            continue  # an engine may see letters beyond the edge
        if strips and box[1] - strips[-1][3] <= 1.5 * high:
            strips[-1] = around([strips[-1], box])
        else:
            strips.append(box)
    return tuple(strips)


def salient(image: PilImage, *, share: float = 0.95) -> Box | None:
    """The smallest centred-by-mass box that holds ``share`` of the edges; None where that is most of the picture."""
    import numpy as np

    small = image.convert("L")
    small.thumbnail((256, 256))
    grey = np.asarray(small, dtype=np.float32)
    edges = np.zeros_like(grey)
    edges[:, 1:] += np.abs(np.diff(grey, axis=1))
    edges[1:, :] += np.abs(np.diff(grey, axis=0))
    edges[edges < 12] = 0
    if edges.sum() == 0:
        return None
    spans = []
    for axis in (0, 1):
        mass = np.cumsum(edges.sum(axis=axis)) / edges.sum()
        tail = (1 - share) / 4
        spans.append((int(np.searchsorted(mass, tail)), int(np.searchsorted(mass, 1 - tail)) + 1))
    wide, high = small.size
    fractions = (
        spans[0][0] / wide - 0.02,
        spans[1][0] / high - 0.02,
        spans[0][1] / wide + 0.02,
        spans[1][1] / high + 0.02,
    )
    box = clamp(scaled(fractions, image.size), image.size)
    covered = (box[2] - box[0]) * (box[3] - box[1]) / (image.size[0] * image.size[1])
    return box if covered <= 0.7 else None


def sized(
    region: Region, rows: Sequence[Row], size: tuple[int, int], profile: Profile, detail: str | None = None
) -> Plan:
    """The size at which the cut region is sent: at least what the whole picture's view would show of it.

    Where rows are read in the region, tall letters may shrink further, down to ``_LEGIBLE`` px a line.
    """
    wide = int(max(-(-box[2] // 1) - int(box[0]) for box in region.boxes))
    high = int(sum(-(-box[3] // 1) - int(box[1]) for box in region.boxes)) + _LINE * (len(region.boxes) - 1)
    view = min(1.0, profile.seen(*size, detail)[0] / size[0])
    inside = [row.box[3] - row.box[1] for row in rows if any(box[1] <= row.box[1] <= box[3] for box in region.boxes)]
    small = sorted(inside)[len(inside) // 5] if inside else 0.0
    spare = max(0.5, _LEGIBLE / (small * view)) if small else 1.0
    return shrink((wide, high), profile, least_scale=min(1.0, view * min(_SCALE, spare)), detail=detail)


def cut(image: PilImage, region: Region) -> PilImage:
    """The region's pixels; several boxes are stacked with a thin grey line between them."""
    boxes = [(int(box[0]), int(box[1]), -int(-box[2] // 1), -int(-box[3] // 1)) for box in region.boxes]
    pieces = [image.crop(box) for box in boxes]
    if len(pieces) == 1:
        return pieces[0]
    from PIL import Image

    line = _LINE
    width = max(piece.size[0] for piece in pieces)
    height = sum(piece.size[1] for piece in pieces) + line * (len(pieces) - 1)
    sheet = Image.new(image.mode, (width, height), "white" if image.mode != "L" else 255)
    top = 0
    for at, piece in enumerate(pieces):
        if at:
            sheet.paste("gray" if image.mode != "L" else 128, (0, top, width, top + line))
            top += line
        sheet.paste(piece, (0, top))
        top += piece.size[1]
    return sheet
