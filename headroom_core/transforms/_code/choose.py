"""Which definitions stay whole: those that the query names, then those that call them, within bounds."""

from __future__ import annotations

import math
import re
from typing import Final

from headroom_core.syntax.outline import Outline, Symbol
from headroom_core.transforms._asked import Asked, looks_like_identifier, subwords

_NAMED_SHARE: Final = 0.6
_CLASS_SHARE: Final = 0.25
_CLASS_BYTES: Final = 4_000
_METHODS_SHARE: Final = 0.08
_CALLERS_SHARE: Final = 0.04
_CALLERS: Final = 4
_SHARE_WITH_CALLERS: Final = 0.36
_FUZZY_SHARE: Final = 0.12
_FUZZY: Final = 3
_MIN_FUZZY_SCORE: Final = 2.0
_CONSTRUCTORS: Final = frozenset(("__init__", "constructor", "new", "initialize", "init"))


def chosen(outline: Outline, asked: Asked) -> set[int]:
    """Indices of the symbols whose text stays verbatim."""
    if not asked or not outline.symbols:
        return set()
    named = _named(outline.symbols, asked)
    if not named:
        return set(_ranked(outline, asked))
    kept = _bounded(outline, named)
    return kept | _callers(outline, named, kept)


def _named(symbols: list[Symbol], asked: Asked) -> list[int]:
    """Symbols with an asked name; a qualified name narrows it down where that leaves any."""
    found: list[int] = []
    for name in asked.names:
        parts = [p for p in re.split(r"\.|::|->|#", name.rstrip("().")) if p]
        if not parts:
            continue
        exact = [i for i, s in enumerate(symbols) if s.name and _last(s.name) == parts[-1]]
        if not exact and len(name) > 2:
            exact = [i for i, s in enumerate(symbols) if s.name and _last(s.name).lower() == parts[-1].lower()]
        owners = set(parts[:-1]) | ({w for n in asked.names for w in [n] if n != name} if len(parts) == 1 else set())
        narrowed = [i for i in exact if owners & set(symbols[i].qualified.split(".")[:-1])]
        found += narrowed or exact
    if not found:
        words = set(asked.words)
        found = [
            i
            for i, s in enumerate(symbols)
            if s.name and len(pieces := subwords(s.name)) > 1 and words.issuperset(pieces)
        ]
        found = found or [i for i, s in enumerate(symbols) if len(s.name) > 3 and _last(s.name) in words]
    return list(dict.fromkeys(found))


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _bounded(outline: Outline, named: list[int]) -> set[int]:
    """Named functions whole; of a large class its constructor and as many methods as fit, short ones first."""
    total = len(outline.data)
    kept: set[int] = set()
    room = _NAMED_SHARE * total
    for i in named:
        symbol = outline.symbols[i]
        size = symbol.end - symbol.start
        if symbol.kind == "class" and size > max(_CLASS_SHARE * total, _CLASS_BYTES):
            constructed = any(outline.symbols[j].parent == i for j in named)
            kept |= set() if constructed else _methods(outline, i, _METHODS_SHARE * total)
        elif size <= room or not kept:
            kept.add(i)
            room -= size
    return kept


def _methods(outline: Outline, owner: int, room: float) -> set[int]:
    kept: set[int] = set()
    members = [i for i, s in enumerate(outline.symbols) if s.parent == owner and s.kind == "function"]
    name = outline.symbols[owner].name

    def order(i: int) -> tuple[bool, int]:
        symbol = outline.symbols[i]
        return symbol.name not in _CONSTRUCTORS and symbol.name != name, symbol.end - symbol.start

    for i in sorted(members, key=order):
        room -= outline.symbols[i].end - outline.symbols[i].start
        if room < 0:
            break
        kept.add(i)
    return kept


def _callers(outline: Outline, named: list[int], kept: set[int]) -> set[int]:
    """Functions outside that call a named one: the shortest few, within a share of the text."""
    names = {_last(outline.symbols[i].name).encode() for i in named}
    data = outline.data
    call = re.compile(rb"(?<![\w$])(?:" + b"|".join(re.escape(n) for n in sorted(names)) + rb")\s*(?:<[^<>()]*>)?\(")
    spans = [(outline.symbols[i].start, outline.symbols[i].end) for i in kept]
    callers = []
    for i, symbol in enumerate(outline.symbols):
        if symbol.kind != "function" or not symbol.name or i in kept or i in named:
            continue
        if any(s <= symbol.start and symbol.end <= e for s, e in spans):
            continue
        if any(data.find(name, *symbol.fold) >= 0 for name in names) and call.search(data, *symbol.fold):
            callers.append((symbol.end - symbol.start, i))
    room = min(_CALLERS_SHARE, _SHARE_WITH_CALLERS - _share(outline, kept)) * len(outline.data)
    found: set[int] = set()
    for size, i in sorted(callers)[:_CALLERS]:
        room -= size
        if room < 0:
            break
        found.add(i)
    return found


def _share(outline: Outline, kept: set[int]) -> float:
    """About the share of the text that stays when all but the ``kept`` bodies fold."""
    folded, end = 0, -1
    for i, symbol in enumerate(outline.symbols):
        if symbol.kind == "function" and symbol.start >= end and not symbol.wrapper:
            end = symbol.end
            folded += 0 if i in kept else symbol.fold[1] - symbol.fold[0]
    folded += sum(end - start for start, end in (*outline.comments, *outline.docs)) // 2
    return 1 - folded / max(1, len(outline.data))


def _ranked(outline: Outline, asked: Asked) -> list[int]:
    """Without a named symbol: the few functions whose names and bodies hold the rarest words of the query."""
    scores = relevance(outline, asked)
    room = _FUZZY_SHARE * len(outline.data)
    kept: list[int] = []
    for i in sorted(scores, key=lambda i: (-scores[i], i))[:_FUZZY]:
        size = outline.symbols[i].end - outline.symbols[i].start
        if scores[i] < _MIN_FUZZY_SCORE or size > room:
            continue
        room -= size
        kept.append(i)
    return kept


def relevance(outline: Outline, asked: Asked) -> dict[int, float]:
    """Score per function: a word in its name counts twice a word in its text; rare words count more (idf)."""
    words = list(dict.fromkeys([*asked.words, *(n.lower() for n in asked.names if looks_like_identifier(n))]))[:16]
    functions = [i for i, s in enumerate(outline.symbols) if s.kind == "function" and s.name]
    texts = {i: outline.data[outline.symbols[i].start : outline.symbols[i].end].lower() for i in functions}
    names = {i: set(subwords(outline.symbols[i].qualified)) for i in functions}
    scores = dict.fromkeys(functions, 0.0)
    for word in words:
        stem = word[:-1] if word.endswith("s") and len(word) > 4 else word
        probe = stem.encode()
        holders = [i for i in functions if probe in texts[i]]
        weight = math.log(1 + len(functions) / (1 + len(holders)))
        for i in holders:
            scores[i] += weight * (2 if stem in names[i] or word in names[i] else 1)
    return {i: score for i, score in scores.items() if score > 0}
