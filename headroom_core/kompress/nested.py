"""Which words to keep where whole phrases count: the nested optima of a parametric cut, exact. Pure.

A sentence's phrases are intervals [a, b] of words with a worth each, and words have costs. For a price p the best set
maximises the worth of the phrases that lie wholly inside it minus p times its cost. Worth is supermodular (words of one
phrase help each other), so the best sets only grow as the price falls (Fujishige 1980, principal partition): each word has
one price at which it enters. Found from the dearest down: the interval with the greatest worth gained per cost, given what
is kept, enters next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PADDING, TINY = 1e12, 1e-9
SIZES = (32, 104, 232)
"""Words that a batch of sentences is padded to."""


def prices(worth: Sequence[Array], cost: Sequence[Array], least: float) -> list[Array]:
    """The price at which each word of each sentence enters; 0 for a word that is worth less than ``least``.

    ``worth``: per sentence (n, n), phrase [a, b] at row a, column b; ``cost``: per sentence (n,), positive.
    """
    found: list[Array] = [np.zeros(0)] * len(worth)
    place = np.searchsorted(SIZES, [len(c) for c in cost])
    for size in np.unique(place).tolist():
        own = np.flatnonzero(place == size).tolist()
        width = max(len(cost[i]) for i in own)
        inside, paid = np.zeros((len(own), width, width)), np.full((len(own), width), PADDING)
        for row, i in enumerate(own):
            n = len(cost[i])
            inside[row, :n, :n], paid[row, :n] = worth[i], cost[i]
        for i, entered in zip(own, _prices(inside, paid, least), strict=True):
            found[i] = entered[: len(cost[i])]
    return found


def _prices(inside: Array, paid: Array, least: float) -> Array:
    """``prices`` of a padded batch (sentences, n); padding costs too much ever to enter.

    An interval that touches a kept run reaches over it; of all intervals with one reach only the widest is looked at.
    """
    count, n = paid.shape
    every, order = np.arange(count), np.arange(n)
    total = np.cumsum(np.cumsum(inside[:, ::-1], 1)[:, ::-1], 2)  # worth of all phrases inside [i, j]
    total[:, np.tri(n, k=-1, dtype=np.bool_)] = -PADDING
    entered, kept = np.zeros((count, n)), np.zeros((count, n), np.bool_)
    held, spent = np.zeros((count, n + 1)), np.zeros((count, n + 1))
    last = np.full(count, np.inf)
    np.cumsum(paid, 1, out=spent[:, 1:])
    opens = closes = np.zeros((count, n))
    while True:
        gain = total - (held[:, 1:] - closes)[:, None, :]
        gain += (held[:, :-1] + opens)[:, :, None]
        gain /= np.maximum(spent[:, None, 1:] - spent[:, :-1, None], TINY)
        flat = gain.reshape(count, -1)
        best = flat.argmax(1)
        value = flat[every, best]
        going = value > least
        if not going.any():
            return entered
        last = np.where(going, np.minimum(last, value), last)
        span = (order >= (best // n)[:, None]) & (order <= (best % n)[:, None])
        fresh = going[:, None] & span & ~kept
        entered = np.where(fresh, last[:, None], entered)
        kept |= fresh
        np.cumsum(np.where(kept, 0.0, paid), 1, out=spent[:, 1:])
        left, right = _reach(kept, order)
        runs = kept & (left == order)
        owned = np.where(runs, total[every[:, None], order, right], 0.0)
        np.cumsum(owned, 1, out=held[:, 1:])
        # intervals that do not begin (end) where their reach does are others' doubles
        opens, closes = (np.where(side == order, 0.0, -PADDING) for side in (left, right))


def _reach(kept: NDArray[np.bool_], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For an interval that begins (ends) at each word: where it begins (ends) once it has joined the kept runs it touches."""
    count, n = kept.shape
    empty = np.ones((count, 1), np.bool_)
    gone = np.concatenate([empty, ~kept, empty], 1)
    at = np.arange(n + 2)
    back = np.maximum.accumulate(np.where(gone, at, 0), 1)  # the last word that is not kept, at or before each
    ahead = n + 1 - np.maximum.accumulate(np.where(gone[:, ::-1], at, 0), 1)[:, ::-1]
    left = np.minimum(back[:, :-2], order + 1)  # one to the left of the word, in places that are one higher
    right = np.maximum(ahead[:, 2:] - 2, order)
    return left.astype(np.int64), right.astype(np.int64)
