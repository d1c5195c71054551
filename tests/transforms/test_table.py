"""Tables: header, asked rows and outliers stay; the closing line tells types, values and ranges of the rest."""

from __future__ import annotations

import csv
import io
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core import compress
from headroom_core.transforms._table.padding import decode, encode
from headroom_core.transforms._table.read import read
from headroom_core.transforms.table import Table
from headroom_core.types import Context, Part, Rewrite, Strength, Text

NAMES = ["order", "customer", "status", "amount", "city"]


def rows(count: int = 200) -> list[list[str]]:
    choose = random.Random(4)
    made = [
        [
            f"ORD-{1000 + i}",
            f"cust {choose.randint(1, 40)}",
            "done",
            f"{choose.uniform(20, 90):.2f}",
            choose.choice(["Lyon", "Turin"]),
        ]
        for i in range(count)
    ]
    made[137][2:4] = ["reversed", "98765.43"]
    return made


def separated(separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows([NAMES, *rows()])
    return out.getvalue()


def padded(open_: str, bar: str, close: str, rule: str | None, cross: str, edge: str = "") -> str:
    table = [NAMES, *rows()]
    widths = [max(len(row[i]) for row in table) for i in range(len(NAMES))]
    lines = [
        open_ + bar.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + close for row in table
    ]
    if rule:
        line = edge + cross.join(rule * (width + 2) for width in widths) + edge
        lines = [*([line] if edge == "+" else []), lines[0], line, *lines[1:], *([line] if edge == "+" else [])]
    return "\n".join(lines) + "\n"


LAYOUTS = {
    "csv": separated(","),
    "semicolons": separated(";"),
    "tabs": separated("\t"),
    "markdown": padded("| ", " | ", " |", "-", "|", "|"),
    "psql": padded(" ", " | ", "", "-", "+") + "(200 rows)\n",
    "mysql": padded("| ", " | ", " |", "-", "+", "+"),
    "terminal": padded("│ ", " │ ", " │", "─", "┼", "│"),
    "fixed": padded("", "   ", "", None, ""),
    "coloured": "\n".join(f"\x1b[32m{line}\x1b[0m" for line in padded("| ", " | ", " |", "-", "+", "+").split("\n")),
}


def rewrite(
    text: str, query: str | None = None, strength: Strength = "lossy", tokens: int | None = None
) -> Rewrite | None:
    def count(piece: str) -> int:
        return len(piece) // 3

    part = Part((0, 0), "table", Text(text), count(text) if tokens is None else tokens)
    return Table()(part, Context(count=count, query=query, strength=strength))


def short(text: str, query: str | None = None) -> Rewrite:
    result = rewrite(text, query)
    assert result is not None
    return result


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_read(layout: str) -> None:
    """Names and cells of every layout are those that were written."""
    grid = read(LAYOUTS[layout])
    assert grid is not None
    assert grid.names == NAMES
    assert grid.cells == rows()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_asked_rows_and_outliers_stay(layout: str) -> None:
    """The row that the query names and the one that stands out are shown, in a seventh of the text."""
    result = short(LAYOUTS[layout], "What is the amount of ORD-1042?")
    flat = " ".join(result.text.split())
    assert "ORD-1042" in flat
    assert "98765.43" in flat
    assert "reversed" in flat
    assert len(result.text) < len(LAYOUTS[layout]) / 7
    assert result.text.count("order") >= 1


def test_the_closing_line_tells_values_and_ranges() -> None:
    """Rows that are gone are described by what they share and by the ranges of their numbers."""
    said = short(LAYOUTS["csv"]).left_out
    assert said is not None
    assert "of 200 rows" in said
    assert "status=done" in said
    assert "amount 20" in said
    assert "Lyon×" in said


def test_questions_of_more_or_less_show_the_extremes() -> None:
    """The largest number of the column in question is shown, and sums are told."""
    text = "name,size\n" + "".join(f"n{i},{500 + (i * 37) % 400}\n" for i in range(400)) + "big,990\nsmall,402\n"
    result = short(text, "Which has the largest size?")
    assert "big,990" in result.text
    assert "small,402" in result.text
    assert "sum" in str(result.left_out)


def test_quoted_cells_may_hold_separators_and_line_ends() -> None:
    """A quoted cell over two lines stays one row."""
    text = "id,note,n\n" + "".join(f'{i},"first, with comma\nsecond line",{i * 7}\n' for i in range(300))
    grid = read(text)
    assert grid is not None
    assert len(grid.rows) == 300
    assert '250,"first, with comma\nsecond line",1750' in short(text, "What is the note of id 250?").text


def test_columns_without_a_header_get_numbers() -> None:
    """A first row of values is a row, not a header."""
    text = "".join(f"{i},{i * 3},x{i}\n" for i in range(400))
    grid = read(text)
    assert grid is not None
    assert grid.names == ["column 1", "column 2", "column 3"]
    assert len(grid.rows) == 400


def test_small_tables_and_lossless_keep_every_row() -> None:
    """Nothing is dropped from a small table, nor where loss is not allowed."""
    assert rewrite("a,b\n" + "1,2\n" * 20) is None
    assert rewrite(LAYOUTS["csv"], strength="lossless") is None


PADDED = {
    "psql": " id | name  |  note  \n----+-------+--------\n  1 | alpha | x\n  2 | be    | longer\n 10 |       | \n(3 rows)\n",
    "mysql": "+----+-------+\n| id | name  |\n+----+-------+\n|  1 | alpha |\n| 10 | b     |\n+----+-------+\n2 rows in set\n",
    "markdown": "Title\n\n| id  | name  |\n| --- | :---: |\n| 1   | alpha |\n| 10  | b     |\n\nWords behind.\n",
    "compact markdown": "| id | name  |\n|----|-------|\n| 1  | alpha |\n",
}


@pytest.mark.parametrize("layout", PADDED)
def test_padding_goes_without_loss(layout: str) -> None:
    """The padding of real layouts goes and comes back, and there is nothing more to take the second time."""
    text = PADDED[layout]
    result = rewrite(text, strength="lossless")
    assert result is not None
    assert result.left_out is None
    assert len(result.text) < len(text)
    assert decode(result.text) == text
    assert rewrite(result.text, strength="lossless") is None


@given(
    st.lists(st.lists(st.text("ab1.-|: \\é", max_size=6), min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from(["mysql", "markdown", "psql"]),
)
def test_whatever_the_cells_padding_comes_back(cells: list[list[str]], layout: str) -> None:
    """Odd cells are either encoded so that decoding gives them back, or left."""
    table = [["one", "two", "x"], *cells]
    widths = [max(len(row[i]) for row in table) for i in range(3)]
    open_, close = ("", "") if layout == "psql" else ("|", "|")
    lines = [
        open_ + "|".join(f" {cell.ljust(width)} " for cell, width in zip(row, widths, strict=True)) + close
        for row in table
    ]
    cross = {"mysql": "+", "markdown": "|", "psql": "+"}[layout]
    edge = "" if layout == "psql" else cross
    rule = edge + cross.join("-" * (width + 2) for width in widths) + edge
    lines = [*([rule] if layout == "mysql" else []), lines[0], rule, *lines[1:]]
    text = "\n".join(lines)
    short = encode(text)
    if short is not None:
        assert decode(short) == text
        assert encode(short) is None


def test_text_around_a_table_stays() -> None:
    """A title before and a footer behind the table are kept."""
    text = short("Orders of today\n\n" + LAYOUTS["mysql"] + "200 rows in set (0.01 sec)\n").text
    assert text.startswith("Orders of today\n")
    assert "200 rows in set (0.01 sec)" in text


BAD = ["", "\n" * 500, "x" * 5_000_000, "," * 3_000_000, "|" * 500_000, 'a,b\n"' + "x,\n" * 50_000, "a\x00b,c\n" * 500, "\ud800,1\n" * 400,
       "a|b\n---|---\n" + "1|2\r\n" * 900, "a  b\n" + "1 2\n" * 900, " " * 1_000_000, "-" * 1_000_000, "| a |\n|---|\n" + "| 1 |\n" * 800]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_takes_bounded_time(text: str) -> None:
    """Broken and huge tables neither raise nor hang."""
    start = time.process_time()
    rewrite(text, "Where is x?", tokens=100_000)
    assert time.process_time() - start < 6


@pytest.mark.parametrize("name", ["csv", "markdown", "fixed"])
def test_a_target_ratio_is_the_share_that_stays(name: str) -> None:
    """All rows at 1.0, about half at 0.5, with the asked row among them; a smaller target keeps fewer."""
    names = ("id", "email", "country", "amount")
    rows = [(str(i), f"user{i}@example.org", ("DE", "FR", "US")[i * i % 3], f"{i * 37 % 900}.50") for i in range(300)]
    text = {
        "csv": "\n".join(map(",".join, [names, *rows])),
        "markdown": "\n".join(f"| {' | '.join(row)} |" for row in [names, ("---",) * 4, *rows]),
        "fixed": "\n".join(f"{a:<6}{b:<26}{c:<9}{d}" for a, b, c, d in [tuple(map(str.upper, names)), *rows]),
    }[name]
    kept = {}
    for ratio in (0.1, 0.5, 0.9, 1.0):
        out = compress(text, query="How much did user77@example.org pay?", target_ratio=ratio)
        kept[ratio] = sum(row[1] in out.text for row in rows)
        assert out.ratio <= ratio
        assert "user77@example.org" in out.text
    assert kept[1.0] == 300
    assert 120 <= kept[0.5] <= 200
    assert kept[0.1] < 40 < kept[0.5] < kept[0.9]
