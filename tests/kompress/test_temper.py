"""One scale for unlike calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from headroom_core.kompress.signals import Vector
from headroom_core.kompress.temper import NAMES, PIVOT, Temper, described
from headroom_core.training.kompress_temper import Call, fit
from tests.kompress.test_fuse import TWO, signals

SAME = Temper(*((value,) * len(NAMES) for value in (0.0, 1.0, 0.0, 0.0)))
SCORES = np.array([2.0, -3.0, 0.5, -6.0])


def test_without_weights_nothing_moves() -> None:
    """Zero shift and stretch leave the scores."""
    np.testing.assert_allclose(SAME(SCORES, signals(TWO, SCORES)), SCORES)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_a_call_stays(seed: int) -> None:
    """Whatever the weights, a better sentence stays the better one: a ratio keeps what it kept."""
    draw = np.random.default_rng(seed)
    shift, stretch = (tuple(draw.normal(0, 1, len(NAMES)).tolist()) for _ in range(2))
    moved = replace(SAME, shift=shift, stretch=stretch)(SCORES, signals(TWO, SCORES))
    assert np.argsort(moved).tolist() == np.argsort(SCORES).tolist()


def test_a_sure_call_is_cut_harder() -> None:
    """A negative weight on the best score lowers a call that has a sure sentence, and stretches it about the pivot."""
    down = tuple(-1.0 if name == "best" else 0.0 for name in NAMES)
    seen = signals(TWO, SCORES)
    assert replace(SAME, shift=down)(SCORES, seen).tolist() == (SCORES - 2.0).tolist()
    wide = replace(SAME, stretch=tuple(-0.5 * d for d in down))(SCORES, seen)
    np.testing.assert_allclose(wide, PIVOT + (SCORES - PIVOT) * np.e)


def test_what_a_call_shows() -> None:
    """Best score, its lead over other documents, log counts, answer, median and spread."""
    shown = dict(zip(NAMES, described(SCORES, signals(TWO, SCORES)).tolist(), strict=True))
    assert shown["best"] == 2.0
    assert shown["gap"] == 1.5
    assert shown["sentences"] == pytest.approx(np.log(4))
    assert shown["documents"] == pytest.approx(np.log(2))
    alone = described(SCORES[:2], signals(TWO[:1], SCORES[:2]))
    assert alone[NAMES.index("gap")] == 0.0


def test_it_survives_the_manifest() -> None:
    """``as_dict`` and back."""
    assert Temper.of(SAME.as_dict()) == SAME


def made(best: float, lost_below: float, count: int, draw: np.random.Generator) -> list[Call]:
    """Calls whose evidence lies ``lost_below`` the best score, among sentences up to 8 below that score."""
    found = []
    for _ in range(count):
        top = best + draw.normal(0, 0.3)
        gold = top - lost_below * draw.random()
        scores = np.array([top, gold, *(top - 8 * draw.random(10))])
        shows = np.array([top, 0.0, 2.5, 1.6, top, float(np.median(scores)), float(scores.std())])
        found.append(Call(shows, scores, np.full(12, 1 / 12), np.array([gold]), 1.0))
    return found


def kept(found: Sequence[Call], own: Callable[[Call, Vector], Vector], share: float) -> float:
    """Mean share of tokens above the one threshold that keeps so much of the evidence."""
    gold = np.sort(np.concatenate([own(c, c.gold) for c in found]))
    limit = gold[int((1 - share) * len(gold))]
    return float(np.mean([(own(c, c.scores) >= limit).mean() for c in found]))


def test_the_fit_spends_less_at_strict_and_loose_thresholds() -> None:
    """Calls of two scales: after the fit one threshold keeps the same evidence for fewer tokens, at 90 and at 99 %."""
    draw = np.random.default_rng(3)
    found = [*made(5.0, 1.0, 60, draw), *made(-2.0, 3.0, 60, draw)]
    fitted = fit(found, (0.0, 0.0, 0.0))

    for share in (0.9, 0.99):
        assert kept(found, lambda call, scores: fitted.moved(scores, call.shows), share) < 0.8 * kept(
            found, lambda _, scores: scores, share
        )
