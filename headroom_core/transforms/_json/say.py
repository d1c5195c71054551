"""One readable line about rows that are gone: how many, what they share, which range their numbers have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import fsum

from headroom_core.transforms._json.columns import MISSING, Column
from headroom_core.transforms._json.values import Number, Value

_MOST_COLUMNS = 6
_MOST_VALUES = 4
_LONGEST = 40
_ROOM = 320
_UNSAFE = re.compile(r"[\[\]\s]+")


def rows_left(total: int, left: Sequence[int], columns: Sequence[Column], totals: bool, label: str = "") -> str:
    """``188 of 200 rows: status=completed, region eu-west×70|us-east×63, amount 20.1–179.9``.

    With ``totals`` the values are those of all rows, with mean and sum: an answer about all rows needs no retrieval.
    """
    said, room = [], _ROOM * 2 if totals else _ROOM
    for column in columns:
        phrase = _phrase(column, range(total) if totals else left, totals)
        if phrase and len(phrase) <= room:
            said.append(phrase)
            room -= len(phrase)
        if len(said) == _MOST_COLUMNS * (2 if totals else 1):
            break
    head = f"{label}{len(left):,} of {total:,} rows"
    if totals and said:
        return f"{head}; in all {total:,}: {', '.join(said)}"
    return head + (": " + ", ".join(said) if said else "")


def _phrase(column: Column, left: Sequence[int], totals: bool) -> str:
    """What the values of one column are in these rows; empty where they have nothing in common."""
    values = [column.values[row] for row in left]
    if any(type(value) is list or type(value) is dict for value in values[:50]):
        return ""
    name = _safe(column.name)
    values = [value for value in values if value is not MISSING]
    if not values:
        return ""
    if all(type(value) is Number for value in values):
        return _numbers(name, values, totals)
    if any(type(value) is list or type(value) is dict for value in values):
        return ""
    counts = Counter(values)
    if len(counts) == 1 and len(values) == len(left):
        return f"{name}={_short(values[0])}"
    if len(counts) > _MOST_VALUES * (2 if totals else 1):
        return ""
    return f"{name} " + "|".join([f"{_short(value)}×{count:,}" for value, count in counts.most_common()])


def _numbers(name: str, values: list[Value], totals: bool) -> str:
    numbers = [float(value) for value in values if len(value) < 300]
    if not numbers:
        return ""
    least, most = min(numbers), max(numbers)
    if least == most:
        return f"{name}={_short(values[0])}"
    text = f"{name} {_plain(least)}–{_plain(most)}"
    if totals:
        text += f" (mean {_plain(fsum(numbers) / len(numbers))}, sum {_plain(fsum(numbers))})"
    return text


def _plain(number: float) -> str:
    return f"{int(number)}" if number == int(number) and abs(number) < 1e15 else f"{number:.6g}"


def _short(value: Value) -> str:
    if value is None or value is True or value is False:
        return str(value).lower() if value is not None else "null"
    text = _safe(value)
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") or '""'


def _safe(text: str) -> str:
    return _UNSAFE.sub(" ", text).strip()
