"""Prices of words are the exact, nested optima of the cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headroom_core.kompress.nested import chosen, prices


def _best(worth: NDArray[np.float64], cost: NDArray[np.float64], price: float) -> list[bool]:
    """The largest best set at a price, by trying all."""
    count = len(cost)
    phrases = [(a, b, worth[a, b]) for a in range(count) for b in range(a, count)]
    found: list[tuple[float, tuple[bool, ...]]] = []
    for tried in itertools.product((False, True), repeat=count):
        value = sum(w for a, b, w in phrases if all(tried[a : b + 1]))
        found.append((value - price * float(cost[list(tried)].sum()), tried))
    most = max(value for value, _ in found)
    return [any(chosen[i] for value, chosen in found if value >= most - 1e-9) for i in range(count)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 10_000), st.floats(0.02, 3.0))
def test_every_price_gives_the_best_set(count: int, seed: int, price: float) -> None:
    """Words whose price reaches p are the largest set that no other beats at p, whatever p is."""
    draw = np.random.default_rng(seed)
    worth = np.triu(draw.random((count, count)) ** 6)
    cost = draw.integers(1, 4, count).astype(float)
    found = prices(worth[None], cost[None], 1e-9)[0]
    near = found[np.argmin(np.abs(found - price))]
    if abs(near - price) > 1e-6:
        best = _best(worth, cost, price)
        assert (found >= price).tolist() == best
        assert chosen(worth[None], cost[None], price)[0].tolist() == best


def test_a_sentence_is_priced_alike_in_any_company() -> None:
    """Padding and batches change nothing, neither all prices nor the best set at one."""
    draw = np.random.default_rng(3)
    sizes = (3, 14, 1, 40, 9)
    worth, cost = np.zeros((len(sizes), 40, 40)), np.ones((len(sizes), 40))
    for row, n in enumerate(sizes):
        worth[row, :n, :n] = np.triu(draw.random((n, n)) ** 9)
        cost[row, :n] = draw.integers(1, 4, n)
    together, best = prices(worth, cost, 1e-6), chosen(worth, cost, 0.4)
    assert 0 < best.mean() < 1
    for row, n in enumerate(sizes):
        alone = (worth[row : row + 1, :n, :n], cost[row : row + 1, :n])
        np.testing.assert_allclose(together[row, :n], prices(*alone, 1e-6)[0], rtol=1e-12)
        assert best[row, :n].tolist() == chosen(*alone, 0.4)[0].tolist() == (together[row, :n] >= 0.4).tolist()
        assert not together[row, n:].any()
        assert not best[row, n:].any()


def test_a_word_without_cost_stays_with_its_phrase() -> None:
    """A free word inside a phrase enters with it and does not change its price; alone, it brings nothing."""
    worth = np.zeros((1, 4, 4))
    worth[0, 0, 2] = 0.9
    cost = np.array([[1.0, 0.0, 2.0, 0.0]])
    assert prices(worth, cost, 1e-4)[0].tolist() == pytest.approx([0.3, 0.3, 0.3, 0.0])


def test_a_phrase_enters_as_a_whole() -> None:
    """Three words that are only worth something together have one price; a lone worthless word has none."""
    worth = np.zeros((4, 4))
    worth[1, 3] = 0.9
    assert prices(worth[None], np.ones((1, 4)), 1e-4)[0].tolist() == [0.0, 0.3, 0.3, 0.3]
