"""Line breaks that only wrap a line, as PDF readers, mails and terminals leave them: the sentence goes on. Pure.

Wrapped prose tells itself: many of its lines go on in small letters, nearly all end where the next word would not have
fitted, and they begin with different words. Headings, list items, table rows, turns of a transcript, settings, paths and
lines of a log do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from headroom_core.language.span import Span
from headroom_core.language.tables import cells

TURN = re.compile(r"[^\W\d_][\w .'-]{0,40}:\s")
"""The beginning of a line that names its speaker."""
_QUOTED = re.compile(r"(?:>[ \t]?)*")
_ITEM = re.compile(r"[-*+•‣▪◦>#|]|\(?(?:\d{1,3}|[A-Za-z])[.)]\s|[\w./-]+(?::| ?=)")
_WORD = re.compile(r"\S{1,20}")
_BRACES = "{}"
_STOPS, _PAUSES = ".!?…", ";:"
_SHORTEST, _LONGEST, _FEW = 25, 160, 4
"""Characters of the lines of wrapped prose, and least number of their words; shorter ones end paragraphs or are scraps."""
_SMALL, _EVEN, _ALIKE = 0.25, 0.7, 0.3
"""Of the lines without a mark at their end the least share before a small letter, the least share of full ones, and the
share before one and the same word from which they are a list or a log."""
_FULL = 0.85
"""A line is full where it and the next word reach this share of the width."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A line that its sentence may outlast: its size, the next word, whether no mark ends it, whether it is a scrap."""

    size: int
    word: str
    bare: bool
    scrap: bool

    @property
    def reach(self) -> int:
        """Characters with the next word."""
        return self.size + 1 + len(self.word)


def goes_on(text: str, breaks: Sequence[Span]) -> list[bool]:
    """For each of all line breaks of a text (with the white space around it) whether the sentence may go on behind it.

    Over an empty line, as between two pages, and behind a colon or semicolon only where a small letter follows; a full
    stop in the last place of a full line ends its sentence as any other would.
    """
    lines: list[_Open | None] = []
    start = 0
    for i, (end, after) in enumerate(breaks):
        stop = breaks[i + 1][0] if i + 1 < len(breaks) else len(text)
        lines.append(_open(text, start, end, after, stop, scraps=bool(lines and lines[-1] and lines[-1].scrap)))
        start = after
    bare = [line for line in lines if line and line.bare and not line.scrap]
    if not bare or sum(line.word[0].islower() for line in bare) < _SMALL * len(bare):
        return [False] * len(breaks)
    width = sorted(line.size for line in bare)[int(0.95 * (len(bare) - 1))]
    full = sum(line.reach >= _FULL * width for line in bare)
    alike = Counter(line.word for line in bare).most_common(1)[0][1]
    if full < _EVEN * len(bare) or alike > max(2, _ALIKE * len(bare)):
        return [False] * len(breaks)
    return [line is not None and (line.scrap or line.reach >= _FULL * width) for line in lines]


def _open(text: str, start: int, end: int, after: int, stop: int, *, scraps: bool) -> _Open | None:
    """The line [start, end) before the one [after, stop), if nothing shows that a sentence or unit ends between them.

    ``scraps``: the line before was one: a word of a stretched line that some PDF readers put on a line of its own.
    """
    size, mark = end - start, text[end - 1 : end]
    quote = _QUOTED.match(text, start)
    if not 0 < size <= _LONGEST or mark in _BRACES or not quote or not text.startswith(quote.group(), after):
        return None
    after += len(quote.group())
    word = _WORD.match(text, after, stop)
    if not word or _ITEM.match(text, after) or cells(text, start, end) or cells(text, after, stop):
        return None
    blank = text.count("\n", end, after) > 1
    if not text[after].islower() and (blank or mark in _PAUSES or TURN.match(text, after)):
        return None
    bare = not blank and mark not in _STOPS + _PAUSES
    if size < _SHORTEST:
        scrap = not blank and mark not in _STOPS and (scraps or text.startswith(" \n", end))
        return _Open(size, word.group(), bare, scrap) if scrap else None
    return _Open(size, word.group(), bare, scrap=False) if len(text[start:end].split()) >= _FEW else None
