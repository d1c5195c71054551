"""One scale for unlike calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headroom_core.kompress.signals import Vector
from headroom_core.kompress.temper import FAR, NAMES, PIVOT, Temper, described
from headroom_core.training.kompress_temper import Call, fit, sets
from tests.kompress.test_fuse import TWO, signals

ZERO = (0.0,) * len(NAMES)
SAME = Temper(
    mean=ZERO,
    scale=(1.0,) * len(NAMES),
    direct=(ZERO, ZERO),
    inner=(ZERO, ZERO),
    bias=(0.0, 0.0),
    outer=((0.0, 0.0),) * 2,
)
SCORES = np.array([2.0, -3.0, 0.5, -6.0])


def test_without_weights_nothing_moves() -> None:
    """Zero stretch and shift leave the scores."""
    np.testing.assert_allclose(SAME(SCORES, signals(TWO, SCORES)), SCORES)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_a_call_stays(seed: int) -> None:
    """Whatever the weights, a better sentence stays the better one: a ratio keeps what it kept."""
    draw = np.random.default_rng(seed)
    shapes = {"direct": (2, len(NAMES)), "inner": (2, len(NAMES)), "bias": 2, "outer": (2, 2)}
    weights = {name: draw.normal(0, 1, shape).tolist() for name, shape in shapes.items()}
    moved = Temper.of({**SAME.as_dict(), **weights})(SCORES, signals(TWO, SCORES))
    assert not np.allclose(moved, SCORES)
    assert np.argsort(moved).tolist() == np.argsort(SCORES).tolist()


def test_a_sure_call_is_cut_harder() -> None:
    """A negative weight on the best score lowers a call that has a sure sentence, and stretches it about the pivot."""
    down = tuple(-1.0 if name == "best" else 0.0 for name in NAMES)
    seen = signals(TWO, SCORES)
    assert replace(SAME, direct=(ZERO, down))(SCORES, seen).tolist() == (SCORES - 2.0).tolist()
    wide = replace(SAME, direct=(tuple(-0.5 * d for d in down), ZERO))(SCORES, seen)
    np.testing.assert_allclose(wide, PIVOT + (SCORES - PIVOT) * np.e)


def test_hidden_units_tell_what_no_straight_line_tells() -> None:
    """A unit that turns at two documents moves calls of more of them; what lies far off counts as ``FAR``."""
    turn = tuple(50.0 if name == "documents" else 0.0 for name in NAMES)
    temper = replace(SAME, inner=(turn, ZERO), bias=(-50.0 * float(np.log(2.5)), 0.0), outer=((0.0, 0.0), (1.0, 0.0)))
    shown = described(SCORES, signals(TWO, SCORES))
    for documents, moved in ((1, -1.0), (2, -1.0), (3, 1.0), (40, 1.0), (10**9, 1.0)):
        shown[NAMES.index("documents")] = np.log(documents)
        np.testing.assert_allclose(temper.moved(SCORES, shown), SCORES + moved, atol=1e-6)
    far = replace(SAME, direct=(ZERO, tuple(1.0 if name == "spread" else 0.0 for name in NAMES)))
    shown[NAMES.index("spread")] = 1e6
    np.testing.assert_allclose(far.moved(SCORES, shown), SCORES + FAR)


def test_what_a_call_shows() -> None:
    """Best score, its lead over other documents, log counts, answer, median and spread, place of the best, likely ones."""
    shown = dict(zip(NAMES, described(SCORES, signals(TWO, SCORES)).tolist(), strict=True))
    assert shown["best"] == 2.0
    assert shown["gap"] == 1.5
    assert shown["sentences"] == pytest.approx(np.log(4))
    assert shown["documents"] == pytest.approx(np.log(2))
    assert shown["place"] == 0.0
    assert shown["likely"] == pytest.approx(np.log(3))
    assert described(SCORES[::-1], signals(TWO, SCORES[::-1]))[NAMES.index("place")] == pytest.approx(np.log(2))
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
        shows = np.array([top, 0.0, 2.5, 1.6, top, float(np.median(scores)), float(scores.std()), 0.0, 1.0])
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
    fitted = fit(found, (0.0, 0.0, 0.0), seed=0)

    for share in (0.9, 0.99):
        assert kept(found, lambda call, scores: fitted.moved(scores, call.shows), share) < 0.8 * kept(
            found, lambda _, scores: scores, share
        )


def asked(number: int) -> dict[str, Any]:
    """A question about one of many towns."""
    gold = f"The mayor of town{number} is Ada{number} Moen."
    text = f"Town{number} lies on a river. {gold} It has {number} bridges."
    start = text.index(gold)
    document = {"title": f"Town{number}", "text": text, "evidence": [[start, start + len(gold)]], "answer_spans": []}
    given = {"answers": [f"Ada{number} Moen"], "answerable": True, "source": "squad_du", "documents": [document]}
    return {"id": str(number), "query": f"Who is the mayor of town{number}?", **given}


def test_the_number_of_documents_does_not_tell_whether_the_answer_is_there() -> None:
    """Of calls of each size, about a third holds no evidence: the fit cannot read that from the size."""
    for group, found in sets([asked(number) for number in range(24)], 12).items():
        sizes: dict[int, list[bool]] = {}
        for item in found:
            sizes.setdefault(len(item["documents"]), []).append(any(d["evidence"] for d in item["documents"]))
        assert sizes, group
        if group != "long":
            for size, held in sizes.items():
                assert 0.6 <= np.mean(held) <= 0.8, (group, size)
