"""One score per sentence from all signals: the network's last layer, the second reading, links, place, neighbours.

score = late + HINT * max(0, again - late) + first * [opens its document] + link * named-by-a-good-sentence * (1 - p)
        + wide * mean over 41 sentences, in transcripts

A link is a document's name in a well-scored sentence of another document. All weights were fitted on rows that
neither trained the network nor calibrate its thresholds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.lexical import Bm25, content, stems
from headroom_core.kompress.scorer import sigmoid
from headroom_core.kompress.signals import Signals, Vector

_NAME = re.compile(
    r"\A\W*(.{2,90}?)(?:\s*\(|,|;|\s+(?:is|was|are|were|has|had|refers|may|can|serves?d?|born|became|plays?|played|stars?)\b)"
)
_TURN = re.compile(r"\A[^\W\d_][\w .'-]{0,40}:\s")
_HEADING = 12


@dataclass(frozen=True, slots=True)
class Weights:
    """The fusion's weights; ``shift`` is added to all scores."""

    hint: float = 0.5
    first: float = 0.5
    link: float = 3.0
    wide: float = 2.0
    shift: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """JSON-like."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, float]) -> Weights:
        """From ``as_dict``; unknown names are ignored."""
        return cls(**{f.name: float(stored[f.name]) for f in fields(cls) if f.name in stored})


def fused(seen: Signals, again: Vector, weights: Weights) -> Vector:
    """One logit per sentence."""
    score = seen.late + weights.hint * np.maximum(0.0, again - seen.late)
    if not len(score):
        return score
    texts = [d.text for d in seen.documents]
    firsts = np.searchsorted(seen.document, np.arange(len(texts) + 1))
    opening = np.zeros(len(score))
    opening[firsts[:-1][firsts[:-1] < firsts[1:]]] = 1.0
    score = score + weights.first * opening
    if len(texts) > 1:
        score = score + weights.link * links(seen, firsts)
    for d, text in enumerate(texts):
        if is_transcript(text):
            own = slice(int(firsts[d]), int(firsts[d + 1]))
            score[own] += weights.wide * _smooth(seen.late[own], 20)
    return np.asarray(score + weights.shift)


def is_transcript(text: str) -> bool:
    """Do most lines begin with a speaker?"""
    lines = [line for line in text[:6000].split("\n")[:40] if line.strip()]
    return len(lines) >= 5 and sum(bool(_TURN.match(line)) for line in lines) >= 0.6 * len(lines)


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
    texts = [d.text for d in seen.documents]
    units = [set(stems(texts[d][s:e])) for d, (s, e) in zip(seen.document.tolist(), seen.units, strict=True)]
    index = Bm25([sorted(unit) for unit in units])
    probability = sigmoid(seen.late)
    found = np.zeros(len(units))
    for d, text in enumerate(texts):
        weights = {word: index.idf(word) for word in name_of(text)}
        whole = sum(weights.values())
        if whole <= 0:
            continue
        own = slice(int(firsts[d]), int(firsts[d + 1]))
        named = _cover(units, weights, whole)
        named[own] = 0.0
        found[own] = float((np.where(named < 0.5, 0.0, named) * probability).max())
    return found * (1 - probability)


def _cover(units: Sequence[set[str]], weights: dict[str, float], whole: float) -> Vector:
    """Share of a name's rarity mass in each sentence."""
    return np.array([sum(w for word, w in weights.items() if word in unit) for unit in units]) / whole


def _smooth(values: Vector, reach: int) -> Vector:
    """Mean over ``reach`` values on either side, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))
