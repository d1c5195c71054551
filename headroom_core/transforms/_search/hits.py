"""Reads what grep, ripgrep, ag, ack and git grep print into lines of (path, number, mark, text).

Three styles: *numbered* (``path:12:text``, context ``path-12-text``), *plain* (``path:text``) and *headed* (a path on a
line of its own, then ``12:text``). Every line is read such that its pieces, joined, are the line again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

Style = Literal["numbered", "plain", "headed"]


class Line(NamedTuple):
    """One line. ``mark`` is ":" for a hit, "-" or "=" for context, and empty for a line that is neither."""

    path: str
    number: str
    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Hits:
    """All lines of a search result, in order."""

    style: Style
    lines: list[Line]


_PATH = r"(?:[A-Za-z]:(?=[\\/]))?[^\s:][^\s:]{0,300}(?::[^\s:\d][^\s:]{0,300})?"
_NUMBERED = re.compile(rf"({_PATH}):(\d{{1,9}}):(.*)", re.DOTALL)
_SPACED = re.compile(r"([^\s:][^:\n]{0,300}\.\w{1,8}):(\d{1,9}):(.*)", re.DOTALL)
_AROUND = re.compile(r"([-=])(\d{1,9})\1")
_PLAIN = re.compile(
    r"((?:[A-Za-z]:(?=[\\/]))?(?:[^\s:]*[\\/][^\s:]*|[^\s:]+\.\w{1,8}|Makefile|Dockerfile)):(?!//)(.*)", re.DOTALL
)
_ITEM = re.compile(r"\s{0,8}(?:Line |L)?(\d{1,9})(?:([:|-])|=)(.*)", re.DOTALL)
_LONGEST_PATH = 320


def read(text: str) -> Hits | None:
    """The lines of a search result in the style that most of them have; None where the text is none."""
    rows = text.split("\n")
    probe = [row[:1000] for row in rows[:400] if row and row != "--" and row != "\r"][:120]
    if not probe:
        return None
    numbered = sum(_hit(row) is not None for row in probe)
    if numbered >= max(1, 0.3 * len(probe)):
        return Hits("numbered", _numbered(rows))
    items = sum(_ITEM.match(row) is not None for row in probe)
    if items >= 0.4 * len(probe) and items < len(probe):
        return _headed(rows)
    if sum(_PLAIN.match(row) is not None for row in probe) >= 0.7 * len(probe):
        return Hits("plain", _plain(rows))
    return None


def _hit(row: str) -> re.Match[str] | None:
    return _NUMBERED.match(row) or _SPACED.match(row)


def _numbered(rows: list[str]) -> list[Line]:
    """Hits first, because their paths tell where the path of a context line ends."""
    known: set[str] = set()
    found: list[Line | None] = []
    for row in rows:
        match = _NUMBERED.match(row) or (_SPACED.match(row) if ":" in row else None)
        if match is None:
            found.append(None)
        else:
            path, number, rest = match.groups()
            known.add(path)
            found.append(Line(path, number, ":", rest))
    last = ""
    lines: list[Line] = []
    for row, line in zip(rows, found, strict=True):
        if line is None:
            line = _context(row, known, last) or Line("", "", "", row)
        last = line.path or last
        lines.append(line)
    return lines


def _context(row: str, known: set[str], last: str) -> Line | None:
    """``path-12-text``: the path of the line before, else one that is known, else up to the first number."""
    if row == "--" or len(row) < 4:
        return None
    if last and row.startswith(last) and (match := _AROUND.match(row, len(last))):
        return Line(last, match[2], match[1], row[match.end() :])
    first: re.Match[str] | None = None
    for match in _AROUND.finditer(row, 1, _LONGEST_PATH):
        if row[: match.start()] in known:
            return Line(row[: match.start()], match[2], match[1], row[match.end() :])
        first = first or match
    if first is None or re.search(r"\s", row[: first.start()]):
        return None
    return Line(row[: first.start()], first[2], first[1], row[first.end() :])


def _plain(rows: list[str]) -> list[Line]:
    lines: list[Line] = []
    known: set[str] = set()
    last = ""
    for row in rows:
        match = _PLAIN.match(row)
        if match is not None:
            last = match[1]
            known.add(last)
            lines.append(Line(last, "", ":", match[2]))
        elif last and row.startswith(last + "-"):
            lines.append(Line(last, "", "-", row[len(last) + 1 :]))
        else:
            lines.append(Line("", "", "", row))
    return lines


def _headed(rows: list[str]) -> Hits | None:
    """The path of each line is the heading above it; headings and blank lines are lines of their own."""
    path = ""
    lines: list[Line] = []
    heads = 0
    for row, below in zip(rows, [*rows[1:], ""], strict=True):
        match = _ITEM.match(row)
        if match is not None and path:
            lines.append(Line(path, match[1], match[2] if match[2] in ("-", "=") else ":", match[3]))
            continue
        if row.strip() and row != "--" and len(row) <= _LONGEST_PATH and _ITEM.match(below):
            path = row.strip().rstrip(":").strip("# `*")
            heads += 1
        lines.append(Line("", "", "", row))
    return Hits("headed", lines) if heads else None
