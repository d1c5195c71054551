"""The promise of ``max_risk``."""

from __future__ import annotations

import numpy as np
import pytest

from headroom_core.errors import InvalidInput
from headroom_core.kompress.calibrate import FEW, GROUPS, LONG, Curve, curve
from headroom_core.kompress.compressor import KompressCompressor, _group


def _items(count: int, seed: int) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.normal(draw.normal(0, 1), 1, draw.integers(1, 5)) for _ in range(count)]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2])
def test_mean_loss_on_fresh_items_stays_below_alpha(alpha: float):
    """Averaged over calibration splits, the loss on disjoint items is at most alpha."""
    losses = []
    for seed in range(6):
        limit = curve(_items(400, seed)).threshold(alpha, "one text")
        losses.append(np.mean([(item < limit).mean() for item in _items(800, 1000 + seed)]))
    assert np.mean(losses) <= 1.1 * alpha
    assert np.mean(losses) > alpha / 3


def test_a_group_refuses_what_it_cannot_promise():
    """An alpha below 10/n is refused with the numbers in the message."""
    with pytest.raises(InvalidInput, match=r"its 100 calibration items allow 0\.100"):
        curve(_items(100, 0)).threshold(0.05, "long")


def test_a_lower_risk_never_drops_more():
    """Thresholds fall with alpha."""
    made = curve(_items(500, 3))
    found = [made.threshold(alpha, "g") for alpha in (0.3, 0.2, 0.1, 0.05, 0.02)]
    assert found == sorted(found, reverse=True)


def test_a_promise_pays_for_little_that_it_did_not_lose():
    """On the calibration items themselves the loss comes close to alpha, since thresholds lie close where little is lost."""
    items = _items(1200, 5)
    limit = curve(items).threshold(0.05, "g")
    assert 0.047 <= np.mean([(item < limit).mean() for item in items]) <= 0.05


def test_curves_survive_their_file():
    """Stored and read back, a curve gives the same thresholds."""
    made = curve(_items(300, 4))
    assert Curve.of(made.as_dict()) == made


@pytest.mark.parametrize(
    ("call", "count", "query", "tokens", "group"),
    [
        ("one", 1, None, 9000, "query-free"),
        ("one", 1, "Who?", LONG, "one text"),
        ("one", 1, "Who?", LONG + 1, "long"),
        ("several", 1, "Who?", 100, "one text"),
        ("several", 2, "Who?", 100, "few documents"),
        ("several", FEW, "Who?", 9000, "few documents"),
        ("several", FEW + 1, "Who?", 100, "several documents"),
    ],
)
def test_the_group_that_a_call_shows(call: str, count: int, query: str | None, tokens: int, group: str) -> None:
    """Query, number of documents and size choose among the groups."""
    assert _group(call, count, query, tokens) == group


def test_the_bundle_knows_every_group() -> None:
    """Each group has its thresholds, and each with a query its temper."""
    loaded = KompressCompressor(enable_ccr=False, threads=1).load()
    assert set(loaded.curves) == set(GROUPS)
    assert set(loaded.tempers) == set(GROUPS) - {"query-free"}
