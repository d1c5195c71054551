"""Line breaks that only wrap a line, as PDF readers, mails and terminals leave them: the sentence goes on. Pure.

Wrapped prose tells itself: most of its lines go on in small letters, and end where the next word would not have fitted.
Headings, list items, table rows, turns of a transcript, settings and lines of a log do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headroom_core.language.span import Span
from headroom_core.language.tables import cells

TURN = re.compile(r"[^\W\d_][\w .'-]{0,40}:\s")
"""The beginning of a line that names its speaker."""
_QUOTED = re.compile(r"(?:>[ \t]?)+")
_ITEM = re.compile(r"[-*+•‣▪◦>#|]|\(?(?:\d{1,3}|[A-Za-z])[.)]\s|[\w./-]+(?::| ?=)")
_WORD = re.compile(r"\S{1,20}")
_BRACES = "{}"
_STOPS, _PAUSES = ".!?…", ";:"
_SHORTEST, _LONGEST = 25, 160
"""Characters of the lines of wrapped prose; shorter ones end paragraphs or are scraps of justified lines."""
_SMALL, _EVEN = 0.25, 0.7
"""Of the lines without a mark at their end the least share before a small letter, and the least share of full ones."""
_FULL = 0.85
"""A line is full where it and the next word reach this share of the width."""


def goes_on(text: str, breaks: Sequence[Span]) -> list[bool]:
    """For each of all line breaks of a text (with the white space around it) whether the sentence may go on behind it.

    Over an empty line, as between two pages, and behind a colon or semicolon only where a small letter follows; a full
    stop in the last place of a full line ends its sentence as any other would.
    """
    starts = [0, *(end for _, end in breaks)]
    ends = [*(start for start, _ in breaks), len(text)]
    reach: dict[int, int] = {}
    bare: list[int] = []
    small: list[int] = []
    scraps: list[int] = []
    for i, (at, after) in enumerate(breaks):
        size, mark = at - starts[i], text[at - 1 : at]
        if (quote := _QUOTED.match(text, starts[i])) and text.startswith(quote.group(), after):
            after = after + len(quote.group())
        word = _WORD.match(text, after, ends[i + 1]) if 0 < size <= _LONGEST and mark not in _BRACES else None
        if not word or _ITEM.match(text, after) or cells(text, starts[i], at) or cells(text, after, ends[i + 1]):
            continue
        lower, blank = text[after].islower(), text.count("\n", at, after) > 1
        if not lower and (blank or mark in _PAUSES or TURN.match(text, after)):
            continue
        if size < _SHORTEST:
            if not blank and mark not in _STOPS and (text[at : at + 2] == " \n" or scraps[-1:] == [i - 1]):
                scraps.append(i)
            continue
        reach[i] = size + 1 + len(word.group())
        if not blank and mark not in _STOPS + _PAUSES:
            bare.append(i)
            if lower:
                small.append(i)
    found = [False] * len(breaks)
    if small and len(small) >= _SMALL * len(bare):
        width = sorted(breaks[i][0] - starts[i] for i in bare)[int(0.95 * (len(bare) - 1))]
        full = {i for i, size in reach.items() if size >= _FULL * width}
        if len(full.intersection(bare)) >= _EVEN * len(bare):
            for i in (*full, *scraps):
                found[i] = True
    return found
