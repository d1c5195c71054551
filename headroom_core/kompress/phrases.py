"""Without a query: which phrases of a text somebody may ask for, and from them a score for every word.

A small network stands on the states of the early exit. It gives each stretch of up to ``LONGEST`` words of a sentence the
probability that it answers some question about the text. Guarded words are worth something by themselves. ``nested``
turns both into one price per word; phrases so stay or go as wholes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress import guards, nested
from headroom_core.kompress.scorer import CLS, SEP, Staged
from headroom_core.kompress.select import ARTICLES, MARKS, Words
from headroom_core.kompress.signals import MAX_TOKENS, Pieces, token_windows
from headroom_core.language.lexical import STOPWORDS
from headroom_core.language.span import Span
from headroom_core.models.sessions import session

Floats = NDArray[np.float32]

LETTERS = 15
"""Letters of the longest word that is told from longer ones."""
_EIGHT = Struct("8f")
_PLAIN = [[_EIGHT.pack(stop, 0, 0, 0, 0, size / 10, 0, 0) for size in range(LETTERS + 1)] for stop in (False, True)]
"""Shapes of words in small letters alone: most words."""
LONGEST = 16
OWN = 18
"""Numbers that are known of a word besides its states."""
SIZES, MANY = (64, 232), 64
"""Words that sentences of a batch are padded to, and how many of them stand in one."""
USUAL = 40
"""Letters of the longest word that is remembered."""
LEAST = 3e-4
"""Price below which the order of words no longer matters."""
FIRM, NAMED, COUNTED = 0.5, 0.1, 0.005
"""Worth beside phrases of probability 1: of a guarded number, negation or identifier; of a name or an end of a comparison; of a
quantifier, which alone tells little: it stays with what it counts."""


@dataclass(slots=True)
class Window:
    """The words of one window: their sentences, sizes in pieces and guards; ``article``: a, an or the that no guard holds."""

    spans: list[Span]
    sentence: NDArray[np.int64]
    pieces: NDArray[np.float64]
    guard: NDArray[np.float64]
    article: NDArray[np.bool_]


@dataclass(slots=True)
class Seen:
    """What the network reads of a window.

    ``states``: of its word pieces (pieces, hidden); ``first`` and ``last``: the pieces of each word (n,); ``own``: what else is
    known of each word (n, ``OWN``).
    """

    states: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    own: Floats


def window(staged: Staged, document: Pieces, start: int, end: int) -> tuple[Window, Seen]:
    """The words between two word pieces of a document, and what the network reads of them.

    The early exit reads ``[CLS] pieces [SEP]``.
    """
    ids = np.concatenate([[CLS], document.ids[start:end], [SEP]]).astype(np.int64)[None, :]
    scores, hidden = staged.early(ids, np.zeros_like(ids))
    begin = int(document.starts[start])
    text = document.text[begin : int(document.ends[end - 1])]
    spans = guards.words_of(text)
    begins = np.fromiter((a for a, _ in spans), np.int64, len(spans)) + begin
    owner = np.clip(np.searchsorted(begins, document.starts[start:end], "right") - 1, 0, len(spans) - 1)
    every = np.arange(len(spans))
    first = np.minimum(np.searchsorted(owner, every, "left"), end - start - 1)
    last = np.clip(np.searchsorted(owner, every, "right") - 1, first, end - start - 1)
    units = np.fromiter((a for a, _ in document.units), np.int64, len(document.units))
    sentence = np.searchsorted(units, begins, "right") - 1
    guard = guards.strengths(text, spans)
    assert scores.start is not None
    assert scores.end is not None
    said = ((scores.keep, first), (scores.span, first), (scores.start, first), (scores.end, last))
    shapes, article = _shapes(guards.WORD.findall(text))
    own = np.empty((len(spans), OWN), np.float32)
    for column, (head, place) in enumerate(said):
        own[:, column] = head[0, 1:][place] / 4
    own[:, 4:-4] = shapes
    own[:, -4] = guard > 0
    own[:, -3] = (sentence - sentence.min(initial=0)) / 5
    own[:, -2] = every / max(1, len(spans))
    own[:, -1] = np.diff(sentence, prepend=sentence[:1]) != 0
    placed = [(a + begin, b + begin) for a, b in spans]
    words = Window(placed, sentence, (last - first + 1).astype(np.float64), guard, article & (guard == 0))
    return words, Seen(staged.states(hidden)[0, 1:-1], first, last, own)


@lru_cache(1 << 13)
def _shape(word: str) -> tuple[str, bool, bytes]:
    """A word without marks at its ends, in lower case; whether it is an article; its shape as eight floats."""
    if word.islower() and word.isalpha():
        return word, word in ARTICLES, _PLAIN[word in STOPWORDS][min(len(word), LETTERS)]
    core = word.strip(MARKS).lower()
    columns = (
        core in STOPWORDS,
        word.lstrip(MARKS)[:1].isupper(),
        not core.isalpha() and any(map(str.isdigit, core)),
        word[-1] in ",;:",
        word[-1] in ".!?",
        min(len(core), LETTERS) / 10,
        "(" in word or ")" in word,
        '"' in word or "“" in word or "”" in word,
    )
    return core, word.lower() in ARTICLES, _EIGHT.pack(*columns)


def _shapes(words: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
    """Shape and repetition of each word (n, 10); which words are articles."""
    found = [_shape(word) if len(word) <= USUAL else _shape.__wrapped__(word) for word in words]
    times = Counter(core for core, _, _ in found)
    known: set[str] = set()
    columns = np.empty((len(words), 10), np.float32)
    columns[:, :8] = np.frombuffer(b"".join(shape for _, _, shape in found), np.float32).reshape(-1, 8)
    columns[:, 8] = np.log([times[core] for core, _, _ in found])
    columns[:, 9] = [core in known or known.add(core) is not None for core, _, _ in found]  # type: ignore[func-returns-value]
    return columns, np.array([article for _, article, _ in found], np.bool_)


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

    ``run``: what is seen of a window to the probability that some question asks for the words [a, a + k]: (n, LONGEST), at
    row a and column k. ``level``: the price that becomes a score of 0.5.
    """

    run: Callable[[Seen], Floats]
    level: float

    @classmethod
    def load(cls, file: Path, stored: Mapping[str, Any]) -> Phrases:
        """From the bundle's graph and its row in the manifest."""
        graph = session(file, threads=1)
        return cls(
            lambda seen: graph.run(
                None, {"states": seen.states, "first": seen.first, "last": seen.last, "own": seen.own}
            )[0],
            float(stored["level"]),
        )

    def batches(self, seen: Sequence[Window], chances: Sequence[Floats]) -> Iterator[Batch]:
        """All sentences of some windows, with what ``run`` said of each window: those of like length side by side.

        A phrase is worth its probability, a guarded word something by itself. Articles cost nothing, and no phrase needs
        them: one that begins (ends) with an article begins (ends) at the word next to it.
        """
        chance = np.concatenate(chances)
        guard, article, pieces = (np.concatenate([getattr(w, n) for w in seen]) for n in ("guard", "article", "pieces"))
        others = np.where(guard == guards.COUNTED, COUNTED, np.where(guard > 0, NAMED, 0.0))
        own = np.where(guard >= guards.FIRM, FIRM, others).astype(np.float32)
        cost = np.where(article, 0.0, pieces)
        starts, sizes = _runs(seen)
        kinds = np.searchsorted(SIZES, sizes)
        for kind in np.unique(kinds).tolist():
            alike = np.flatnonzero(kinds == kind)
            for at in range(0, len(alike), MANY):
                rows = alike[at : at + MANY]
                width = int(sizes[rows].max())
                steps = np.arange(width)
                real = steps < sizes[rows, None]
                place = np.where(real, starts[rows, None] + steps, starts[rows, None])
                worth = np.zeros((len(rows), width, width), np.float32)
                flat, own_chance = worth.reshape(len(rows), -1), chance[place]
                for k in range(min(LONGEST, width)):  # phrases of k + 1 words lie on one diagonal
                    flat[:, k :: width + 1][:, : width - k] = own_chance[:, : width - k, k] * real[:, k:]
                worth[:, steps, steps] += own[place] * real
                _pass_on(worth, article[place] & real)
                yield Batch(place, real, worth, np.where(real, cost[place], 1.0))

    def prices(self, seen: Sequence[Window], chances: Sequence[Floats]) -> NDArray[np.float64]:
        """One price per word of some windows; articles that no guard holds have none."""
        return self._solved(seen, chances, lambda worth, cost: nested.prices(worth, cost, LEAST))

    def chosen(self, seen: Sequence[Window], chances: Sequence[Floats], price: float) -> NDArray[np.bool_]:
        """The words whose ``prices`` reach one price."""
        return self._solved(seen, chances, lambda worth, cost: nested.chosen(worth, cost, price)) > 0

    def _solved(
        self,
        seen: Sequence[Window],
        chances: Sequence[Floats],
        solve: Callable[[Floats, NDArray[np.float64]], NDArray[Any]],
    ) -> NDArray[np.float64]:
        """What a solver of ``nested`` gives each word; nothing to articles, which cost nothing."""
        found = np.zeros(sum(len(w.spans) for w in seen))
        for batch in self.batches(seen, chances):
            each = solve(batch.worth, batch.cost) * (batch.cost > 0)
            found[batch.place[batch.real]] = each[batch.real]
        return found

    def read(self, staged: Staged, document: Pieces, *, words: int = 350, limit: float | None = None) -> Words:
        """The words of a text with their scores: price / (price + level), so 0.5 stands at ``level``.

        ``limit``, below 1: where only it will be asked which scores lie above it, scores are 1 there and 0 elsewhere; sooner
        done.
        """
        seen: list[Window] = []
        chances: list[Floats] = []
        for start, end in token_windows(document, MAX_TOKENS - 2, words):
            if end > start:
                own, shown = window(staged, document, start, end)
                seen.append(own)
                chances.append(self.run(shown))
        if not seen:
            score = np.zeros(0)
        elif limit is None:
            price = self.prices(seen, chances)
            score = price / (price + self.level)
        else:
            score = self.chosen(seen, chances, self.level * limit / (1 - limit)).astype(np.float64)
        guard = np.concatenate([np.zeros(0), *(w.guard for w in seen)])
        return Words.priced(document.text, document.units, [s for w in seen for s in w.spans], guard, score)


def _runs(seen: Sequence[Window]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First word and number of words of each stretch that shares a window and a sentence."""
    sentence = np.concatenate([w.sentence for w in seen])
    owner = np.repeat(np.arange(len(seen)), [len(w.spans) for w in seen])
    fresh = np.ones(len(sentence), np.bool_)
    fresh[1:] = (sentence[1:] != sentence[:-1]) | (owner[1:] != owner[:-1])
    starts = np.flatnonzero(fresh)
    return starts, np.diff(starts, append=len(sentence))


def _pass_on(worth: Floats, article: NDArray[np.bool_]) -> None:
    """Give phrases that begin or end with an article to the words next to it; a phrase of articles alone is none."""
    rows, places = np.nonzero(article)
    for side, step in ((worth, 1), (worth.transpose(0, 2, 1), -1)):  # first by their beginning, then by their end
        inside = (places + step >= 0) & (places + step < worth.shape[1])
        while (moved := side[rows, places]).any():  # a second time where articles stand side by side
            side[rows, places] = 0
            side[rows[inside], places[inside] + step] += moved[inside]
    worth *= np.tri(worth.shape[1], dtype=np.float32).T
