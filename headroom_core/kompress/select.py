"""From scores to spans of the source: one order of words, of which a budget takes a beginning. Pure.

Words are ordered so that every beginning of the order is a sensible result. With a query: sentence by sentence, the
best first, and inside a sentence guards and high scores first. Without one: as ``phrases`` prices them, or, from a
checkpoint of the published layout, guards by strength, then words by score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress import guards
from headroom_core.language.lexical import STOPWORDS
from headroom_core.language.span import Span
from headroom_core.language.tables import Table, tables

Mask = NDArray[np.bool_]

MARKS = ".,;:!?()[]{}\"'“”‘’"
ARTICLES = frozenset({"a", "an", "the"})
_TRIES = 12
"""Rows that may be passed over, one by one, because they do not fit."""


@dataclass(slots=True)
class Words:
    """A text's words with what decides about them.

    ``sentence``: index of the sentence of each word; ``score``: in [0, 1); ``guard``: see ``guards.strengths``; ``pairs``:
    words that stay or go together; ``tables``: by sentences, and ``tabled``: the words in them; ``ranked``: the scores are
    already the order in which words stay.
    """

    text: str
    spans: list[Span]
    sentence: NDArray[np.int64]
    score: NDArray[np.float64]
    guard: NDArray[np.float64]
    pairs: list[tuple[int, int]]
    tables: list[Table]
    tabled: Mask
    ranked: bool = False

    @classmethod
    def priced(
        cls,
        text: str,
        units: Sequence[Span],
        spans: list[Span],
        guard: NDArray[np.float64],
        score: NDArray[np.float64],
    ) -> Words:
        """Words with the scores of ``phrases``. Loose marks (see ``_loose``) are words of their own, the first to go.

        The words of a table's row stay or go together: they share their mean score.
        """
        found, loose = tables(text, units), _loose(text, spans, guard)
        if found:
            loose &= ~_tabled(found, _sentence_of(spans, units))
        behind = np.flatnonzero(loose) + 1
        spans = spans.copy()
        for i in reversed((behind - 1).tolist()):
            start, end = spans[i]
            spans[i : i + 1] = [(start, end - 1), (end - 1, end)]
        guard, score = np.insert(guard, behind, 0.0), np.insert(score, behind, 0.0)
        sentence = _sentence_of(spans, units)
        tabled = _tabled(found, sentence)
        if found:
            mean = np.bincount(sentence, score) / np.maximum(np.bincount(sentence), 1)
            score = np.where(tabled, mean[sentence], score)
        return cls(text, spans, sentence, score, guard, guards.pairs(text, spans), found, tabled, ranked=True)

    @classmethod
    def of(
        cls, text: str, units: Sequence[Span], starts: NDArray[np.int64], token_scores: NDArray[np.float64]
    ) -> Words:
        """Words of a text whose word pieces begin at ``starts`` and score ``token_scores``: a word has its best piece."""
        spans = guards.words_of(text)
        score = np.zeros(len(spans))
        if spans and len(starts):
            firsts = np.array([s for s, _ in spans])
            owner = np.clip(np.searchsorted(firsts, starts, "right") - 1, 0, len(spans) - 1)
            np.maximum.at(score, owner, token_scores)
        sentence, guard, found = _sentence_of(spans, units), guards.strengths(text, spans), tables(text, units)
        return cls(text, spans, sentence, score, guard, guards.pairs(text, spans), found, _tabled(found, sentence))

    def whole(self, sentences: Mask) -> Mask:
        """All words of some sentences, and of the headers of the rows among them."""
        return self._framed(sentences[self.sentence]) if len(self.spans) else np.zeros(0, np.bool_)

    def paired(self, keep: Mask) -> Mask:
        """``keep`` with the other end of each bracket and quotation, and the rest of each row, of which a part stays."""
        found = keep.copy()
        for first, last in self.pairs:
            if found[first] != found[last]:
                found[first] = found[last] = True
        return self._framed(found)

    def _framed(self, found: Mask) -> Mask:
        """Rows as wholes, and the headers of their tables: cells alone would be read under the wrong name."""
        if not self.tables:
            return found
        alive = np.zeros(int(self.sentence.max(initial=-1)) + 1, np.bool_)
        alive[self.sentence[found]] = True
        for table in self.tables:
            if alive[table.rows.start : table.rows.stop].any():
                alive[table.head.start : table.head.stop] = True
        return np.asarray(found | (alive[self.sentence] & self.tabled))

    def importance(self) -> NDArray[np.float64]:
        """Order of words: as they come ``ranked``, else guards first, then scores; articles go before all others.

        A word between two that stay is lifted, up to just under the guards, so that phrases stay whole.
        """
        if self.ranked:
            return self.score
        cores = [self.text[s:e].strip(MARKS).lower() for s, e in self.spans]
        function = np.fromiter((core in STOPWORDS for core in cores), np.bool_, len(cores))
        article = np.fromiter((core in ARTICLES for core in cores), np.bool_, len(cores))
        p = np.clip(self.score, 1e-4, 1 - 1e-4)
        value = (
            0.3 * np.log(p / (1 - p))
            + 2.0 * (self.guard > 0)
            + 2.0 * (self.guard >= guards.FIRM)
            - 0.5 * (function & (self.guard == 0))
        )
        value = value - value.min(initial=0.0)
        below = value[self.guard > 0].min(initial=np.inf) - 1e-3
        for _ in range(2):
            left, right = np.concatenate([[0.0], value[:-1]]), np.concatenate([value[1:], [0.0]])
            value = np.maximum(value, np.minimum(0.95 * np.minimum(left, right), below))
        return np.asarray(value - article * (self.guard < 1))


def _loose(text: str, spans: Sequence[Span], guard: NDArray[np.float64]) -> Mask:
    """Words behind which a comma, semicolon or colon may go: all but the guarded ones before another guarded one.

    Between names or numbers such a mark tells one from the next; elsewhere a reader does without it.
    """
    between = np.zeros(len(spans), np.bool_)
    between[:-1] = (guard[:-1] > 0) & (guard[1:] > 0)
    marked = np.array([b - a > 1 and text[b - 1] in ",;:" for a, b in spans], np.bool_)
    return np.asarray(marked & ~between)


def _tabled(found: Sequence[Table], sentence: NDArray[np.int64]) -> Mask:
    """The words whose sentences are lines of tables."""
    tabled = np.zeros(len(sentence), np.bool_)
    for table in found:
        tabled |= (sentence >= table.head.start) & (sentence < table.rows.stop)
    return tabled


def _sentence_of(spans: Sequence[Span], units: Sequence[Span]) -> NDArray[np.int64]:
    """The sentence that each word begins in."""
    firsts, begins = np.array([s for s, _ in spans]), np.array([s for s, _ in units])
    return np.clip(np.searchsorted(begins, firsts, "right") - 1, 0, max(0, len(units) - 1))


def spans_of(words: Words, keep: Mask) -> list[Span]:
    """Kept stretches of the source. A kept word brings the white space behind it, also that behind a mark that goes.

    The first word of a table's line, and the first behind a table, bring that before them where else they would run on in
    a line of something else.
    """
    found: list[Span] = []
    count = len(words.spans)
    edge = np.zeros(count, np.bool_)
    if words.tables:
        edge[1:] = (words.tabled[1:] | words.tabled[:-1]) & (np.diff(words.sentence) > 0) & ~keep[:-1]
    for i in np.flatnonzero(keep).tolist():
        start, end = words.spans[i]
        if edge[i] and found and not (words.tabled[i] and _ends_line(words.text, *found[-1])):
            start = max(words.spans[i - 1][1], found[-1][1])
        stop = words.spans[i + 1][0] if i + 1 < count else end
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
        if stop == end and i + 2 < count and not keep[i + 1]:
            found.append((words.spans[i + 1][1], words.spans[i + 2][0]))
    if found:
        last = found[-1]
        trimmed = len(words.text[last[0] : last[1]].rstrip())
        found[-1] = (last[0], last[0] + trimmed)
        if not trimmed:
            found.pop()
    return found


def _ends_line(text: str, start: int, end: int) -> bool:
    """Does the white space at the end of a stretch break the line?"""
    return "\n" in text[start + len(text[start:end].rstrip()) : end]


def render(text: str, spans: Sequence[Span]) -> str:
    """The text of some spans of it."""
    return "".join(text[start:end] for start, end in spans)


def order_asked(parts: Sequence[Words], scores: Sequence[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """(document, word) of all words, best sentences first; inside a sentence guards, then high scores."""
    ranked = [(-float(s), d, u) for d, own in enumerate(scores) for u, s in enumerate(own.tolist())]
    ranked.sort()
    groups: dict[tuple[int, int], list[int]] = {}
    for d, words in enumerate(parts):
        for i, u in enumerate(words.sentence.tolist()):
            groups.setdefault((d, u), []).append(i)
    value = [-w.importance() for w in parts]
    found: list[tuple[int, int]] = []
    for _, d, u in ranked:
        own = groups.get((d, u), [])
        found.extend((d, own[k]) for k in np.argsort(value[d][own], kind="stable").tolist())
    return found


def order_free(words: Words) -> list[tuple[int, int]]:
    """(0, word) of all words of one text: guards by strength, then scores."""
    return [(0, int(i)) for i in np.argsort(-words.importance(), kind="stable")]


def fill(
    parts: Sequence[Words], order: Sequence[tuple[int, int]], budget: float, count: Callable[[str], int]
) -> list[Mask]:
    """Masks of the longest beginning of ``order`` whose texts count at most ``budget`` tokens together (by bisection).

    A row that does not fit as a whole makes room for what comes behind it. Where rows leave more than half of the budget
    unused, they are cut like sentences.
    """

    def masks(chosen: Sequence[tuple[int, int]]) -> list[Mask]:
        kept = [np.zeros(len(w.spans), np.bool_) for w in parts]
        for d, i in chosen:
            kept[d][i] = True
        return [w.paired(k) for w, k in zip(parts, kept, strict=True)]

    def cost(chosen: Sequence[tuple[int, int]]) -> int:
        kept = zip(parts, masks(chosen), strict=True)
        return sum(count(render(w.text, spans_of(w, k))) for w, k in kept if k.any())

    def most(low: int) -> int:
        high = len(order) + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if cost(order[:middle]) <= budget else (low, middle)
        return low

    def tabled(word: tuple[int, int]) -> bool:
        return bool(parts[word[0]].tabled[word[1]])

    def row(word: tuple[int, int]) -> tuple[int, int]:
        return word[0], int(parts[word[0]].sentence[word[1]])

    all_words, size, tries = order, most(0), _TRIES
    while size < len(order) and tabled(order[size]):
        refused = row(order[size]) if tries else None  # at last all that is left of tables goes
        behind = [w for w in order[size:] if not tabled(w) or (refused is not None and row(w) != refused)]
        order, tries = [*order[:size], *behind], tries - 1
        size = most(size)
    if any(w.tables for w in parts) and size < len(all_words) and cost(order[:size]) < 0.5 * budget:
        return fill([replace(w, tables=[]) for w in parts], all_words, budget, count)
    return masks(order[:size])
