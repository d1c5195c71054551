"""Sentences with offsets. Pure."""

from __future__ import annotations

import re

from headroom_core.language.span import Span
from headroom_core.language.tables import tables
from headroom_core.language.wrapped import goes_on

LONGEST = 1000
"""Characters of the longest unit; a longer sentence is cut at a clause, else at a space, else hard."""

_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "sr",
        "jr",
        "st",
        "mt",
        "ft",
        "gen",
        "col",
        "lt",
        "capt",
        "sgt",
        "rev",
        "hon",
        "pres",
        "gov",
        "sen",
        "rep",
        "vs",
        "etc",
        "eg",
        "ie",
        "al",
        "ca",
        "cf",
        "fig",
        "figs",
        "eq",
        "eqs",
        "no",
        "nos",
        "vol",
        "vols",
        "ch",
        "sec",
        "pp",
        "ed",
        "eds",
        "dept",
        "univ",
        "assn",
        "bros",
        "inc",
        "ltd",
        "co",
        "corp",
        "approx",
        "est",
        "min",
        "max",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "u.s",
        "u.k",
        "u.n",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
        "d.c",
        "ph.d",
        "b.c",
        "a.d",
    ]
)
_END = re.compile(r"""(?<![.!?…。！？])[.!?…。！？]+["'”’)\]]*(?=\s|$)|[。！？]""")
_BREAK = re.compile(r"[\r\n]\s*")
_WORD_BEFORE = re.compile(r"[\w.]*\Z")
_STARTS = re.compile(r"""\s+["'“‘(\[]*([^\W_])?""")
_CLAUSE = re.compile(r"[;:,]\s|\s[-–—]\s")
_SPACE = re.compile(r"\s+")


def sentences(text: str) -> list[Span]:
    """Sentence spans in order, without the white space between them.

    A line break ends a sentence unless it wraps one; the row of a table is one sentence.
    """
    lines = _lines(text)
    rows = {i for table in tables(text, lines) for i in (*table.head, *table.rows)}
    found: list[Span] = []
    for i, (start, end) in enumerate(lines):
        if i in rows:
            found.append((start, end))
        else:
            _between(text, start, end, found)
    return found


def _lines(text: str) -> list[Span]:
    """Lines without the white space around them; where a line is wrapped, with what it goes on in."""
    breaks: list[Span] = []
    for mark in _BREAK.finditer(text):
        floor = breaks[-1][1] if breaks else 0
        breaks.append((floor + len(text[floor : mark.start()].rstrip(" \t\f\v")), mark.end()))
    ends = [at for at, on in zip(breaks, goes_on(text, breaks), strict=True) if not on]
    edges = [len(text) - len(text.lstrip()), *(i for pair in ends for i in pair), len(text.rstrip())]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def _between(text: str, start: int, end: int, found: list[Span]) -> None:
    """Append the sentences between two line breaks that end them."""
    at = start
    for stop in _END.finditer(text, start, end):
        if stop.end() < end and not _ends(text, at, stop):
            continue
        _add(text, at, stop.end(), found)
        at = stop.end()
    _add(text, at, end, found)


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    """Does this full stop end a sentence (and is no abbreviation, initial or decimal)?"""
    after = _STARTS.match(text, stop.end())
    first = after.group(1) if after else None
    if first is not None and first.islower():
        return False
    if text[stop.start()] != ".":
        return True
    if text.startswith(" .", stop.end()) or text.endswith(". ", start, stop.start()):
        return False  # dots that lead the eye to a page number
    before = _WORD_BEFORE.search(text, max(start, stop.start() - 24), stop.start())
    word = before.group() if before else ""
    if not word or text[stop.start() - 1].isspace():
        return True
    if len(word) == 1 and word.isupper() and word != "I":
        return False
    return word.lower() not in _ABBREVIATIONS


def _add(text: str, start: int, end: int, found: list[Span]) -> None:
    """Append one sentence, trimmed, in pieces of at most ``LONGEST`` characters."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > LONGEST:
        cut = _cut(text, start, start + LONGEST)
        found.append((start, cut))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if end > start:
        found.append((start, end))


def _cut(text: str, start: int, limit: int) -> int:
    """Where to cut a run that is too long: after the last clause in its second half, else at a space, else hard."""
    half = start + LONGEST // 2
    for pattern in (_CLAUSE, _SPACE):
        found = list(pattern.finditer(text, half, limit))
        if found:
            return found[-1].start() + 1 if pattern is _CLAUSE else found[-1].start()
    return limit
