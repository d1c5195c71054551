"""How much each row stands out, column by column, in bits: rare values, far numbers, jumps, odd forms.

A rare value counts by its information beyond what the column gives on average (its surprisal minus the mean surprisal), so
that a column in which every value is rare says nothing, and one odd value among 200 equal ones says most.
A far number counts by its distance from the quartiles in interquartile ranges (Tukey's fences; Tukey 1977).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log, log2

from headroom_core.transforms._json.columns import MISSING, Column
from headroom_core.transforms._json.values import Number, Value

_LEAST_BITS = 2.6  # fewer in short columns, where no value can have many
_LEAST_SHARE = 0.45
_FAR = 3.0
_FAREST_BITS = 14.0
_RARE_SHARE = 0.02  # a value in at most this share of the rows is rare
_RARE_MASS = 0.06  # all rare values together, else being rare is usual here
_FEW = 8
_MOST_KEYS = 100
_CHANGE_BITS = 2.2


@dataclass(frozen=True, slots=True)
class Signal:
    """A row stands out: ``bits`` by how much, ``why`` groups rows that do so for the same reason."""

    row: int
    bits: float
    why: Hashable


def signals(columns: Sequence[Column], odd: Iterable[int], rows: int) -> list[Signal]:
    """What stands out in these columns; rows that fit no column stand out themselves."""
    found = [Signal(row, 5.0, "odd") for row in sorted(odd)]
    for at, column in enumerate(columns):
        found += _column(column.values, at, rows)
    return found


def _column(values: list[Value], at: int, rows: int) -> list[Signal]:
    kinds = Counter(map(type, values))
    found: list[Signal] = []
    if len(kinds) > 1:
        found += _rare([kind.__name__ for kind in map(type, values)], (at, "type"))
    if kinds[list]:
        found += _lists(values, at)
    if kinds[dict]:
        found += _rare([tuple(value) if type(value) is dict else None for value in values], (at, "keys"))
    scalars = values if not kinds[list] and not kinds[dict] else None
    if scalars is not None:
        distinct = Counter(scalars)
        if len(distinct) == 1:
            return found
        found += _surprising(scalars, distinct, (at, "value"))
        found += _runs(scalars, distinct, at)
        if kinds[str] and len(distinct) * 2 > rows:
            found += _forms(scalars, at)
    if kinds[Number] * 2 > rows:
        found += _numbers(values, at)
    return found


def _rare(keys: list[Hashable], why: Hashable) -> list[Signal]:
    return _surprising(keys, Counter(keys), why)


def _surprising(keys: Sequence[Hashable], counts: Counter[Hashable], why: Hashable) -> list[Signal]:
    """Rows whose key is rare although the keys are usually not."""
    total = len(keys)
    most = max(2, int(total * _RARE_SHARE))
    if len(counts) * 2 > total + 2:
        return []
    mean = log2(total) - sum(count * log2(count) for count in counts.values()) / total
    least = min(_LEAST_BITS, _LEAST_SHARE * log2(total))
    if log2(total) - mean < least:
        return []
    rare = {key: count for key, count in counts.items() if count <= most}
    if sum(rare.values()) > max(3, total * _RARE_MASS):
        return []
    bits = {key: log2(total / count) - mean for key, count in rare.items()}
    bits = {key: value for key, value in bits.items() if value >= least}
    if not bits:
        return []
    return [Signal(row, bits[key], (why, key)) for row, key in enumerate(keys) if key in bits]


def _lists(values: list[Value], at: int) -> list[Signal]:
    """Rare lengths of lists, rare elements of short ones; of lists of objects key by key."""
    lengths = [len(value) if type(value) is list else -1 for value in values]
    found = _rare(list(lengths), (at, "length"))
    width = Counter(lengths).most_common(1)[0][0]
    if 1 < width <= _FEW and lengths.count(width) * 2 > len(lengths):
        for place in range(width):  # lists of one length: each place is a column
            found += _place([_at(value, place) for value in values], (at, "place", place))
    keyed: dict[str, list[dict[Hashable, None]]] = {}
    for row, value in enumerate(values):
        for name, elements in _elements(value).items():
            if name not in keyed:
                keyed[name] = [{}] * len(values)
            keyed[name][row] = elements
        if len(keyed) > _MOST_KEYS:
            break
    for name, sets in keyed.items():
        found += _sets(sets, (at, name))
        if sum(any(type(element) is Number for element in elements) for elements in sets) * 2 > len(sets):
            found += _numbers([_largest(elements) for elements in sets], (at, name))
    return found


def _at(value: Value, place: int) -> Value:
    return value[place] if type(value) is list and len(value) > place else MISSING


def _place(values: list[Value], why: Hashable) -> list[Signal]:
    """Rare values of scalars, or of the members of objects."""
    first = next((value for value in values if type(value) is dict), None)
    if first is None:
        return _rare([MISSING if type(value) in (dict, list) else value for value in values], why)
    found: list[Signal] = []
    for name in list(first)[:_FEW]:
        members = [value.get(name, MISSING) if type(value) is dict else MISSING for value in values]
        found += _rare([MISSING if type(item) in (dict, list) else item for item in members], (why, name))
    return found


def _largest(elements: dict[Hashable, None]) -> Value:
    numbers = [element for element in elements if isinstance(element, Number)]
    return max(numbers, key=lambda number: abs(as_float(number)), default=MISSING)


def _sets(sets: list[dict[Hashable, None]], why: Hashable) -> list[Signal]:
    """Rows with an element that is rare although elements usually are not."""
    counts = Counter(element for elements in sets for element in elements)
    if not counts or len(counts) * 2 > sum(map(len, sets)):
        return []
    total = len(sets)
    most = max(2, int(total * _RARE_SHARE))
    if sum(count for count in counts.values() if count <= most) > max(3, total * _RARE_MASS):
        return []
    mean = sum(max((log2(total / counts[element]) for element in elements), default=0.0) for elements in sets) / total
    least = min(_LEAST_BITS, _LEAST_SHARE * log2(total))
    found = []
    for row, elements in enumerate(sets):
        for element in elements:
            bits = log2(total / counts[element]) - mean
            if counts[element] <= most and bits >= least:
                found.append(Signal(row, bits, (why, element)))
    return found


def _elements(value: Value, prefix: str = "", depth: int = 0) -> dict[str, dict[Hashable, None]]:
    """The distinct scalars in a short list, in order, by the path of keys that leads to them."""
    found: dict[str, dict[Hashable, None]] = {}
    for element in value[:20] if type(value) is list else ():
        if type(element) is dict and depth < 3:
            for name, inner in element.items():
                nested = _elements(inner if type(inner) is list else [inner], f"{prefix}.{name}", depth + 1)
                for path, scalars in nested.items():
                    found.setdefault(path, {}).update(scalars)
        elif type(element) is not dict and type(element) is not list:
            found.setdefault(prefix, {})[element] = None
    return found


def _runs(values: list[Value], counts: Counter[Value], at: int) -> list[Signal]:
    """Where a series of few values changes: the first row of each run."""
    if len(counts) > _FEW or len(values) < 12:
        return []
    changes = [row for row in range(1, len(values)) if values[row] != values[row - 1]]
    if not changes or len(changes) > min(_FEW, len(values) // 10):
        return []
    return [Signal(row, _CHANGE_BITS, (at, "change", row)) for row in changes]


def _numbers(values: list[Value], at: Hashable) -> list[Signal]:
    """Far values and jumps of a mostly numeric column."""
    rows = [row for row, value in enumerate(values) if type(value) is Number]
    numbers = [as_float(values[row]) for row in rows]
    found = _far(rows, numbers, (at, "far"))
    if min(numbers, default=0.0) < 0:
        found += _rare([type(value) is Number and value[0] == "-" for value in values], (at, "sign"))
    if len(numbers) >= 12:
        steps = [abs(two - one) for one, two in pairwise(numbers)]
        jumps = _far(rows[1:], steps, (at, "jump"), above=True)
        known = {signal.row for signal in found}
        found += [s for s in jumps if s.row not in known and s.row - 1 not in known]
    return found


def as_float(text: str) -> float:
    """The number, kept finite."""
    number = float(text) if len(text) < 400 else 0.0
    return number if isfinite(number) else 1e300 if number > 0 else -1e300


def _far(rows: list[int], numbers: list[float], why: Hashable, above: bool = False) -> list[Signal]:
    """Numbers far outside the quartiles; half as telling where they are not far on a logarithmic scale as well."""
    found = _fences(rows, numbers, why, above)
    if not found or min(numbers) < 0:
        return found
    logs = {signal.row: signal.bits for signal in _fences(rows, [log(1 + number) for number in numbers], why, above)}
    if len(found) > max(2, len(rows) * _RARE_SHARE):
        found = [signal for signal in found if signal.row in logs]
    return [Signal(s.row, min(s.bits, logs.get(s.row, s.bits / 2)), s.why) for s in found]


def _fences(rows: list[int], numbers: list[float], why: Hashable, above: bool) -> list[Signal]:
    ordered = sorted(numbers)
    size = len(ordered)
    if size < 5 or ordered[0] == ordered[-1]:
        return []
    low, high = ordered[size // 4], ordered[(3 * size) // 4]
    width = high - low or _width(ordered, low)
    if not width or not isfinite(width):
        return []
    bottom, top = low - _FAR * width, high + _FAR * width
    if ordered[0] >= bottom and ordered[-1] <= top:
        return []
    if bisect_left(ordered, bottom) + size - bisect_left(ordered, top) > size // 8:
        return []
    return [
        Signal(row, min(_FAREST_BITS, 2 + 2 * log2(max((low - number), (number - high)) / width)), why)
        for row, number in zip(rows, numbers, strict=True)
        if number > top or (number < bottom and not above)
    ]


def _width(ordered: list[float], middle: float) -> float:
    """A scale where half of the numbers are equal: the median distance of the others from them."""
    others = sorted(abs(number - middle) for number in ordered if number != middle)
    return others[len(others) // 2] if others and len(others) > 2 else (others[0] / 16 if others else 0.0)


def _forms(values: list[Value], at: int) -> list[Signal]:
    """Strings of mostly different values that look unlike the others: length, beginning, kind of characters."""
    strings = [(row, value) for row, value in enumerate(values) if type(value) is str]
    lengths = [float(len(value)) for _, value in strings]
    found = _fences([row for row, _ in strings], lengths, (at, "length"), False)
    found += _rare([value[:3] if type(value) is str else None for value in values], (at, "start"))
    found += _rare([_form(value) for value in values], (at, "form"))
    return found


def _form(value: Value) -> int:
    if type(value) is not str:
        return -1 if value is MISSING else -2
    return value.isalpha() + 2 * value.isdigit() + 4 * value.islower() + 8 * value.isupper() + 16 * (" " in value)
