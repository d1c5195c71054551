"""Which rows of an array stay: what the query names, what stands out, the first, the last, an example of each shape."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from headroom_core.anchors import Asked, rarity, stands_in, stem, trouble, word_scores
from headroom_core.transforms._json.columns import MISSING, Columns, KeyPath, columns_of
from headroom_core.transforms._json.signals import Signal, as_float, signals
from headroom_core.transforms._json.values import Number, Value

_ALIKE = 3  # rows that stand out for the same reason; the others only count
_TROUBLE_BITS = 4.5
_NAMED_FEW = 3
_ENOUGH = 8  # rows, where the query names none
_ANSWERED = 0.6  # share of the budget that is used where the query names few rows, and they are found
_TEXT = 2_000
_ENDS = 3
_DATE = re.compile(r"\d{4}-\d\d-\d\d").match


@dataclass(slots=True)
class Picked:
    """Rows to keep, in their order; ``named`` are those that the query asks for by name."""

    rows: list[int]
    named: set[int]


@dataclass(slots=True)
class _Ranks:
    """Per row how well it answers the query and how much it stands out."""

    named: list[float]
    words: list[float]
    odd: list[float]


def pick(
    rows: list[Value],
    columns: Columns | None,
    wanted: Asked,
    cost: Callable[[int], float],
    budget: float,
    keys: list[str] | None = None,
) -> Picked:
    """The rows that stay, their summed ``cost`` about ``budget``; rows that the query names may exceed it twofold."""
    taken: dict[int, None] = {}
    texts = row_texts(rows, columns)
    if keys is not None:
        texts = [f"{key.lower()}\n{text}" for key, text in zip(keys, texts, strict=True)]
    named = _named(columns, texts, wanted, keys)
    spent = 0.0
    best = max(named, default=0.0)
    asked_for = sorted(
        (row for row, score in enumerate(named) if score >= 0.55 * best > 0), key=lambda row: (-named[row], row)
    )
    for row in asked_for:
        if spent + cost(row) > 2 * budget and len(taken) >= _NAMED_FEW:
            break
        taken[row] = None
        spent += cost(row)
    if 0 < len(asked_for) <= max(_NAMED_FEW, len(rows) // 50):
        budget *= _ANSWERED
    for row in _others(rows, columns, texts, wanted):
        if row in taken:
            continue
        if spent + cost(row) > budget and len(taken) >= 1:
            if spent > 0.9 * budget:
                break
            continue
        taken[row] = None
        spent += cost(row)
    if not asked_for:
        for row in _spread(len(rows)):
            if len(taken) >= _ENOUGH or spent + cost(row) > budget:
                break
            if row not in taken:
                taken[row] = None
                spent += cost(row)
    return Picked(sorted(taken), set(asked_for) & set(taken))


def _spread(rows: int) -> list[int]:
    """Rows at even distances, those in the middle of the largest gap first."""
    return list(dict.fromkeys(round(part * (rows - 1) / whole) for whole in (2, 4, 8) for part in range(1, whole)))


def row_texts(rows: list[Value], columns: Columns | None) -> list[str]:
    """Each row's strings, lower-cased, one per line."""
    if columns is None or not columns.columns:
        return ["\n".join(_strings(row)).lower() for row in rows]
    cells = [[_cell_text(value) for value in column.values] for column in columns.columns]
    texts = list(map("\n".join, zip(*cells, strict=True)))
    for at in columns.odd:
        texts[at] = "\n".join(_strings(rows[at]))
    return [text.lower() for text in texts]


def _cell_text(value: Value) -> str:
    kind = type(value)
    if isinstance(value, str):  # a number is its literal
        return value if len(value) <= _TEXT else value[:_TEXT] + value[-_TEXT // 4 :]
    if kind is list or kind is dict:
        return "\n".join(_strings(value))
    return ""


def _strings(value: Value) -> Iterable[str]:
    kind = type(value)
    if kind is dict:
        for inner in value.values():
            yield from _strings(inner)
    elif kind is list:
        for inner in value[:200]:
            yield from _strings(inner)
    elif kind is str or kind is Number:
        yield value if len(value) <= _TEXT else value[:_TEXT] + value[-_TEXT // 4 :]


def _named(columns: Columns | None, texts: list[str], wanted: Asked, keys: list[str] | None) -> list[float]:
    """Per row: the rarity of the query's pieces that are the whole of a cell, or stand whole in the row."""
    scores = [0.0] * len(texts)
    if not wanted.text:
        return scores
    total = len(texts)
    hits: dict[str, set[int]] = {}
    exact = set(wanted.exact)
    rest = wanted.text
    for column in columns.columns if columns is not None else ():
        _named_cells(column.values, rest, exact, hits)
    if keys is not None:
        _named_cells(keys, rest, exact, hits)
    for piece in wanted.exact:
        if len(piece) > 2:
            hits.setdefault(piece, set()).update(
                at for at, text in enumerate(texts) if piece in text and stands_in(piece, text)
            )
    for piece in sorted(hits):
        found = hits[piece]
        if 0 < len(found) < max(2, total // 3):
            weight = rarity(len(found), total) * (1.5 if piece in exact or " " in piece else 1.0)
            for row in found:
                scores[row] += weight
    return scores


def _named_cells(values: Sequence[Value], query: str, exact: set[str], hits: dict[str, set[int]]) -> None:
    """Cells that stand in the query as a whole."""
    strings = [value for value in values if type(value) is str or type(value) is Number]
    found = {value for value in dict.fromkeys(strings) if value.lower() in query}
    found = {value for value in found if _is_named(value.lower(), query, exact)}
    for row, value in enumerate(values) if found or len(strings) < len(values) else ():
        kind = type(value)
        if kind is list or kind is dict:
            for element in _strings(value):
                small = element.lower()
                if len(small) > 1 and small in query and stands_in(small, query):
                    hits.setdefault(small, set()).add(row)
        elif value in found and (kind is str or kind is Number):
            hits.setdefault(value.lower(), set()).add(row)


def _is_named(small: str, query: str, exact: set[str]) -> bool:
    return small in exact or (len(small) > 2 and stands_in(small, query))


def _others(rows: list[Value], columns: Columns | None, texts: list[str], wanted: Asked) -> list[int]:
    """The other rows in the order in which they deserve a place."""
    odd = _standing_out(rows, columns, texts)
    words = word_scores(texts, wanted) if wanted else [0.0] * len(texts)
    best = max(words, default=0.0)
    related = sorted((at for at, score in enumerate(words) if score >= 0.5 * best > 0), key=lambda at: (-words[at], at))
    examples = [0, len(rows) - 1, *_examples(rows)]
    order: dict[int, None] = {}
    if wanted.extremes and columns is not None:
        order.update(dict.fromkeys(_ends(columns, wanted)))
    turns = [odd, related if len(related) <= max(8, len(rows) // 5) else related[: len(rows) // 10]]
    order.update(dict.fromkeys(odd[:3]))
    order.update(dict.fromkeys(examples[:1]))
    for at in range(max(map(len, turns), default=0)):
        for turn in turns:
            if at < len(turn):
                order[turn[at]] = None
        if at == 1:
            order.update(dict.fromkeys(examples))
    order.update(dict.fromkeys(examples))
    return list(order)


def _ends(columns: Columns, wanted: Asked) -> list[int]:
    """The rows with the largest and smallest numbers (or dates) of the columns that the query names, else of the first."""
    series = [column for column in columns.columns if _ordered(column.values)]
    named = [column for column in series if said_in(column.path, wanted)]
    found: dict[int, None] = {}
    for place in range(_ENDS):
        for column in (named or series)[:_ENDS]:
            rows = [row for row, value in enumerate(column.values) if type(value) in (str, Number)]
            number = type(column.values[rows[0]]) is Number
            rows.sort(key=lambda row: (as_float(column.values[row]) if number else 0.0, column.values[row], row))
            if place < len(rows):
                found[rows[place]] = found[rows[-1 - place]] = None
    return list(found)


def _ordered(values: list[Value]) -> bool:
    """Numbers, or strings that begin with a date."""
    kinds = set(map(type, values)) - {type(None), type(MISSING)}
    if kinds == {Number}:
        return True
    return kinds == {str} and all(value is None or value is MISSING or _DATE(value) for value in values)


def said_in(path: KeyPath, wanted: Asked) -> bool:
    """Does the query name the column's last key, as it is written, in words, or by a word of it?"""
    small = path[-1].lower()
    parts = small.replace("_", " ").replace("-", " ")
    return small in wanted.text or parts in wanted.text or any(stem(part) in wanted.words for part in parts.split())


def _standing_out(rows: list[Value], columns: Columns | None, texts: list[str]) -> list[int]:
    """Rows that stand out, most first; a few of those that do so for the same reason."""
    found: list[Signal] = []
    if columns is not None:
        found += signals(columns.columns, columns.odd, len(rows))
    else:
        found += _by_shape(rows)
    for word, hits in trouble(texts).items():
        found += [Signal(row, _TROUBLE_BITS + min(2.0, len(rows) / len(hits) / 50), ("word", word)) for row in hits]
    found.sort(key=lambda signal: (-signal.bits, signal.row))
    seen: Counter[Hashable] = Counter()
    first: dict[int, None] = {}
    for signal in found:
        if signal.row not in first:
            seen[signal.why] += 1
            if seen[signal.why] <= _ALIKE:
                first[signal.row] = None
    return list(first)


def _shape(row: Value) -> Hashable:
    return tuple(row) if type(row) is dict else type(row).__name__


def _by_shape(rows: list[Value]) -> list[Signal]:
    """Rows too different for common columns: each frequent shape has columns of its own."""
    shapes: dict[Hashable, list[int]] = {}
    for at, row in enumerate(rows):
        shapes.setdefault(_shape(row), []).append(at)
    found: list[Signal] = []
    for places in shapes.values():
        if len(places) < 5 or len(shapes) == 1:
            continue
        columns = columns_of([rows[at] for at in places])
        if columns is not None:
            inner = signals(columns.columns, columns.odd, len(places))
            found += [Signal(places[signal.row], signal.bits, (places[0], signal.why)) for signal in inner]
    if len(shapes) * 2 <= len(rows):
        found += [Signal(places[0], 4.0, "shape") for places in shapes.values() if len(places) <= 2]
    return found


def _examples(rows: list[Value]) -> list[int]:
    """The first row of each shape, commonest shape first, at most eight."""
    shapes: dict[Hashable, int] = {}
    counts: Counter[Hashable] = Counter()
    for at, row in enumerate(rows):
        shape = _shape(row)
        shapes.setdefault(shape, at)
        counts[shape] += 1
    return [shapes[shape] for shape, _ in counts.most_common(8)]
