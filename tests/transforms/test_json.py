"""The compact JSON form keeps everything: keys, their order, number literals, strings; what is not JSON stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom_core.transforms._json.read import read
from headroom_core.transforms._json.values import Lines, NotJson, Number, Value, parse, same
from headroom_core.transforms._json.values import to_json as value_to_json
from headroom_core.transforms._json.write import write
from headroom_core.transforms.json_ import Json, decode, to_json
from headroom_core.types import Context, Part, Strength, Text

_NUMBERS = st.sampled_from(["1", "1.0", "-0", "1e5", "0.10", "12345678901234567890123", "-3.5E-7", "0"]).map(Number)
_AWKWARD = [
    "",
    "a",
    "true",
    "null",
    "1",
    "01",
    "1.0",
    "a,b",
    "a:b",
    "=x",
    " x",
    "x ",
    "{",
    "[1]{a}",
    "é",
    "\n",
    "\u2028",
]
_TEXTS = st.sampled_from([*_AWKWARD, "#1", "http://x/y?z=1", "ndjson", "…", "[left out: 3 rows]", "2 of 3"]) | st.text(
    max_size=6
)
_KEYS = st.sampled_from(["a", "b", "c", "a.b", "id", "x y", "=", "", "1", "a:str", "#"]) | st.text(max_size=4)
_LEAVES = _NUMBERS | _TEXTS | st.booleans() | st.none()
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


@st.composite
def _tables(draw: st.DrawFn) -> list[Value]:
    """Rows of mostly one shape: absent keys, other orders, and now and then something else."""
    keys = draw(st.lists(_KEYS, min_size=1, max_size=4, unique=True))
    rows: list[Value] = []
    for _ in range(draw(st.integers(2, 6))):
        used = [key for key in keys if draw(st.integers(0, 5))]
        if draw(st.integers(0, 9)) == 0:
            used = list(draw(st.permutations(used)))
        rows.append({key: draw(_LEAVES | _VALUES) for key in used})
    if draw(st.integers(0, 9)) == 0:
        rows[-1] = draw(_VALUES)
    return rows


_DOCUMENTS = st.one_of(
    _VALUES.filter(lambda value: type(value) in (dict, list)),
    _tables(),
    st.lists(_tables(), min_size=2, max_size=3),
    _tables().map(Lines).filter(lambda rows: all(type(row) in (dict, list) for row in rows)),
    st.dictionaries(_KEYS, _tables(), min_size=1, max_size=3),
    _tables().map(lambda rows: {f"k{at}": row for at, row in enumerate(rows)}),
)


def _count(text: str) -> int:
    return len(text) // 3 + 1


def _run(text: str, strength: Strength = "lossless", **more: Any) -> str:
    rewrite = Json()(Part((0, 0), "json", Text(text), _count(text)), Context(count=_count, strength=strength, **more))
    return text if rewrite is None else rewrite.text


@settings(max_examples=200)
@given(_DOCUMENTS)
def test_round_trip(value: Value) -> None:
    """Reading what was written gives the same keys, key order, number literals and strings."""
    text = write(value)
    assert same(read(text), value)
    assert same(parse(value_to_json(value)), value)


@settings(max_examples=200)
@given(_DOCUMENTS)
def test_twice_is_once(value: Value) -> None:
    """The compact form is a fixed point, whichever of the two parsers reads it."""
    once = _run(value_to_json(value))
    assert _run(once) == once


@settings(max_examples=200)
@given(_DOCUMENTS, st.sampled_from([None, 1, 4]))
def test_public_decoder(value: Value, indent: int | None) -> None:
    """``decode`` and ``to_json`` undo a lossless rewrite, whatever the layout of the input was."""
    plain = value_to_json(value)
    if type(value) is not Lines:
        plain = json.dumps(json.loads(plain), indent=indent)
        assert json.dumps(decode(_run(plain))) == json.dumps(json.loads(plain))
    assert to_json(_run(plain)) == to_json(plain)


@settings(max_examples=200)
@given(st.text(alphabet='{}[]",:=\n0123abtruenl.#é-\\ ', max_size=60))
def test_other_text_stays(text: str) -> None:
    """Any text: no exception, and a lossless result only where the value survives."""
    out = _run(text)
    if out != text:
        assert to_json(out) == to_json(text)


def test_table() -> None:
    """Field names and constants stand once; strings are quoted only where they would be something else."""
    rows = [
        {"id": 1, "user": {"name": "Ann", "zip": "01234"}, "state": "open", "note": None},
        {"id": 2, "user": {"name": "true", "zip": "00001"}, "state": "open"},
        {"id": 3, "user": {"name": "a, b", "zip": "9"}, "state": "open", "note": ""},
    ]
    text = _run(json.dumps(rows, indent=2))
    assert text.split("\n") == [
        "[3]{id,user.name:str,user.zip:str,state=open,note}",
        "1,Ann,01234,null",
        "2,true,00001,",
        '3,"a, b",9,""',
    ]
    assert decode(text) == rows


def test_groups_maps_and_lines() -> None:
    """Arrays of arrays, objects keyed by id, and NDJSON are tables too."""
    leg = {"flight": "A1", "seats": {"economy": 3, "business": 0}}
    assert _run(json.dumps([[leg, leg], [leg | {"flight": "B2"}]])).startswith("[2,1]{flight,seats.economy=3,")
    cards = {f"card_{n}": {"source": "credit_card", "brand": "visa", "last": n} for n in range(3)}
    assert _run(json.dumps({"cards": cards})).startswith("{cards:{3}{source=credit_card,brand=visa,last}\ncard_0:0\n")
    assert _run("\n".join(json.dumps(leg) for _ in range(3))).startswith("ndjson[3]{")


def test_literals_stay() -> None:
    """Numbers come back as they were written."""
    text = '{"a": [1.0, 1, 1e5, -0, 0.10, 12345678901234567890123456789], "b": "1.0"}'
    assert to_json(_run(text)) == '{"a":[1.0,1,1e5,-0,0.10,12345678901234567890123456789],"b":"1.0"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "plain words",
        "12",
        '{"a": 1,  "a": 2}',
        "[NaN,   1]",
        '{"a":    -Infinity}',
        '[{"a": 1},   {"a":',
        '[{"a": 1},   {"a": 2}] and more',
        '\ufeff[{"a":   1}]',
        '["\\ud800",    "long enough to shrink"]',
        "\x00\x01[{",
        "[" * 10_000 + "]" * 10_000,
        '{"a":' * 10_000,
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("strength", ["lossless", "lossy"])
def test_bad_input_stays(text: str, strength: Strength) -> None:
    """Broken, ambiguous, endless or too deep: unchanged, without an exception."""
    assert _run(text, strength) == text


def test_mixed_line_ends() -> None:
    """Line ends outside strings do not matter; those inside stay."""
    text = '[{"name": "a\\r\\nb"},\r\n {"name": "c"}\r]\n'
    assert decode(_run(text)) == [{"name": "a\r\nb"}, {"name": "c"}]


def test_marker_syntax_is_data() -> None:
    """A cell that looks like a marker stays a cell."""
    rows = [{"n": n, "t": '[left out: 3 rows · headroom_retrieve(ref="hr_x") #0]'} for n in range(5)]
    assert decode(_run(json.dumps(rows))) == rows


def test_decode_refuses_other_text() -> None:
    """What is neither JSON nor the compact form is an error, not a guess."""
    for text in ("words", "[2]{a}\n1", "[2]{a}\n1\n2\n3", "{a:1"):
        with pytest.raises(NotJson):
            decode(text)
