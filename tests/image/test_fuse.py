"""Fusion: the cheapest technique in expectation, signals over the question, low confidence preserves."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.image.decision import ImageSignals, Technique
from headroom_core.image.fuse import LOSS, Option, as_seen, decide
from tests.image.pictures import PAGE, SCENE

T, C, F, P = Technique.TRANSCODE, Technique.CROP, Technique.FULL_LOW, Technique.PRESERVE
ALL = [Option(T, 150), Option(C, 300), Option(F, 85), Option(P, 1000)]


def _sure(technique: Technique, share: float = 0.97) -> dict[Technique, float]:
    return {one: share if one is technique else (1 - share) / 3 for one in Technique}


@pytest.mark.parametrize("technique", list(Technique))
def test_a_sure_question_gets_its_technique(technique: Technique) -> None:
    """With everything at hand and nothing against it, the question's own technique is chosen."""
    signals = dataclasses.replace(PAGE, has_small_details=0.1, is_document=0.5)
    assert decide(ALL, _sure(technique, 0.99), signals).option.technique is technique


def test_no_text_means_no_ocr() -> None:
    """A question for text on a picture without text is not transcoded, and the reason says so."""
    verdict = decide(ALL, _sure(T), SCENE)
    assert verdict.option.technique is not T
    assert "no OCR" in verdict.reason


def test_dense_small_text_is_not_shrunk() -> None:
    """A gist question on small print keeps the picture at full detail."""
    dense = ImageSignals(0.99, 0.9, 0.5, 0.95, 0.3)
    verdict = decide([Option(F, 85), Option(P, 1000)], _sure(F, 0.99), dense)
    assert verdict.option.technique is P
    assert "no downscale" in verdict.reason


def test_a_page_is_not_shrunk_for_a_description() -> None:
    """ "Describe this" on a document with much text keeps what is written there readable; a photo is shrunk."""
    page = ImageSignals(0.98, 0.95, 0.3, 0.4, 0.28)
    assert decide([Option(F, 85), Option(P, 1000)], _sure(F, 0.99), page).option.technique is P
    assert decide([Option(F, 85), Option(P, 1000)], _sure(F, 0.99), SCENE).option.technique is F


def test_without_text_in_sight_text_is_hardly_asked_for() -> None:
    """ "What is this?" may mean a text or a thing: on a picture without text it is the thing. A sure question stays safe."""
    either = {T: 0.2, C: 0.0, F: 0.8, P: 0.0}
    assert decide(ALL, either, SCENE).option.technique is P
    seen = as_seen(either, SCENE)
    assert sum(seen.values()) == pytest.approx(1)
    assert decide(ALL, seen, SCENE).option.technique is F
    assert decide(ALL, as_seen(_sure(T), SCENE), SCENE).option.technique is P
    assert as_seen(either, PAGE) is either
    assert as_seen(either, None) is either
    blind = dataclasses.replace(SCENE, has_text=0.0)
    assert as_seen({T: 1.0, C: 0.0, F: 0.0, P: 0.0}, blind)[T] == 1


def test_low_confidence_preserves() -> None:
    """An undecided classifier leaves the picture as it is and says what it would have lost."""
    verdict = decide(ALL, {T: 0.4, C: 0.2, F: 0.3, P: 0.1}, PAGE)
    assert verdict.option.technique is P
    assert "low confidence" in verdict.reason


def test_what_costs_more_is_never_chosen() -> None:
    """Text that is dearer than the picture loses to the picture."""
    assert decide([Option(T, 1200), Option(P, 1000)], _sure(T, 0.99), PAGE).option.technique is P


@given(st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4), st.integers(1, 2000), st.integers(1, 2000))
def test_the_choice_is_never_dearer_and_never_reckless(shares: list[float], text: int, low: int) -> None:
    """Whatever is chosen costs no more than the picture, and loses the answer in at most 15 %."""
    probabilities = {one: share / sum(shares) for one, share in zip(Technique, shares, strict=True)}
    verdict = decide([Option(T, text), Option(F, low), Option(P, 1000)], probabilities, None)
    assert verdict.option.tokens <= 1000
    assert verdict.confidence >= 0.85 - 1e-9


def test_losses_are_shares_and_preserving_loses_nothing() -> None:
    """The table holds chances; the diagonal is the least of each column but PRESERVE's."""
    for done in Technique:
        for needed in Technique:
            assert 0 <= LOSS[done][needed] <= 1
        assert LOSS[P][done] == 0
        assert done is P or LOSS[done][done] == min(LOSS[one][done] for one in Technique if one is not P)


def test_canonical_costs() -> None:
    """Tokens over the picture's, plus eight pictures for a lost answer; the loss is the table's times what is spared."""
    asked = {T: 0.9, C: 0.1, F: 0.0, P: 0.0}
    loss = 0.9 * 0.01 + 0.1 * 0.25
    one = decide([Option(T, 150), Option(P, 1000)], asked, PAGE)
    assert one.confidence == round(1 - loss, 4)
    assert decide([Option(T, 150, 0.5), Option(P, 1000)], asked, PAGE).confidence == round(1 - 0.5 * loss, 4)
    # T costs 0.150 + 8 · 0.034 = 0.422; a crop that spares half its loss (0.046) costs its share + 0.368
    crop = 0.9 * 0.10 + 0.1 * 0.02
    for tokens, chosen in ((50, C), (57, T)):
        verdict = decide([Option(T, 150), Option(C, tokens, 0.5), Option(P, 1000)], asked, PAGE)
        assert verdict.option.technique is chosen
    assert crop == pytest.approx(0.092)
    assert decide([Option(T, 1000 - 272), Option(P, 1000)], asked, PAGE).option.technique is P
    assert decide([Option(T, 1000 - 274), Option(P, 1000)], asked, PAGE).option.technique is T


def test_too_much_loss_is_never_cheap_enough() -> None:
    """Beyond 15 % the picture stays, whatever it costs, and the least risky way is named."""
    asked = {T: 0.75, C: 0.25, F: 0.0, P: 0.0}
    assert decide([Option(C, 1), Option(P, 100_000)], asked, PAGE).option.technique is C
    verdict = decide([Option(C, 1, 2.0), Option(F, 1), Option(P, 100_000)], asked, PAGE)
    assert verdict.option.technique is P
    assert f"{C.value} would lose the answer in 16%" in verdict.reason


@pytest.mark.parametrize(("has_text", "density", "small", "page", "stays"), [
    (0.5, 0.04, 0.6, 0.0, True), (0.49, 0.04, 0.6, 0.0, False), (0.5, 0.039, 0.6, 0.0, False),
    (0.5, 0.04, 0.59, 0.0, False), (0.5, 0.04, 0.0, 0.9, True), (0.5, 0.04, 0.0, 0.89, False),
])  # fmt: skip
def test_where_density_begins(has_text: float, density: float, small: float, page: float, stays: bool) -> None:
    """Half sure of text, four per cent of it, and small print or a page: then a picture is not shrunk."""
    signals = dataclasses.replace(
        PAGE, has_text=has_text, text_density=density, has_small_details=small, is_document=page
    )
    verdict = decide([Option(F, 85), Option(P, 1000)], _sure(F, 0.99), signals)
    assert (verdict.option.technique is P) == stays
