"""Prices of words are the exact, nested optima of the cut."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headroom_core.kompress.nested import SIZES, prices


def _best(worth: NDArray[np.float64], cost: NDArray[np.float64], price: float) -> list[bool]:
    """The largest best set at a price, by trying all."""
    count = len(cost)
    phrases = [(a, b, worth[a, b]) for a in range(count) for b in range(a, count)]
    found: list[tuple[float, tuple[bool, ...]]] = []
    for chosen in itertools.product((False, True), repeat=count):
        value = sum(w for a, b, w in phrases if all(chosen[a : b + 1]))
        found.append((value - price * float(cost[list(chosen)].sum()), chosen))
    most = max(value for value, _ in found)
    return [any(chosen[i] for value, chosen in found if value >= most - 1e-9) for i in range(count)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 10_000), st.floats(0.02, 3.0))
def test_every_price_gives_the_best_set(count: int, seed: int, price: float) -> None:
    """Words whose price reaches p are the largest set that no other beats at p, whatever p is."""
    draw = np.random.default_rng(seed)
    worth = np.triu(draw.random((count, count)) ** 6)
    cost = draw.integers(1, 4, count).astype(float)
    found = prices([worth], [cost], 1e-9)[0]
    near = found[np.argmin(np.abs(found - price))]
    if abs(near - price) > 1e-6:
        assert (found >= price).tolist() == _best(worth, cost, price)


def test_a_sentence_is_priced_alike_in_any_company() -> None:
    """Padding and batches change nothing; longer sentences than the widest batch have their own."""
    draw = np.random.default_rng(3)
    worth = [np.triu(draw.random((n, n)) ** 9) for n in (3, 14, 1, 40, 9, SIZES[-1] + 5)]
    cost = [np.ones(len(w)) for w in worth]
    together = prices(worth, cost, 1e-6)
    for own, w, c in zip(together, worth, cost, strict=True):
        np.testing.assert_allclose(own, prices([w], [c], 1e-6)[0], rtol=1e-12)


def test_a_phrase_enters_as_a_whole() -> None:
    """Three words that are only worth something together have one price; a lone worthless word has none."""
    worth = np.zeros((4, 4))
    worth[1, 3] = 0.9
    assert prices([worth], [np.array([1.0, 1.0, 1.0, 1.0])], 1e-4)[0].tolist() == [0.0, 0.3, 0.3, 0.3]
