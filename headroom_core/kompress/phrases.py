"""Without a query: which phrases of a text somebody may ask for, and from them a score for every word.

A small network stands on the states of the early exit. It gives each stretch of up to ``LONGEST`` words of a sentence the
probability that it answers some question about the text. Guarded words are worth something by themselves. ``nested``
turns both into one price per word; phrases so stay or go as wholes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress import guards, nested
from headroom_core.kompress.chunks import Span
from headroom_core.kompress.lexical import STOPWORDS
from headroom_core.kompress.onnx import session
from headroom_core.kompress.scorer import CLS, SEP, Staged
from headroom_core.kompress.select import ARTICLES, MARKS, Words
from headroom_core.kompress.signals import MAX_TOKENS, Pieces, token_windows

Floats = NDArray[np.float32]

LONGEST = 16
SIZES, MANY = (64, 232), 64
"""Words that sentences of a batch are padded to, and how many of them stand in one."""
LEAST = 3e-4
"""Price below which the order of words no longer matters."""
FIRM, NAMED = 1.0, 0.3
"""Worth of a guarded number, negation or identifier, and of another guarded word, beside phrases of probability 1."""


@dataclass(slots=True)
class Window:
    """The words of one window: their sentences, sizes in pieces and guards; ``article``: a, an or the that no guard holds."""

    spans: list[Span]
    sentence: NDArray[np.int64]
    pieces: NDArray[np.float64]
    guard: NDArray[np.float64]
    article: NDArray[np.bool_]


def window(staged: Staged, document: Pieces, start: int, end: int) -> tuple[Window, Floats]:
    """The words between two word pieces of a document, and what the network reads of each (n, features).

    The early exit reads ``[CLS] pieces [SEP]``.
    """
    ids = np.concatenate([[CLS], document.ids[start:end], [SEP]]).astype(np.int64)[None, :]
    scores, hidden = staged.early(ids, np.zeros_like(ids))
    first = int(document.starts[start])
    text = document.text[first : int(document.ends[end - 1])]
    spans = guards.words_of(text)
    begins = np.fromiter((a for a, _ in spans), np.int64, len(spans)) + first
    owner = np.clip(np.searchsorted(begins, document.starts[start:end], "right") - 1, 0, len(spans) - 1)
    every = np.arange(len(spans))
    firsts = np.minimum(np.searchsorted(owner, every, "left"), end - start - 1)
    lasts = np.clip(np.searchsorted(owner, every, "right") - 1, firsts, end - start - 1)
    units = np.fromiter((a for a, _ in document.units), np.int64, len(document.units))
    sentence = np.searchsorted(units, begins, "right") - 1
    guard = guards.strengths(text, spans)
    words = [text[a:b] for a, b in spans]
    lowered = [word.strip(MARKS).lower() for word in words]
    assert scores.start is not None
    assert scores.end is not None
    heads = (
        scores.keep[0][firsts + 1],
        scores.span[0][firsts + 1],
        scores.start[0][firsts + 1],
        scores.end[0][lasts + 1],
    )
    means = _means(staged.states(hidden)[0, 1:-1], firsts, lasts)
    features = np.concatenate([means, np.stack(heads, 1) / 4, _forms(words, lowered, sentence, guard)], 1)
    placed = [(a + first, b + first) for a, b in spans]
    article = np.array([word.lower() in ARTICLES for word in words], np.bool_) & (guard == 0)
    sizes = (lasts - firsts + 1).astype(np.float64)
    return Window(placed, sentence, sizes, guard, article), features.astype(np.float32)


def _means(states: Floats, firsts: NDArray[np.int64], lasts: NDArray[np.int64]) -> Floats:
    """The mean state of each word's pieces (n, hidden)."""
    found, size = states[firsts], lasts - firsts + 1
    for more in range(1, int(size.max(initial=1))):
        longer = np.flatnonzero(size > more)
        found[longer] += states[firsts[longer] + more]
    found /= size[:, None]
    return found


def _forms(
    words: Sequence[str], lowered: Sequence[str], sentence: NDArray[np.int64], guard: NDArray[np.float64]
) -> Floats:
    """Shape, place and repetition of each word (n, 14); ``lowered``: without marks at their ends, in lower case."""
    count = len(words)
    times = Counter(lowered)
    known: set[str] = set()
    again = [bool(w in known or known.add(w)) for w in lowered]  # type: ignore[func-returns-value]
    columns: tuple[Any, ...] = (
        [w in STOPWORDS for w in lowered],
        [w.lstrip(MARKS)[:1].isupper() for w in words],
        [not w.isalpha() and any(x.isdigit() for x in w) for w in lowered],
        [w[-1] in ",;:" for w in words],
        [w[-1] in ".!?" for w in words],
        guard > 0,
        [min(len(w), 15) / 10 for w in lowered],
        np.log1p([times[w] - 1 for w in lowered]),
        again,
        (sentence - sentence.min(initial=0)) / 5,
        np.arange(count) / max(1, count),
        ["(" in w or ")" in w for w in words],
        ['"' in w or "“" in w or "”" in w for w in words],
        np.concatenate([[0.0], np.diff(sentence) != 0]) if count else [],
    )
    return np.stack([np.asarray(c, np.float32) for c in columns], 1)


@dataclass(slots=True)
class Batch:
    """Sentences side by side, as ``nested`` takes them; ``place`` (count, n): the word of each place, ``real``: if any."""

    place: NDArray[np.int64]
    real: NDArray[np.bool_]
    worth: Floats
    cost: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Phrases:
    """The network (``training/kompress_phrases.py``) and what it is read with.

    ``run``: features of words (n, features) to ends (n, 3), left (n, rank) and right (n, rank). A phrase [a, b] has the
    logit begin_a + end_b + the sum of inside_k from a to b + length_(b-a) + left_a . right_b / 5, where begin, end and
    inside are the columns of ends. ``level``: the price that becomes a score of 0.5.
    """

    run: Callable[[Floats], Sequence[Floats]]
    length: Floats
    level: float

    @classmethod
    def load(cls, file: Path, stored: Mapping[str, Any]) -> Phrases:
        """From the bundle's graph and its row in the manifest."""
        graph = session(file, threads=1)
        length = np.array(stored["length"], np.float32)
        return cls(lambda features: graph.run(None, {"features": features}), length, float(stored["level"]))

    def batches(self, seen: Sequence[Window], heads: Sequence[Sequence[Floats]]) -> Iterator[Batch]:
        """All sentences of some windows, with what ``run`` said of each window: those of like length side by side.

        A phrase is worth its probability, a guarded word something by itself. Articles cost nothing, and no phrase needs
        them: one that begins (ends) with an article begins (ends) at the word next to it.
        """
        ends, left, right = (np.concatenate(parts) for parts in zip(*heads, strict=True))
        guard, article, pieces = (np.concatenate([getattr(w, n) for w in seen]) for n in ("guard", "article", "pieces"))
        own = np.where(guard >= guards.FIRM, FIRM, np.where(guard > 0, NAMED, 0.0)).astype(np.float32)
        cost = np.where(article, 0.0, pieces)
        starts, sizes = _runs(seen)
        kinds = np.searchsorted(SIZES, sizes)
        for kind in np.unique(kinds).tolist():
            alike = np.flatnonzero(kinds == kind)
            for at in range(0, len(alike), MANY):
                rows = alike[at : at + MANY]
                steps = np.arange(sizes[rows].max())
                real = steps < sizes[rows, None]
                place = np.where(real, starts[rows, None] + steps, starts[rows, None])
                worth = self._chances(ends[place], left[place], right[place])
                worth *= real[:, None, :]
                worth[:, steps, steps] += own[place] * real
                _pass_on(worth, article[place] & real)
                yield Batch(place, real, worth, np.where(real, cost[place], 1.0))

    def _chances(self, ends: Floats, left: Floats, right: Floats) -> Floats:
        """Probability of each phrase (count, n, n) from the heads of its words (count, n, ...)."""
        steps = np.arange(ends.shape[1])
        apart = steps[None, :] - steps[:, None]
        inside = np.cumsum(ends[..., 2], 1)
        begin, end = ends[..., 0] - inside + ends[..., 2], ends[..., 1] + inside
        logit = left @ right.transpose(0, 2, 1)
        logit /= 5
        logit += begin[:, :, None]
        logit += end[:, None, :]
        logit += np.where((apart >= 0) & (apart < LONGEST), self.length[np.clip(apart, 0, LONGEST - 1)], -np.inf)
        return np.asarray(1 / (1 + np.exp(-np.maximum(logit, -60))), np.float32)

    def prices(self, seen: Sequence[Window], heads: Sequence[Sequence[Floats]]) -> NDArray[np.float64]:
        """One price per word of some windows; articles that no guard holds have none."""
        return self._solved(seen, heads, lambda worth, cost: nested.prices(worth, cost, LEAST))

    def chosen(self, seen: Sequence[Window], heads: Sequence[Sequence[Floats]], price: float) -> NDArray[np.bool_]:
        """The words whose ``prices`` reach one price."""
        return self._solved(seen, heads, lambda worth, cost: nested.chosen(worth, cost, price)) > 0

    def _solved(
        self,
        seen: Sequence[Window],
        heads: Sequence[Sequence[Floats]],
        solve: Callable[[Floats, NDArray[np.float64]], NDArray[Any]],
    ) -> NDArray[np.float64]:
        """What a solver of ``nested`` gives each word; nothing to articles, which cost nothing."""
        found = np.zeros(sum(len(w.spans) for w in seen))
        for batch in self.batches(seen, heads):
            each = solve(batch.worth, batch.cost) * (batch.cost > 0)
            found[batch.place[batch.real]] = each[batch.real]
        return found

    def read(self, staged: Staged, document: Pieces, *, words: int = 350, limit: float | None = None) -> Words:
        """The words of a text with their scores: price / (price + level), so 0.5 stands at ``level``.

        ``limit``: where only it will be asked which scores lie above it, scores are 1 there and 0 elsewhere; sooner done.
        """
        seen: list[Window] = []
        heads: list[Sequence[Floats]] = []
        for start, end in token_windows(document, MAX_TOKENS - 2, words):
            if end > start:
                own, features = window(staged, document, start, end)
                seen.append(own)
                heads.append(self.run(features))
        if not seen:
            score = np.zeros(0)
        elif limit is None:
            price = self.prices(seen, heads)
            score = price / (price + self.level)
        else:
            score = self.chosen(seen, heads, self.level * limit / (1 - limit)).astype(np.float64)
        guard = np.concatenate([np.zeros(0), *(w.guard for w in seen)])
        return Words.priced(document.text, document.units, [s for w in seen for s in w.spans], guard, score)


def _runs(seen: Sequence[Window]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First word and number of words of each stretch that shares a window and a sentence."""
    sentence = np.concatenate([w.sentence for w in seen])
    owner = np.repeat(np.arange(len(seen)), [len(w.spans) for w in seen])
    starts = np.flatnonzero((np.diff(sentence, prepend=-1) != 0) | (np.diff(owner, prepend=-1) != 0))
    return starts, np.diff(starts, append=len(sentence))


def _pass_on(worth: Floats, article: NDArray[np.bool_]) -> None:
    """Give phrases that begin or end with an article to the words next to it; a phrase of articles alone is none."""
    last = worth.shape[1] - 1
    places = np.argwhere(article).tolist()
    for row, at in places:
        if at < last:
            worth[row, at + 1] += worth[row, at]
        worth[row, at] = 0
    for row, at in reversed(places):
        if at:
            worth[row, :, at - 1] += worth[row, :, at]
        worth[row, :, at] = 0
    worth *= np.tri(last + 1, dtype=np.float32).T
