"""Reads what ``find``, ``ls -R``, ``ls -l`` and ``tree`` print into entries: folder, name, and the line as it stands."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Entry(NamedTuple):
    """One file or folder. ``line`` is what the tool printed about it (for ``ls -l`` with mode, size and date)."""

    folder: str
    name: str
    line: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name


class Glyphs(NamedTuple):
    """How a version of ``tree`` draws: before an entry, before the last one, and below either."""

    branch: str
    last: str
    pipe: str
    blank: str


STYLES: Final = (
    Glyphs("├── ", "└── ", "│\u00a0\u00a0 ", "    "),
    Glyphs("├── ", "└── ", "│   ", "    "),
    Glyphs("|-- ", "`-- ", "|   ", "    "),
    Glyphs("+---", "\\---", "|   ", "    "),
)
_LONG = re.compile(
    r"([dlbcps-])[rwxsStT-]{9}[.+@]?\s+\d+\s+\S+\s+\S+\s+[\d,]+\s+(?:\S+\s+\S+\s+\S+|\d{4}-\d\d-\d\d \S+(?: \S+)?)\s(.+)"
)
_FOOTER = re.compile(r"\d+ director(?:y|ies)(?:, \d+ files?)?$")


def read(text: str) -> list[Entry]:
    """The entries of a listing in order; empty where the text is none."""
    lines = text.replace("\r\n", "\n").split("\n")
    drawn = read_tree(lines)
    if drawn:
        return drawn
    filled = [line for line in lines if line.strip()]
    heads = sum(line.endswith(":") for line in filled)
    slashes = sum("/" in line or "\\" in line for line in filled)
    long = sum(_LONG.match(line) is not None for line in filled[:200])
    if heads and (long or heads < 0.7 * len(filled)):
        return _listed(lines)
    if long:
        return _listed(lines)
    return [_found(line) for line in filled] if slashes >= 0.7 * len(filled) else []


def _found(line: str) -> Entry:
    path = line.strip()
    at = max(path.rstrip("/").rfind("/"), path.rfind("\\"))
    return Entry(path[:at] if at > 0 else "", path[at + 1 :], path)


def _listed(lines: list[str]) -> list[Entry]:
    """``ls -R``, with or without ``-l``: a heading ends in a colon and follows a blank line."""
    entries: list[Entry] = []
    folder, before = "", ""
    for line in lines:
        if line.endswith(":") and not before.strip() and not _LONG.match(line):
            folder = line[:-1].rstrip("/")
        elif line.strip() and not re.fullmatch(r"total [\d.]+\w?", line):
            match = _LONG.match(line)
            name = match[2].split(" -> ")[0] if match else line
            entries.append(Entry(folder, name, line))
        before = line
    return entries


def read_tree(lines: list[str]) -> list[Entry]:
    """The entries of a drawn tree; empty where most lines are not drawn."""
    style = style_of(lines)
    if style is None:
        return []
    entries: list[Entry] = []
    above: list[str] = []
    for line in lines:
        placed = place(line, style)
        if placed is None:
            if line.strip() and not _FOOTER.match(line.strip()):
                above = [line.strip().rstrip("/")]
            continue
        depth, name, _ = placed
        del above[depth:]
        entries.append(Entry("/".join(above), name, name))
        above += [""] * (depth - len(above)) + [name.rstrip("/")]
    return entries


def style_of(lines: list[str]) -> Glyphs | None:
    """The way in which most of the lines are drawn; None where they are not."""
    filled = [line for line in lines if line.strip()][:200]
    for style in STYLES:
        drawn = sum(place(line, style) is not None for line in filled)
        if drawn >= max(2, 0.6 * len(filled)):
            return style
    return None


def place(line: str, style: Glyphs) -> tuple[int, str, bool] | None:
    """(depth from 1, name, is the last of its folder) of a drawn line."""
    at = depth = 0
    while depth < 200:
        if line.startswith((style.branch, style.last), at):
            last = line.startswith(style.last, at)
            return depth + 1, line[at + len(style.branch) :], last
        if line.startswith((style.pipe, style.blank), at):
            at += len(style.pipe)
            depth += 1
        else:
            return None
    return None
