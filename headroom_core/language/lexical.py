"""Word overlap between a query and units of text: BM25 (Robertson and Zaragoza 2009) and coverage. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

K1, B = 1.2, 0.6

_WORD = re.compile(r"\w+")
_SUFFIX = re.compile(r"(?<=\w\w\w)(?:'s|ies|ing|ed|es|s|e|y)\Z")
STOPWORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "by",
        "with",
        "from",
        "and",
        "or",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "which",
        "who",
        "whom",
        "whose",
        "what",
        "when",
        "where",
        "why",
        "how",
        "i",
        "you",
        "he",
        "she",
        "they",
        "we",
        "his",
        "her",
        "their",
        "our",
        "my",
        "your",
        "me",
        "him",
        "them",
        "us",
        "not",
        "no",
        "there",
        "than",
        "then",
        "so",
        "if",
        "into",
        "about",
        "after",
        "before",
        "over",
        "under",
        "can",
        "could",
        "may",
        "might",
        "will",
        "would",
        "shall",
        "should",
        "must",
        "also",
        "s",
        "t",
    ]
)


def stems(text: str) -> list[str]:
    """Lower-case words with their commonest English ending cut."""
    return [_SUFFIX.sub("", word) for word in _WORD.findall(text.lower())]


def content(text: str) -> list[str]:
    """The stems of a query's words, without stop words; all of them where nothing else is there."""
    found = [_SUFFIX.sub("", word) for word in _WORD.findall(text.lower()) if word not in STOPWORDS]
    return found or stems(text)


def rarity(held: int, among: int) -> float:
    """How rare a word is that ``held`` of ``among`` units hold; 0 or more."""
    return math.log1p((among - held + 0.5) / (held + 0.5))


class Bm25:
    """BM25 of queries over units that were stemmed once."""

    def __init__(self, units: Sequence[Sequence[str]]) -> None:
        self.counts = [Counter(unit) for unit in units]
        self.sizes = np.array([len(unit) for unit in units], np.float64)
        self.mean = float(self.sizes.mean()) if len(units) else 1.0
        self.found: Counter[str] = Counter()
        for count in self.counts:
            self.found.update(count.keys())

    def idf(self, word: str) -> float:
        """How rare a word is among the units; 0 or more."""
        return rarity(self.found.get(word, 0), len(self.counts))

    def scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """One score per unit."""
        total = np.zeros(len(self.counts))
        damp = K1 * (1 - B + B * self.sizes / max(self.mean, 1e-9))
        for word, times in Counter(query).items():
            if word not in self.found:
                continue
            tf = np.fromiter((count.get(word, 0) for count in self.counts), np.float64, len(self.counts))
            total += times * self.idf(word) * tf * (K1 + 1) / (tf + damp)
        return total

    def coverage(self, query: Sequence[str]) -> NDArray[np.float64]:
        """Share of the query's rarity mass that each unit covers; words that no unit holds count too."""
        wanted = sorted(set(query))
        weights = [self.idf(word) for word in wanted]
        whole = sum(weights)
        if whole <= 0:
            return np.zeros(len(self.counts))
        got = [sum(w for word, w in zip(wanted, weights, strict=True) if word in count) for count in self.counts]
        return np.array(got) / whole
