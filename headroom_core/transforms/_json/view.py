"""A document under a budget: long arrays lose rows, long strings become parts of their own, the rest stays whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from headroom_core.anchors import Asked
from headroom_core.transforms._json.columns import MISSING, Column, Columns, KeyPath, columns_of
from headroom_core.transforms._json.pick import Picked, pick, said_in
from headroom_core.transforms._json.preview import LONG, preview
from headroom_core.transforms._json.say import rows_left
from headroom_core.transforms._json.values import Lines, Number, Value, length
from headroom_core.transforms._json.write import Kept, flow
from headroom_core.types import Context

_FEWEST = 8  # arrays with fewer rows keep them all
_SMALL = 60  # tokens that are never worth a share of their own
_MOST_NESTED = 32
_WHOLE = 4_000  # characters of a string in a row that the query names
_SAMPLE = 24  # rows that tell a column's mean length
_WIDE = 250  # tokens of a row from which it is wide
_FEW_ADDRESSES = 4
_PLACE = 14  # characters of an address that say where it leads
_MAP, _SCALAR_MAP = 16, 64  # keys from which an object of alike values is a map
_TEXT_LINES = 20
_SHAPED = 5  # lines from which a string in a row is more than a sentence


@dataclass(slots=True)
class View:
    """One walk over a document. ``notes`` say what went; empty when nothing did."""

    context: Context
    wanted: Asked
    rate: float  # tokens per character of compact text
    notes: list[str] = field(default_factory=list)
    nested: int = 0

    def shrink(self, value: Value, budget: float, path: str = "") -> Value:
        """The value with about ``budget`` tokens left of it."""
        kind = type(value)
        if kind is str:
            return self._string(value, path)
        if kind is not dict and kind is not list and kind is not Lines:
            return value
        if self.size(value) <= max(budget, _SMALL):
            return value
        if kind is dict:
            if _is_map(value):
                return self._rows(list(value.values()), budget, path, keys=list(value))
            return self._dict(value, budget, path)
        if len(value) >= _TEXT_LINES and all(type(row) is str for row in value):
            shorter = self._part("\n".join(value), path)
            if shorter is not None:
                return list(shorter.split("\n"))
        if len(value) >= _FEWEST:
            return self._rows(value, budget, path)
        shares = self._shares([self.size(item) for item in value], budget)
        return [
            self.shrink(item, share, f"{path}/{at}") for at, (item, share) in enumerate(zip(value, shares, strict=True))
        ]

    def size(self, value: Value) -> float:
        """Tokens of a value, about; long arrays by a sample."""
        return self.rate * length(value)

    def _shares(self, sizes: list[float], budget: float) -> list[float]:
        """A budget divided: small members whole, the others in proportion to their size."""
        small = sum(size for size in sizes if size <= _SMALL)
        large = sum(size for size in sizes if size > _SMALL) or 1.0
        rest = max(budget - small, 0.5 * budget)
        return [size if size <= _SMALL else rest * size / large for size in sizes]

    def _dict(self, value: dict[str, Value], budget: float, path: str) -> Value:
        heads = {
            name: _names(value, item) for name, item in value.items() if type(item) is list and len(item) >= _FEWEST
        }
        known = {head for head, names in heads.values() if names}  # a kept table has its own head
        members = {name: item for name, item in value.items() if name not in known}
        for name in self._many_addresses(members, path):
            del members[name]
        shares = self._shares([self.size(item) for item in members.values()], budget)
        found = {}
        for (name, item), share in zip(members.items(), shares, strict=True):
            names = heads[name][1] if name in heads else None
            if names is not None and self.size(item) > max(share, _SMALL):
                found[name] = self._rows(item, share, f"{path}/{name}", names=names)
            else:
                found[name] = self.shrink(item, share, f"{path}/{name}")
        return found

    def _many_addresses(self, members: dict[str, Value], path: str) -> list[str]:
        """Members of one object that are long addresses at one place, all but the shortest, where there are many."""
        if self._asks_addresses():
            return []
        places: dict[str, list[str]] = {}
        for name, item in members.items():
            if type(item) is str and addresses([item]) and not said_in((name,), self.wanted):
                places.setdefault(item[:_PLACE], []).append(name)
        found: list[str] = []
        for names in places.values():
            if len(names) > _FEW_ADDRESSES:
                shortest = min(names, key=lambda name: len(members[name]))
                found += [name for name in names if name is not shortest]
        if not found:
            return []
        label = path.strip("/").replace("/", ".")
        self.notes.append(f"{len(found)} addresses{' in ' + label if label else ''} ({', '.join(found[:3])}…)")
        return found

    def _rows(
        self,
        rows: list[Value],
        budget: float,
        path: str,
        *,
        keys: list[str] | None = None,
        names: list[str] | None = None,
    ) -> Value:
        """An array (or a map's values) with the rows that deserve a place."""
        if names is not None:
            rows = [dict(zip(names, row, strict=True)) for row in rows]
        columns = _columns(rows)
        hidden = self._hidden(columns, len(rows))
        picked = pick(rows, columns, self.wanted, self._cost(rows, columns, hidden), budget, keys)
        left = _complement(picked.rows, len(rows))
        if len(left) * 10 < len(rows):
            return dict(zip(keys, rows, strict=True)) if keys is not None else rows
        said = sorted(
            columns.columns if columns is not None else [], key=lambda column: not said_in(column.path, self.wanted)
        )
        label = path.strip("/").replace("/", ".")
        self.notes.append(rows_left(len(rows), left, said, self.wanted.totals, f"{label}: " if label else ""))
        share = budget / max(1, len(picked.rows))
        some = [without(rows[at], hidden) for at in picked.rows]
        kept = [
            self._row(row, at in picked.named, share, f"{path}/{at}") for at, row in zip(picked.rows, some, strict=True)
        ]
        return Kept(len(rows), picked.rows, kept, [keys[at] for at in picked.rows] if keys is not None else None)

    def _hidden(self, columns: Columns | None, rows: int) -> set[KeyPath]:
        """Columns that wide rows do without: addresses that the query does not ask for, all but the shortest."""
        if columns is None or self.rate * sum(map(_mean_length, columns.columns)) < _WIDE:
            return set()
        if self._asks_addresses():
            return set()
        found = sorted(
            (_mean_length(column), column.path)
            for column in columns.columns
            if addresses(column.values) and not said_in(column.path, self.wanted)
        )
        if len(found) <= _FEW_ADDRESSES:
            return set()
        hidden = [path for _, path in found[1:]]
        names = ", ".join([path[-1] for path in hidden[:3]])
        self.notes.append(f"{len(hidden)} columns of addresses ({names}…)")
        return set(hidden)

    def _asks_addresses(self) -> bool:
        return any(word in self.wanted.text for word in ("url", "link", "href", "://"))

    def _row(self, row: Value, named: bool, share: float, path: str) -> Value:
        """A kept row: its long strings as previews, its long arrays as selections."""
        kind = type(row)
        if kind is dict:
            if len(row) >= _SCALAR_MAP and self.size(row) > max(1.5 * share, 4 * _SMALL) and _is_map(row):
                return self._rows(list(row.values()), max(share, 4 * _SMALL), path, keys=list(row))
            return {name: self._row(item, named, share, path) for name, item in row.items()}
        if kind is list:
            if len(row) >= 2 * _FEWEST and self.size(row) > max(share, 4 * _SMALL):
                return self._rows(row, max(share, 4 * _SMALL), path)
            return [self._row(item, named, share, path) for item in row]
        if kind is str and len(row) > LONG:
            return self._cell(row, named, path)
        return row

    def _cell(self, text: str, named: bool, path: str) -> Value:
        """A long string in a row."""
        if named and len(text) <= _WHOLE:
            return text
        if text.count("\n") >= _SHAPED:
            shorter = self._part(text, path)
            if shorter is not None and (named or len(shorter) <= 4 * LONG):
                return shorter
        short = preview(text, self.wanted)
        if short != text:
            self._note_strings()
        return short

    def _string(self, text: str, path: str) -> Value:
        """A long string that stands alone is a part of its own."""
        if len(text) <= LONG:
            return text
        shorter = self._part(text, path)
        return text if shorter is None else shorter

    def _part(self, text: str, path: str) -> str | None:
        if self.nested >= _MOST_NESTED:
            return None
        self.nested += 1
        rewrite = self.context.nested(text, target_ratio=self.context.target_ratio)
        if rewrite is None or len(rewrite.text) >= len(text):
            return None
        if rewrite.left_out is None:
            return None  # decoded, a lossless form inside a string would be another string
        label = path.strip("/").replace("/", ".")
        self.notes.append(f"{label}: {rewrite.left_out}" if label else rewrite.left_out)
        return rewrite.text

    def _note_strings(self) -> None:
        said = "the middle of long strings"
        if said not in self.notes:
            self.notes.append(said)

    def _cost(self, rows: list[Value], columns: Columns | None, hidden: set[KeyPath]) -> Callable[[int], float]:
        """Tokens that one row takes in a table, about: constant columns cost nothing."""
        varying = (
            [column.values for column in columns.columns if column.path not in hidden and not _constant(column)]
            if columns is not None
            else []
        )

        def cost(row: int) -> float:
            if columns is None or row in columns.odd:
                return self.rate * (min(length(rows[row]), 8 * LONG) + 6)
            return self.rate * (sum(_cell_length(values[row]) for values in varying) + 6)

        return cost


def _is_map(value: dict[str, Value]) -> bool:
    """Are the keys names of alike things, rather than fields of one thing?"""
    kinds = set(map(type, value.values()))
    if len(kinds) != 1:
        return False
    return len(value) >= (_MAP if kinds == {dict} else _SCALAR_MAP)


def addresses(values: list[Value]) -> bool:
    """Are all of these long addresses at the same place (or absent)?"""
    first = next((value for value in values if type(value) is str), None)
    if first is None or "://" not in first[:12]:
        return False
    start = first[:_PLACE]
    return all(
        value is MISSING or value is None or (type(value) is str and value.startswith(start)) for value in values
    )


def without(row: Value, hidden: set[KeyPath], path: KeyPath = ()) -> Value:
    """A copy of the row without these paths."""
    if not hidden or type(row) is not dict:
        return row
    return {name: without(item, hidden, (*path, name)) for name, item in row.items() if (*path, name) not in hidden}


def _mean_length(column: Column) -> float:
    some = column.values[:: max(1, len(column.values) // _SAMPLE)]
    return sum(map(_cell_length, some)) / len(some)


def _constant(column: Column) -> bool:
    first = column.values[0]
    return type(first) in (str, Number, bool, type(None)) and column.values.count(first) == len(column.values)


def _cell_length(value: Value) -> int:
    if value is MISSING:
        return 1
    return min(length(value), LONG + 100) + 1


def _columns(rows: list[Value]) -> Columns | None:
    """Columns of objects; of arrays of one width; of plain values."""
    found = columns_of(rows)
    if found is not None:
        return found
    if all(type(row) is list for row in rows) and len({len(row) for row in rows}) == 1 and rows[0]:
        return Columns([Column((str(at),), list(values)) for at, values in enumerate(zip(*rows, strict=True))])
    if not any(type(row) is dict or type(row) is list for row in rows):
        return Columns([Column(("value",), rows)])
    return None


def _names(siblings: dict[str, Value], rows: list[Value]) -> tuple[str | None, list[str] | None]:
    """The names of columns where rows are arrays and a sibling lists as many different names; its key first."""
    width = len(rows[0]) if type(rows[0]) is list else 0
    if not width or any(type(row) is not list or len(row) != width for row in rows):
        return None, None
    for key, sibling in siblings.items():
        if type(sibling) is list and len(sibling) == width and sibling is not rows:
            named = [item.get("name") if type(item) is dict else item for item in sibling]
            names = [name for name in named if type(name) is str]
            if len(names) == len(set(names)) == width:
                return key, names
    return None, None


def _complement(rows: list[int], total: int) -> list[int]:
    kept = set(rows)
    return [row for row in range(total) if row not in kept]


__all__ = ["Picked", "View", "flow"]
