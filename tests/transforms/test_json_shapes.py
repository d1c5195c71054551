"""Documents of unusual shape: what stays visible of them, and that the rest is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headroom_core.transforms._json.values import NotJson
from headroom_core.transforms.json_ import Json, decode
from headroom_core.types import Context, Part, Rewrite, Text


def _count(text: str) -> int:
    return len(text) // 3 + 1


def _run(data: Any, query: str | None = None, **more: Any) -> Rewrite | None:
    text = data if isinstance(data, str) else json.dumps(data)
    return Json()(Part((0, 0), "json", Text(text), _count(text)), Context(count=_count, query=query, **more))


def _shrunk(data: Any, query: str | None = None, **more: Any) -> tuple[str, str]:
    rewrite = _run(data, query, **more)
    assert rewrite is not None
    assert rewrite.left_out is not None
    assert len(rewrite.text) < len(data if isinstance(data, str) else json.dumps(data))
    return rewrite.text, rewrite.left_out


def _repository(**more: Any) -> dict[str, Any]:
    kinds = ("forks", "keys", "teams", "hooks", "events", "branches", "tags", "blobs", "trees", "merges")
    links = {f"{kind}_url": f"https://api.example.org/repos/harbour/ferry/{kind}{{/id}}" for kind in kinds}
    files = [{"path": f"src/part_{i}.py", "bytes": 1000 + i * 37 % 500} for i in range(120)]
    return {"id": 7, "url": "https://api.example.org/repos/harbour/ferry", **links, "files": files, **more}


# ------------------------------------------------------------------ addresses
def test_of_many_addresses_at_one_place_the_shortest_stays() -> None:
    """Members that all lead to one place say little: the shortest stays, the others are counted and named."""
    text, left_out = _shrunk(_repository())
    assert "url:https://api.example.org/repos/harbour/ferry," in text
    assert "ferry/teams" not in text
    assert "10 addresses" in left_out
    assert "forks_url" in left_out


def test_addresses_stay_where_the_query_asks_for_links() -> None:
    """A question about a link, or about one of the members by name, keeps it."""
    assert "ferry/teams" in _shrunk(_repository(), "Which url lists the teams?")[0]
    text, _ = _shrunk(_repository(), "hooks_url of this repository")
    assert "ferry/hooks" in text


def test_a_few_addresses_stay() -> None:
    """Four addresses at one place are no clutter."""
    few = {key: value for key, value in _repository().items() if not key.endswith("_url") or key < "c"}
    text, left_out = _shrunk(few)
    assert "ferry/branches" in text
    assert "addresses" not in left_out


def _wide_row(i: int, links: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": i,
        "title": f"Report {i} " + "on the state of the piers and what to repair first " * 40,
    }
    return row | {f"link_{n}": f"https://files.example.org/reports/{n * 'part/'}{i}" for n in range(links)}


def test_wide_rows_do_without_columns_of_addresses() -> None:
    """With more than four such columns all but the shortest are hidden, and named."""
    text, left_out = _shrunk([_wide_row(i, 6) for i in range(90)], "Report 41")
    assert "reports/41" in text
    assert "part/part/41" not in text
    assert "5 columns of addresses" in left_out
    text, left_out = _shrunk([_wide_row(i, 3) for i in range(90)], "Report 41")
    assert "part/part/41" in text
    assert "addresses" not in left_out


# ------------------------------------------------------------------ shapes of arrays
def test_plain_numbers_keep_the_one_that_stands_out() -> None:
    """An array of numbers is a column: its outlier stays with its index, the rest is a range."""
    numbers = [20 + i * 37 % 17 for i in range(900)]
    numbers[433] = 98_765
    text, left_out = _shrunk(numbers)
    assert "433,98765" in text or "#433 98765" in text
    assert "20–36" in left_out


def test_rows_of_arrays_are_columns_too() -> None:
    """A matrix keeps its odd row, without names for its columns."""
    matrix = [[i, 5 + i % 3, "open"] for i in range(400)]
    matrix[250][2] = "sunk"
    text, left_out = _shrunk(matrix)
    assert "sunk" in text
    assert "of 400 rows" in left_out


def _event(i: int) -> dict[str, Any]:
    fields = (
        ("seen", "page", "ms", "agent", "width", "height", "lang"),
        ("bought", "price", "coin", "seat", "deck", "child", "pier"),
        ("sailed", "boat", "wind", "crew", "tide", "fuel", "pilot"),
        ("paid", "sum", "bank", "card", "till", "bill", "tax"),
    )[i % 4]
    return {name: i if at == 0 else 80 + i % 9 for at, name in enumerate(fields)}


def test_each_shape_of_row_is_judged_by_its_own() -> None:
    """Rows too different for common columns: a price that is far from the prices stays, and a row of a shape seen once."""
    events = [_event(i) for i in range(400)]
    events[121]["price"] = 40_000
    events[211] = {"alarm": "smoke on deck 2"}
    text, left_out = _shrunk(events)
    assert "40000" in text
    assert "smoke on deck 2" in text
    assert "of 400 rows" in left_out


def test_few_large_members_share_the_budget() -> None:
    """An array of a few large documents keeps each of them, shortened."""
    documents = [{"pier": p, "boats": [{"id": 100 * p + i, "state": "moored"} for i in range(90)]} for p in range(4)]
    documents[2]["boats"][31]["state"] = "adrift"
    text, left_out = _shrunk(documents, "Which boat is adrift?")
    assert "231" in text
    assert "adrift" in text
    for pier in range(4):
        assert f"{pier}/boats".replace("/", ".") in left_out


def test_a_map_of_alike_values_is_an_array_with_names() -> None:
    """An object whose keys are names keeps the one that is asked for by its name."""
    boats = {f"boat-{i}": {"state": "moored", "pier": i % 4} for i in range(150)}
    boats["boat-77"]["state"] = "adrift"
    text, left_out = _shrunk({"boats": boats}, "Where is boat-93?")
    assert "boat-93:" in text
    assert "boat-77:" in text
    assert "of 150 rows" in left_out
    prices = {f"seat-{i}": 85 for i in range(400)} | {"seat-12": 9_000}
    text, _ = _shrunk(prices)
    assert "9000" in text


# ------------------------------------------------------------------ inside of rows
def test_a_long_array_inside_of_a_row_is_a_selection_too() -> None:
    """The row that is asked for is large itself: its array says how many of its members are shown."""
    rows = [{"boat": f"B-{i}", "trips": [[n, 30 + n % 5] for n in range(3)]} for i in range(60)]
    rows[44]["trips"] = [[n, 30 + n % 5] for n in range(700)]
    rows[44]["trips"][612][1] = 999
    text, _ = _shrunk(rows, "trips of B-44")
    assert " of 700" in text
    assert "999" in text


def test_a_large_map_inside_of_a_row_is_a_selection_too() -> None:
    """The same for an object with hundreds of alike members."""
    rows = [{"boat": f"B-{i}", "seats": {"s1": 1}} for i in range(60)]
    rows[44]["seats"] = {f"s{n}": 1 for n in range(700)}
    text, _ = _shrunk(rows, "seats of B-44")
    assert " of 700" in text


def test_long_strings_in_rows_lose_their_middle() -> None:
    """A long cell keeps head and tail where its row is not the one asked for, and the closing line says so."""
    rows = [{"id": i, "text": f"start {i} " + "waves and wind " * 60 + f"end {i}"} for i in range(60)]
    text, left_out = _shrunk(rows, "what does 31 say")
    assert "the middle of long strings" in left_out
    assert "start 0" in text


def _first_lines(text: str, *, kind: Any = None, target_ratio: float | None = None) -> Rewrite | None:
    lines = text.split("\n")
    return Rewrite.of("\n".join(lines[:2]), f"{len(lines) - 2} lines") if len(lines) > 4 else None


def test_a_text_in_a_cell_is_a_part_of_its_own() -> None:
    """A cell of many lines goes through the transform of its own kind; what that left out is said with its path."""
    rows = [{"job": i, "log": "\n".join(f"{i}: step {n} done" for n in range(40))} for i in range(40)]
    text, left_out = _shrunk(rows, "What did job 7 do?", nested=_first_lines)
    assert "39: step 1 done" in text
    assert "39: step 30 done" not in text
    assert "38 lines" in left_out
    assert "7: step 30 done" in text, "the row that is asked for by name stays whole"


def test_lines_in_an_array_are_one_text() -> None:
    """Twenty strings or more are read as the lines of one text first, and stay an array."""
    document = {
        "host": "pier-3",
        "lines": [f"12:00:{i % 60:02d} INFO boat {i} left its berth on time" for i in range(200)],
    }
    text, left_out = _shrunk(document, nested=_first_lines)
    assert "boat 1 left" in text
    assert "boat 100 left" not in text
    assert "lines: 198 lines" in left_out


def test_a_lossless_form_inside_of_a_string_is_refused() -> None:
    """Decoded, it would be another string: the array is cut by rows instead."""

    def lossless(text: str, **_: Any) -> Rewrite | None:
        return Rewrite.of("short form")

    document = {"lines": [f"./data/part_{i}/boats_{i}.csv" for i in range(300)]}
    text, left_out = _shrunk(document, nested=lossless)
    assert "short form" not in text
    assert "of 300 rows" in left_out


def test_only_so_many_parts_are_compressed_inside_of_one() -> None:
    """A document with hundreds of long texts costs a bounded number of calls."""
    calls: list[str] = []

    def nested(text: str, **_: Any) -> Rewrite | None:
        calls.append(text)
        return Rewrite.of(text[:10], "all but the first words")

    document = {f"chapter_{i}": f"{i} " + "The harbour sleeps under a thin layer of ice. " * 30 for i in range(60)}
    text, _ = _shrunk(document, nested=nested)
    assert 20 < len(calls) < 60
    assert text.count("thin layer of ice") > 30  # those that nobody compressed stay


# ------------------------------------------------------------------ which rows
def test_rows_that_the_query_names_may_exceed_the_budget_twofold_only() -> None:
    """Where the query names hundreds of rows, as many stay as fit into twice the budget."""
    rows = [
        {"id": i, "state": "failed" if i % 4 == 0 else "done", "note": "checked twice, signed"} for i in range(1200)
    ]
    text, _ = _shrunk(rows, "failed", target_ratio=0.03)
    assert text.count("failed") < 200
    assert _count(text) < 0.09 * _count(json.dumps(rows))


def test_a_row_that_is_too_dear_gives_its_place_to_cheaper_ones() -> None:
    """An odd row of thousands of tokens does not end the selection: others that stand out still get in."""
    rows: list[dict[str, Any]] = [{"id": i, "state": "done", "note": ""} for i in range(300)]
    rows[10] |= {"state": "odd", "note": "x " * 4000}
    rows[200] |= {"state": "lost"}
    text, _ = _shrunk(rows)
    assert "lost" in text


def test_an_extreme_is_found_among_dates_too() -> None:
    """The first and last date stay where the query asks for them; columns without order are left out of it."""
    rows = [
        {"boat": f"B-{i}", "due": f"2026-0{1 + i * 7 % 9}-1{i % 10}", "gone": None if i % 3 else True}
        for i in range(200)
    ]
    rows[120]["due"] = "2031-12-31"
    text, _ = _shrunk(rows, "Which boat has the latest due date?")
    assert "2031-12-31" in text


def test_a_far_number_inside_of_lists_stands_out() -> None:
    """In rows with lists of numbers the one with a far largest number stays; so does one with a list of another length."""
    rows = [{"id": i, "waits": [20 + i % 5, 25 + i % 7]} for i in range(200)]
    rows[61]["waits"] = [20, 88_000]
    rows[140]["waits"] = [20, 25, 26, 27, 28]
    text, _ = _shrunk(rows)
    assert "88000" in text
    assert "26,27,28" in text


def test_keys_that_all_differ_are_no_columns() -> None:
    """Rows of objects with unrelated keys stay rows: nothing is invented, and first and last stay."""
    text, left_out = _shrunk([{f"key_{i}_{n}": n for n in range(6)} for i in range(90)])
    assert "#0 {key_0_0:0," in text
    assert "#89 {key_89_0:0," in text
    assert "of 90 rows" in left_out


def test_an_odd_row_is_searched_like_the_others() -> None:
    """A row that fits no column order is found by the words that stand in it."""
    rows: list[Any] = [{"id": i, "state": "done", "by": "Ada"} for i in range(300)]
    rows[77] = {"by": "Bo", "state": "the crane of Lenvik fell", "id": 77}
    rows[78] = "a note instead of a row"
    text, _ = _shrunk(rows, "crane of Lenvik")
    assert "the crane of Lenvik fell" in text


def test_a_column_as_wide_as_its_rows_gives_names_to_them() -> None:
    """A sibling array of as many names heads the rows; one of another length, or with a name twice, does not."""
    rows = [[i, 80 + i % 9, "moored"] for i in range(300)]
    text, _ = _shrunk({"columns": ["boat", "fee", "state"], "rows": rows}, "boat 211")
    assert "boat" in text
    assert "211" in text
    for names in (["boat", "fee"], ["boat", "boat", "state"], [1, 2, 3]):
        text, _ = _shrunk({"columns": names, "rows": rows}, "211")
        assert json.dumps(names)[1:-1].replace(" ", "").replace('"', "") in text.replace(" ", "").replace('"', "")
        assert "211" in text


def test_lists_whose_elements_are_rare_without_being_odd() -> None:
    """Where every row has elements of its own, none of them makes its row stand out: few rows stay."""
    rows = [{"id": i, "tags": [f"tag-{i}", f"tag-{i + 1}", "boat"]} for i in range(300)]
    text, _ = _shrunk(rows)
    assert text.count("tag-") < 60


def test_rows_with_very_many_keys_of_lists() -> None:
    """Hundreds of lists of objects are looked at up to a bound, and the row that stands out in a plain column stays."""
    rows = [{"id": i, "load": [{f"k{n}": n for n in range(40)}, {"x": i % 3}], "state": "done"} for i in range(120)]
    rows[50]["state"] = "capsized"
    text, _ = _shrunk(rows)
    assert "capsized" in text


def test_numbers_beyond_floats_are_no_reason_to_fail() -> None:
    """Integers of hundreds of digits and exponents out of range are compared as far as possible, and kept as written."""
    rows = [{"id": i, "n": 10**500 if i == 7 else i, "x": 1e308 if i % 2 else -1e308} for i in range(300)]
    text, _ = _shrunk(rows)
    assert _count(text) < 0.5 * _count(json.dumps(rows))
    assert (
        "1e999" in _shrunk("[" + ",".join(f'{{"id":{i},"n":{"1e999" if i == 5 else i}}}' for i in range(900)) + "]")[0]
    )


# ------------------------------------------------------------------ reading
def test_blank_lines_between_rows_are_nothing() -> None:
    """NDJSON with empty lines is the same rows."""
    lines = [json.dumps({"id": i, "state": "done"}) for i in range(40)]
    assert decode("\n\n".join(lines)) == [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a": 1} and then words',
        "[3]{a,b}\n1,2\n",
        "[2]{a,b}\n1,2\n3\n",
        '[1]{a}\n"open',
        "{a: }",
        "{",
        "[2 of 3]{#,a}",
    ],
    ids=lambda text: text[:16],
)
def test_what_is_neither_json_nor_our_form_is_refused(text: str) -> None:
    """``decode`` raises for it, and the transform leaves it."""
    with pytest.raises(NotJson):
        decode(text)
    assert _run(text) is None


def test_a_document_behind_an_introduction_keeps_the_introduction() -> None:
    """Behind a line of words the rows are selected, and at strength lossless nothing changes."""
    rows = json.dumps([{"id": i, "state": "done"} for i in range(900)])
    text, _ = _shrunk(f"The answer was:\n{rows}")
    assert text.startswith("The answer was:\n")
    assert _run(f"The answer was:\n{rows}", strength="lossless") is None
