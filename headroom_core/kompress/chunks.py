"""Sentences with offsets, and windows of whole sentences for a model of limited length. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]

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
_END = re.compile(r"""[.!?…。！？]+["'”’)\]]*(?=\s|$)|[。！？]""")
_BREAK = re.compile(r"[ \t\f\v]*(?:\r\n|\r|\n)\s*")
_WORD_BEFORE = re.compile(r"[\w.]*\Z")
_STARTS = re.compile(r"""\s+["'“‘(\[]*([^\W_])?""")
_CLAUSE = re.compile(r"[;:,]\s|\s[-–—]\s")
_SPACE = re.compile(r"\s+")


def sentences(text: str) -> list[Span]:
    """Sentence spans in order, without the white space between them; a line break always ends a sentence."""
    found: list[Span] = []
    at = 0
    for line in _BREAK.finditer(text):
        _in_line(text, at, line.start(), found)
        at = line.end()
    _in_line(text, at, len(text), found)
    return found


def _in_line(text: str, start: int, end: int, found: list[Span]) -> None:
    """Append the sentences of one line."""
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


def windows(tokens: Sequence[int], words: Sequence[int], *, max_tokens: int, max_words: int) -> list[Span]:
    """Ranges of sentences, each range within both limits where its sentences allow it.

    ``tokens[i]`` and ``words[i]`` size sentence ``i``. A sentence that is too long alone gets a window of its own; the
    caller cuts it. Windows are balanced: a text a little over one window becomes two halves, not one and a scrap.
    """
    if not tokens:
        return []
    total_tokens, total_words = sum(tokens), sum(words)
    pieces = max(-(-total_tokens // max_tokens), -(-total_words // max_words), 1)
    soft_tokens = min(max_tokens, int(total_tokens / pieces * 1.15) + 24)
    soft_words = min(max_words, int(total_words / pieces * 1.15) + 16)
    found: list[Span] = []
    first = have_tokens = have_words = 0
    for i, (size, count) in enumerate(zip(tokens, words, strict=True)):
        if i > first and (have_tokens + size > soft_tokens or have_words + count > soft_words):
            found.append((first, i))
            first, have_tokens, have_words = i, 0, 0
        have_tokens += size
        have_words += count
    found.append((first, len(tokens)))
    return found
