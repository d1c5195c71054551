"""Unified, git and combined diffs as a flat list of pieces; together the pieces are the text, line for line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)", re.S)
_COMBINED = re.compile(r"(@{3,}) ((?:-\d+(?:,\d+)? )+)\+(\d+)(?:,(\d+))? @{3,}(.*)", re.S)
_EXTENDED = (
    "index ", "old mode ", "new mode ", "deleted file mode ", "new file mode ", "similarity index ", "mode ",
    "dissimilarity index ", "copy from ", "copy to ", "rename from ", "rename to ", "Binary files ",
)  # fmt: skip


@dataclass(slots=True)
class Loose:
    """Lines that belong to no file: a commit message, a mail header, a diffstat, a line that breaks a hunk's count."""

    lines: list[str]


@dataclass(slots=True)
class Header:
    """The lines that open a file."""

    lines: list[str]
    path: str = ""


@dataclass(slots=True)
class Hunk:
    """``width`` is the number of marker columns (1, or the number of parents); ``body`` follows the ``head`` line."""

    head: str
    old: int
    new: int
    heading: str
    width: int
    body: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Binary:
    """A ``GIT binary patch`` and its encoded lines."""

    lines: list[str]


Piece: TypeAlias = Loose | Header | Hunk | Binary


def parse(lines: list[str]) -> list[Piece]:
    """One linear pass; a hunk takes the lines that its counts announce, so that a removed ``-- x`` is no header."""
    pieces: list[Piece] = []
    i, n = 0, len(lines)
    while i < n:
        line = lines[i]
        start = i
        if line.startswith("@@") and (hunk := _open_hunk(line)):
            i = _fill(hunk, lines, i + 1)
            pieces.append(hunk)
        elif opens_file(lines, i):
            i = _header_end(lines, i)
            pieces.append(Header(lines[start:i], _path(lines[start:i])))
        elif line.startswith("GIT binary patch"):
            i = _binary_end(lines, i + 1)
            pieces.append(Binary(lines[start:i]))
        else:
            i += 1
            if pieces and isinstance(pieces[-1], Loose):
                pieces[-1].lines.append(line)
            else:
                pieces.append(Loose([line]))
    return pieces


def opens_file(lines: list[str], i: int) -> bool:
    """Does line ``i`` open a file: git's own line, or ``---`` with ``+++`` and a hunk behind it?"""
    line = lines[i]
    if line.startswith("diff --"):
        return line.startswith(("diff --git ", "diff --cc ", "diff --combined "))
    if line.startswith("--- "):
        return i + 2 < len(lines) and lines[i + 1].startswith("+++ ") and lines[i + 2].startswith("@@ -")
    if line.startswith("Index: "):
        return i + 1 < len(lines) and lines[i + 1].startswith("=====")
    return line.startswith("diff -") and i + 1 < len(lines) and lines[i + 1].startswith("--- ")


def _header_end(lines: list[str], i: int) -> int:
    n = len(lines)
    i += 1
    if i < n and lines[i - 1].startswith("Index: ") and lines[i].startswith("====="):
        i += 1
    while i < n and lines[i].startswith(_EXTENDED):
        i += 1
    if i < n and lines[i - 1].startswith("--- ") and lines[i].startswith("+++ "):
        return i + 1
    if i + 1 < n and lines[i].startswith("--- ") and lines[i + 1].startswith("+++ "):
        return i + 2
    return i


def _open_hunk(line: str) -> Hunk | None:
    if match := _HUNK.match(line):
        old, _, new, _, heading = match.groups()
        return Hunk(line, int(old), int(new), heading.rstrip("\r"), 1)
    if match := _COMBINED.match(line):
        olds = match.group(2).split()
        first = olds[0][1:].split(",")[0]
        return Hunk(line, int(first), int(match.group(3)), match.group(5).rstrip("\r"), len(olds))
    return None


def _fill(hunk: Hunk, lines: list[str], i: int) -> int:
    """Take the hunk's lines from ``i`` on; the index behind them."""
    if hunk.width > 1:
        return _fill_combined(hunk, lines, i)
    match = _HUNK.match(hunk.head)
    old, new = (1 if count is None else int(count) for count in (match and match.group(2), match and match.group(4)))
    start, n = i, len(lines)
    while i < n and (old > 0 or new > 0):
        mark = lines[i][:1]
        if mark == " ":
            old -= 1
            new -= 1
        elif mark == "-":
            old -= 1
        elif mark == "+":
            new -= 1
        elif (mark == "" and i + 1 < n) or mark == "\r":
            old -= 1  # an empty context line whose blank was stripped on its way
            new -= 1
        elif mark != "\\":
            break
        i += 1
    if i < n and lines[i].startswith("\\ "):
        i += 1
    hunk.body = lines[start:i]
    return i


def _fill_combined(hunk: Hunk, lines: list[str], i: int) -> int:
    start, n, width = i, len(lines), hunk.width
    marks = frozenset(" +-")
    while i < n and (lines[i].startswith("\\ ") or (len(lines[i]) >= width and marks.issuperset(lines[i][:width]))):
        i += 1
    hunk.body = lines[start:i]
    return i


def _binary_end(lines: list[str], i: int) -> int:
    """Behind the one or two ``literal``/``delta`` blocks, each closed by an empty line."""
    n = len(lines)
    while i < n and lines[i].startswith(("literal ", "delta ")):
        while i < n and lines[i].strip():
            i += 1
        i += i < n
    return i


def _path(header: list[str]) -> str:
    """The file's new name, or its old one where it was deleted; without ``a/`` and ``b/``."""
    names = {line.split(" ", 1)[0]: line for line in header if line.startswith(("--- ", "+++ ", "diff ", "Index: "))}
    for mark in ("+++", "---"):
        name = clean_name(names.get(mark, "    ")[4:])
        if name and name != "/dev/null":
            return bare_name(name)
    for line in header:
        if line.startswith(("rename to ", "copy to ")):
            return clean_name(line.split(" to ", 1)[1])
    first = header[0].rstrip("\r")
    if first.startswith("diff --git "):
        names_part = first[len("diff --git ") :]
        middle = len(names_part) // 2
        same_halves = names_part[middle : middle + 1] == " "
        return bare_name(clean_name(names_part[middle + 1 :] if same_halves else names_part.rsplit(" ", 1)[-1]))
    return clean_name(first.rsplit(" ", 1)[-1])


def clean_name(name: str) -> str:
    """A file name without its time stamp, quotes and carriage return."""
    return name.split("\t", 1)[0].rstrip("\r").strip('"')


def bare_name(name: str) -> str:
    """Without the one-letter prefix that git puts in front (``a/``, ``b/``, ``i/``, ``w/``, ``c/``, ``o/``)."""
    return name[2:] if len(name) > 2 and name[1] == "/" and name[0] in "abiwco" else name
