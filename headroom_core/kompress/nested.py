"""Which words to keep where whole phrases count: the nested optima of a parametric cut, exact. Pure.

A sentence's phrases are intervals [a, b] of words with a worth each, and words have costs. For a price p the best set
maximises the worth of the phrases that lie wholly inside it minus p times its cost. Worth is supermodular (words of one
phrase help each other), so the best sets only grow as the price falls (Fujishige 1980, principal partition): each word has
one price at which it enters. ``prices`` finds them all, ``chosen`` the best set at one price, in a third of the time.

Sentences come in batches: ``worth`` (count, n, n) holds phrase [a, b] at row a, column b and nothing below the diagonal;
``cost`` (count, n) is 0 or at least ``LEAST_COST``. Words behind the end of a shorter sentence cost 1 and are worth nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEVER = -1e12
LEAST_COST = 0.5


def prices(worth: NDArray[Any], cost: Array, least: float) -> Array:
    """The price at which each word enters (count, n); 0 for a word that is worth less than ``least``.

    From the dearest down: the interval with the greatest worth gained per cost, given what is kept, enters next. An interval
    that touches a kept run reaches over it; of all intervals with one reach only the widest is looked at.
    """
    total = _totals(worth).transpose(2, 1, 0).copy()
    total[:, np.tri(worth.shape[1], k=-1, dtype=np.bool_)] = NEVER
    count, n = cost.shape
    order, every, place = np.arange(n), np.arange(count), np.arange(count)
    found, entered, kept = np.zeros((count, n)), np.zeros((count, n)), np.zeros((count, n), np.bool_)
    held, spent = np.zeros((count, n + 1)), np.zeros((count, n + 1))
    np.cumsum(cost, 1, out=spent[:, 1:])
    last = np.full(count, np.inf)
    opens = closes = np.zeros((count, n))
    gained, paid = np.empty_like(total), np.empty_like(total)
    while True:
        size = len(place)
        gain = np.subtract(total, (held[:, 1:] - closes)[:, None, :], out=gained[:size])
        gain += (held[:, :-1] + opens)[:, :, None]
        dues = np.subtract(spent[:, None, 1:], spent[:, :-1, None], out=paid[:size])
        gain /= np.maximum(dues, LEAST_COST, out=dues)
        flat = gain.reshape(size, -1)
        best = flat.argmax(1)
        value = flat[every[:size], best]
        going = value > least
        if np.count_nonzero(going) < 0.75 * size:  # sentences that are done leave the batch
            found[place[~going]] = entered[~going]
            if not going.any():
                return found
            state = (total, cost, entered, kept, held, spent, last, best, value, place)
            total, cost, entered, kept, held, spent, last, best, value, place = (x[going] for x in state)
            size, going = len(place), going[going]
        last = np.where(going, np.minimum(last, value), last)
        span = (order >= (best // n)[:, None]) & (order <= (best % n)[:, None])
        fresh = going[:, None] & span & ~kept
        np.copyto(entered, last[:, None], where=fresh)
        kept |= fresh
        np.cumsum(np.where(kept, 0.0, cost), 1, out=spent[:, 1:])
        left, right = _reach(kept, order)
        owned = np.where(kept & (left == order), total[every[:size, None], order, right], 0.0)
        np.cumsum(owned, 1, out=held[:, 1:])
        # intervals that do not begin (end) where their reach does are others' doubles
        opens, closes = (np.where(side == order, 0.0, NEVER) for side in (left, right))


def chosen(worth: NDArray[Any], cost: Array, price: float) -> NDArray[np.bool_]:
    """The largest best set at a price (count, n): the words whose ``prices`` reach it."""
    count, n = cost.shape
    spent, best = np.zeros((n + 1, count)), np.zeros((n + 1, count))
    np.cumsum(price * cost.T, 0, out=spent[1:])
    gain = _totals(worth) - spent[1:, None] + spent[:-1]
    through, top = np.full((n, n, count), NEVER), np.empty((n, count))
    for end in range(n):  # best[k]: of the first k words; through: with a run from each word to ``end``, at most top
        runs = np.add(best[: end + 1], gain[end, : end + 1], out=through[end, : end + 1])
        np.maximum(runs.max(0, out=top[end]), best[end], out=best[end + 1])
    origin = np.where(top >= best[:-1], through.argmax(1), -1).T
    found = np.zeros((count, n), np.bool_)
    for row, begins in zip(found, origin.tolist(), strict=True):
        end = n - 1
        while end >= 0:
            begin = begins[end]
            if begin >= 0:
                row[begin : end + 1] = True
                end = begin
            end -= 1
    return found


def _totals(worth: NDArray[Any]) -> Array:
    """The worth of all phrases inside [i, j], where i <= j: (j, i, count).

    Summed row by row over whole rows, several times faster than ``cumsum``.
    """
    total = worth.transpose(1, 2, 0).astype(np.float64, order="C")
    for first in reversed(range(len(total) - 1)):
        total[first] += total[first + 1]
    total = total.transpose(1, 0, 2).copy()
    for last in range(1, len(total)):
        total[last] += total[last - 1]
    return total


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
