"""Dumps of all goroutines: of those that wait in the same place one stack stays, with the numbers of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_HEAD: Final = re.compile(r"goroutine (\d+) \[([^\],\n]{1,80})")
_LINE_NUMBER: Final = re.compile(r":\d+(?: \+0x[0-9a-f]+)?\s*$")
_NAMED: Final = 12  # numbers that are listed


def folded(lines: Sequence[str], words: Sequence[str]) -> tuple[list[str], int]:
    """The lines with each stack once, and how many goroutines are only counted. One with a word of the question stays."""
    blocks = _blocks(lines)
    alike: dict[tuple[str, ...], list[str]] = {}
    first: list[tuple[list[str], list[str] | None]] = []
    for block in blocks:
        head = _HEAD.match(block[0])
        asked = any(word in line.lower() for line in block for word in words)
        if head is None or asked:
            first.append((block, None))
            continue
        key = (head[2], *map(_place, block[1:]))
        if key in alike:
            alike[key].append(head[1])
        else:
            alike[key] = []
            first.append((block, alike[key]))
    out: list[str] = []
    for block, more in first:
        end = len(block)
        while more and end and not block[end - 1].strip():
            end -= 1
        out += [*block[:end], *([_told(more)] if more else []), *block[end:]]
    return out, sum(map(len, alike.values()))


def _blocks(lines: Sequence[str]) -> list[list[str]]:
    """The lines cut before each head of a goroutine."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if _HEAD.match(line) and blocks[-1]:
            blocks.append([])
        blocks[-1].append(line)
    return blocks


def _place(line: str) -> str:
    """A call without its arguments, a source line without its number."""
    return (
        _LINE_NUMBER.sub("", line) if line.startswith("\t") else line.split("(0x", 1)[0].split(" in goroutine ", 1)[0]
    )


def _told(numbers: Sequence[str]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return f"… {len(numbers)} more goroutines wait in the same place: {', '.join(numbers[:_NAMED])}{more}"
