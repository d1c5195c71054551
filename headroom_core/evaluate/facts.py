"""What stands in a text that a reader may need: the explicit checker behind "what was kept".

- *numbers*: of two digits or more, or with a decimal point; compared by value, so 1,234.50 is 1234.5.
- *names*: two or more capitalised words in a row on one line.
- *identifiers*: tokens with a digit, inner punctuation or inner capitals that are no numbers: ids, paths, dates, symbols.
- *errors*: pieces of a line that hold a word of trouble (error, failed, refused, ...), compared without their digits.

A fact is kept where it still stands in the compressed text. Most facts of a long output are meant to go; whether those
that mattered went is what :func:`used` tells: values of an output that the model later wrote in an answer or a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from headroom_core.anchors import TROUBLE_WORDS, begins_in, looks_exact, stands_in

CATEGORIES = ("numbers", "names", "identifiers", "errors")

_NUMBER = re.compile(r"(?<![\w.,:/_-])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w|[.:/_-]\w)")
_CELL = re.compile(r"(?<![\w.:/_-])\d+(?:\.\d+)?(?!\w|[.:/_-]\w)")
_NAME = re.compile(r"\b[A-ZÀ-ÖØ-Þ][\w’'-]+(?:[ \t]+[A-ZÀ-ÖØ-Þ][\w’'-]+)+")
_TOKEN = re.compile(r"\w(?:[\w.@:/+#%&?=~\\-]*[\w/])?")
_PLAIN_NUMBER = re.compile(r"[\d.,]+%?")
_PIECE = re.compile(r'[^\n"|\t,;{}<>]+')
_DIGITS = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")
_LONGEST_LEAF = 80
_SHORTEST = 2


def number_of(text: str) -> str:
    """A number by value: without thousands' commas, leading and trailing zeros."""
    whole, _, part = text.replace(",", "").partition(".")
    part = part.rstrip("0")
    return f"{whole.lstrip('0') or '0'}{'.' + part if part else ''}"


@dataclass(frozen=True)
class Facts:
    """The facts of one text, each kind in order of appearance; found when first asked for."""

    text: str

    @cached_property
    def lowered(self) -> str:
        """The text in lower case, each run of white space one space."""
        return _SPACE.sub(" ", self.text.lower())

    @cached_property
    def numbers(self) -> dict[str, str]:
        """Numbers by value, as they stand there."""
        found = _NUMBER.findall(self.text)
        return {number_of(each): each for each in found if len(each) >= _SHORTEST}

    @cached_property
    def cells(self) -> frozenset[str]:
        """Numbers by value, read also as cells that commas part: 3,117 is 3117, or 3 and 117."""
        return frozenset(map(number_of, _CELL.findall(self.text))) | self.numbers.keys()

    @cached_property
    def names(self) -> dict[str, str]:
        """Names in lower case, as they stand there."""
        return {_SPACE.sub(" ", each.lower()): each for each in _NAME.findall(self.text)}

    @cached_property
    def identifiers(self) -> dict[str, str]:
        """Identifiers in lower case, as they stand there."""
        tokens = dict.fromkeys(_TOKEN.findall(self.text))
        return {
            t.lower(): t for t in tokens if len(t) > _SHORTEST and looks_exact(t) and not _PLAIN_NUMBER.fullmatch(t)
        }

    @cached_property
    def errors(self) -> dict[str, str]:
        """Pieces of lines with a word of trouble, without digits; as they first stand there."""
        found: dict[str, str] = {}
        for piece in _PIECE.findall(self.text):
            small = piece.lower()
            if any(word in small and begins_in(word, small) for word in TROUBLE_WORDS):
                found.setdefault(_SPACE.sub(" ", _DIGITS.sub("0", small)).strip(" .:'()[]"), piece.strip())
        return found

    def of(self, category: str) -> dict[str, str]:
        """The facts of one category, by what they are compared by."""
        found: dict[str, str] = getattr(self, category)
        return found

    def holds(self, value: str) -> bool:
        """Does this value stand in the text: a number by value, all else between word boundaries?"""
        if _PLAIN_NUMBER.fullmatch(value):
            return number_of(value.rstrip("%")) in self.cells
        piece = _SPACE.sub(" ", value.lower()).strip()
        return bool(piece) and stands_in(piece, self.lowered)


def kept(before: Facts, after: Facts, category: str) -> tuple[list[str], list[str]]:
    """(facts that still stand in the compressed text, facts that do not), as the original wrote them."""
    had, has = before.of(category), after.cells if category == "numbers" else after.of(category)
    stays: list[str] = []
    goes: list[str] = []
    for key, fact in had.items():
        there = (
            key in has
            or (category == "errors" and key in _masked(after))
            or (category in ("names", "identifiers") and stands_in(key, after.lowered))
        )
        (stays if there else goes).append(fact)
    return stays, goes


def _masked(facts: Facts) -> str:
    return _DIGITS.sub("0", facts.lowered)


def values(text: str, arguments: Iterable[str] = ()) -> Iterator[str]:
    """The values in what a model wrote: facts of its text, and each argument of its calls as a whole."""
    facts = Facts(text)
    seen: set[str] = set()
    whole = [leaf.strip() for leaf in arguments if _SHORTEST < len(leaf.strip()) <= _LONGEST_LEAF]
    for value in [*whole, *facts.identifiers.values(), *facts.names.values(), *facts.numbers.values()]:
        key = value.lower()
        if key not in seen and "\n" not in value:
            seen.add(key)
            yield value
