"""How providers count the tokens of a picture: one frozen formula per family, pure arithmetic on width and height.

Each formula answers two questions: ``tokens`` (what is billed) and ``seen`` (the pixel grid that the model gets after
the provider's own resize). ``detail`` is the level that the block asks for; None takes the provider's default. Which
model uses which formula with which constants is data: see ``profiles``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Protocol, TypeAlias

Size: TypeAlias = tuple[int, int]


class Formula(Protocol):
    """Tokens of a picture, and the grid that the model sees."""

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first; empty where there are none."""

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""


@dataclass(frozen=True, slots=True)
class OpenAiTiles:
    """Fit into 2048², shrink the short side to ``short``, then ``base`` + ``per`` for each 512² tile.

    ``low`` costs ``base``. Small pictures are not enlarged. ``fidelity`` (square, other) is added for "high_fidelity".
    """

    base: int
    per: int
    short: int = 768
    fidelity: Size | None = None

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ("low", "high", "auto")

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        if detail == "low":
            return _fit(width, height, 512)
        width, height = _fit(width, height, 2048)
        if min(width, height) > self.short:
            scale = self.short / min(width, height)
            width, height = max(1, int(width * scale)), max(1, int(height * scale))
        return width, height

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        if detail == "low":
            return self.base
        wide, high = self.seen(width, height, detail)
        extra = 0
        if detail == "high_fidelity" and self.fidelity is not None:
            extra = self.fidelity[0] if width == height else self.fidelity[1]
        return self.base + self.per * ceil(wide / 512) * ceil(high / 512) + extra


@dataclass(frozen=True, slots=True)
class OpenAiPatches:
    """Patches of 32² within a budget and a longest side, times a multiplier (in hundredths, rounded up).

    ``original`` names the (budget, longest side) of that level where the family has it: None, else a pair whose
    zeros mean no limit. Above ``rejected_over`` patches the provider answers with an error.
    """

    budget: int
    side: int
    hundredths: int = 100
    original: Size | None = None
    auto: str = "high"
    rejected_over: int | None = None

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ("low", "high", "auto") + (("original",) if self.original is not None else ())

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        budget, side = self._limits(detail)
        if side and max(width, height) > side:
            width, height = _fit(width, height, side)
        if not budget or _cells(width, height, 32) <= budget:
            return width, height
        scale = sqrt(1024 * budget / (width * height))
        wide, high = width * scale / 32, height * scale / 32
        scale *= min(floor(wide) / wide, floor(high) / high) if min(wide, high) >= 1 else 1
        return max(1, int(width * scale + 1e-6)), max(1, int(height * scale + 1e-6))

    def patches(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Patches after the provider's resize, before the multiplier."""
        return _cells(*self.seen(width, height, detail), 32)

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        return -(-self.patches(width, height, detail) * self.hundredths // 100)

    def rejected(self, width: int, height: int, detail: str | None = None, /) -> bool:
        """Would the provider refuse this picture?"""
        return self.rejected_over is not None and self.patches(width, height, detail) > self.rejected_over

    def _limits(self, detail: str | None) -> Size:
        level = self.auto if detail in (None, "auto") else detail
        if level == "low":
            return 256, 512
        if level == "original" and self.original is not None:
            return self.original
        return self.budget, self.side


@dataclass(frozen=True, slots=True)
class AnthropicPatches:
    """⌈w/28⌉·⌈h/28⌉ after the largest aspect-preserving size with padded edges ≤ ``edge`` and tokens ≤ ``budget``.

    The long edge is found by binary search; the short edge is Python's ``round`` (half to even).
    """

    edge: int
    budget: int

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        if self._fits(width, height):
            return width, height
        low, high = 1, max(width, height)
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(*_with_long_edge(width, height, middle)):
                low = middle
            else:
                high = middle - 1
        return _with_long_edge(width, height, low)

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        return _cells(*self.seen(width, height), 28)

    def _fits(self, width: int, height: int) -> bool:
        padded = 28 * ceil(max(width, height) / 28)
        return padded <= self.edge and _cells(width, height, 28) <= self.budget


@dataclass(frozen=True, slots=True)
class GeminiTiles:
    """258 up to 384²; above, 258 for each tile of ⌊short/1.5⌋ px (within 256–768). ``levels`` are flat budgets.

    Up to Gemini 2.5 a level is asked for by the whole request, never by one block, so ``details`` is empty.
    """

    per: int = 258
    levels: tuple[tuple[str, int], ...] = (("low", 64), ("medium", 256))

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        if detail in dict(self.levels):
            return _fit(width, height, 384 if detail == "low" else 768)
        return width, height

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        flat = dict(self.levels).get(detail or "")
        if flat is not None:
            return flat
        if max(width, height) <= 384:
            return self.per
        unit = min(768, max(256, int(min(width, height) / 1.5)))
        return self.per * ceil(width / unit) * ceil(height / unit)


@dataclass(frozen=True, slots=True)
class Budget:
    """A flat number of tokens per level, whatever the size: (level, tokens, longest side that the model can use)."""

    levels: tuple[tuple[str, int, int], ...]
    default: str

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return tuple(name for name, _, _ in self.levels) if len(self.levels) > 1 else ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        return _fit(width, height, self._level(detail)[2])

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        return self._level(detail)[1]

    def _level(self, detail: str | None) -> tuple[str, int, int]:
        rows = {row[0]: row for row in self.levels}
        return rows.get(detail or self.default, rows[self.default])


@dataclass(frozen=True, slots=True)
class NovaAreas:
    """Nova rescales up or down until one side exceeds 896 px; its page gives tokens for five areas only.

    Between these, tokens are interpolated by area (an approximation; the page itself says "about").
    """

    anchors: tuple[tuple[int, int], ...] = (
        (900 * 450, 800), (900 * 900, 1300), (1400 * 900, 1800), (1800 * 900, 2400), (1300 * 1300, 2600),
    )  # fmt: skip

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        scale = max(1.0, 900 / max(width, height))
        area = width * height * scale * scale
        scale *= min(1.0, sqrt(self.anchors[-1][0] / area))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        wide, high = self.seen(width, height)
        area = wide * high
        if area <= self.anchors[0][0]:
            return max(1, round(self.anchors[0][1] * area / self.anchors[0][0]))
        for (small, few), (large, many) in zip(self.anchors, self.anchors[1:], strict=False):
            if area <= large:
                return round(few + (many - few) * (area - small) / (large - small))
        return self.anchors[-1][1]


@dataclass(frozen=True, slots=True)
class GrokTiles:
    """(tiles of 448² + 1) · 256, at most six tiles."""

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        while _cells(width, height, 448) > 6:
            width, height = max(1, int(width * 0.98)), max(1, int(height * 0.98))
        return width, height

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        return 256 * (_cells(*self.seen(width, height), 448) + 1)


@dataclass(frozen=True, slots=True)
class QwenGrid:
    """smart_resize: sides rounded to ``factor``, area clamped to [``least``, ``most``]; w'·h' / factor²."""

    factor: int
    most: int
    least: int

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        wide, high = (max(1, round(side / self.factor)) * self.factor for side in (width, height))
        if wide * high > self.most:
            scale = sqrt(self.most / (width * height))
            wide, high = (max(1, floor(side * scale / self.factor)) * self.factor for side in (width, height))
        elif wide * high < self.least:
            scale = sqrt(self.least / (width * height))
            wide, high = (ceil(side * scale / self.factor) * self.factor for side in (width, height))
        return wide, high

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        wide, high = self.seen(width, height)
        return wide * high // (self.factor * self.factor)


@dataclass(frozen=True, slots=True)
class LlamaTiles:
    """Tiles of 336² on the best canvas of at most ``most``: 144 each; more than one adds a global tile and separators."""

    most: int = 16

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        columns, rows = self._canvas(width, height)
        scale = min(1.0, columns * 336 / width, rows * 336 / height)
        return max(1, floor(width * scale)), max(1, floor(height * scale))

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        columns, rows = self._canvas(width, height)
        tiles = columns * rows
        return 144 + 3 if tiles == 1 else 144 * (tiles + 1) + rows * columns + 3

    def _canvas(self, width: int, height: int) -> Size:
        """(columns, rows): the least enlargement, else the least shrinking; ties take the smaller canvas."""
        best, best_key = (1, 1), (-1.0, 0.0, 0)
        for columns in range(1, self.most + 1):
            for rows in range(1, self.most // columns + 1):
                scale = min(columns * 336 / width, rows * 336 / height)
                key = (1.0, -scale, -columns * rows) if scale >= 1 else (0.0, scale, -columns * rows)
                if key > best_key:
                    best, best_key = (columns, rows), key
        return best


@dataclass(frozen=True, slots=True)
class MistralRows:
    """Fit into ``side``²; cells of ``cell`` px: rows · (columns + 1), one token for each row's break."""

    side: int
    cell: int

    @property
    def details(self) -> tuple[str, ...]:
        """The levels that a block may ask for, cheapest first."""
        return ()

    def seen(self, width: int, height: int, detail: str | None = None, /) -> Size:
        """Width and height that the model sees."""
        scale = max(width / self.side, height / self.side)
        return (max(1, round(width / scale)), max(1, round(height / scale))) if scale > 1 else (width, height)

    def tokens(self, width: int, height: int, detail: str | None = None, /) -> int:
        """Tokens that are billed."""
        wide, high = self.seen(width, height)
        return ceil(high / self.cell) * (ceil(wide / self.cell) + 1)


def _cells(width: int, height: int, cell: int) -> int:
    return ceil(width / cell) * ceil(height / cell)


def _fit(width: int, height: int, side: int) -> Size:
    """The size inside ``side``², aspect kept, never larger than it was."""
    scale = side / max(width, height)
    return (width, height) if scale >= 1 else (max(1, round(width * scale)), max(1, round(height * scale)))


def _with_long_edge(width: int, height: int, edge: int) -> Size:
    short = max(1, round(min(width, height) * edge / max(width, height)))
    return (edge, short) if width >= height else (short, edge)
