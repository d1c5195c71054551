"""Line numbers that a viewer wrote in front of each line (``cat -n``, editors, file-reading tools)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_GUTTER: Final = re.compile(r"([ \t]*)(\d{1,7})(\t|→|[ ]?[|│:] ?|  )")
_BARE: Final = re.compile(r"([ \t]*)(\d{1,7})()\s*$")  # the number of an empty line
_MIN_LINES: Final = 5
_HEAD_LINES: Final = 6  # lines that a file viewer writes above the first numbered one


@dataclass(frozen=True, slots=True)
class Numbered:
    """The text without its gutter; ``prefixes[i]`` stood before line ``i``, whose number is ``first + i``."""

    source: str
    first: int
    prefixes: tuple[str, ...]


def read(text: str) -> Numbered | None:
    """None where the lines are not numbered one by one, or hardly any."""
    if _GUTTER.match(text) is None:
        return None
    lines = text.split("\n")
    tail = [lines.pop()] if lines[-1] == "" else []
    first: int | None = None
    prefixes: list[str] = []
    bare: list[str] = []
    for i, line in enumerate(lines):
        match = _prefix(line)
        if match is None or (first is not None and int(match.group(2)) != first + i):
            return None
        first = int(match.group(2)) if first is None else first
        prefixes.append(match.group(0))
        bare.append(line[match.end() :])
    if first is None or len(lines) < _MIN_LINES:
        return None
    return Numbered("\n".join([*bare, *tail]), first, (*prefixes, *tail))


def _prefix(line: str) -> re.Match[str] | None:
    """Group 2 is the number; the match ends where the line of the file begins."""
    return _GUTTER.match(line) or _BARE.match(line)


def block(text: str) -> str:
    """The first run of lines that are numbered one by one, without their numbers; "" where there is none near the top."""
    bare: list[str] = []
    last = 0
    for i, line in enumerate(text.split("\n")):
        match = _prefix(line)
        if match and (not bare or int(match.group(2)) == last + 1):
            bare.append(line[match.end() :])
            last = int(match.group(2))
        elif bare or i >= _HEAD_LINES:
            break
    return "\n".join(bare) if len(bare) >= _MIN_LINES else ""
