"""Scenes for the visual-token task: small coloured words and shapes on paper, beside pieces of real pictures.

A scene is a 192 x 192 RGB picture of a 24 x 24 grid of 8-pixel patches. It holds two or three words of three digits
(one ink colour each, 11-14 px tall), up to four small shapes, and often a piece of a real picture. What a question
needs lies in few patches; the rest is paper, faint texture or a distracting picture, as in documents and photos.

Everything is a pure function of (split, seed, index) and of the fonts and pictures at hand. Fonts of the test split
(``HELD_OUT_FONTS``) and pictures of the test split never occur in the train split.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headroom_core.errors import InvalidInput

from . import data

Split = Literal["train", "test"]
Question = tuple[int, int, int]  # (kind, ink or shape, character place)

SIDE, PATCH, GRID = 192, 8, 24
CHARACTERS = "0123456789"
INKS = ("red", "green", "blue", "black")
SHAPES = ("circle", "square", "triangle")
KINDS = ("read", "place", "count")
WORD = 3
CELLS = 9
MOST = 4  # shapes in one scene
CLASSES = {"read": (0, 10), "place": (10, 19), "count": (19, 24)}
N_CLASSES = 24

HELD_OUT_FONTS = ("LiberationSerif", "LiberationMono")
_LOOKALIKES = ("FreeSerif", "FreeMono")  # drawn after the same metal types as the held-out families
_TOO_THIN = ("Hairline", "Thin", "ExtraLight", "-Light", "CondLight", "MathTeX")
_FONT_ROOT = Path("/usr/share/fonts/truetype")
_FONT_FOLDERS = ("dejavu", "liberation", "freefont", "lato", "open-sans", "roboto")
_INK_RGB = {"red": (205, 25, 30), "green": (10, 130, 40), "blue": (25, 55, 205), "black": (25, 25, 25)}
_SHAPE_RGB = ((235, 140, 20), (140, 50, 170), (20, 150, 160))
_CLEAN_KINDS = ("page", "chart", "screenshot")  # licences that allow training shipped weights
_TEST_KINDS = (*_CLEAN_KINDS, "photo")

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture with its truth.

    ``image`` (192, 192, 3) uint8. ``characters``, ``inks``, ``places``, ``shapes``: (576,) int64, what has its centre in
    a patch: class + 1, or 0 for nothing. ``questions`` with ``answers`` (class of the 24) and ``evidence`` (patches).
    """

    image: Rgb
    characters: Ints
    inks: Ints
    places: Ints
    shapes: Ints
    questions: tuple[Question, ...]
    answers: tuple[int, ...]
    evidence: tuple[tuple[int, ...], ...]


@functools.cache
def fonts(split: Split) -> tuple[Path, ...]:
    """Font files of a split, sorted. Debian packages: fonts-dejavu, fonts-liberation (both splits); more for training."""
    found = [file for folder in _FONT_FOLDERS for file in sorted((_FONT_ROOT / folder).rglob("*.ttf"))]
    usable = [file for file in found if not any(mark in file.name for mark in (*_TOO_THIN, *_LOOKALIKES))]
    chosen = tuple(file for file in usable if file.name.startswith(HELD_OUT_FONTS) == (split == "test"))
    if not chosen:
        raise InvalidInput(f"no {split} fonts under {_FONT_ROOT}; install fonts-dejavu and fonts-liberation")
    return chosen


@functools.cache
def pictures(split: Split) -> tuple[Path, ...]:
    """Picture files of a split, in the index's order; empty without the data folder (scenes then use plain texture)."""
    if not data.have("images", "index.jsonl"):
        return ()
    kinds = _CLEAN_KINDS if split == "train" else _TEST_KINDS
    wanted = "train" if split == "train" else "dev"
    rows = (row for row in data.rows("images", "index.jsonl") if row["kind"] in kinds and row["split"] == wanted)
    return tuple(data.path(*Path(row["file"]).parts) for row in rows)


@functools.lru_cache(maxsize=512)
def _picture(file: Path) -> Rgb:
    from PIL import Image

    with Image.open(file) as opened:
        opened.draft("RGB", (800, 800))
        image = opened.convert("RGB")
        image.thumbnail((480, 480))
        if min(image.size) < 100:
            image = image.resize((max(100, image.width), max(100, image.height)))
        return np.asarray(image, dtype=np.uint8)


@functools.lru_cache(maxsize=8192)
def _glyph(file: Path, capital_px: int, character: str) -> tuple[Floats, int, int]:
    """(coverage 0..1 cropped to its ink, top over the baseline, advance) in pixels."""
    from PIL import Image, ImageDraw, ImageFont

    def measured(size: int) -> Any:
        return ImageFont.truetype(str(file), size)

    top, bottom = measured(100).getbbox("H")[1::2]
    font = measured(max(8, round(100 * capital_px / (bottom - top))))
    canvas = Image.new("L", (48, 48))
    ImageDraw.Draw(canvas).text((10, 36), character, font=font, fill=255, anchor="ls")
    box = canvas.getbbox() or (10, 26, 16, 36)
    ink: Floats = np.asarray(canvas.crop(box), dtype=np.float32) / np.float32(255)
    return ink, 36 - box[1], int(max(round(font.getlength(character)), ink.shape[1] + 1))


def _paper(split: Split, rng: np.random.Generator) -> Floats:
    base = rng.uniform(205, 255, 3).astype(np.float32)
    canvas = np.broadcast_to(base, (SIDE, SIDE, 3)).copy()
    mode = rng.random()
    if mode < 0.5:
        strength = float(rng.uniform(0.05, 0.22))
        canvas = (1 - strength) * canvas + strength * _piece(split, rng, SIDE, SIDE)
    elif mode < 0.8:
        slope = rng.uniform(-30, 30, (2, 1)).astype(np.float32)
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE - 0.5
        canvas += (slope[0] * y + slope[1] * x)[..., None]
    return canvas


def _piece(split: Split, rng: np.random.Generator, height: int, width: int) -> Floats:
    """A random piece of a real picture, or texture when there are no pictures."""
    files = pictures(split)
    if not files or rng.random() < 0.1:
        coarse = rng.uniform(0, 255, (height // 8 + 2, width // 8 + 2, 3)).astype(np.float32)
        return np.kron(coarse, np.ones((8, 8, 1), np.float32))[:height, :width]
    source = _picture(files[int(rng.integers(len(files)))])
    step = max(1, min(source.shape[0] // height, source.shape[1] // width)) if rng.random() < 0.5 else 1
    tall, wide = min(source.shape[0], height * step), min(source.shape[1], width * step)
    y, x = int(rng.integers(source.shape[0] - tall + 1)), int(rng.integers(source.shape[1] - wide + 1))
    cut = source[y : y + tall : step, x : x + wide : step].astype(np.float32)
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    return np.tile(cut, (-(-height // cut.shape[0]), -(-width // cut.shape[1]), 1))[:height, :width]


def _word(split: Split, rng: np.random.Generator) -> tuple[Floats, list[tuple[int, float, float]]]:
    """(coverage of the whole word, [(character, centre y, centre x)]) of three characters in one font."""
    files = fonts(split)
    file, capital = files[int(rng.integers(len(files)))], int(rng.integers(11, 15))
    chosen = [int(c) for c in rng.integers(0, len(CHARACTERS), WORD)]
    canvas, x, centres = np.zeros((24, 64), np.float32), 2, []
    for character in chosen:
        ink, over, advance = _glyph(file, capital, CHARACTERS[character])
        y = 18 - over
        canvas[y : y + ink.shape[0], x : x + ink.shape[1]] = np.maximum(
            canvas[y : y + ink.shape[0], x : x + ink.shape[1]], ink
        )
        centres.append((character, y + ink.shape[0] / 2, x + ink.shape[1] / 2))
        x += advance + int(rng.integers(0, 3))
    return canvas[: 18 + 2, : x + 1], centres


def _shape(shape: int, size: int) -> Floats:
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size * 2 - 1
    if shape == 0:
        inside = (1 - np.hypot(x, y)) * size / 2 + 0.5
    elif shape == 1:
        inside = np.ones_like(x)
    else:
        inside = ((y + 1) / 2 - np.abs(x)) * size / 2 + 0.5
    return np.asarray(np.clip(inside, 0, 1), np.float32)


def _spot(
    taken: NDArray[np.bool_], height: int, width: int, rng: np.random.Generator, cell: int | None
) -> tuple[int, int] | None:
    third = SIDE // 3
    low_y, low_x = (0, 0) if cell is None else (cell // 3 * third, cell % 3 * third)
    span = SIDE if cell is None else third
    for _ in range(30):
        y = low_y + int(rng.integers(2, span - height - 1))
        x = low_x + int(rng.integers(2, span - width - 1))
        if not taken[y - 2 : y + height + 2, x - 2 : x + width + 2].any():
            taken[y : y + height, x : x + width] = True
            return y, x
    return None


def _ink(canvas: Floats, cover: Floats, y: int, x: int, rgb: tuple[int, ...], rng: np.random.Generator) -> None:
    colour = np.clip(np.asarray(rgb, np.float32) + rng.uniform(-18, 18, 3).astype(np.float32), 0, 255)
    under = canvas[y : y + cover.shape[0], x : x + cover.shape[1]]
    under += cover[..., None] * (colour - under)


def _patch(y: float, x: float) -> int:
    return int(y) // PATCH * GRID + int(x) // PATCH


def scene(split: Split, seed: int, index: int, *, crowded: bool = False) -> Scene:
    """The scene of this split, seed and index.

    ``crowded``: a word in every cell, for training on what is local; its questions mean nothing, as inks repeat.
    """
    rng = np.random.default_rng((0 if split == "train" else 1, seed, index))
    canvas, taken = _paper(split, rng), np.zeros((SIDE, SIDE), bool)
    if rng.random() < (0.1 if crowded else 0.6):
        height, width = (int(v) for v in rng.integers(44, 85, 2))
        y, x = int(rng.integers(0, SIDE - height)), int(rng.integers(0, SIDE - width))
        canvas[y : y + height, x : x + width] = _piece(split, rng, height, width)
        taken[y : y + height, x : x + width] = True
    marks = [np.zeros(GRID * GRID, np.int64) for _ in range(4)]
    asked: list[tuple[Question, int, tuple[int, ...]]] = []
    inks = rng.integers(0, len(INKS), CELLS) if crowded else rng.permutation(len(INKS))[: int(rng.integers(2, 4))]
    free_cells = [int(c) for c in rng.permutation(CELLS)]
    for ink in (int(i) for i in inks):
        cover, centres = _word(split, rng)
        for cell in list(free_cells):
            spot = _spot(taken, cover.shape[0], cover.shape[1], rng, cell)
            if spot is not None:
                free_cells.remove(cell)
                break
        else:
            continue
        y, x = spot
        _ink(canvas, cover, y, x, _INK_RGB[INKS[ink]], rng)
        patches = [_patch(y + cy, x + cx) for _, cy, cx in centres]
        for place, ((character, _, _), patch) in enumerate(zip(centres, patches, strict=True)):
            for mark, value in zip(marks[:3], (character, ink, place), strict=True):
                mark[patch] = value + 1
            asked.append(((0, ink, place), character, (patch,)))
        asked.append(((1, ink, 0), CLASSES["place"][0] + cell, tuple(patches)))
    asked += _draw_shapes(canvas, taken, marks[3], rng, 4 * MOST if crowded else MOST)
    canvas += np.float32(rng.uniform(0, 6)) * rng.standard_normal((SIDE, SIDE, 1), np.float32)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    questions, answers, evidence = zip(*asked, strict=True)
    return Scene(image, marks[0], marks[1], marks[2], marks[3], questions, answers, evidence)


def _draw_shapes(
    canvas: Floats, taken: NDArray[np.bool_], mark: Ints, rng: np.random.Generator, most: int
) -> Iterator[tuple[Question, int, tuple[int, ...]]]:
    drawn: list[list[int]] = [[] for _ in SHAPES]
    kinds = rng.choice(len(SHAPES), int(rng.integers(0, most + 1)), p=rng.dirichlet((0.6, 0.6, 0.6)))
    for shape in (int(k) for k in kinds):
        size = int(rng.integers(10, 15))
        spot = _spot(taken, size, size, rng, None)
        if spot is None:
            continue
        _ink(canvas, _shape(shape, size), *spot, _SHAPE_RGB[int(rng.integers(len(_SHAPE_RGB)))], rng)
        patch = _patch(spot[0] + size / 2, spot[1] + size / 2)
        mark[patch] = shape + 1
        drawn[shape].append(patch)
    for shape, patches in enumerate(drawn):
        yield (2, shape, 0), CLASSES["count"][0] + len(patches), tuple(patches)
