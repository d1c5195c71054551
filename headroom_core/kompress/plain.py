"""Without the model: what it cannot read, and the choice of sentences by word overlap for such texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from headroom_core.language.lexical import Bm25, content, stems
from headroom_core.language.sentences import sentences
from headroom_core.language.span import Span

_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile(r"[\u00c0-\u024f]")
_BEYOND = re.compile(r"[^\x00-\x7f]+")
_NO_LETTERS = bytes(i for i in range(128) if not chr(i).isalpha())
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
SAMPLE = 20_000


def why_not(texts: Sequence[str], most: int) -> str | None:
    """Why the model cannot read these texts, or None where it can."""
    size = sum(map(len, texts))
    if size > most:
        return f"{size:,} characters are more than the model reads in one call"
    letters = latin = 0
    for text in texts:
        sample = text[:SAMPLE]
        plain = len(sample.encode("ascii", "ignore").translate(None, _NO_LETTERS))
        rest = "".join(_BEYOND.findall(sample))
        letters += plain + len(_LETTER.findall(rest))
        latin += plain + len(_LATIN.findall(rest))
    if letters and latin < 0.7 * letters:
        return "the model reads English, and this is mostly another script"
    if not letters:
        return "there are no words in it"
    return None


def terms(text: str) -> list[str]:
    """Words for matching; in scripts without spaces also pairs of neighbouring characters."""
    found = stems(text)
    marks = _SPACELESS.findall(text)
    return found + [a + b for a, b in pairwise(marks)]


def select(texts: Sequence[str], query: str, allowed: float, count: Callable[[str], int]) -> list[list[Span]]:
    """Spans of each text: the sentences that share most with the query, within ``allowed`` tokens, in source order."""
    units = [(d, s, e) for d, text in enumerate(texts) for s, e in sentences(text)]
    index = Bm25([terms(texts[d][s:e]) for d, s, e in units])
    asked = terms(query) if _SPACELESS.search(query) else content(query)
    order = np.argsort(-index.scores(asked), kind="stable")
    chosen: set[int] = set()
    used = 0.0
    for i in order.tolist():
        d, s, e = units[i]
        cost = count(texts[d][s:e])
        if used + cost <= allowed:
            chosen.add(i)
            used += cost
    found: list[list[Span]] = [[] for _ in texts]
    for i, (d, s, e) in enumerate(units):
        if i not in chosen:
            continue
        follows = i > 0 and i - 1 in chosen and units[i - 1][0] == d
        if follows:
            found[d][-1] = (found[d][-1][0], e)
        else:
            begin = s if not found[d] else _with_space(texts[d], s)
            found[d].append((begin, e))
    return found


def _with_space(text: str, start: int) -> int:
    """The start moved over the white space before it, so that stretches do not run together."""
    while start > 0 and text[start - 1].isspace():
        start -= 1
    return start
