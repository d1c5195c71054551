"""Without a query: which phrases of a text somebody may ask for, and from them a score for every word.

A small network stands on the states of the early exit. It gives each stretch of up to ``LONGEST`` words of a sentence the
probability that it answers some question about the text. Guarded words are worth something by themselves. ``nested``
turns both into one price per word; phrases so stay or go as wholes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress import guards
from headroom_core.kompress.chunks import Span
from headroom_core.kompress.lexical import STOPWORDS
from headroom_core.kompress.nested import prices
from headroom_core.kompress.onnx import session
from headroom_core.kompress.scorer import CLS, SEP, Staged, sigmoid
from headroom_core.kompress.select import ARTICLES, MARKS, Words
from headroom_core.kompress.signals import MAX_TOKENS, Pieces, token_windows

Floats = NDArray[np.float32]

LONGEST = 16
LEAST = 3e-4
"""Price below which the order of words no longer matters."""
FIRM, NAMED = 1.0, 0.3
"""Worth of a guarded number, negation or identifier, and of another guarded word, beside phrases of probability 1."""


@dataclass(slots=True)
class Window:
    """The words of one window: what the network reads of each (n, features), their sentences, sizes in pieces, guards.

    ``article``: a, an or the, where no guard holds it.
    """

    spans: list[Span]
    features: Floats
    sentence: NDArray[np.int64]
    pieces: NDArray[np.float64]
    guard: NDArray[np.float64]
    article: NDArray[np.bool_]


def window(staged: Staged, document: Pieces, start: int, end: int) -> Window:
    """The words between two word pieces of a document, as the early exit reads ``[CLS] pieces [SEP]``."""
    ids = np.concatenate([[CLS], document.ids[start:end], [SEP]]).astype(np.int64)[None, :]
    scores, hidden = staged.early(ids, np.zeros_like(ids))
    first = int(document.starts[start])
    text = document.text[first : int(document.ends[end - 1])]
    spans = guards.words_of(text)
    begins = np.fromiter((a for a, _ in spans), np.int64, len(spans)) + first
    owner = np.clip(np.searchsorted(begins, document.starts[start:end], "right") - 1, 0, len(spans) - 1)
    firsts = np.searchsorted(owner, np.arange(len(spans)), "left")
    lasts = np.maximum(np.searchsorted(owner, np.arange(len(spans)), "right") - 1, firsts)
    firsts, lasts = (np.minimum(x, end - start - 1) for x in (firsts, lasts))
    units = np.fromiter((a for a, _ in document.units), np.int64, len(document.units))
    sentence = np.searchsorted(units, begins, "right") - 1
    guard = guards.strengths(text, spans)
    inner = staged.states(hidden)[0, 1:-1]
    sizes = (lasts - firsts + 1).astype(np.float64)
    means = np.add.reduceat(inner, firsts) / sizes[:, None] if len(firsts) else np.zeros((0, inner.shape[1]))
    assert scores.start is not None
    assert scores.end is not None
    said = (
        scores.keep[0][firsts + 1],
        scores.span[0][firsts + 1],
        scores.start[0][firsts + 1],
        scores.end[0][lasts + 1],
    )
    heads = np.stack(said, 1) / 4
    features = np.concatenate([means, heads, _forms(text, spans, sentence, guard)], 1).astype(np.float32)
    placed = [(a + first, b + first) for a, b in spans]
    article = np.array([text[a:b].lower() in ARTICLES for a, b in spans], np.bool_) & (guard == 0)
    return Window(placed, features, sentence, sizes, guard, article)


def _forms(text: str, spans: Sequence[Span], sentence: NDArray[np.int64], guard: NDArray[np.float64]) -> Floats:
    """Shape, place and repetition of each word (n, 14)."""
    count = len(spans)
    words = [text[a:b] for a, b in spans]
    cores = [w.strip(MARKS) for w in words]
    lowered = [c.lower() for c in cores]
    times = Counter(lowered)
    known: set[str] = set()
    again = [bool(w in known or known.add(w)) for w in lowered]  # type: ignore[func-returns-value]
    columns: tuple[Any, ...] = (
        [w in STOPWORDS for w in lowered],
        [c[:1].isupper() for c in cores],
        [any(x.isdigit() for x in c) for c in cores],
        [w[-1] in ",;:" for w in words],
        [w[-1] in ".!?" for w in words],
        guard > 0,
        [min(len(c), 15) / 10 for c in cores],
        np.log1p([times[w] - 1 for w in lowered]),
        again,
        (sentence - sentence.min(initial=0)) / 5,
        np.arange(count) / max(1, count),
        ["(" in w or ")" in w for w in words],
        ['"' in w or "“" in w or "”" in w for w in words],
        np.concatenate([[0.0], np.diff(sentence) != 0]) if count else [],
    )
    return np.stack([np.asarray(c, np.float32) for c in columns], 1)


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

    def worth(self, words: Window) -> list[NDArray[np.float64]]:
        """Per sentence (n, n): the probability of each phrase, and on the diagonal also what a guarded word is worth."""
        ends, left, right = self.run(words.features)
        own = np.where(words.guard >= guards.FIRM, FIRM, np.where(words.guard > 0, NAMED, 0.0))
        found = []
        for rows in _runs(words.sentence):
            inside = np.concatenate([[0.0], np.cumsum(ends[rows, 2], dtype=np.float64)])
            apart = np.arange(len(inside) - 1)[None, :] - np.arange(len(inside) - 1)[:, None]
            logit = ends[rows, 0][:, None] + ends[rows, 1][None, :] + inside[None, 1:] - inside[:-1, None]
            logit = logit + self.length[np.clip(apart, 0, LONGEST - 1)] + left[rows] @ right[rows].T / 5
            chance = np.where((apart >= 0) & (apart < LONGEST), sigmoid(logit), 0.0)
            chance[np.diag_indices_from(chance)] += own[rows]
            found.append(chance)
        return found

    def prices(self, words: Window) -> NDArray[np.float64]:
        """One price per word of a window; articles that no guard holds have none, and no phrase needs them."""
        found = np.zeros(len(words.spans))
        runs = [(rows, np.flatnonzero(~words.article[rows])) for rows in _runs(words.sentence)]
        worth = [_without(chance, kept) for chance, (_, kept) in zip(self.worth(words), runs, strict=True)]
        cost = [words.pieces[rows][kept] for rows, kept in runs]
        for (rows, kept), price in zip(runs, prices(worth, cost, LEAST), strict=True):
            found[rows][kept] = price
        return found

    def read(self, staged: Staged, document: Pieces, *, words: int = 350) -> Words:
        """The words of a text with their scores: price / (price + level), so 0.5 stands at ``level``."""
        seen: list[Window] = []
        found: list[NDArray[np.float64]] = []
        for start, end in token_windows(document, MAX_TOKENS - 2, words):
            if end <= start:
                continue
            seen.append(window(staged, document, start, end))
            found.append(self.prices(seen[-1]))
        price = np.concatenate([np.zeros(0), *found])
        guard = np.concatenate([np.zeros(0), *(w.guard for w in seen)])
        spans = [span for w in seen for span in w.spans]
        return Words.priced(document.text, document.units, spans, guard, price / (price + self.level))


def _runs(sentence: NDArray[np.int64]) -> list[slice]:
    """The stretches of words that share a sentence."""
    cuts = [0, *(np.flatnonzero(np.diff(sentence)) + 1).tolist(), len(sentence)]
    return [slice(a, b) for a, b in pairwise(cuts) if b > a]


def _without(worth: NDArray[np.float64], kept: NDArray[np.int64]) -> NDArray[np.float64]:
    """Phrases in terms of the words ``kept``: one that begins (ends) elsewhere begins (ends) at the next (last) of them."""
    if len(kept) == len(worth) or not len(kept):
        return worth[: len(kept), : len(kept)]
    every = np.arange(len(worth))
    begins, ends = np.searchsorted(kept, every), np.searchsorted(kept, every, "right") - 1
    rows = np.zeros((len(kept) + 1, len(worth)))
    np.add.at(rows, begins, worth)
    both = np.zeros((len(kept), len(kept) + 1))
    np.add.at(both.T, ends, rows[:-1].T)  # the last row takes what ends before the first kept word
    return np.triu(both[:, :-1])
