"""Tables inside of texts: a row is one unit, whole or gone, and brings the header of its table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headroom_core.language.span import Span

_RULE = re.compile(r"[\s|+:=─━═┄┌┬┐├┼┤└┴┘╞╪╡╘╧╛┏┳┓┡╇┩╭╮╰╯╟╢╠╬╣╔╦╗╚╩╝-]{3,}")
_BAR = re.compile(r"[|│┃║┆]")
_LEADERS = re.compile(r"(?:\. ?){4,}\s*[\divxlc]{1,6}")
_GAP = re.compile(r"(?<=[^\s.!?:,;])( {2,})(?=\S)")
_NUMBER = re.compile(r"[-+−–(]?[$€£]?\d[\d,.:/-]*[%)]?|[-–—]|NA|NaN|n/a")
_NAMED = re.compile(r"(?<=\w):(?= \S|$)")
_LEAST = 3
"""Lines with as many cells that make a table; names in a line that make it a record."""
_LONGEST = 600
"""Characters of the longest row without bars or tabs."""
_MANY = 6
"""Words of the longest line in which gaps of two blanks part cells; in longer ones such gaps only justify the line."""
_ANY, _NUMBERS, _COLUMNS, _ENTRY = ("", 0), ("0", 0), (" ", 0), (".", 0)
"""Rules, which stand in any table; mostly numbers; wide gaps, some cells may be empty; entries of a table of contents."""


@dataclass(frozen=True, slots=True)
class Table:
    """Indices of the lines of a header (there may be none) and of the rows below it."""

    head: range
    rows: range


def tables(text: str, lines: Sequence[Span]) -> list[Table]:
    """The tables among the lines of a text: neighbours with as many bars, tabs or wide gaps in each, or mostly numbers."""
    if text.count("\n") < _LEAST - 1:
        return []
    found = []
    for first, end, kind in _runs(text, lines):
        rules = [i for i in range(first, end) if _RULE.fullmatch(text, *lines[i])]
        if end - first - len(rules) < (_LEAST - 1 if rules else _LEAST):
            continue
        above = first > 0 and not rules and _named(text, lines[first - 1], lines[first], kind)
        if above or kind in (_NUMBERS, _ENTRY) or kind[0] == ":":
            found.append(Table(range(first - above, first), range(first, end)))
        else:
            boxed = first in rules
            below = next((i for i in rules if first < i <= first + 2 + boxed), first + boxed)
            if below + 1 < end:
                found.append(Table(range(first, below + 1), range(below + 1, end)))
    return found


def _runs(text: str, lines: Sequence[Span]) -> Iterator[tuple[int, int, tuple[str, int]]]:
    """Stretches of neighbouring lines that are cut into as many cells in the same way; rules stand in any."""
    first, kind = 0, None
    below = [i > 0 and text.count("\n", lines[i - 1][1], lines[i][0]) == 1 for i in range(len(lines))]
    for i, line in enumerate(lines):
        own = cells(text, *line) if below[i] or any(below[i + 1 : i + 2]) else None
        if kind is not None and (own is None or not below[i] or (_ANY not in (own, kind) and own != kind)):
            yield first, i, kind
            kind = None
        if kind is None:
            first, kind = i, own
        elif kind == _ANY:
            kind = own
    if kind is not None:
        yield first, len(lines), kind


def _named(text: str, above: Span, line: Span, kind: tuple[str, int]) -> bool:
    """Does the line above, which is no line of the table by itself, name its columns?"""
    if kind not in (_NUMBERS, _COLUMNS) or text.count("\n", above[1], line[0]) != 1 or text[above[1] - 1] in ".!?":
        return False
    return kind == _NUMBERS or _GAP.search(text, *above) is not None


def cells(text: str, start: int, end: int) -> tuple[str, int] | None:
    """What parts the cells of a line, and how often; None for a line of running text."""
    if _RULE.fullmatch(text, start, end):
        return _ANY
    if _BAR.search(text, start, end):
        outer = sum(_BAR.match(text, at) is not None for at in (start, end - 1))
        count = len(_BAR.findall(text, start, end)) - outer
        return ("|", count) if count > 0 else None
    if text.find("\t", start, end) >= 0:
        return ("\t", text.count("\t", *_with_empty_cells(text, start, end)))
    if end - start > _LONGEST:
        return None
    if _LEADERS.search(text, max(start, end - 60), end):
        return _ENTRY
    names = len(_NAMED.findall(text, start, end))
    if names >= _LEAST:
        return (":", names)
    gaps = [len(gap) for gap in _GAP.findall(text, start, end)]
    words = text[start:end].split()
    if gaps and (max(gaps) > 2 or 1 < len(gaps) < len(words) <= _MANY):
        return _COLUMNS
    if (
        len(words) > 2
        and text[end - 1] not in ".!?"
        and sum(map(bool, map(_NUMBER.fullmatch, words))) * 2 >= len(words)
    ):
        return _NUMBERS
    return None


def _with_empty_cells(text: str, start: int, end: int) -> Span:
    """A line with the tabs around it."""
    while start > 0 and text[start - 1] == "\t":
        start -= 1
    while end < len(text) and text[end] == "\t":
        end += 1
    return start, end
