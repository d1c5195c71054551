"""Which passages of an original answer a query: windows of lines, ranked by BM25, neighbours merged. Pure.

Bounded: of a huge text only the 2 million characters whose passages hold the most words of the query are ranked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headroom_core.ccr.selections import Lines
from headroom_core.errors import InvalidInput

_CHARACTERS = 400  # of one passage, to the end of its last line
_LONGEST = 1200  # of one passage; a longer line is cut
_MOST_RANKED = 2_000_000  # characters
_FLOOR = 0.1  # of the best score; what lies below only fills pages
_MOST_WORDS = 64  # of a query
_PARTS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters ``start`` to ``end`` of the text, and their score."""

    start: int
    end: int
    score: float


def ranked(text: str, query: str, bounds: Sequence[tuple[int, int]] | None = None) -> list[Passage]:
    """The passages that share a word with the query, best first; equals in order of the text.

    ``bounds`` gives the passages where the text has units of its own (rows). Raises ``InvalidInput`` for a query
    without a word.
    """
    from headroom_core.language.lexical import Bm25, content

    wanted = list(dict.fromkeys([*content(query), *_parts(query)]))[:_MOST_WORDS]
    if not wanted:
        raise InvalidInput("The query holds no word to look for. Name what you want to find.")
    spans = _candidates(text, wanted, windows(text) if bounds is None else bounds)
    if not spans:
        return []
    scores = Bm25([_words(text[start:end]) for start, end in spans]).scores(wanted)
    floor = float(scores.max()) * _FLOOR
    found = [Passage(a, b, float(score)) for (a, b), score in zip(spans, scores, strict=True) if score > floor]
    return sorted(found, key=lambda passage: (-passage.score, passage.start))


def windows(text: str) -> list[tuple[int, int]]:
    """The text cut at the first line end after 400 characters, else after 1,200."""
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        line_end = text.find("\n", start + _CHARACTERS, start + _LONGEST)
        end = line_end + 1 if line_end >= 0 else min(start + _LONGEST, len(text))
        spans.append((start, end))
        start = end
    return spans


def merged(text: str, passages: Sequence[Passage], *, headed: bool = True) -> str:
    """Passages in the order of the text, under headings that say where they stand; neighbours run together."""
    lines = Lines(text)
    spans: list[tuple[int, int]] = []
    for passage in sorted(passages, key=lambda p: p.start):
        if spans and passage.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], passage.end))
        else:
            spans.append((passage.start, passage.end))
    where = (f"{lines.span(start, end).partition(' of ')[0]}:\n" if headed else "" for start, end in spans)
    shown = (heading + text[start:end] for heading, (start, end) in zip(where, spans, strict=True))
    return "".join(piece if piece.endswith("\n") else piece + "\n" for piece in shown)


def _candidates(text: str, wanted: Sequence[str], bounds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    held = [(_held(text[start:end].lower(), wanted), start, end) for start, end in bounds]
    left = _MOST_RANKED
    spans = []
    for words, start, end in sorted(held, key=lambda item: (-item[0], item[1])):
        if not words or left < 0:
            break
        spans.append((start, end))
        left -= end - start
    return sorted(spans)


def _held(low: str, wanted: Sequence[str]) -> int:
    return sum(word in low for word in wanted)


def _words(text: str) -> list[str]:
    from headroom_core.language.lexical import stems

    return stems(text) + _parts(text)


def _parts(text: str) -> list[str]:
    """The words inside identifiers: ``maxRetries`` and ``max_retries`` give ``max`` and ``retri``."""
    from headroom_core.language.lexical import stems

    found: list[str] = []
    for word in re.findall(r"\w+", text):
        parts = _PARTS.findall(word)
        if len(parts) > 1:
            found.extend(stems(" ".join(parts)))
    return found
