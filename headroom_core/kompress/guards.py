"""Words that a token-level cut must not lose, and brackets and quotes that go or stay in pairs. Pure.

Numbers with their units, dates, negations with their heads, quantifiers, both ends of a comparison, names,
identifiers, paths, URLs.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from headroom_core.language.span import Span

_UNIT = (
    r"(?:%|percent|per\s+cent|kilo\w+|k?m|cm|mm|nm|miles?|met(?:er|re)s?|feet|foot|ft|inch(?:es)?|yards?|acres?|hectares?"
    r"|k?g|mg|pounds?|lbs?|ounces?|oz|tons?|tonnes?|lit(?:er|re)s?|ml|gallons?|seconds?|secs?|ms|minutes?|mins?|hours?|hrs?"
    r"|days?|weeks?|months?|years?|decades?|centur(?:y|ies)|million|billion|trillion|thousand|hundred|dozen|degrees?"
    r"|[KMGT]i?B|bytes?|bits?|[kMG]?Hz|[kMG]?W|volts?|watts?|dollars?|euros?|cents?|USD|EUR|people|times|AM|PM|am|pm|BC|AD|BCE|CE)"
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_REST = "|".join(f"(?<={month[0]}){month[1:]}" for month in _MONTHS.split("|"))
FIRM, COUNTED = 3.0, 1.5
"""Strength of the guards that matter most, and of quantifiers."""
# rules begin with a set of letters, or look ahead for one, where they would else be tried at every word
_RULES: tuple[tuple[float, re.Pattern[str]], ...] = (
    (FIRM, re.compile(rf"\d\S*(?:\s+{_UNIT}\b)?")),
    (
        FIRM,
        re.compile(
            rf"[\dJFMASOND](?<=\b.)(?:(?<=\d)\d?\w{{0,2}}\s+(?:of\s+)?(?:{_MONTHS})|{_REST})\b\S*(?:\s+\d[\d,.]*)?"
        ),
    ),
    (FIRM, re.compile(r"(?=[:@_\\/(.-])(?:://|@\w|_|\\|/\w+/|(?<!\S)--?\w|\(\)|(?<=\w)\.\w+\.\w)")),
    (FIRM, re.compile(r"[A-Z](?:(?<=[a-z].)|(?<=\b.)[A-Z]+)")),
)
_SMALL_RULES: tuple[tuple[float, re.Pattern[str]], ...] = (
    (
        FIRM,
        re.compile(
            r"(?=[nwcue])(?:\b(?:n(?:o(?:t|ne|r|body|thing|where)?|ever|either)|without|cannot|unless|except)\b\S*"
            r"(?:\s+\w\S*)?|n['’]t\b(?:\s+\w\S*)?)"
        ),
    ),
    (
        COUNTED,
        re.compile(
            r"\b(?=[abdefhmnostu])(?:a(?:ll|ny|lways|t\s+(?:least|most))|e(?:very|ach|xactly|ight|leven)|o(?:nly|ne)|both"
            r"|m(?:ost|any|ust)|f(?:ew(?:er)?|our|ive|irst)|s(?:everal|ix|even|econd)|up\s+to|half|double|nine"
            r"|t(?:w(?:ice|o|elve)|h(?:ree|ird)|en))\b"
        ),
    ),
)
"""Rules for texts in small letters."""
_THAN = re.compile(r"than(?<=\bthan)\s+(?:the\s+|a\s+|an\s+)?\S+")
_MORE = re.compile(r"\b(?:more|less|worse|rather|other|\w{2,}er)\b")
_CAPITAL = re.compile(r"""(?<!\S)["'(\[{“‘«`*_]*([^\W\d_a-z]\S*)""")
_POSSESSIVE = re.compile(r"""(?:['’]s)?[]).,;:!?"'”’»]*\Z""")
_CLOSERS = "\"')]”’»"
_OPAQUE = 200
_PAIRS = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»", '"': '"'}
_BRACKET = re.compile(r"""[][(){}“”«»"]""")
WORD = re.compile(r"\S+")


def words_of(text: str) -> list[Span]:
    """Spans of runs without white space."""
    return [match.span() for match in WORD.finditer(text)]


def strengths(text: str, words: list[Span]) -> NDArray[np.float64]:
    """How firmly each word is guarded: 0 not at all, 1 a name, up to 3 a number, negation or identifier."""
    firsts, lasts = [s for s, _ in words], [e for _, e in words]
    found = [0.0] * len(words)
    for i, (start, end) in enumerate(words):
        if end - start > _OPAQUE:  # encoded data, not a word; the rules below would take long over it
            text = text[:start] + " " * (end - start) + text[end:]
            found[i] = FIRM
    for rules, shown in ((_RULES, text), (_SMALL_RULES, _small(text))):
        for strength, rule in rules:
            for match in rule.finditer(shown):
                a, b = bisect_right(lasts, match.start()), bisect_left(firsts, match.end())
                found[a:b] = [max(known, strength) for known in found[a:b]]
    for match in _THAN.finditer(text):
        near = max(0, match.start() - 40)
        first = _MORE.search(text, near, match.start())
        a, b = bisect_right(lasts, first.start() if first else match.start()), bisect_left(firsts, match.end())
        found[a:b] = [max(known, 2.0) for known in found[a:b]]
    names = []
    for match in _CAPITAL.finditer(text):
        i, core = bisect_right(firsts, match.start()) - 1, match.group(1)
        if not core.isalpha():
            core = _POSSESSIVE.sub("", core)
        if core != "I":
            opens = not i or (lasts[i - 1] - firsts[i - 1] <= _OPAQUE and _ends(text[firsts[i - 1] : lasts[i - 1]]))
            names.append((i, core, opens))
    inside = {core for _, core, opens in names if not opens}
    for i, core, opens in names:
        if not opens or core in inside:  # a capital that only opens a sentence tells no name
            found[i] = max(found[i], 1.0)
    return np.array(found)


def _small(text: str) -> str:
    """In small letters, each at its place: the few that would become two stay."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(min(c.lower(), c, key=len) for c in text)


def _ends(word: str) -> bool:
    """Does a sentence end behind this word?"""
    return word.rstrip(_CLOSERS)[-1:] in ".!?:"


def pairs(text: str, words: list[Span]) -> list[tuple[int, int]]:
    """(word, word) that hold the two ends of a bracket or quotation and lie at most 40 words apart."""
    waiting: list[tuple[str, int]] = []
    found = []
    firsts = [s for s, _ in words]
    for match in _BRACKET.finditer(text):
        character, i = match.group(), bisect_right(firsts, match.start()) - 1
        if waiting and character == waiting[-1][0]:
            _, first = waiting.pop()
            if 0 < i - first <= 40:
                found.append((first, i))
        elif character in _PAIRS:
            waiting.append((_PAIRS[character], i))
            if len(waiting) > 8:
                waiting.pop(0)
    return found
