"""How well each hit answers the query: rarity of the query's words among the hits, names, nearness, definitions.

The weight of a word is its inverse document frequency over the hits (BM25 without length; Robertson & Zaragoza 2009).
Each word is looked up in all texts at once, so the cost is that of a few substring searches.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from headroom_core.anchors import Asked, asked, rarity

_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_DOUBLED = re.compile(r"(?:ed|ing|er|ers)$")
_DEFINES = re.compile(
    r"\s*(?:export |default |pub(?:\(\w+\))? |public |private |protected |internal |static |final |async |abstract |virtual |inline |unsafe )*"
    r"(?:def|class|function|func|fn|struct|interface|trait|enum|type|typedef|macro|module|namespace|impl|const|let|var|#define|CREATE (?:TABLE|VIEW|FUNCTION))\b",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"\s*[\w.\[\]\"']+\s*(?::[^=]{1,60})?=(?!=)")
_ASKS_DEFINITION = re.compile(
    r"\b(?:defin|declar|implement|signature|constructor|where (?:is|are) (?:the )?(?:class|function|method|type))",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|;|<!--|\"\"\")")
_NOTE = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|BUG|SECURITY|DEPRECATED|WARNING|UNSAFE)\b")
_IN_PATH = 0.6
_NEAR = 28
_MANY = 12
_EVERYWHERE = 0.85


@dataclass(slots=True)
class _Term:
    """A piece of the query, in the forms in which it counts as found; ``whole`` pieces end at a word boundary too."""

    forms: tuple[str, ...]
    whole: bool
    worth: float = 1.0
    at: dict[int, int] = field(default_factory=dict)
    weight: float = 0.0


def scores(texts: Sequence[str], paths: Sequence[str], query: str | None) -> list[float]:
    """One number per hit, 0 where nothing of the query stands in its text or path. ``paths`` goes with ``texts``."""
    wanted = asked(query)
    if not wanted:
        return [0.0] * len(texts)
    terms = _terms(wanted)
    joined = _Joined(texts)
    unique = sorted(set(paths))
    place = {path: index for index, path in enumerate(unique)}
    where = _Joined(unique)
    of_path = [place[path] for path in paths]
    total = [0.0] * len(texts)
    shares = _sizes(of_path, len(unique))
    for term in terms:
        term.at = joined.find(term)
        in_path = where.find(term)
        held = len(term.at) + sum(shares[index] for index in in_path)
        term.weight = term.worth * rarity(min(held, len(texts)), len(texts))
        for hit in term.at:
            total[hit] += term.weight
        if in_path:
            for hit, index in enumerate(of_path):
                if index in in_path and hit not in term.at:
                    total[hit] += _IN_PATH * term.weight
    _add_near(terms, total)
    _add_shape(texts, terms, total, _ASKS_DEFINITION.search(wanted.text) is not None)
    return total


def _sizes(of_path: Sequence[int], count: int) -> list[int]:
    sizes = [0] * count
    for index in of_path:
        sizes[index] += 1
    return sizes


def _terms(wanted: Asked) -> list[_Term]:
    """Names as they stand, the words inside them at half their worth, and plain words by their stem."""
    terms: dict[str, _Term] = {}
    for name in wanted.exact[:32]:
        terms[name] = _Term((name,), True, 1.6)
        parts = [part.lower() for part in _CAMEL.findall(_as_written(name, wanted.text))]
        for part in parts if len(parts) > 1 else ():
            if len(part) > 2:
                terms.setdefault(part, _Term(_forms(part), False, 0.5))
    for word in wanted.words[:48]:
        terms[word] = _Term(_forms(word), False)
    return list(terms.values())


def _as_written(name: str, text: str) -> str:
    return name.replace("_", " ").replace("-", " ") if name in text else name


def _forms(word: str) -> tuple[str, ...]:
    """A stem and, where it ends in a doubled consonant (skipp-ed), the stem with a single one."""
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouslzf":
        return (word[:-1],)
    return (word,)


class _Joined:
    """Many texts as one lower-case string, so that a word is found in all of them by one search."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.text = "\n".join(texts)
        lowered = self.text.lower()
        # A few characters grow when lowered; then positions would no longer fit.
        self.lowered = lowered if len(lowered) == len(self.text) else "".join(c.lower()[0] for c in self.text)
        self.starts = [0, *accumulate(len(text) + 1 for text in texts)][:-1]

    def find(self, term: _Term) -> dict[int, int]:
        """Text index -> offset in all texts of the first place where the term begins a word or a part of a name."""
        found: dict[int, int] = {}
        text, lowered = self.text, self.lowered
        count = len(self.starts)
        for form in term.forms:
            if count >= _MANY and lowered.count(form) >= _EVERYWHERE * count:
                continue  # what stands in nearly every hit tells none apart
            at = lowered.find(form)
            while at >= 0:
                step = at + 1
                if _begins(text, at) and (not term.whole or _ends(text, at + len(form))):
                    index = bisect_right(self.starts, at) - 1
                    found.setdefault(index, at)
                    step = self.starts[index + 1] if index + 1 < len(self.starts) else len(text)
                at = lowered.find(form, step)
        return found


def _begins(text: str, at: int) -> bool:
    """Does a word, or a part of a camelCase name, begin here?"""
    if at == 0 or not text[at - 1].isalnum() or not text[at].isalnum():
        return True
    return (text[at].isupper() and text[at - 1].islower()) or (text[at].isdigit() != text[at - 1].isdigit())


def _ends(text: str, at: int) -> bool:
    return at >= len(text) or not text[at].isalnum() or not text[at - 1].isalnum()


def _add_near(terms: Sequence[_Term], total: list[float]) -> None:
    """Words that follow each other in the query count more where they stand close together in a hit."""
    for first, second in pairwise(terms):
        few, many = sorted((first.at, second.at), key=len)
        for hit, at in few.items():
            other = many.get(hit)
            if other is not None and abs(at - other) <= _NEAR:
                total[hit] += 0.3 * (first.weight + second.weight) / 2


def _add_shape(texts: Sequence[str], terms: Sequence[_Term], total: list[float], definition: bool) -> None:
    """Definitions of what is asked, and notes and comments, break ties between hits that score alike."""
    best = max(total, default=0.0)
    if best <= 0:
        return
    for hit, score in enumerate(total):
        if score < 0.4 * best:
            continue
        text = texts[hit]
        if _DEFINES.match(text):
            total[hit] += (0.6 if definition else 0.12) * best
        elif definition and _ASSIGNED.match(text):
            total[hit] += 0.15 * best
        elif _COMMENT.match(text):
            total[hit] += 0.05 * best


def rare(texts: Sequence[str]) -> list[int]:
    """Hits unlike all others where most are alike: texts that are nobody else's, digits aside."""
    if len(texts) < 8:
        return []
    joined = "\n".join(text.replace("\n", " ").strip() for text in texts)
    templates = joined.encode("utf-8", "surrogatepass").translate(None, b"0123456789").split(b"\n")
    counts = Counter(templates)
    alone = [hit for hit, template in enumerate(templates) if counts[template] == 1]
    return alone if len(alone) * 12 <= len(texts) else []


def notable(text: str) -> bool:
    """A note to the reader (TODO, FIXME, SECURITY …) or a definition: what to show of hits when nothing is asked."""
    return _NOTE.search(text, 0, 400) is not None or _DEFINES.match(text) is not None
