"""The line that says what was left out: how many lines, which kinds with counts, and between which times."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs.lines import Lines

_TIME = re.compile(r"(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?!\d)")
_PREFIX = re.compile(
    r"^[\s\[(]*(?:\d{4}-\d\d-\d\d|\d{1,2}[/.-]\w{2,3}[/.-]\d{2,4}|[A-Z][a-z]{2} +\d{1,2})?[T ]*"
    r"(?:\d{1,2}:\d\d:\d\d)?(?:[.,]\d+)?Z?(?: ?[+-]\d{4})?[\])]*\s*"
)
_HOLE = re.compile(r"[\w.:/,+-]*\d[\w.:/,+-]*")
_TROUBLE = re.compile(r"\b(?:err(?:or)?s?|fatal|critical|severe|warn(?:ing)?s?|fail(?:ed|ure)?s?|exception)\b", re.I)
_LETTERS = re.compile(r"[^\W\d_][^\W\d_]")
_MERGED = 16  # kinds that are compared with each other
_WIDE = 56
_READ = 400  # bytes of a line that are read for its words


def left_out(lines: Lines, templates: NDArray[np.uint64], keep: NDArray[np.bool_], kinds: int, cut: int = 0) -> str:
    """``1,979 of 2,000 lines: 1,485× "request id=… handled" 12:00:00–12:33:19, …`` without brackets or newlines.

    ``templates`` and the mask ``keep`` are per line; at most ``kinds`` kinds are named. ``cut``
    counts bytes that shown lines lost.
    """
    gone = int(len(lines) - keep.sum())
    head = f"{gone:,} of {len(lines):,} lines" + (f" and {cut:,} bytes of long lines" if cut else "")
    groups, rest = _groups(lines, templates, np.flatnonzero(~keep & (templates != 0)), kinds)
    if not groups:
        return head
    tail = f", and {rest:,} more kinds" if rest else ""
    return f"{head}: {', '.join(groups)}{tail}"


def _groups(
    lines: Lines, templates: NDArray[np.uint64], hidden: NDArray[np.int64], kinds: int
) -> tuple[list[str], int]:
    """The most frequent kinds of hidden lines in words, and how many other kinds there are."""
    if not len(hidden) or kinds <= 0:
        return [], 0
    _, first, inverse, counts = np.unique(templates[hidden], return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MERGED]
    latest = np.zeros(len(counts), np.int64)
    latest[inverse] = hidden
    merged: list[tuple[list[str], int, int, int]] = []
    for k in order.tolist():
        words = _words(lines.text(int(hidden[first[k]]), _READ))
        member = (words, int(counts[k]), int(hidden[first[k]]), int(latest[k]))
        for at, other in enumerate(merged):
            joined = _join(other[0], words)
            if joined is not None:
                merged[at] = (joined, other[1] + member[1], min(other[2], member[2]), max(other[3], member[3]))
                break
        else:
            merged.append(member)
    merged.sort(key=lambda group: (not _TROUBLE.search(" ".join(group[0])), -group[1]))
    common = [group for group in merged if group[1] >= 2 and any(map(_LETTERS.search, group[0]))]
    half = max(1, kinds // 2)  # trouble first, then by number
    common = common[:half] + sorted(common[half:], key=lambda group: -group[1])
    shown = [_say(lines, group) for group in common[:kinds]]
    return shown, len(counts) - len(order) + len(merged) - len(shown)


def _words(text: str) -> list[str]:
    body = _PREFIX.sub("", text, count=1)
    return _HOLE.sub("…", body).split()


def _join(a: list[str], b: list[str]) -> list[str] | None:
    """Two kinds become one where they have as many words and at least 60 % of them are the same."""
    if len(a) != len(b) or not a:
        return None
    same = [x == y for x, y in zip(a, b, strict=True)]
    if sum(same) < 0.6 * len(a):
        return None
    return [x if equal else "…" for x, equal in zip(a, same, strict=True)]


def _say(lines: Lines, group: tuple[list[str], int, int, int]) -> str:
    words, count, first, last = group
    text = re.sub(r"…[\s…]*…", "…", " ".join(words))
    text = re.sub(r'[\[\]"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]', "", text)
    if len(text) > _WIDE:
        text = text[:_WIDE].rstrip() + "…"
    times = [_TIME.search(lines.text(row, _READ)[:60]) for row in (first, last)]
    when = f" {times[0].group()}–{times[1].group()}" if times[0] and times[1] else ""
    return f'{count:,}× "{text}"{when}'
