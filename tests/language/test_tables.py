"""Rows of tables inside of texts: found, whole, under their header, and found again by the question's words."""

from __future__ import annotations

import itertools

import pytest

from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.language.sentences import sentences
from headroom_core.language.tables import tables
from tests.language.test_wrapped import PROSE

NAMES = ["port", "built", "depth of water", "ships a year"]
CELLS = [
    ["Husøy", "1889", "7.5", "212"],
    ["Hamn", "1904", "4.0", "96"],
    ["Skrolsvik", "1899", "5.5", "n/a"],
    ["Torsken", "1877", "6.1", "340"],
    ["Gryllefjord", "1911", "8.3", "512"],
    ["Senjahopen", "1932", "9.9", "731"],
]
BARS = ["| " + " | ".join(row) + " |" for row in [NAMES, ["---"] * 4, *CELLS]]
LAYOUTS = {
    "markdown": BARS,
    "bars": [" | ".join(row) for row in [NAMES, *CELLS]],
    "tabs": ["\t".join(row) for row in [NAMES, *CELLS]],
    "columns": ["".join(cell.ljust(18) for cell in row).rstrip() for row in [NAMES, *CELLS]],
    "numbers": [" ".join(row) for row in [NAMES, *CELLS]],
    "records": [", ".join(f"{name}: {cell}" for name, cell in zip(NAMES, row, strict=True)) for row in CELLS],
}
BEFORE, AFTER = PROSE.split(" In winter ")


def _text(lines: list[str]) -> str:
    return "\n\n".join([BEFORE, "\n".join(lines), "In winter " + AFTER])


@pytest.fixture(scope="module")
def compressor() -> KompressCompressor:
    """The bundled model."""
    return KompressCompressor(enable_ccr=False, threads=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_is_found_with_its_header(layout: str):
    """Each row is one unit; the header is the line above the rows, with the rule below it."""
    text = _text(LAYOUTS[layout])
    units = sentences(text)
    (table,) = tables(text, units)
    shown = [text[s:e] for s, e in units]
    head = {"markdown": 2, "records": 0}.get(layout, 1)
    assert [shown[i] for i in (*table.head, *table.rows)] == LAYOUTS[layout]
    assert len(table.head) == head


def test_full_stops_in_a_row_and_empty_cells_do_not_break_it():
    """A row is not cut into sentences; tabs at its ends are cells, too."""
    rows = [
        "name\twhat it does\tneeds",
        "one\tAdds. Never fails.\ta, b",
        "\tSubtracts. Fails often.\ta",
        "two\tMultiplies.\t",
    ]
    text = _text(rows)
    units = sentences(text)
    (table,) = tables(text, units)
    assert [text[s:e] for s, e in units[table.head.start : table.rows.stop]] == [row.strip() for row in rows]


@pytest.mark.parametrize(
    ("text", "head", "rows"),
    [
        ("┏━━━━┳━━━━┓\n┃ name ┃ n ┃\n┡━━━━╇━━━━┩\n│ a │ 12 │\n│ b │ 4 │\n└────┴────┘", 3, 3),
        ("┌────┬────┐\n│ name │ n │\n│ text │ int │\n├────┼────┤\n│ a │ 12 │\n│ b │ 4 │\n└────┴────┘", 4, 3),
        ("+----+----+\n| name | n |\n+----+----+\n| a | 12 |\n| b | 4 |\n+----+----+", 3, 3),
        (" name | n \n------+---\n a | 12\n b | 4", 2, 2),
        ("    name  n\n0      a  12\n1      b   4\n2      c   7", 1, 3),
        ("Piers and lamps ........ 3\nShips ........ 12\nThe keeper ........ xi", 0, 3),
        ("| a | b |\n|---|---|\n" + "\n".join(f"| {i} | {'All is well. ' * 120} |" for i in range(3)), 2, 3),
    ],
)
def test_boxes_frames_contents_and_long_rows(text: str, head: int, rows: int):
    """As terminals, databases and data frames print them; a row has no longest size."""
    (table,) = tables(text, sentences(text))
    assert (len(table.head), len(table.rows)) == (head, rows)


@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("query", [None, "Which is the value of n2?"])
@pytest.mark.parametrize("columns", [3, 25])
def test_a_text_that_is_all_table_is_never_cut_to_nothing(
    compressor: KompressCompressor, columns: int, query: str | None, ratio: float
):
    """Where header and row are larger than the budget they are cut like sentences."""
    lines = [["name", *(f"value {k}" for k in range(columns))], ["---"] * (columns + 1)]
    lines += [[f"n{i}", *(f"word {k * i} of the day" for k in range(columns))] for i in range(5)]
    text = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    result = compressor.compress(text, query=query, target_ratio=ratio)
    assert 0.4 * ratio <= result.compression_ratio <= ratio + 0.02


def test_spans_do_not_overlap_before_a_table(compressor: KompressCompressor):
    """The line break before a row is taken once, also behind a mark that went."""
    text = f"{PROSE} The ports of the north are the following;\n\n    " + "\n    ".join(LAYOUTS["columns"])
    for ratio in (0.3, 0.6, 0.9, 0.95):
        spans = compressor.compress(text, target_ratio=ratio).spans
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "It rained.  It snowed.  It froze.\nWe stayed.  We read.  We slept.\nThen it thawed.  Then we left.  Then it ended.",
        "a || b is true here\nand this is a sentence\nas is this one",
        "Moen: we sail at dawn\nLund: we do not\nMoen: we shall see",
        "# One\n\n# Two\n\n# Three",
    ],
)
def test_running_text_is_no_table(text: str):
    """Two blanks between sentences, single bars, turns and headings."""
    assert tables(text, sentences(text)) == []


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("query", [None, "How deep is the water at Torsken?"])
@pytest.mark.parametrize("ratio", [0.25, 0.45, 0.7])
def test_a_row_is_whole_or_gone_and_stands_under_its_header(
    compressor: KompressCompressor, layout: str, query: str | None, ratio: float
):
    """Whatever is cut, no cell moves under another name, and no row runs on in a line of something else."""
    lines = LAYOUTS[layout]
    result = compressor.compress(_text(lines), query=query, target_ratio=ratio)
    kept = [line.strip() for line in result.compressed.split("\n")]
    rows = [line for line in kept if any(row[0] in line for row in CELLS)]
    assert set(rows) <= set(lines)
    head = len(lines) - len(CELLS)
    assert not rows or set(lines[:head]) <= set(kept)
    assert result.compression_ratio <= ratio + 0.02


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("row", CELLS)
def test_the_row_that_the_question_names_comes_first(compressor: KompressCompressor, layout: str, row: list[str]):
    """Among the rows of its table the one with the question's word has the highest score; the header follows it."""
    text = _text(LAYOUTS[layout])
    units = sentences(text)
    (table,) = tables(text, units)
    score = compressor.sentence_scores([text], f"How many ships came to {row[0]}?", call="one")[0]
    best = max(table.rows, key=score.__getitem__)
    assert row[0] in text[slice(*units[best])]
    assert all(score[i] >= score[best] for i in table.head)
