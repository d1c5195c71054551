"""The same output again: a later copy refers to the earlier one and says what changed.

Only what stands earlier in the same conversation counts, and only where the model saw it whole or compressed for the
same question; so a message's result never depends on what follows it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .types import Rewrite

_MIN_LINES: Final = 5
_MIN_CHARS: Final = 3
_MIN_SHARED: Final = 0.6
_MAX_LINES: Final = 5_000
_MAX_MIDDLE: Final = 600
_MAX_PAIRS: Final = 3_000
_NAME_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class Shown:
    """An earlier output: its text, the tool, the question it was compressed for; ``whole`` where it went out as it came."""

    text: str
    tool: str | None
    query: str | None
    whole: bool

    @property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.split("\n")


class Repeats:
    """What a conversation has shown so far."""

    def __init__(self) -> None:
        self._shown: list[Shown] = []
        self._waiting: list[Shown] = []
        self._by_text: dict[str, int] = {}
        self._by_line: dict[str, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._shown or self._waiting)

    def add(self, text: str, tool: str | None, query: str | None, *, whole: bool) -> None:
        """Note an output that the model has seen. It is looked at when the next one asks."""
        self._waiting.append(Shown(text, tool, query, whole))

    def _look(self) -> None:
        for shown in self._waiting:
            at = len(self._shown)
            self._shown.append(shown)
            self._by_text[shown.text] = at
            lines = shown.lines
            if _MIN_LINES <= len(lines) <= _MAX_LINES:
                for line in dict.fromkeys(lines):
                    if len(line) > _MIN_CHARS:
                        self._by_line.setdefault(line, []).append(at)
        self._waiting.clear()

    def rewrite(self, text: str, query: str | None) -> Rewrite | None:
        """The text as a reference to an earlier output and a list of what changed; None where none is like it."""
        self._look()
        if not self._shown:
            return None
        same = self._by_text.get(text)
        if same is not None and self._usable(same, query):
            earlier = self._shown[same]
            return Rewrite.of(f"(the same as {_name(earlier)})", f"{len(earlier.lines):,} lines repeated word for word")
        lines = text.split("\n")
        near = self._nearest(lines, query)
        changes = _changes(near.lines, lines) if near else None
        if near is None or changes is None:
            return None
        repeated = len(lines) - sum(line.startswith("+") for line in changes)
        body = "\n".join([f"(like {_name(near)}, with these changes)", *changes])
        return Rewrite.of(body, f"{repeated:,} of {len(lines):,} lines that stand there already")

    def _usable(self, at: int, query: str | None) -> bool:
        return self._shown[at].whole or self._shown[at].query == query

    def _nearest(self, lines: Sequence[str], query: str | None) -> Shown | None:
        """The latest earlier output that shares most of the lines."""
        if not _MIN_LINES <= len(lines) <= _MAX_LINES:
            return None
        shared: Counter[int] = Counter()
        for line in dict.fromkeys(lines):
            shared.update(self._by_line.get(line, ()))
        usable = [(count, at) for at, count in shared.items() if self._usable(at, query)]
        if not usable:
            return None
        count, at = max(usable)
        distinct = len({line for line in lines if len(line) > _MIN_CHARS})
        return self._shown[at] if count >= _MIN_SHARED * distinct else None


def _name(shown: Shown) -> str:
    """How the model finds the earlier output: its tool and its first line."""
    first = next((line.strip() for line in shown.lines if line.strip()), "")
    by = f" of {shown.tool}" if shown.tool else ""
    return f"the earlier output{by} that begins with {first[:_NAME_CHARS]!r}"


def _changes(old: Sequence[str], new: Sequence[str]) -> list[str] | None:
    """A unified diff without context, or None where the middle that differs is too long or too repetitive."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if max(len(old), len(new)) - head - tail > _MAX_MIDDLE:
        return None
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    counts = Counter(middle[0])
    if sum(counts[line] for line in middle[1]) > _MAX_PAIRS:
        return None  # the same lines over and over: matching them takes time and tells nothing
    found = []
    for operation, a, b, c, d in difflib.SequenceMatcher(None, *middle, autojunk=False).get_opcodes():
        if operation != "equal":
            found.append(f"@@ line {head + c + 1} @@")
            found += [f"-{line}" for line in middle[0][a:b]] + [f"+{line}" for line in middle[1][c:d]]
    return found
