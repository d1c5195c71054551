"""Rows of objects as columns: nested objects become paths, absent keys stay distinguishable from null."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from headroom_core.transforms._json.values import Value

KeyPath = tuple[str, ...]


class _Missing:
    """The value of a key that a row does not have."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
_SPREAD = 3  # an object is flattened while all its keys together are at most this many times one row's keys
_DEPTH = 8


@dataclass(slots=True)
class Column:
    """One path and its value in each row (``MISSING`` where the row lacks it)."""

    path: KeyPath
    values: list[Value]

    @property
    def name(self) -> str:
        """The path as people write it."""
        return ".".join(self.path)


@dataclass(slots=True)
class Columns:
    """All columns of some rows; ``odd`` holds the rows that fit no column order and stand for themselves."""

    columns: list[Column] = field(default_factory=list)
    odd: set[int] = field(default_factory=set)


def columns_of(rows: list[Value]) -> Columns | None:
    """Columns of a list of mostly objects, or None where the objects have too little in common."""
    table = Columns()
    objects: list[Value] = []
    for at, row in enumerate(rows):
        if type(row) is dict and row:
            objects.append(row)
        else:
            objects.append(MISSING)
            table.odd.add(at)
    if len(table.odd) * 4 > len(rows):
        return None
    if not _flatten(objects, (), table):
        return None
    return table


def _flatten(objects: list[Value], path: KeyPath, table: Columns) -> bool:
    """Append the columns of ``objects`` (dict or MISSING per row); False where they have too little in common."""
    shapes = Counter([tuple(row) for row in objects if row is not MISSING])
    mean = sum(len(shape) * count for shape, count in shapes.items()) / max(1, shapes.total())
    if len(set().union(*shapes)) > _SPREAD * mean + 1:
        return False
    keys = _merged(shapes)
    if len(shapes) > 1:
        _mark_odd(objects, keys, shapes, table)
    if len(shapes) == 1 and shapes.total() == len(objects):
        values = [list(column) for column in zip(*[row.values() for row in objects], strict=True)]
    else:
        values = [[MISSING if row is MISSING else row.get(key, MISSING) for row in objects] for key in keys]
    for key, column in zip(keys, values, strict=True):
        _append(column, (*path, key), table)
    return True


def _append(values: list[Value], path: KeyPath, table: Columns) -> None:
    """One key's column; objects in it become columns of their own where they are alike."""
    kinds = set(map(type, values))
    if dict not in kinds or len(path) >= _DEPTH:
        table.columns.append(Column(path, values))
        return
    inner = [value if type(value) is dict and value else MISSING for value in values]
    outer = [MISSING if type(value) is dict and value else value for value in values]
    nested = Columns()
    if not any(value is not MISSING for value in inner) or not _flatten(inner, path, nested):
        table.columns.append(Column(path, values))
        return
    if len(nested.odd - table.odd) * 4 > len(values):
        table.columns.append(Column(path, values))
        return
    if any(value is not MISSING for value in outer):
        table.columns.append(Column(path, outer))
    table.columns.extend(nested.columns)
    table.odd |= nested.odd


def _merged(shapes: Counter[KeyPath]) -> list[str]:
    """One key order that holds as many shapes as possible: the commonest first, the others' new keys woven in."""
    ordered = sorted(shapes, key=lambda shape: (-shapes[shape], -len(shape)))
    if not ordered:
        return []
    keys = list(ordered[0])
    known = set(keys)
    for shape in ordered[1:]:
        before: str | None = None
        for key in shape:
            if key not in known:
                keys.insert(keys.index(before) + 1 if before is not None else 0, key)
                known.add(key)
            before = key
    return keys


def _mark_odd(objects: list[Value], keys: list[str], shapes: Counter[KeyPath], table: Columns) -> None:
    """Rows whose keys stand in another order than the columns cannot be written as cells."""
    place = {key: at for at, key in enumerate(keys)}
    wrong = set()
    for shape in shapes:
        places = [place[key] for key in shape]
        if any(one > two for one, two in pairwise(places)):
            wrong.add(shape)
    if wrong:
        table.odd.update(at for at, row in enumerate(objects) if row is not MISSING and tuple(row) in wrong)
