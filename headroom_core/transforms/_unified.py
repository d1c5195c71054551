"""Unified, git and combined diffs as a flat list of pieces; joined, the pieces are the text, byte for byte.

A diff says by the first character of each line what the line is. These characters in a row are a string of their own,
a fortieth of the text, in which one search finds a run of lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENS = re.compile(r"[@dIG]|-\+@")
_BODY = re.compile(r"[ +\-\\\r\n]*")
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)", re.S)
_COMBINED = re.compile(r"(@{3,}) ((?:-\d+(?:,\d+)? )+)\+(\d+)(?:,(\d+))? @{3,}(.*)", re.S)
_EXTENDED = (
    "index ", "old mode ", "new mode ", "deleted file mode ", "new file mode ", "similarity index ", "mode ",
    "dissimilarity index ", "copy from ", "copy to ", "rename from ", "rename to ", "Binary files ",
)  # fmt: skip


class Lines:
    """A text by its lines; ``marks`` holds the first character of each, a line feed for an empty one."""

    __slots__ = ("closed", "lines", "marks")

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.closed = not self.lines[-1]
        if self.closed:
            self.lines.pop()
        self.marks = "".join([line[0] if line else "\n" for line in self.lines])

    def text(self, first: int, end: int) -> str:
        """The lines from ``first`` to before ``end`` as they stand in the text."""
        return self.joined(self.lines[first:end], end < len(self.lines) or self.closed)

    @staticmethod
    def joined(lines: list[str], closed: bool) -> str:
        """Lines as a text; ``closed``: the last one ends in a line feed too."""
        return "\n".join(lines) + ("\n" if closed and lines else "")


@dataclass(slots=True)
class Piece:
    """The lines from ``first`` to before ``end``."""

    first: int
    end: int


class Loose(Piece):
    """Lines that belong to no file: a commit message, a mail header, a diffstat, a line that breaks a hunk's count."""


class Header(Piece):
    """The lines that open a file."""


class Binary(Piece):
    """A ``GIT binary patch`` and its encoded lines."""


@dataclass(slots=True)
class Hunk(Piece):
    """``old`` and ``new`` are where it begins; ``width`` is the number of marker columns: 1, or that of the parents."""

    old: int
    new: int
    heading: str
    width: int = 1


def parse(source: Lines) -> list[Piece]:
    """One linear pass; a hunk takes the lines that its counts announce, so that a removed ``-- x`` is no header."""
    pieces: list[Piece] = []
    marks, at, loose = source.marks, 0, 0
    while True:
        if not marks.startswith("@", at):
            found = _OPENS.search(marks, at)
            if found is None:
                break
            at = found.start()
        piece = _piece(source, at)
        if piece is None:
            at += 1
            continue
        if at > loose:
            pieces.append(Loose(loose, at))
        pieces.append(piece)
        at = loose = piece.end
    if loose < len(source.lines):
        pieces.append(Loose(loose, len(source.lines)))
    return pieces


def _piece(source: Lines, at: int) -> Piece | None:
    """The hunk, header or binary patch that begins on this line; None where it only looks so."""
    lines, mark = source.lines, source.marks[at]
    if mark == "@":
        return _hunk(source, at)
    line, after = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
    if mark == "-":
        names = line.startswith("--- ") and after.startswith("+++ ") and lines[at + 2].startswith("@@ -")
        return Header(at, at + 2) if names else None
    if mark == "G":
        return Binary(at, _encoded(lines, at + 1)) if line.startswith("GIT binary patch") else None
    if mark == "I":
        index = line.startswith("Index: ") and after.startswith("=====")
        return Header(at, _header_end(lines, at + 2)) if index else None
    if line.startswith("diff --"):
        return Header(at, _header_end(lines, at + 1))
    return Header(at, _names_end(lines, at + 1)) if line.startswith("diff -") and after.startswith("--- ") else None


def _encoded(lines: list[str], at: int) -> int:
    """Behind the two blocks of a binary patch, each with its empty line."""
    for _ in range(2):
        if at < len(lines) and lines[at].startswith(("literal ", "delta ")):
            while at < len(lines) and lines[at]:
                at += 1
            at += at < len(lines)
    return at


def _header_end(lines: list[str], at: int) -> int:
    """Behind the extended lines of git and the two names."""
    while at < len(lines) and lines[at].startswith(_EXTENDED):
        at += 1
    return _names_end(lines, at)


def _names_end(lines: list[str], at: int) -> int:
    """Behind the ``---`` and ``+++`` lines, if they stand there."""
    return at + 2 if at + 1 < len(lines) and lines[at].startswith("--- ") and lines[at + 1].startswith("+++ ") else at


def _hunk(source: Lines, first: int) -> Hunk | None:
    match = _HUNK.match(source.lines[first])
    if match is None:
        return _combined(source, first)
    old_start, old, new_start, new, heading = match.groups()
    marks, body = source.marks, first + 1
    end = _body_end(marks, body)
    lines = end - body - marks.count("\\", body, end)
    olds, news = lines - marks.count("+", body, end), lines - marks.count("-", body, end)
    wanted = (1 if old is None else int(old), 1 if new is None else int(new))
    if olds >= wanted[0] and news >= wanted[1] and (olds, news) != wanted:
        end = _counted(marks, body, end, *wanted)
    return Hunk(first, end, int(old_start), int(new_start), heading.rstrip("\r"))


def _body_end(marks: str, body: int) -> int:
    """Behind the last line in a row that begins like a line of a hunk."""
    found = _BODY.match(marks, body)
    return found.end() if found else body


def _counted(marks: str, at: int, end: int, old: int, new: int) -> int:
    """Behind as many lines from ``at`` on as a hunk with these counts has."""
    while at < end and (old > 0 or new > 0):
        old -= marks[at] not in "+\\"
        new -= marks[at] not in "-\\"
        at += 1
    return at + 1 if at < end and marks[at] == "\\" else at


def _combined(source: Lines, first: int) -> Hunk | None:
    match = _COMBINED.match(source.lines[first])
    if match is None:
        return None
    olds = match.group(2).split()
    width, at, end = len(olds), first + 1, _body_end(source.marks, first + 1)
    marks = frozenset(" +-")
    while at < end and (source.lines[at].startswith("\\ ") or marks.issuperset(source.lines[at][:width])):
        at += 1
    heading = match.group(5).rstrip("\r")
    return Hunk(first, at, int(olds[0][1:].split(",")[0]), int(match.group(3)), heading, width)


def path_of(header: list[str]) -> str:
    """The file's new name, or its old one where it was deleted; without ``a/`` and ``b/``."""
    for line in header[-1:-3:-1] if header[-1].startswith("+++ ") else ():
        name = clean_name(line[4:])
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
