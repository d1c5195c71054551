"""OCR lines into text that keeps the layout: reading order, columns, rows of keys and values, paragraphs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .ocr import Box, Line

_COLUMN_CHARS = 22
_COLUMN_LINES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """Lines that stand side by side, as one line of text; ``gap`` marks the start of a new paragraph."""

    text: str
    box: Box
    lines: tuple[Line, ...]
    gap: bool = False


def rows(lines: Sequence[Line]) -> tuple[Row, ...]:
    """The rows of a picture in reading order: columns of prose one after the other, tables row by row."""
    kept = [line for line in lines if line.text.strip()]
    found: list[Row] = []
    for block in _blocks(kept):
        found += _rows_of_block(block)
    return tuple(found)


def text_of(found: Sequence[Row]) -> str:
    """The rows as text; an empty line stands before a paragraph."""
    out = []
    for at, row in enumerate(found):
        out.append(("\n" if row.gap and at else "") + row.text)
    return "\n".join(out)


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all of these."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return (min(lefts), min(tops), max(rights), max(bottoms))


def _blocks(lines: list[Line], depth: int = 4) -> list[list[Line]]:
    """Split into columns where a gutter runs between prose; lines across the gutter part the columns into bands."""
    gutter = _gutter(lines) if depth and len(lines) >= 2 * _COLUMN_LINES else None
    if gutter is None:
        return [lines] if lines else []
    across = sorted((line for line in lines if line.box[0] < gutter < line.box[2]), key=lambda line: line.box[1])
    edges = [float("-inf"), *(_middle(line) for line in across), float("inf")]
    blocks: list[list[Line]] = []
    for at, (top, bottom) in enumerate(itertools.pairwise(edges)):
        band = [line for line in lines if line not in across and top <= _middle(line) < bottom]
        for side in ([x for x in band if x.box[2] <= gutter], [x for x in band if x.box[0] >= gutter]):
            blocks += _blocks(side, depth - 1)
        if at < len(across):
            blocks.append([across[at]])
    return _join_single(blocks)


def _join_single(blocks: list[list[Line]]) -> list[list[Line]]:
    """Neighbouring one-line blocks (headings over columns) become one."""
    out: list[list[Line]] = []
    was_single = False
    for block in blocks:
        single = len(block) == 1
        if out and single and was_single:
            out[-1] = out[-1] + block
        else:
            out.append(list(block))
        was_single = single
    return out


def _gutter(lines: list[Line]) -> float | None:
    """An x that few lines cross and that has columns of prose on both sides, or None."""
    left, _, right, _ = around([line.box for line in lines])
    best: tuple[int, float] | None = None
    edges = sorted({round(line.box[0]) for line in lines})
    for edge in edges:
        x = edge - 1.0
        if not left + 0.15 * (right - left) < x < left + 0.85 * (right - left):
            continue
        before = [line for line in lines if line.box[2] <= x]
        after = [line for line in lines if line.box[0] >= x]
        crossing = len(lines) - len(before) - len(after)
        if crossing > 0.3 * len(lines) or not (_is_prose(before) and _is_prose(after)):
            continue
        if best is None or crossing < best[0]:
            best = (crossing, x)
    return best[1] if best else None


def _is_prose(lines: list[Line]) -> bool:
    return len(lines) >= _COLUMN_LINES and median(len(line.text) for line in lines) >= _COLUMN_CHARS


def _rows_of_block(lines: list[Line]) -> list[Row]:
    ordered = sorted(lines, key=lambda line: (_middle(line), line.box[0]))
    groups: list[list[Line]] = []
    for line in ordered:
        if groups and _beside(groups[-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
    heights = [line.height for line in lines]
    usual = median(heights) if heights else 1.0
    out: list[Row] = []
    bottom = None
    for group in groups:
        group.sort(key=lambda line: line.box[0])
        box = around([line.box for line in group])
        gap = bottom is None or box[1] - bottom > 0.9 * usual
        out.append(Row(_joined(group), box, tuple(group), gap))
        bottom = box[3]
    return out


def _beside(group: list[Line], line: Line) -> bool:
    """Does the line stand on the row of this group, and not over or under a member of it?"""
    last = group[-1]
    overlap = min(last.box[3], line.box[3]) - max(last.box[1], line.box[1])
    if overlap < 0.5 * min(last.height, line.height):
        return False
    return all(
        min(x.box[2], line.box[2]) - max(x.box[0], line.box[0]) < 0.3 * (line.box[2] - line.box[0]) for x in group
    )


def _joined(group: list[Line]) -> str:
    """Texts of a row: one space where they nearly touch, two where a column ends."""
    text = group[0].text.strip()
    for before, line in itertools.pairwise(group):
        letter = (line.box[2] - line.box[0]) / max(1, len(line.text))
        text += (" " if line.box[0] - before.box[2] < 1.5 * letter else "  ") + line.text.strip()
    return text


def _middle(line: Line) -> float:
    return (line.box[1] + line.box[3]) / 2
