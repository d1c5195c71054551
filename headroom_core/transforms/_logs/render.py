"""The excerpt: kept lines as they stand, and a note with line numbers for each gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs.lines import Lines

LONGEST = 2400  # bytes of a line that are shown; of a longer one the two ends
_TAIL = 600
_NOTE = 20  # a gap of so few bytes is shown: its note would be as long
_COUNTED = 10  # a gap of fewer lines is counted, not numbered
_BLANKS = 8  # so many blank lines in a row stay as they are


def excerpt(lines: Lines, keep: NDArray[np.bool_]) -> str:
    """The kept lines (a mask over lines); gaps as ``… lines 120-340`` or, when short, ``… 4 lines``; short runs of blank lines as they are.

    Every line of the original is shown or counted, so line numbers can be told from the excerpt.
    """
    shown = np.flatnonzero(keep)
    pieces: list[str] = []
    at = 0
    for first, last in _runs(shown):
        gap = _gap(lines, at, first)
        if gap is not None:
            pieces.append(gap)
        pieces.append(_block(lines, first, last))
        at = last + 1
    tail = _gap(lines, at, len(lines))
    if tail:
        pieces.append(tail)
    return "\n".join(pieces)


def beyond(lines: Lines, keep: NDArray[np.bool_]) -> int:
    """Bytes of the kept lines that are not shown because the lines are very long."""
    size = (lines.end - lines.start)[keep]
    return int((size - LONGEST)[size > LONGEST].sum())


def _runs(shown: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours."""
    if not len(shown):
        return []
    cuts = np.flatnonzero(np.diff(shown) > 1)
    firsts = shown[np.concatenate([[0], cuts + 1])]
    lasts = shown[np.concatenate([cuts, [len(shown) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _gap(lines: Lines, a: int, b: int) -> str | None:
    """The note for lines a to b (exclusive), blank lines as themselves, None where there is nothing."""
    if a >= b:
        return None
    if b - a <= _BLANKS and _blank(lines, a, b):
        return "\n" * (b - a - 1)
    if int(lines.end[b - 1] - lines.start[a]) <= _NOTE:
        return lines.span(a, b - 1)
    first, last = int(lines.number[a]), int(lines.number[b - 1])
    if last - first < _COUNTED:
        return f"… {last - first + 1} line{'s' if last > first else ''}"
    return f"… lines {first}-{last}"


def _blank(lines: Lines, a: int, b: int) -> bool:
    return int(lines.end[b - 1] - lines.start[a]) < 1000 and not lines.data[lines.start[a] : lines.end[b - 1]].strip()


def _block(lines: Lines, first: int, last: int) -> str:
    size = lines.end[first : last + 1] - lines.start[first : last + 1]
    if int(size.max()) <= LONGEST:
        return lines.span(first, last)
    return "\n".join(_line(lines, i) for i in range(first, last + 1))


def _line(lines: Lines, i: int) -> str:
    """One line; a very long one loses its middle, which is counted."""
    start, end = int(lines.start[i]), int(lines.end[i])
    if end - start <= LONGEST:
        return lines.text(i)
    head = lines.data[start : start + LONGEST - _TAIL].decode("utf-8", "ignore")
    tail = lines.data[end - _TAIL : end].decode("utf-8", "ignore")
    return f"{head} … {end - start - LONGEST:,} bytes … {tail}"
