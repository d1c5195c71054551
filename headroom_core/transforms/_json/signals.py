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
from math import isfinite, log, log2

from headroom_core.transforms._json.columns import MISSING, Column
from headroom_core.transforms._json.values import Number, Value

_LEAST_BITS = 2.6
_FAR = 3.0
_FAREST_BITS = 14.0
_RARE_SHARE = 0.02  # a value in at most this share of the rows is rare
_RARE_MASS = 0.06  # all rare values together, else being rare is usual here
_FEW = 8


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
    if log2(total) - mean < _LEAST_BITS:
        return []
    rare = {key: count for key, count in counts.items() if count <= most}
    if sum(rare.values()) > max(3, total * _RARE_MASS):
        return []
    bits = {key: log2(total / count) - mean for key, count in rare.items()}
    bits = {key: value for key, value in bits.items() if value >= _LEAST_BITS}
    if not bits:
        return []
    return [Signal(row, bits[key], (why, key)) for row, key in enumerate(keys) if key in bits]


def _lists(values: list[Value], at: int) -> list[Signal]:
    """Rare elements and rare lengths of short lists."""
    sets = [_elements(value) for value in values]
    counts = Counter(element for elements in sets for element in elements)
    found = _rare([len(value) if type(value) is list else -1 for value in values], (at, "length"))
    used = [sum(1 for _ in elements) for elements in sets]
    if not counts or len(counts) * 2 > sum(used):
        return found
    total = len(values)
    worst = [max((log2(total / counts[element]) for element in elements), default=0.0) for elements in sets]
    mean = sum(worst) / total
    most = max(2, int(total * _RARE_SHARE))
    if sum(count for count in counts.values() if count <= most) > max(3, total * _RARE_MASS):
        return found
    for row, elements in enumerate(sets):
        for element in elements:
            if counts[element] <= most and log2(total / counts[element]) - mean >= _LEAST_BITS:
                found.append(Signal(row, log2(total / counts[element]) - mean, (at, element)))
    return found


def _elements(value: Value, depth: int = 0) -> dict[Hashable, None]:
    """The distinct scalars in a short list, in order."""
    found: dict[Hashable, None] = {}
    if type(value) is list:
        for element in value[:20]:
            if type(element) is dict or type(element) is list:
                if depth < 3:
                    inner = list(element.values()) if type(element) is dict else element
                    found.update(_elements(inner, depth + 1))
            else:
                found[element] = None
    return found


def _runs(values: list[Value], counts: Counter[Value], at: int) -> list[Signal]:
    """Where a series of few values changes: the first row of each run."""
    if len(counts) > _FEW or len(values) < 12:
        return []
    changes = [row for row in range(1, len(values)) if values[row] != values[row - 1]]
    if not changes or len(changes) > _FEW:
        return []
    return [Signal(row, 3.0, (at, "change", row)) for row in changes]


def _numbers(values: list[Value], at: int) -> list[Signal]:
    """Far values and jumps of a mostly numeric column."""
    rows = [row for row, value in enumerate(values) if type(value) is Number]
    numbers = [_float(values[row]) for row in rows]
    found = _far(rows, numbers, (at, "far"))
    if len(numbers) >= 12:
        steps = [abs(two - one) for one, two in zip(numbers, numbers[1:], strict=False)]
        jumps = _far(rows[1:], steps, (at, "jump"), above=True)
        known = {signal.row for signal in found}
        found += [s for s in jumps if s.row not in known and s.row - 1 not in known]
    return found


def _float(text: str) -> float:
    """The number, kept finite."""
    number = float(text) if len(text) < 400 else 0.0
    return number if isfinite(number) else 1e300 if number > 0 else -1e300


def _far(rows: list[int], numbers: list[float], why: Hashable, above: bool = False) -> list[Signal]:
    """Numbers far outside the quartiles; on a logarithmic scale where too many are far on the plain one."""
    found = _fences(rows, numbers, why, above)
    if len(found) > max(2, len(rows) * _RARE_SHARE) and min(numbers) >= 0:
        found = _fences(rows, [log(1 + number) for number in numbers], why, above)
    return found


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
