"""Pieces of originals: lines by number, ranges as models write them, records of tables, and what is said about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.ccr.selections import Lines, pick_lines, pick_pointer, pick_rows, pick_symbol, ranges, rows_of
from headroom_core.errors import InvalidInput

TEXT = "a\nbb\n\nccc\nd"


@given(
    st.lists(st.sampled_from(["", "x", "words of it", "\r", "ü" * 50]), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_the_line_of_a_character_is_found_in_any_order(lines: list[str], chance: object) -> None:
    """Asked forwards or backwards, the answer is the number of line feeds before it, plus one."""
    text = "\n".join(lines)
    held = Lines(text)
    places = [*range(len(text)), *range(len(text))]
    chance.shuffle(places)  # type: ignore[attr-defined]
    for at in places:
        assert held.at(at) == text.count("\n", 0, at) + 1


def test_lines_are_counted_as_people_count_them() -> None:
    """A line feed at the end ends the last line and begins none."""
    assert len(Lines("")) == 1
    assert len(Lines("a")) == 1
    assert len(Lines("a\n")) == 1
    assert len(Lines("a\nb")) == 2
    assert len(Lines("\n\n")) == 2


@pytest.mark.parametrize(
    ("first", "last", "piece"),
    [(1, 1, "a\n"), (2, 3, "bb\n\n"), (4, 5, "ccc\nd"), (5, 5, "d"), (5, 9, "d"), (3, 3, "\n")],
)
def test_lines_come_as_they_stand(first: int, last: int, piece: str) -> None:
    """With their line ends, both ends included; what lies beyond the end is nothing."""
    assert Lines(TEXT).text(first, last) == piece


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (0, len(TEXT), "lines 1-5 of 5"),
        (2, 6, "lines 2-3 of 5"),
        (2, 5, "lines 2-2 of 5"),
        (0, 2, "lines 1-1 of 5"),
        (6, 10, "lines 4-4 of 5"),
        (3, 6, "characters 4-6 of 11"),
        (2, 4, "characters 3-4 of 11"),
        (0, 0, "lines 1-1 of 5"),
    ],
)
def test_a_place_is_said_in_lines_where_it_is_whole_lines(start: int, end: int, said: str) -> None:
    """Whole lines by number, else characters, both from one."""
    if (start, end) == (0, 0):
        assert Lines("").span(0, 0) == "lines 1-1 of 1"
    else:
        assert Lines(TEXT).span(start, end) == said


@pytest.mark.parametrize(
    ("given_", "spans"),
    [
        ("3", [(3, 3)]),
        (3, [(3, 3)]),
        ("3,17-20", [(3, 3), (17, 20)]),
        ("17-20,3", [(3, 3), (17, 20)]),
        ("3-5,6", [(3, 6)]),
        ("3-5,7", [(3, 5), (7, 7)]),
        ("3-9,4-5", [(3, 9)]),
        ("18-99", [(18, 20)]),
        ("0-2", [(1, 2)]),
        (" 3 - 5 ", [(3, 5)]),
    ],
)
def test_ranges_are_read_clipped_sorted_and_merged(given_: str | int, spans: list[tuple[int, int]]) -> None:
    """As models write them; of twenty lines."""
    assert ranges(given_, "lines", 1, 20) == spans


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ("", "numbers and ranges"),
        ("a-b", "numbers and ranges"),
        ("3;4", "numbers and ranges"),
        ("-3", "numbers and ranges"),
        ("5-3", "runs backwards. Write 3-5"),
        ("21-30", "lines 1 to 20"),
        (",".join(["3"] * 2000), "at most"),
    ],
)
def test_what_is_no_range_is_said(given_: str, words: str) -> None:
    """With what was given, and what there is."""
    with pytest.raises(InvalidInput, match=words):
        ranges(given_, "lines", 1, 20)
    with pytest.raises(InvalidInput, match="no rows"):
        ranges("0", "rows", 0, 0)


def test_one_range_comes_bare_and_several_under_headings() -> None:
    """Byte for byte where it is one; each named where there are more, and every piece ends its line."""
    assert pick_lines(TEXT, "2-4").text == "bb\n\nccc\n"
    several = pick_lines(TEXT, "1,4-5")
    assert several.text == "lines 1-1:\na\nlines 4-5:\nccc\nd\n"
    assert several.what == "lines 1, 4-5 of 5"


def test_many_ranges_are_counted_after_eight() -> None:
    """The heading names eight and counts the others."""
    text = "\n".join(map(str, range(1, 60)))
    assert pick_lines(text, ",".join(str(n) for n in range(1, 41, 2))).what.endswith(" and 12 more ranges of 59")


TABLE = 'boat,note\n1,"left at six,\ncame back"\n2,moored\n3,""\n'


def test_records_of_a_table_may_run_over_lines() -> None:
    """A quoted cell with a line end stays in its record; the line feed at the end begins none."""
    header, rows = rows_of(TABLE, "table")
    assert header == "boat,note\n"
    assert rows == ['1,"left at six,\ncame back"\n', "2,moored\n", '3,""\n']
    assert rows_of(TABLE.rstrip("\n"), "table")[1] == rows
    picked = pick_rows(TABLE, "table", "0,2")
    assert picked.text == 'boat,note\n1,"left at six,\ncame back"\n3,""\n'
    assert picked.what == "rows 0, 2 of 3 (from 0)"


def test_rows_of_json_stand_as_they_are_written() -> None:
    """Spaces, escapes and number literals stay; one row to a line."""
    text = '[{"n": 1.50}, {"s": "\\u00e9"}, 7]'
    assert pick_rows(text, "json", "0-1").text == '{"n": 1.50}\n{"s": "\\u00e9"}\n'
    assert pick_rows('{"a": 1}\n\n{"b": 2}\n', "json", "1").text == '{"b": 2}\n'
    with pytest.raises(InvalidInput, match="It has no rows"):
        pick_rows("just words", "prose", "0")


def test_pointers_and_symbols_that_lead_nowhere_name_the_way_that_works() -> None:
    """What is not there is said with a selector that fits any text."""
    assert pick_pointer('{"a": {"b": [1, 2.0]}}', "json", "/a/b").text == "[1, 2.0]"
    assert pick_pointer('{"a": 1}', "json", "").what == "value at "
    with pytest.raises(InvalidInput, match="Ask by lines or by query"):
        pick_pointer('{"a": 1}', "json", "/b")
    with pytest.raises(InvalidInput, match="Ask by lines or by query"):
        pick_symbol("def a():\n    return 1\n", "code", "b")
    assert pick_symbol("x = 1\n\n\ndef a():\n    return 1\n", "code", "a").text == "def a():\n    return 1\n"


def test_neighbours_and_overlaps_merge_wherever_they_stand() -> None:
    """Also behind a first range that they do not touch."""
    assert ranges("1,5,6-7,20,21-30,25", "lines", 1, 99) == [(1, 1), (5, 7), (20, 30)]
    assert ranges("9-12,1-3,2-5,7", "rows", 0, 99) == [(1, 5), (7, 7), (9, 12)]


def test_lines_of_a_long_text_are_found_across_blocks() -> None:
    """Counting goes on from an earlier line at any character, block by block, and never skips or repeats one."""
    lines = [f"{i} {'x' * (i * 37 % 211)}\n" for i in range(3000)]
    held = Lines("".join(lines))
    for first, last in ((1, 1), (7, 2999), (1500, 1501), (33, 700), (2998, 3000), (701, 1402)):
        assert held.text(first, last) == "".join(lines[first - 1 : last])
