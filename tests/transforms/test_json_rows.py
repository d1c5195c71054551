"""Which rows of a large array stay visible, and what is said about the others."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from headroom_core.transforms.json_ import Json
from headroom_core.types import Context, Kind, Part, Rewrite, Text, leave
from tests.timing import cpu_seconds

_CITIES = ["Lyon", "Turin", "Porto"]


def _count(text: str) -> int:
    return len(text) // 3 + 1


def _run(data: Any, query: str | None = None, text: str | None = None, **more: Any) -> Rewrite | None:
    text = json.dumps(data) if text is None else text
    return Json()(Part((0, 0), "json", Text(text), _count(text)), Context(count=_count, query=query, **more))


def _shrunk(data: Any, query: str | None = None, **more: Any) -> Rewrite:
    rewrite = _run(data, query, **more)
    assert rewrite is not None
    assert rewrite.left_out is not None
    return rewrite


def _rows(count: int = 200, seed: int = 1) -> list[dict[str, Any]]:
    r = random.Random(seed)
    return [
        {
            "key": f"K-{r.getrandbits(32):08x}",
            "owner": {"mail": f"user{n}@example.org", "city": r.choice(_CITIES)},
            "price": round(r.uniform(10, 90), 2),
            "state": "done",
            "tags": r.sample(["red", "green", "blue"], 2),
            "note": "",
        }
        for n in range(count)
    ]


def test_named_row_stays() -> None:
    """A value that the query names keeps its row, whole, with its index; the rest is counted and described."""
    rows = _rows()
    rewrite = _shrunk(rows, f"What does {rows[117]['key']} cost?")
    assert f"\n117,{rows[117]['key']},{rows[117]['owner']['mail']}" in rewrite.text
    assert str(rows[117]["price"]) in rewrite.text
    assert rewrite.left_out is not None
    assert "of 200 rows" in rewrite.left_out
    assert "state=done" in rewrite.left_out
    assert _count(rewrite.text) < 0.1 * _count(json.dumps(rows))


def test_phrases_and_nested_values_are_found() -> None:
    """Multi-word values, mail addresses and strings in lists of objects are found in any letter case."""
    rows = _rows()
    rows[50]["owner"]["city"] = "São Miguel do Oeste"
    rows[61]["tags"] = [{"name": "ultra violet", "n": 1}]
    assert "são miguel" in _shrunk(rows, "who lives in são miguel do oeste").text.lower()
    assert "user33@example.org" in _shrunk(rows, "price of USER33@example.org?").text
    assert "\n61," in _shrunk(rows, "which is tagged Ultra Violet?").text


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"price": 4_000.5}, "4000.5"),
        ({"price": -12.25}, "-12.25"),
        ({"price": "n/a"}, "n/a"),
        ({"state": "reversed"}, "reversed"),
        ({"tags": ["ultraviolet"]}, "ultraviolet"),
        ({"note": "payment refused by issuer"}, "refused by issuer"),
        ({"extra": 1}, "extra"),
        ({"owner": None}, "null"),
        ({"key": "legacy key of another form"}, "legacy key"),
    ],
)
def test_what_stands_out_stays(change: dict[str, Any], seen: str) -> None:
    """An odd number, category, list element, text, key or type is visible without being asked for."""
    rows = _rows()
    rows[88] |= change
    rewrite = _shrunk(rows, "Anything unusual?")
    line = next(line for line in rewrite.text.split("\n") if line.startswith("88,"))
    assert seen in line or (seen == "extra" and "extra" in rewrite.text)


def test_changes_in_a_series_stay() -> None:
    """A level shift keeps the row where it happens; first and last rows stay too."""
    r = random.Random(3)
    rows = [
        {"t": 1000 + n, "load": round((20 if n < 133 else 55) + r.random(), 3), "mode": "a" if n < 70 else "b"}
        for n in range(220)
    ]
    text = _shrunk(rows, None).text
    for at in (0, 70, 133, 219):
        assert f"\n{at}," in text


def test_repeated_trouble_does_not_fill_the_budget() -> None:
    """Sixty rows that fail alike are shown by example and counted."""
    rows = _rows(600)
    for n in range(100, 160):
        rows[n] |= {"state": "failed", "note": "timeout talking to issuer"}
    rows[400]["state"] = "quarantined"
    rewrite = _shrunk(rows, "What went wrong?")
    assert "quarantined" in rewrite.text
    assert "failed" in rewrite.text + (rewrite.left_out or "")
    assert _count(rewrite.text) < 0.1 * _count(json.dumps(rows))


@pytest.mark.parametrize("layout", ["wrapped", "deep", "ndjson", "map", "columns", "introduction", "pretty", "groups"])
def test_layouts(layout: str) -> None:
    """The asked row is found whatever the array is wrapped in."""
    rows = _rows()
    key, price = rows[140]["key"], str(rows[140]["price"])
    flat = [[row["key"], row["price"], row["state"], row["owner"]["mail"]] for row in rows]
    texts = {
        "wrapped": json.dumps({"object": "list", "data": rows, "more": False}),
        "deep": json.dumps({"status": "ok", "response": {"took": 3, "hits": {"total": 200, "hits": rows}}}),
        "ndjson": "\n".join(map(json.dumps, rows)),
        "map": json.dumps({row["key"]: row for row in rows}),
        "columns": json.dumps({"columns": ["key", "price", "state", "mail"], "rows": flat}),
        "introduction": "Found 200 records:\n" + json.dumps(rows),
        "pretty": json.dumps(rows, indent=4),
        "groups": json.dumps([rows[at : at + 2] for at in range(0, 200, 2)]),
    }
    rewrite = _run(None, f"price of {key}", texts[layout])
    assert rewrite is not None
    assert rewrite.left_out is not None
    assert key in rewrite.text
    assert price in rewrite.text
    assert _count(rewrite.text) < 0.12 * _count(texts[layout])
    if layout == "introduction":
        assert rewrite.text.startswith("Found 200 records:\n")


def test_own_table_can_be_selected() -> None:
    """The compact form is input like any other: rows can be picked from it."""
    rows = _rows()
    lossless = _run(rows, strength="lossless")
    assert lossless is not None
    again = _run(None, f"price of {rows[9]['key']}", lossless.text)
    assert again is not None
    assert again.left_out is not None
    assert rows[9]["key"] in again.text


def test_totals_are_said_where_they_are_asked() -> None:
    """A question about all rows gets sums, means and counts of what is left out."""
    said = _shrunk(_rows(), "What is the average price, how many per city?").left_out
    assert said is not None
    mean = sum(row["price"] for row in _rows()) / 200
    assert f"mean {mean:.6g}" in said
    assert f"Turin×{sum(row['owner']['city'] == 'Turin' for row in _rows())}" in said


def test_ends_of_a_series_stay_where_they_are_asked() -> None:
    """The cheapest and the dearest row are there when the question is about them."""
    rows = _rows()
    by_price = sorted(range(200), key=lambda at: float(rows[at]["price"]))
    text = _shrunk(rows, "Which is the cheapest by price?").text
    assert all(f"\n{at}," in text for at in (by_price[0], by_price[1], by_price[-1]))


def test_lines_in_an_array_are_a_text() -> None:
    """An array of log lines is compressed as the log that it is."""

    def nested(text: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
        return Rewrite.of("\n".join(line for line in text.split("\n") if "FATAL" in line), "the calm lines")

    lines = [f"12:00:{n % 60:02d} INFO step {n} done" for n in range(500)] + ["12:09:00 FATAL disk full"]
    rewrite = _shrunk({"lines": lines, "ok": False}, "why?", nested=nested)
    assert rewrite.text == "{lines:[12:09:00 FATAL disk full],ok:false}"
    assert rewrite.left_out == "lines: the calm lines"


def test_addresses_give_way_unless_they_are_asked() -> None:
    """Wide objects lose their many addresses, and say so; a question for links keeps them."""
    links = {
        f"{name}_url": f"https://api.example.org/repos/acme/site/{name}/{{sha}}"
        for name in ("tags", "forks", "hooks", "trees", "keys", "teams")
    }
    rows = [{"id": n, "title": f"Thing {n} " + "word " * 40, "notes": "some " * 200, **links} for n in range(40)]
    plain, asked_for = _shrunk(rows, "Which thing is odd?"), _shrunk(rows, "Which link leads to thing 7?")
    assert plain.text.count("api.example.org") <= 1
    assert "5 columns of addresses" in (plain.left_out or "")
    assert asked_for.text.count("api.example.org") == 6


def test_small_documents_stay_whole() -> None:
    """Values of a small document may be needed later: nothing is left out."""
    rewrite = _run(_rows(8), "unrelated")
    assert rewrite is not None
    assert rewrite.left_out is None


def test_target_ratio_is_honoured() -> None:
    """A given share bounds the selection, in both directions."""
    rows = _rows(400)
    small, large = _shrunk(rows, None, target_ratio=0.02), _shrunk(rows, None, target_ratio=0.3)
    whole = _count(json.dumps(rows))
    assert _count(small.text) < 0.05 * whole
    assert _count(small.text) <= _count(large.text) < 0.33 * whole


def test_long_strings_are_parts() -> None:
    """A log inside a cell goes through ``nested``; a long sentence becomes a readable preview with its length."""

    def nested(text: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
        return Rewrite.of("FATAL disk full", "999 lines") if "FATAL" in text else leave(text)

    log = "\n".join([f"12:00:{n % 60:02d} INFO step {n} done" for n in range(999)] + ["FATAL disk full"])
    rewrite = _run({"build": {"id": 7, "log": log}}, "why?", nested=nested)
    assert rewrite is not None
    assert rewrite.text == "{build:{id:7,log:FATAL disk full}}"
    assert rewrite.left_out == "build.log: 999 lines"

    rows = _rows(60)
    for row in rows:
        row["body"] = "Some introduction. " + "word " * 300 + "The gearbox seized. " + "word " * 300 + "End."
    text = _shrunk(rows, "What about the gearbox?").text
    assert "Some introduction" in text
    assert "gearbox seized" in text
    assert "characters)" in text


def test_left_out_is_one_plain_line() -> None:
    """No brackets and no newline, whatever keys and values hold."""
    rows = [row | {"we[i]rd\nkey": "x]y\n[z", "state": f"[a{n % 2}]\n"} for n, row in enumerate(_rows())]
    said = _shrunk(rows).left_out
    assert said is not None
    assert not set("[]\n") & set(said)


def test_same_input_same_output() -> None:
    """Order and choice depend on nothing but the input."""
    rows = _rows()
    assert _shrunk(rows, "blue things of user7@example.org") == _shrunk(rows, "blue things of user7@example.org")


def test_large_arrays_take_bounded_time() -> None:
    """Work grows with the size, not with its square."""

    def seconds(count: int) -> float:
        text = json.dumps(_rows(count))
        return cpu_seconds(lambda: _run(None, "price of user77@example.org", text))

    assert seconds(16_000) < 30 * max(seconds(2_000), 0.01)
