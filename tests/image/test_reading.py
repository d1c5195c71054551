"""OCR readings: cached by content, refused when unsure, laid out as they stand, cut down to what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from headroom_core.errors import InvalidInput
from headroom_core.image.asked import asked_rows, wants_everything
from headroom_core.image.codec import Picture, decode
from headroom_core.image.layout import rows, text_of
from headroom_core.image.ocr import Line, RapidOcr, Reader, Tesseract, doubt, lines_of_words, open_engine
from headroom_core.image.plan import read
from headroom_core.tokens.profiles import profile_for
from tests.image.pictures import RECEIPT, FakeEngine


def _lines(*found: tuple[str, float, float]) -> list[Line]:
    return [Line(text, (x, y, x + 10 * len(text), y + 20), 0.95) for text, x, y in found]


def test_a_picture_is_read_once() -> None:
    """The second reading of the same pixels comes from memory."""
    engine = FakeEngine(RECEIPT)
    reader, image = Reader(engine), Image.new("RGB", (50, 50), "white")
    assert reader.read(image) == reader.read(image.copy())
    assert engine.calls == 1
    reader.read(Image.new("RGB", (50, 50), "black"))
    assert engine.calls == 2


def test_readings_survive_in_a_folder(tmp_path: Path) -> None:
    """Another reader on the same folder need not read again, and gets the same lines."""
    image = Image.new("RGB", (50, 50), "white")
    first = Reader(FakeEngine(RECEIPT), folder=tmp_path).read(image)
    engine = FakeEngine([])
    again = Reader(engine, folder=tmp_path).read(image)
    assert engine.calls == 0
    assert [(line.text, line.box) for line in again.lines] == [(line.text, line.box) for line in first.lines]


def test_memory_is_bounded() -> None:
    """Old readings go when there are more than the reader may hold."""
    engine = FakeEngine(RECEIPT)
    reader = Reader(engine, entries=2)
    pictures = [Image.new("L", (20, 20), shade) for shade in (1, 2, 3)]
    for picture in [*pictures, pictures[0]]:
        reader.read(picture)
    assert engine.calls == 4


def test_the_worst_lines_decide() -> None:
    """One unsure fifth of the text refuses the reading although the mean is high; little noise does not."""
    good = [Line("x" * 80, (0, 0, 1, 1), 0.99)]
    assert doubt(good) is None
    assert doubt([*good, Line("y" * 4, (0, 0, 1, 1), 0.1)]) is None
    assert "unsure" in str(doubt([*good, Line("y" * 30, (0, 0, 1, 1), 0.4)]))
    assert doubt([]) == "OCR found no text"


def test_keys_and_values_share_a_row() -> None:
    """Side by side means one line, two spaces where a column ends; a wide gap starts a paragraph."""
    text = text_of(
        rows(_lines(("Total", 0, 0), ("18.40", 300, 2), ("Cash", 0, 26), ("20.00", 300, 24), ("Bye", 0, 120)))
    )
    assert text == "Total  18.40\nCash  20.00\n\nBye"


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    """Two columns with a heading across: heading, left column, right column."""
    left = [(f"left column line number {at} here", 0, 100 + 30 * at) for at in range(6)]
    right = [(f"right column line number {at} too", 500, 100 + 30 * at) for at in range(6)]
    mixed = [pair for both in zip(left, right, strict=True) for pair in both]
    made = text_of(
        rows(_lines(("A heading that runs across both of the columns of this page, really", 50, 20), *mixed))
    )
    lines = [line for line in made.splitlines() if line]
    assert lines[0].startswith("A heading")
    assert [line.split()[0] for line in lines[1:]] == ["left"] * 6 + ["right"] * 6


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the total amount?", "TOTAL 18.40"),
        ("When was this bought?", "Date: 14/02/2025"),
        ("Which company issued this receipt?", "BLUE FERN TRADING LTD"),
        ("What is the address of the shop?", "90210 Port Elgin"),
        ("What is the phone number?", "Tel: 03-555 0101"),
        ("What is the invoice number?", "Invoice No: 88-1042"),
        ("Who was the cashier?", "Cashier: Mo"),
    ],
)
def test_a_question_keeps_the_rows_that_answer_it(question: str, answer: str) -> None:
    """The answer's row is kept whatever else goes."""
    found = rows(RECEIPT)
    assert answer in [found[at].text for at in asked_rows(found, question)]


def test_a_typed_question_leaves_most_rows_out() -> None:
    """A total does not need the whole receipt."""
    found = rows(RECEIPT)
    assert len(asked_rows(found, "What is the total amount?")) < len(found) / 2


@pytest.mark.parametrize(
    "question", [None, "Summarise this receipt", "List all items", "How many items are there?", "xyzzy?"]
)
def test_nothing_is_left_out_unless_it_is_sure(question: str | None) -> None:
    """Requests for everything, and questions that no row answers, keep every row."""
    found = rows(RECEIPT)
    assert asked_rows(found, question) == list(range(len(found)))


def test_a_total_without_its_figure_keeps_everything() -> None:
    """Where the figure beside "total" was not read, no row is trusted to hold it."""
    lines = [line for line in RECEIPT if not line.text.startswith("TOTAL")]
    found = rows([*lines, Line("TOTAL", (20, 900, 90, 928), 0.9), Line("Bye now", (20, 1000, 90, 1028), 0.9)])
    assert len(asked_rows(found, "What is the total?")) == len(found)


@pytest.mark.parametrize(
    ("printed", "whole"),
    [
        ("#001-000105/01/201813:30-R", False), ("25DEC2017 18:20", False), ("20180105", False), ("Jan 5, 2018", False),
        ("Tel 03-61855688", True), ("MINI MART since 1998", True), ("DATE O5/0I/2OI8", True),
    ],
)  # fmt: skip
def test_a_date_is_found_in_a_run_and_never_guessed(printed: str, whole: bool) -> None:
    """Print runs together; what is no whole date is not trusted to be the answer, and then every row stays."""
    lines = [line for line in RECEIPT if not line.text.startswith("Date")]
    found = rows([*lines, Line(printed, (20, 900, 300, 928), 0.9)])
    kept = asked_rows(found, "When was this bought?")
    assert (len(kept) == len(found)) is whole
    assert printed in [found[at].text for at in kept]


@pytest.mark.parametrize(("beside", "whole"), [("Rounding 0.00", True), ("18.40", False)])
def test_a_neighbour_lends_its_figure_only_where_it_has_no_name(beside: str, whole: bool) -> None:
    """A lone figure under "total" is its figure; one that belongs to another name is not."""
    kept = [line for line in RECEIPT if not line.text.startswith(("TOTAL", "Rounding", "Cash ", "Change"))]
    tail = [Line(beside, (20, 860, 200, 888), 0.9), Line("TOTAL", (20, 900, 90, 928), 0.9)]
    found = rows([*kept, *tail])
    assert (len(asked_rows(found, "What is the total?")) == len(found)) is whole


def test_summaries_want_everything() -> None:
    """A request to summarise wants the text whole."""
    assert wants_everything("Please summarise the page")
    assert not wants_everything("What is the due date?")


def test_tesseract_words_become_lines() -> None:
    """Words of one line are joined, rejected ones dropped, confidence averaged."""
    table = {
        "text": ["Total", "18.40", "", "Bye"], "conf": [90, 70, -1, 96], "block_num": [1, 1, 1, 1], "par_num": [1, 1, 1, 1],
        "line_num": [1, 1, 1, 2], "left": [0, 60, 0, 0], "top": [0, 0, 0, 30], "width": [50, 50, 0, 30], "height": [20] * 4,
    }  # fmt: skip
    made = lines_of_words(table)
    assert [(line.text, round(line.confidence, 2)) for line in made] == [("Total 18.40", 0.8), ("Bye", 0.96)]
    assert made[0].box == (0, 0, 110, 20)


def test_unknown_engines_are_refused() -> None:
    """The sentence names the engines that exist."""
    with pytest.raises(InvalidInput, match="rapidocr, tesseract"):
        open_engine("eyes")


def _card() -> Picture:
    from PIL import ImageDraw, ImageFont

    image = Image.new("RGB", (520, 200), "white")
    draw = ImageDraw.Draw(image)
    draw.text((30, 30), "Order number: 48213", fill="black", font=ImageFont.load_default(30))
    draw.text((30, 110), "Due date: 14 March 2026", fill="black", font=ImageFont.load_default(30))
    import io

    out = io.BytesIO()
    image.save(out, "PNG")
    found = decode(out.getvalue())
    assert isinstance(found, Picture)
    return found


@pytest.mark.parametrize("engine", [RapidOcr(threads=1), Tesseract()], ids=lambda engine: engine.name)
def test_engines_read_a_clean_card(engine: RapidOcr | Tesseract) -> None:
    """Both engines read drawn words with their spaces."""
    import shutil

    pytest.importorskip("rapidocr" if engine.name == "rapidocr" else "pytesseract")
    if engine.name == "tesseract" and shutil.which("tesseract") is None:
        pytest.skip("no tesseract binary")
    text = text_of(rows(list(engine(_card().image))))
    assert "48213" in text
    assert "Due date" in text


@pytest.mark.parametrize(
    ("size", "high", "seen"),
    [
        ((900, 2000), 30, [(706, 1568)]),
        ((900, 2000), 14, [(706, 1568), (900, 2000)]),
        ((6000, 4000), 30, [(6000, 4000)]),
        ((400, 300), 14, [(400, 300)]),
    ],
)
def test_pictures_are_read_as_the_provider_shows_them(
    size: tuple[int, int], high: float, seen: list[tuple[int, int]]
) -> None:
    """The engine gets the provider's view, and the picture itself where that is far smaller or shows small print.

    Boxes come back in the picture's own pixels.
    """
    sizes: list[tuple[int, int]] = []

    class Sized(FakeEngine):
        def __call__(self, image: Image.Image, /) -> list[Line]:
            sizes.append(image.size)
            return [Line("words", (0.0, 0.0, float(image.size[0]), high), 0.9)]

    picture = Picture(b"", "image/png", Image.new("RGB", size), True)
    (line,) = read(picture, profile_for("anthropic"), Reader(Sized([])))
    assert sizes == seen
    assert line.box == pytest.approx((0, 0, size[0], high * size[0] / seen[-1][0]), abs=0.1)
