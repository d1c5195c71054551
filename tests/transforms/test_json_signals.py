"""Which rows of an array stand out, by how many bits and why: canonical numbers, one column at a time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from headroom_core.transforms._json.columns import columns_of
from headroom_core.transforms._json.signals import signals
from headroom_core.transforms._json.values import parse

_R = random.Random(5)
_USUAL = [_R.choice(["Graz", "Lyon", "Turku"]) for _ in range(100)]
_NOISE = [_R.randint(40, 60) for _ in range(100)]
_CODES = [f"ab-{_R.randint(1000, 9999)}" for _ in range(100)]

Found = list[tuple[int, str, float]]


def _seen(make: Callable[[int], Any], rows: int = 100) -> Found:
    """(row, reason, bits) for a column ``v`` beside one that says nothing."""
    values = parse(json.dumps([{"id": i, "v": make(i)} for i in range(rows)]))
    assert isinstance(values, list)
    columns = columns_of(values)
    assert columns is not None
    told = []
    for signal in signals(columns.columns, columns.odd, len(values)):
        why = signal.why if isinstance(signal.why, tuple) else (signal.why,)
        names = [part for part in why if isinstance(part, str)] or [
            part for part in _flat(why) if isinstance(part, str)
        ]
        told.append((signal.row, names[0], round(signal.bits, 2)))
    return told


def _flat(why: Any) -> list[Any]:
    return [inner for part in why for inner in (_flat(part) if isinstance(part, tuple) else [part])]


def _but(usual: Callable[[int], Any], **odd: Any) -> Callable[[int], Any]:
    """``usual``, but for the rows that are named r7, r8, …"""
    rows = {int(name[1:]): value for name, value in odd.items()}
    return lambda i: rows.get(i, usual(i))


CASES: dict[str, tuple[Callable[[int], Any], Found]] = {
    "all equal": (lambda i: "x", []),
    "all different": (lambda i: f"w{i * 7919 % 10007}", []),
    "three usual values": (lambda i: _USUAL[i], []),
    "one rare value": (_but(lambda i: "ok", r41="lost"), [(41, 'lost', 6.56), (41, 'change', 2.2), (42, 'change', 2.2)]),
    "a rare value among three": (_but(lambda i: _USUAL[i], r41="Oslo"), [(41, 'Oslo', 5.01)]),
    "two rare values": (_but(lambda i: _USUAL[i], r41="Oslo", r42="Oslo"), [(41, 'Oslo', 3.96), (42, 'Oslo', 3.96)]),
    "too many rare values": (_but(lambda i: _USUAL[i], **{f"r{i}": f"rare {i}" for i in range(0, 70, 10)}), []),
    "another type": (_but(lambda i: i % 5, r13="none"), [(13, 'str', 6.56), (13, 'none', 4.26)]),
    "a null": (_but(lambda i: i % 5 + 1, r13=None), [(13, 'NoneType', 6.56), (13, 'value', 4.26)]),
    "a far number": (_but(lambda i: _NOISE[i], r60=900), [(60, 'far', 9.64)]),
    "a far number on both sides": (_but(lambda i: _NOISE[i] + 500, r60=900, r61=3), [(60, 'far', 11.47), (61, 'far', 13.52)]),
    "a number not so far": (_but(lambda i: _NOISE[i], r60=110), [(60, 'far', 5.6)]),
    "far numbers, too many": (_but(lambda i: _NOISE[i], **{f"r{i}": 900 for i in range(0, 39, 3)}), []),
    "a rare sign": (_but(lambda i: _NOISE[i], r60=-45), [(60, 'far', 8.34), (60, 'sign', 6.56)]),
    "numbers of many sizes": (lambda i: 2 ** (i % 12), []),
    "half of the numbers are equal": (_but(lambda i: 0 if i % 4 else i, r50=5000), [(50, 'jump', 7.0), (51, 'jump', 7.0)]),
    "a jump": (lambda i: 10 * i + (4000 if i > 70 else 0), [(71, 'jump', 10.0)]),
    "a series of three": (lambda i: "new" if i < 30 else "open" if i < 80 else "done", [(30, 'change', 2.2), (80, 'change', 2.2)]),
    "a length that is rare": (_but(lambda i: ["a", "b"][: i % 2 + 1], r33=["a", "b", "a"]), [(33, 'length', 5.57)]),
    "a rare tag": (_but(lambda i: ["a", "b"][: i % 2 + 1], r33=["a", "z"]), [(33, 'z', 6.07)]),
    "pairs with an odd place": (_but(lambda i: [1, i % 3], r33=[7, 1]), [(33, '7', 6.56), (33, '7', 5.52), (33, 'far', 3.32)]),
    "lists longer than a few": (_but(lambda i: [1] * 9, r33=[1] * 8 + [5]), [(33, '5', 6.58), (33, 'far', 10.0)]),
    "objects in lists": (_but(lambda i: [{"k": "x", "n": i % 4}], r33=[{"k": "y", "n": 900}]), [(33, 'y', 6.56), (33, '900', 4.58), (33, 'far', 7.93)]),
    "codes of another form": (_but(lambda i: _CODES[i], r22="ZZ 1"), [(22, 'length', 10.0), (22, 'ZZ ', 6.56), (22, 'form', 6.56)]),
    "codes of another length": (_but(lambda i: _CODES[i], r22="ab-12345678901234567890"), [(22, 'length', 10.0)]),
    "other keys": (_but(lambda i: {"a": i % 3, "b": 1}, r9={"c": 1}), [(9, 'Number', 6.56), (9, '1', 6.56), (9, 'change', 2.2), (10, 'change', 2.2), (9, '_Missing', 6.56), (9, 'value', 4.99), (9, '_Missing', 6.56), (9, 'value', 6.56), (9, 'change', 2.2), (10, 'change', 2.2)]),
}  # fmt: skip
"""The make of a column, and what stands out in it."""


@pytest.mark.parametrize("name", CASES)
def test_canonical_signals(name: str) -> None:
    """Row, reason and bits of everything that stands out."""
    make, known = CASES[name]
    assert _seen(make) == known


def main() -> None:
    """Print what stands out now."""
    for name, (make, _) in CASES.items():
        print(f"    {name!r}: {_seen(make)},")


if __name__ == "__main__":
    main()
