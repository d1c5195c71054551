"""Which words a query-free compressor must keep: numbers, names, negations, identifiers. Judges only; shares no code.

A word is a run without white space. Marks depend on the original alone, and recall counts words as a multiset, so a
compressor that moves or rewrites words gains nothing.

Spot check: 192 sentences of the development paragraphs (every 97th of all, every 14th of the encyclopaedic ones) were
read. Numbers, negations and identifiers were all marked; 13 first names or names were missed because they open a sentence
and stand nowhere else in the text, or follow an abbreviation ("Fr.", "Rev."); 3 words of titles were marked without need.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

NEGATIONS = {
    "not",
    "no",
    "never",
    "none",
    "neither",
    "nor",
    "without",
    "cannot",
    "nobody",
    "nothing",
    "nowhere",
    "unless",
    "except",
}
MONTHS = {
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
}  # fmt: skip
OPENERS = "\"'([{“‘«`"
CLOSERS = "\"')]}”’»`.,;:!?…"
SENTENCE_ENDS = (".", "!", "?", ":", "…", '."', '?"', '!"', ".)", ".”", "?”", "!”")


def bare(word: str) -> str:
    """The word without the punctuation around it."""
    return word.lstrip(OPENERS).rstrip(CLOSERS)


def kind_of(word: str, opens: bool, inside: set[str]) -> str | None:
    """What mark a word carries, or None. ``opens``: it starts a sentence; ``inside``: capitalised words seen elsewhere."""
    core = bare(word)
    if not core:
        return None
    lowered = core.lower()
    if any(c.isdigit() for c in core):
        return "number"
    if lowered in NEGATIONS or lowered.endswith(("n't", "n’t")):
        return "negation"
    if _identifier(core):
        return "identifier"
    if core[0].isupper() and core != "I" and (not opens or core in inside or core in MONTHS):
        return "name"
    return None


def _identifier(core: str) -> bool:
    letters = [c for c in core if c.isalpha()]
    if "_" in core or "://" in core or "@" in core or (core.count("/") > 1) or core.startswith("--"):
        return True
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return True
    humps = sum(a.islower() and b.isupper() for a, b in pairwise(core))
    return humps > 0 and "-" not in core


def marks(text: str) -> list[tuple[str, str]]:
    """(word, kind) of every marked word, in order."""
    words = text.split()
    opens = [i == 0 or words[i - 1].endswith(SENTENCE_ENDS) for i in range(len(words))]
    inside = {bare(w) for w, first in zip(words, opens, strict=True) if not first and bare(w)[:1].isupper()}
    found = []
    for word, first in zip(words, opens, strict=True):
        kind = kind_of(word, first, inside)
        if kind:
            found.append((bare(word), kind))
    return found


def recall(original: str, compressed: str) -> dict[str, tuple[int, int]]:
    """Per kind: (marked words that the compressed text still holds, marked words)."""
    have = Counter(bare(w) for w in compressed.split())
    found: dict[str, tuple[int, int]] = {}
    for word, kind in marks(original):
        kept, total = found.get(kind, (0, 0))
        there = have[word] > 0
        have[word] -= there
        found[kind] = (kept + there, total + 1)
    return found
