"""Which rows of a read page a question asks for: quotes, keys with values, tables, sums; the whole text when unsure."""

from __future__ import annotations

import pytest

from headroom_core.image.asked import asked_rows
from headroom_core.image.layout import Row, rows
from headroom_core.image.ocr import Line


def _page(*texts: str) -> list[Row]:
    """One line a row, columns parted by ``|``."""
    found = []
    for at, text in enumerate(texts):
        left = 10.0
        for cell in text.split("|"):
            found.append(Line(cell, (left, 30.0 * at, left + 9 * len(cell), 30.0 * at + 20), 0.95))
            left += 9 * len(cell) + 120
    return list(rows(found))


LETTER = (
    "Harbour Office of Kalmar", "Monday morning", "Dear Captain,", "we write about the berth.",
    "The northern pier stays closed until the ice", "has gone and the crane is back.", "Tugs are at hand.",
    "Engine checks happen weekly.", "Fuel comes by lorry.", "Bread comes by boat.", "Yours faithfully,", "the clerk",
)  # fmt: skip


def _texts(page: list[Row], query: str) -> list[str]:
    return [page[at].text for at in asked_rows(page, query)]


def test_a_quoted_passage_is_found_over_two_rows() -> None:
    """The rows that hold most of the quoted words stay, with two around them; the rest of the letter goes."""
    kept = _texts(_page(*LETTER), 'Why "closed until the ice has gone"?')
    assert "The northern pier stays closed until the ice" in kept
    assert "has gone and the crane is back." in kept
    assert "Bread comes by boat." not in kept


@pytest.mark.parametrize("quote", ["the ice", "whales swim under the frozen lighthouse"])
def test_a_quote_too_short_or_not_there_decides_nothing(quote: str) -> None:
    """Two words prove nothing, and words that the page does not hold cannot be found: the whole text stays."""
    page = _page(*LETTER)
    assert len(_texts(page, f'Who wrote "{quote}"?')) == len(page)


def test_a_key_stays_with_its_value_and_surroundings() -> None:
    """Every word of the question in one row that says more: that row and three around it."""
    form = [
        f"Row {word}|value of {word}" for word in "alpha beta gamma delta epsilon zeta eta theta iota kappa".split()
    ]
    form[7] = "Blood group|AB negative"
    kept = _texts(_page(*form), "Blood group?")
    assert "Blood group  AB negative" in kept
    assert not any("alpha" in text for text in kept)


@pytest.mark.parametrize("key", ["Weight", "Weight|Depot|Client"])
def test_a_heading_gives_no_value(key: str) -> None:
    """A row of the asked words alone, or the head of a table: the value may stand anywhere below, so all rows stay."""
    page = _page("Shipments", key, *[f"{n} kg|Graz|client {n}" for n in range(12)])
    assert len(_texts(page, "Weight?")) == len(page)


def test_sums_that_stand_apart_from_their_names() -> None:
    """Money on no row that names a sum: the named rows and all money stay, the goods do not."""
    goods = [f"article {word}" for word in "ash birch cedar elm fir larch maple oak pine yew".split()]
    kept = _texts(
        _page(*goods, "cash received", "thank you for coming", "see you soon", "RM 12.50"), "How much was paid?"
    )
    assert {"cash received", "RM 12.50"} <= set(kept)
    assert "article cedar" not in kept
