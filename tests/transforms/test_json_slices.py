"""Rows and pointers of JSON originals come back as they stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.ccr.slices_json import pointer, rows_of

_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(_VALUES, min_size=1, max_size=8), st.sampled_from([None, 0, 2]))
def test_rows_of_an_array_are_its_elements(rows: list[object], indent: int | None) -> None:
    """Each slice parses to the element at its index, however the array was laid out."""
    found = rows_of(json.dumps(rows, indent=indent))
    assert found is not None
    assert [json.loads(row) for row in found] == rows


def test_rows_are_exact_slices() -> None:
    """White space and number literals inside a row stay."""
    text = '{"n": 2, "page": {"items": [ {"a":  1.0} ,\n {"a": 1e5} ]}, "few": [1]}'
    assert rows_of(text) == ['{"a":  1.0}', '{"a": 1e5}']


def test_rows_of_lines() -> None:
    """NDJSON gives its lines; an introduction before an array does not hide it."""
    assert rows_of('{"a":1}\n\n{"a":2}\n') == ['{"a":1}', '{"a":2}']
    assert rows_of('Found 2 rows:\n[{"a":1},{"a":2}]') == ['{"a":1}', '{"a":2}']


@pytest.mark.parametrize("text", ["", "plain words", '{"a":1}', "[1,2", '{"a":1}\nno', "[" * 20_000])
def test_no_rows(text: str) -> None:
    """Where there is no array there are no rows, and no exception."""
    assert rows_of(text) is None
    assert pointer(text, "/x/0") is None


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", '{"a/b": {"~k": [10, {"x": "é"}]}, "n": 1.50}'),
        ("/n", "1.50"),
        ("/a~1b/~0k/1/x", '"é"'),
        ("/a~1b/~0k/0", "10"),
        ("/a~1b/~0k/2", None),
        ("/nothing", None),
        ("n", None),
        ("/a~1b/~0k/01", None),
    ],
)
def test_pointer(where: str, found: str | None) -> None:
    """RFC 6901 pointers give the value as it stands."""
    assert pointer('{"a/b": {"~k": [10, {"x": "é"}]}, "n": 1.50}', where) == found


def test_pointer_into_lines() -> None:
    """In NDJSON the first step is the line."""
    assert pointer('{"a":1}\n{"a":[5,6]}', "/1/a/1") == "6"
