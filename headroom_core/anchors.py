"""What is never dropped: what the query names, and words that tell of trouble. Pure, lexical, fast.

A query gives *exact* pieces (identifiers, numbers, quoted phrases: found as a whole) and *words* (found by their stem and
weighed by rarity: inverse document frequency as in BM25, Robertson & Zaragoza 2009, without length normalisation).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

_TOKEN = re.compile(r"\w(?:[\w.@:/+#%&?=~\\-]*[\w/])?")
_QUOTED = re.compile(r"[`\"“‘']([^`\"“”‘’'\n]{2,200})[`\"”’']")
_SUFFIX = re.compile(r"(?:ations?|ings?|ions?|ies|ied|ed|es|s|e|y)$")
_LONGEST_QUERY = 8_000
_SUMMARISE = re.compile(
    r"\b(how many|how much|count|number of|total|sum|average|mean|median|most|least|highest|lowest|largest|smallest|max"
    r"|maximum|min|minimum|distribution|per|each|every|all)\b"
)
_EXTREME = re.compile(
    r"\b(most|least|max|maximum|min|minimum|top|best|worst|peak|recent"
    r"|(?!request|interest|harvest|suggest|manifest|protest|contest|digest|forest|invest|modest|honest)\w{3,}est)\b"
)
STOP_WORDS = frozenset(
    """
    a about above after all also am an and any anything are as at be because been before being below between both but by
    can could did do does doing done down each entry every few find for from further get give had has have having he her
    here hers him his how i if in into is it its item just let list look made make me more most my need no nor not now of
    off on once one only or other our out output over own please record result row same she should show so some such tell
    than that the their them then there these they thing this those through to too under until up us use used value very
    want was we were what when where whether which while who whom whose why will with would you your
    """.split()  # noqa: SIM905 - a list of words reads better as text
)
TROUBLE_WORDS = (
    "error", "fail", "exception", "denied", "critical", "fatal", "refused", "timeout", "timed out", "crash", "panic",
    "unauthorized", "forbidden", "invalid", "corrupt", "violation", "unavailable", "unreachable", "rejected", "expired",
    "out of memory", "oomkilled", "segfault", "traceback", "dispute", "chargeback", "fraud", "breach", "overdue", "degraded",
)  # fmt: skip
"""Lower-case beginnings of words that tell of trouble in any domain."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query names, lower-cased: its ``text``, ``exact`` pieces, ``words`` (stems); whether it wants totals or ends."""

    text: str = ""
    exact: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    totals: bool = False
    extremes: bool = False

    def __bool__(self) -> bool:
        return bool(self.exact or self.words)


@lru_cache(256)
def asked(query: str | None) -> Asked:
    """The pieces of a query in order of appearance; empty for None. Only the last 8,000 characters are read."""
    if not query:
        return Asked()
    query = query[-_LONGEST_QUERY:]
    lowered = query.lower()
    exact: dict[str, None] = {}
    words: dict[str, None] = {}
    for phrase in _QUOTED.findall(query):
        exact[phrase.strip().lower()] = None
    for token in _TOKEN.findall(query):
        small = token.lower()
        if looks_exact(token):
            exact[small] = None
        elif len(small) > 1 and small not in STOP_WORDS:
            words[stem(small)] = None
    return Asked(
        lowered,
        tuple(exact),
        tuple(words),
        _SUMMARISE.search(lowered) is not None,
        _EXTREME.search(lowered) is not None,
    )


def looks_exact(token: str) -> bool:
    """Has the token a digit, inner punctuation, or inner capitals: is it a name, number, address rather than a word?"""
    if not token.isalpha():
        return True
    return not (token.islower() or token.isupper() or token[1:].islower()) or (token.isupper() and 2 <= len(token) <= 5)


def stem(word: str) -> str:
    """The word without its commonest English endings; what is left has three letters or more."""
    if len(word) < 5 or not word.isascii():
        return word
    cut = _SUFFIX.sub("", word)
    return cut if len(cut) >= 3 else word


def stands_in(piece: str, text: str) -> bool:
    """Does ``piece`` stand in ``text`` between word boundaries? Both lower-cased."""
    at = text.find(piece)
    while at >= 0:
        end = at + len(piece)
        if not (at and text[at - 1].isalnum() and piece[0].isalnum()) and not (
            end < len(text) and text[end].isalnum() and piece[-1].isalnum()
        ):
            return True
        at = text.find(piece, at + 1)
    return False


def begins_in(beginning: str, text: str) -> bool:
    """Does a word of ``text`` begin with ``beginning``? Both lower-cased."""
    at = text.find(beginning)
    while at >= 0:
        if not at or not text[at - 1].isalnum():
            return True
        at = text.find(beginning, at + 1)
    return False


def rarity(found: int, total: int) -> float:
    """Inverse document frequency of something found in ``found`` of ``total`` texts, ≥ 0."""
    return log(1 + (total - found + 0.5) / (found + 0.5))


def word_scores(texts: Sequence[str], wanted: Asked) -> list[float]:
    """For each lower-cased text the summed rarity of the query's words and exact pieces in it."""
    scores = [0.0] * len(texts)
    pieces = [(word, begins_in) for word in wanted.words] + [(piece, stands_in) for piece in wanted.exact]
    for piece, where in pieces[:64]:
        hits = [at for at, text in enumerate(texts) if piece in text and where(piece, text)]
        if hits and len(hits) < len(texts):
            weight = rarity(len(hits), len(texts))
            for at in hits:
                scores[at] += weight
    return scores


def trouble(texts: Sequence[str]) -> dict[str, list[int]]:
    """Which lower-cased texts hold which words of trouble; words that stand in more than a quarter tell nothing."""
    joined = "\n".join(texts)
    found: dict[str, list[int]] = {}
    for word in TROUBLE_WORDS:
        if word in joined:
            hits = [at for at, text in enumerate(texts) if word in text and begins_in(word, text)]
            if hits and (len(hits) * 4 <= len(texts) or len(texts) < 4):
                found[word] = hits
    return found
