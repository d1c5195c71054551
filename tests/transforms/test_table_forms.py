"""Tables as tools print them: wrapped cells, ragged rows, introductions, rules, and what is no table."""

from __future__ import annotations

import pytest

from headroom_core.kinds import detect
from headroom_core.transforms._table import padding
from headroom_core.transforms._table.read import number, read
from headroom_core.transforms.table import Table
from headroom_core.types import Context, Part, Rewrite, Text


def _run(text: str, query: str | None = None, **more: object) -> Rewrite | None:
    part = Part((0, 0), "table", Text(text), len(text) // 3)
    return Table()(part, Context(count=lambda t: len(t) // 3, query=query, **more))  # type: ignore[arg-type]


BOAT = "│ boat-{i:<3} │ {state:<8} │ {note:<24} │"


def _box(rows: int) -> str:
    lines = ["┌──────────┬──────────┬──────────────────────────┐", "│ boat     │ state    │ note                     │"]
    lines.append("├──────────┼──────────┼──────────────────────────┤")
    for i in range(rows):
        lines.append(BOAT.format(i=i, state="moored", note=f"at pier {i % 4}, paid until"))
        lines.append("│          │          │ the end of the season    │")
    return "\n".join([*lines, "└──────────┴──────────┴──────────────────────────┘", ""])


def test_a_cell_that_the_terminal_wrapped_stays_with_its_row() -> None:
    """A continuation line of a box belongs to the row above: one row, both lines, one cell."""
    grid = read(_box(40))
    assert grid is not None
    assert len(grid.rows) == 40
    assert grid.cells[7] == ["boat-7", "moored", "at pier 3, paid until the end of the season"]
    rewrite = _run(_box(40), "boat-31")
    assert rewrite is not None
    assert "boat-31" in rewrite.text
    assert "until the end of the season" in rewrite.text


def test_a_row_with_a_few_cells_less_is_a_row() -> None:
    """Ragged Markdown rows are filled up; a line that has nothing of a row ends the table and stays below it."""
    rows = [f"| {i} | moored | pier {i % 4} | paid |" for i in range(60)]
    rows[20] = "| 20 | adrift | pier 9 |"
    text = (
        "| boat | state | where | fee |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\na | b | c | d | e | f | g | h | i\n"
    )
    grid = read(text)
    assert grid is not None
    assert grid.cells[20] == ["20", "adrift", "pier 9", ""]
    assert grid.tail[0] == "a | b | c | d | e | f | g | h | i"
    rewrite = _run(text, "which boat is adrift?")
    assert rewrite is not None
    assert "adrift" in rewrite.text
    assert "a | b | c | d | e | f | g | h | i" in rewrite.text


def test_a_rule_under_columns_of_fixed_width_is_no_row() -> None:
    """Dashes below the header belong to it."""
    lines = ["NAME      STATE     AGE", "----      -----     ---"]
    lines += [f"boat-{i:<5}{'moored':<10}{i}d" for i in range(40)]
    grid = read("\n".join(lines))
    assert grid is not None
    assert (grid.style, len(grid.rows), grid.cells[3]) == ("fixed", 40, ["boat-3", "moored", "3d"])


def test_lines_before_a_csv_header_are_an_introduction() -> None:
    """A comment above the header stays in front of it."""
    text = "# exported on Monday\nboat,state,fee\n" + "".join(f"{i},moored,{80 + i % 7}\n" for i in range(200))
    rewrite = _run(text, "boat 77")
    assert rewrite is not None
    assert rewrite.text.startswith("# exported on Monday\nboat,state,fee\n")
    assert "\n77,moored," in rewrite.text


def test_a_table_without_a_header_gets_numbers_for_names() -> None:
    """Where the first line is data, columns are called by their place, and the first line may go like any other."""
    text = "".join(f"{1000 + i},{i % 7},moored\n" for i in range(300))
    grid = read(text)
    assert grid is not None
    assert grid.names == ["column 1", "column 2", "column 3"]
    assert len(grid.rows) == 300
    rewrite = _run(text)
    assert rewrite is not None
    assert rewrite.left_out is not None
    assert "column 3=moored" in rewrite.left_out


@pytest.mark.parametrize(
    "text",
    [
        "one line only",
        "\n\n\n",
        "a,b\n1,2\n",
        'a,b\n"open,1\n' * 3,
        "word\n" * 40,
        "a; b\nno separator here\nnor here\nnor there\nnowhere\n",
        "HEAD LINES\nshort\nx\ny\nz\nw\n",
        "| a | b |\n|---|---|\n",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_table_is_left(text: str) -> None:
    """Too few rows, no common separator, no columns: nothing is read and nothing changes."""
    grid = read(text)
    assert grid is None or len(grid.rows) >= 4
    assert _run(text) is None


def test_where_every_row_fits_nothing_is_left_out() -> None:
    """A few long rows under a full target all stay, and nothing is said to be gone."""
    text = "boat,log\n" + "".join(f"{i},{'left the pier and came back; ' * 20}{i}\n" for i in range(4))
    assert _run(text, target_ratio=1.0) is None


def test_a_table_of_tens_of_megabytes_is_left() -> None:
    """Reading it would keep the caller waiting."""
    assert _run("boat,state\n" + "1,moored\n" * 3_500_000) is None


@pytest.mark.parametrize(
    ("cell", "literal"),
    [
        ("1,234,567", "1234567"),
        ("$1,200.50", "1200.50"),
        ("€7", "7"),
        ("12 %", "12"),
        ("-3.5e-7", "-3.5e-7"),
        ("1,23", None),
        ("12 piers", None),
        ("", None),
        ("v1.2.3", None),
    ],
)
def test_numbers_in_cells(cell: str, literal: str | None) -> None:
    """Currency, thousands commas and per cent signs are no part of a number; what is not wholly a number is none."""
    assert number(cell) == literal


MARKDOWN = "| boat     | state  |\n|----------|--------|\n" + "".join(
    f"| {f'b{i}' * 2:<8} | moored |\n" for i in range(100, 112)
)
RIGHT = "| boat    |  state |\n|:--------|-------:|\n" + "| b1      | moored |\n" * 11 + "| b-77-xx | adrift |\n"
SPACED = "| boat    | state  |\n| ------- | ------ |\n" + "| b1      | moored |\n" * 11 + "| b-77-xx | adrift |\n"
PSQL = "  boat   | fee \n---------+-----\n" + " b1      |  85\n" * 11 + " b-77-xx | 120\n(12 rows)\n"
MYSQL = (
    "+---------+-----+\n| boat    | fee |\n+---------+-----+\n"
    + "| b1      |  85 |\n" * 11
    + "| b-77-xx | 120 |\n+---------+-----+\n"
)


@pytest.mark.parametrize("text", [MARKDOWN, SPACED, PSQL, MYSQL], ids=["markdown", "spaced", "psql", "mysql"])
def test_padding_comes_back(text: str) -> None:
    """What goes without loss is put back byte for byte; the short form is a fixed point."""
    short = padding.encode(text)
    assert short is not None
    assert len(short) < len(text)
    assert padding.decode(short) == text
    assert padding.encode(short) in (None, short)


@pytest.mark.parametrize(
    "text",
    [
        "| boat   | state    |\n|--------|----------|\n| b   | moored   |\n| b      | moored   |\n",
        "| boat   | state    |\n|---|----------|\n" + "| b      | moored   |\n" * 6,
        "| boat   | state    |\n|--------|----------|--|\n" + "| b      | moored   |\n" * 6,
        RIGHT,
    ],
    ids=["ragged", "rule of its own", "rule of other width", "right"],
)
def test_padding_that_could_not_be_put_back_stays(text: str) -> None:
    """Where a row is padded in its own way, either nothing goes, or all comes back."""
    short = padding.encode(text)
    assert short is None or padding.decode(short) == text


RECORDS = {
    "psql": "-[ RECORD {n} ]+-------------\nid          | {i}\nstate       | {state}\nnote        | first +\n            | second {i}\n",
    "mysql": "*************************** {n}. row ***************************\n   id: {i}\nstate: {state}\n note: at: pier {i}\n",
}


@pytest.mark.parametrize("form", RECORDS)
def test_records_one_under_the_other_are_rows(form: str) -> None:
    """What clients print where a row is too wide for its terminal: whole records stay, with their numbers."""
    text = "".join(RECORDS[form].format(n=i + 1, i=i, state="adrift" if i == 41 else "moored") for i in range(90)) + (
        "90 rows in set (0.01 sec)\n" if form == "mysql" else ""
    )
    assert detect(text).kind == "table"
    grid = read(text)
    assert grid is not None
    assert grid.names == ["id", "state", "note"]
    assert grid.cells[41] == ["41", "adrift", "first second 41" if form == "psql" else "at: pier 41"]
    assert "".join(f"{line}\n" for line in [*grid.head, *grid.rows, *grid.tail]).rstrip() == text.rstrip()
    rewrite = _run(text, "Which boat is adrift?")
    assert rewrite is not None
    assert "41" in rewrite.text
    assert ("RECORD 42 ]" if form == "psql" else " 42. row ") in rewrite.text
    assert "pier 77" not in rewrite.text
    assert "second 77" not in rewrite.text


def test_a_data_frame_is_cut_where_its_names_end() -> None:
    """Columns flush right under their names, an index without one, the shape below."""
    rows = "".join(
        f"{i:<5}{'boat-' + str(i):>9}{'adrift' if i == 41 else 'moored':>9}{i * 37 % 900:>7}\n" for i in range(120)
    )
    text = f"{'name':>14}{'state':>9}{'fee':>7}\n{rows}\n[120 rows x 3 columns]"
    assert detect(text).kind == "table"
    grid = read(text)
    assert grid is not None
    assert (grid.names, grid.cells[41]) == (["index", "name", "state", "fee"], ["41", "boat-41", "adrift", "617"])
    rewrite = _run(text, "Which boat is adrift?")
    assert rewrite is not None
    assert "boat-41" in rewrite.text
    assert rewrite.text.endswith("[120 rows x 3 columns]")


def test_cells_over_several_lines_make_no_log_of_a_csv() -> None:
    """Quoted line ends and names: still a table, and the asked record comes whole."""
    text = 'id,"name, full",note\n' + "".join(f'{i},"Doe, J{i}","says ""hi""\nand more {i}"\n' for i in range(120))
    assert detect(text).kind == "table"
    rewrite = _run(text, "What does Doe, J77 say?")
    assert rewrite is not None
    assert '77,"Doe, J77","says ""hi""\nand more 77"' in rewrite.text
