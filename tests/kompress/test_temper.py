"""One scale for unlike calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headroom_core.kompress.temper import NAMES, PIVOT, Temper, described
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
