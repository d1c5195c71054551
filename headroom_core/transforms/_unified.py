"""Unified, git and combined diffs as a flat list of pieces; joined, the pieces are the text, byte for byte.

Lines end in a line feed; the work per line is done by regular expressions and ``str.count``, for speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_START = re.compile(
    r"^(?:@@|diff --git |diff --cc |diff --combined |diff -|--- [^\n]*\n\+\+\+ [^\n]*\n@@ -|Index: [^\n]*\n=====|GIT binary patch)",
    re.M,
)
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@([^\n]*)\n?")
_COMBINED = re.compile(r"(@{3,}) ((?:-\d+(?:,\d+)? )+)\+(\d+)(?:,(\d+))? @{3,}([^\n]*)\n?")
_BODY_END = re.compile(r"\n(?![ +\-\\\r\n])")
_EXTENDED = re.compile(
    r"(?:(?:index|old mode|new mode|deleted file mode|new file mode|similarity index|mode|dissimilarity index|copy from|copy to"
    r"|rename from|rename to|Binary files) [^\n]*\n?)*"
)
_NAMES = re.compile(r"--- [^\n]*\n\+\+\+ [^\n]*\n?")
_BLOCK = re.compile(r"(?:literal|delta) [^\n]*\n(?:[^\n]+\n)*\n?")


@dataclass(slots=True)
class Loose:
    """Lines that belong to no file: a commit message, a mail header, a diffstat, a line that breaks a hunk's count."""

    text: str


@dataclass(slots=True)
class Header:
    """The lines that open a file."""

    text: str

    @property
    def lines(self) -> list[str]:
        """Without line feeds."""
        return self.text.removesuffix("\n").split("\n")


@dataclass(slots=True)
class Hunk:
    """``width`` is the number of marker columns (1, or the number of parents); the body begins at ``at``."""

    text: str
    at: int
    old: int
    new: int
    heading: str
    width: int

    @property
    def body(self) -> str:
        """What follows the ``@@`` line."""
        return self.text[self.at :]


@dataclass(slots=True)
class Binary:
    """A ``GIT binary patch`` and its encoded lines."""

    text: str


Piece: TypeAlias = Loose | Header | Hunk | Binary


def parse(text: str) -> list[Piece]:
    """One linear pass; a hunk takes the lines that its counts announce, so that a removed ``-- x`` is no header."""
    pieces: list[Piece] = []
    at, loose, n = 0, 0, len(text)
    while at < n:
        start = at
        piece: Piece | None = None
        if text.startswith("@@ -", at) and (at == 0 or text[at - 1] == "\n"):
            piece = _hunk(text, at)
        if piece is None:
            match = _START.search(text, at)
            if match is None:
                break
            start = match.start()
            piece = _piece(text, start)
        if piece is None:
            at = _line_end(text, start)
            continue
        if start > loose:
            pieces.append(Loose(text[loose:start]))
        pieces.append(piece)
        at = loose = start + len(piece.text)
    if loose < n:
        pieces.append(Loose(text[loose:]))
    return pieces


def _piece(text: str, start: int) -> Piece | None:
    if text.startswith("@@", start):
        return _hunk(text, start)
    if text.startswith("GIT", start):
        end = _line_end(text, start)
        for _ in range(2):
            block = _BLOCK.match(text, end)
            end = block.end() if block else end
        return Binary(text[start:end])
    if text.startswith("diff -", start) and not text.startswith("diff --", start):
        end = _line_end(text, start)
        return Header(text[start : _names_end(text, end)]) if text.startswith("--- ", end) else None
    if text.startswith("---", start):
        return Header(text[start : _names_end(text, start)])
    end = _line_end(text, start)
    if text.startswith("Index: ", start):
        end = _line_end(text, end)
    extended = _EXTENDED.match(text, end)
    end = extended.end() if extended else end
    return Header(text[start : _names_end(text, end)])


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return end + 1 if end >= 0 else len(text)


def _names_end(text: str, start: int) -> int:
    """Behind the ``---`` and ``+++`` lines at ``start``, if they stand there."""
    names = _NAMES.match(text, start)
    return names.end() if names else start


def _hunk(text: str, start: int) -> Hunk | None:
    match = _HUNK.match(text, start)
    if match is None:
        return _combined(text, start)
    old_start, old, new_start, new, heading = match.groups()
    begin = match.end()
    end = _body_end(text, begin)
    feed = begin - 1  # the line feed of the @@ line, so that the first line of the body is counted like the others
    lines = text.count("\n", begin, end) + (end > begin and end == len(text) and text[-1] != "\n")
    lines -= text.count("\\", feed, end) and text.count("\n\\", feed, end)
    olds = lines - text.count("\n+", feed, end)
    news = lines - text.count("\n-", feed, end)
    wanted = (int(old) if old is not None else 1, int(new) if new is not None else 1)
    if olds >= wanted[0] and news >= wanted[1] and (olds, news) != wanted:
        end = _counted(text, begin, end, *wanted)
    return Hunk(text[start:end], begin - start, int(old_start), int(new_start), heading.rstrip("\r"), 1)


def _body_end(text: str, begin: int) -> int:
    """Behind the last line in a row that begins like a line of a hunk."""
    if begin >= len(text) or text[begin] not in " +-\\\r\n":
        return begin
    end = _BODY_END.search(text, begin)
    return end.end() if end else len(text)


def _counted(text: str, at: int, end: int, old: int, new: int) -> int:
    """Behind as many lines from ``at`` on as a hunk with these counts has."""
    while at < end and (old > 0 or new > 0):
        mark = text[at]
        old -= mark not in "+\\"
        new -= mark not in "-\\"
        at = _line_end(text, at)
    return _line_end(text, at) if at < end and text.startswith("\\", at) else at


def _combined(text: str, start: int) -> Hunk | None:
    match = _COMBINED.match(text, start)
    if match is None:
        return None
    olds = match.group(2).split()
    width, at, end = len(olds), match.end(), _body_end(text, match.end())
    marks = frozenset(" +-")
    while at < end and (text.startswith("\\ ", at) or marks.issuperset(text[at : at + width].rstrip("\n"))):
        at = _line_end(text, at)
    first = int(olds[0][1:].split(",")[0])
    return Hunk(text[start:at], match.end() - start, first, int(match.group(3)), match.group(5).rstrip("\r"), width)


def path_of(header: list[str]) -> str:
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
