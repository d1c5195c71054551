"""One score per sentence from all signals: last layer, second reading, links, bridges, place, length, neighbours.

score = late + hint * max(0, again - late) * p(best + GATE) + first * [opens its document]
        + link * named-by-a-good-sentence * (1 - p) + bridge * shares-names-with-a-good-sentence * (1 - p)
        - brief * log(pieces / USUAL) + window * relevance-of-its-window + wide * mean over 41 sentences, in transcripts
        + row * squared-share-of-the-question's-words, in rows of tables

p is the logistic function of ``late``. A link is a document's name in a well-scored sentence of another document; a
bridge is a name or number that a sentence shares with a well-scored one of another document and the query does not
hold. Where no sentence is good, there is nothing to follow: the second reading then counts for little. All weights were
chosen on rows that neither trained the network nor calibrate its thresholds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.scorer import Staged, sigmoid
from headroom_core.kompress.signals import Pieces, Signals, Vector, read, read_again
from headroom_core.language.lexical import STOPWORDS, Bm25, content, rarity, stems
from headroom_core.language.tables import cells, tables
from headroom_core.language.wrapped import TURN

_NAME = re.compile(
    r"\A\W*(.{2,90}?)(?:\s*\(|,|;|\s+(?:is|was|are|were|has|had|refers|may|can|serves?d?|born|became|plays?|played|stars?)\b)"
)
_HEADING = 12
_NAMES = re.compile(r"[^\W\d_a-z]\w+|\d[\d,.]*\d|\d")
GATE = 2.0
USUAL, SHORTEST = 25, 8
"""Word pieces of a usual sentence; shorter ones than ``SHORTEST`` count as that long."""
SOURCES = 8
"""Sentences that bridges may start from: the best ones."""
RARE = 3.0
"""Summed rarity of shared names from which a bridge counts in full."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The fusion's weights; ``shift`` is added to all scores."""

    hint: float = 0.5
    first: float = 0.25
    link: float = 2.0
    bridge: float = 4.0
    brief: float = 0.75
    window: float = 0.15
    wide: float = 2.0
    row: float = 10.0
    shift: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """JSON-like."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, float]) -> Weights:
        """From ``as_dict``; unknown names are ignored."""
        return cls(**{f.name: float(stored[f.name]) for f in fields(cls) if f.name in stored})


def judged(
    staged: Staged, weights: Weights, documents: Sequence[Pieces], asked: Sequence[int], query: str, *, words: int = 350
) -> tuple[Signals, Vector]:
    """What the network says of some documents for one query, and the fused logit of every sentence."""
    seen = read(staged, documents, asked, words=words)
    return seen, fused(seen, read_again(staged, documents, asked, seen, words=words), weights, query)


def fused(seen: Signals, again: Vector, weights: Weights, query: str = "") -> Vector:
    """One logit per sentence."""
    if not len(seen.late):
        return seen.late
    followed = float(sigmoid(np.array([seen.late.max() + GATE]))[0])
    score = seen.late + weights.hint * followed * np.maximum(0.0, again - seen.late)
    texts = [d.text for d in seen.documents]
    firsts = np.searchsorted(seen.document, np.arange(len(texts) + 1))
    opening = np.zeros(len(score))
    opening[firsts[:-1][firsts[:-1] < firsts[1:]]] = 1.0
    score = score + weights.first * opening
    if len(texts) > 1:
        score = score + weights.link * links(seen, firsts) + weights.bridge * bridges(seen, again, query)
    score = score - weights.brief * np.log(np.maximum(seen.pieces, SHORTEST) / USUAL)
    score = score + weights.window * np.clip(seen.relevance, -8.0, 2.0)
    for d, text in enumerate(texts):
        if is_transcript(text):
            own = slice(int(firsts[d]), int(firsts[d + 1]))
            score[own] += weights.wide * _smooth(seen.late[own], 20)
    _rows(score, seen, firsts.tolist(), weights.row, query)
    return np.asarray(score + weights.shift)


def _rows(score: Vector, seen: Signals, firsts: Sequence[int], weight: float, query: str) -> None:
    """Raise the rows of tables by the question's words in them, and each header to its best row.

    Only words that some row holds count: the names of table and column are said once, above. They count by their
    rarity among all sentences, and squared, since half a match is mostly chance; one word that a single row holds is
    worth the whole ``weight``.
    """
    placed = [
        (slice(first + t.head.start, first + t.head.stop), slice(first + t.rows.start, first + t.rows.stop))
        for first, document in zip(firsts, seen.documents, strict=False)
        for t in tables(document.text, document.units)
    ]
    if not placed:
        return
    units, index = _stemmed(seen)
    held = set[str]().union(*(unit for _, rows in placed for unit in units[rows]))
    weights = {word: index.idf(word) for word in content(query) if word in held}
    whole = max(rarity(1, len(units)), sum(weights.values()))
    for head, rows in placed:
        cover = _cover(units[rows], weights, whole)
        score[rows] += weight * cover**2
        score[head] = np.maximum(score[head], score[rows].max())


def is_transcript(text: str) -> bool:
    """Do most lines begin with a speaker? Rows of a table in which each cell has its name do not."""
    lines = [line for line in text[:6000].split("\n")[:40] if line.strip()]
    turns = sum(bool(TURN.match(line)) and cells(line, 0, len(line)) is None for line in lines)
    return len(lines) >= 5 and turns >= 0.6 * len(lines)


def name_of(text: str) -> list[str]:
    """Stems of what a document is about: its short first line, else the words before its first verb or bracket."""
    head = text[:400].strip()
    line = head.split("\n", 1)[0][:200]
    if 0 < len(line.split()) <= _HEADING and not line.rstrip().endswith((".", "!", "?")) and "\n" in head:
        return content(line)
    found = _NAME.match(line)
    return content(found.group(1)) if found and len(found.group(1).split()) <= 10 else []


def links(seen: Signals, firsts: NDArray[np.int64]) -> Vector:
    """For each sentence: how sure a sentence of another document is that names this one, times its own doubt."""
    units, index = _stemmed(seen)
    probability = sigmoid(seen.late)
    found = np.zeros(len(units))
    for d, document in enumerate(seen.documents):
        weights = {word: index.idf(word) for word in name_of(document.text)}
        whole = sum(weights.values())
        if whole <= 0:
            continue
        own = slice(int(firsts[d]), int(firsts[d + 1]))
        named = _cover(units, weights, whole)
        named[own] = 0.0
        found[own] = float((np.where(named < 0.5, 0.0, named) * probability).max())
    return found * (1 - probability)


def bridges(seen: Signals, again: Vector, query: str) -> Vector:
    """For each sentence: how surely it shares a rare name with a good sentence of another document, times its doubt."""
    asked = {word.lower() for word in re.findall(r"\w+", query)} | STOPWORDS
    names = [{name.lower() for name in _NAMES.findall(text)} - asked for text in seen.texts()]
    held: dict[str, set[int]] = {}
    for d, own in zip(seen.document.tolist(), names, strict=True):
        for name in own:
            held.setdefault(name, set()).add(d)
    weights = {name: rarity(len(ds), len(seen.documents)) for name, ds in held.items()}
    best = np.maximum(seen.late, again)
    probability = sigmoid(best)
    found = np.zeros(len(names))
    for top in np.argsort(-best, kind="stable")[:SOURCES].tolist():
        weight = float(probability[top])
        for i, own in enumerate(names):
            shared = names[top] & own
            if shared and seen.document[i] != seen.document[top]:
                mass = min(1.0, math.fsum(weights[name] for name in shared) / RARE)
                found[i] = max(found[i], weight * mass)
    return found * (1 - probability)


def _stemmed(seen: Signals) -> tuple[list[set[str]], Bm25]:
    """The stems of each sentence, and how rare each is."""
    units = [set(stems(text)) for text in seen.texts()]
    return units, Bm25([sorted(unit) for unit in units])


def _cover(units: Sequence[set[str]], weights: dict[str, float], whole: float) -> Vector:
    """Share of a name's rarity mass in each sentence."""
    return np.array([sum(w for word, w in weights.items() if word in unit) for unit in units]) / whole


def _smooth(values: Vector, reach: int) -> Vector:
    """Mean over ``reach`` values on either side, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))
