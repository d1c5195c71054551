"""Which lines of a log fill a budget, which holes close, and how much is wanted, by canonical numbers."""

from __future__ import annotations

import numpy as np
import pytest

from headroom_core.transforms._logs.blocks import Evidence, choose, once, open_budget


def _shown(value: list[float], cost: list[float], budget: float, must: tuple[int, ...] = ()) -> list[int]:
    marks = np.zeros(len(value), bool)
    marks[list(must)] = True
    return np.flatnonzero(choose(Evidence(np.array(value), marks, 0.0), np.array(cost), budget)).tolist()


def test_lines_fill_a_budget_by_value_per_token() -> None:
    """Three tokens of a note count with each line; half a token of slack; what has no value is not shown."""
    assert _shown([0.5, 0, 0, 0, 0, 0.3, 0, 0, 0, 0, 0.3], [20, 1, 1, 1, 1, 5, 1, 1, 1, 1, 9], 14) == [5, 10]
    assert _shown([0.5, 0, 0, 0, 0, 0.3, 0, 0, 0, 0, 0.3], [20, 1, 1, 1, 1, 5, 1, 1, 1, 1, 9], 13.4) == [5]
    assert _shown([0.0] * 6, [1.0] * 6, 100) == []


def test_musts_come_first_and_the_best_line_is_always_shown() -> None:
    """Even where the budget holds nothing."""
    value, cost = [0.1, 0, 0, 0, 0, 0.8], [10.0, 1, 1, 1, 1, 10.0]
    assert _shown(value, cost, 10, must=(0,)) == [0]
    assert _shown(value, cost, 10) == [5]
    assert _shown(value, cost, 1) == [5]


@pytest.mark.parametrize(
    ("gap", "cost", "filled"), [(1, 14.0, True), (3, 4.6, True), (3, 5.0, False), (4, 1.0, False), (1, 14.1, False)]
)
def test_holes_that_are_hardly_dearer_than_their_note_close(gap: int, cost: float, filled: bool) -> None:
    """At most three lines and 14 tokens between two shown lines, wherever in the log they stand."""
    for before in (0, 5):
        value = [0.0] * before + [1.0, *[0.0] * gap, 1.0]
        costs = [50.0] * before + [1.0, *[cost] * gap, 1.0]
        ends = [before, before + gap + 1]
        assert _shown(value, costs, 2) == (list(range(before, before + gap + 2)) if filled else ends)


def test_of_equal_lines_one_keeps_the_value_of_all() -> None:
    """The one in the most valued neighbourhood, at most nine times its own."""
    same = np.array([7, 1, 2, 7, 3, 4, 5, 6, 8, 9, 10, 7], np.uint64)
    value = np.array([0.1, 0, 0, 0.1, 0, 0, 0.5, 0, 0, 0, 0, 0.1])
    out = once(value, same)
    assert out.round(6).tolist() == [0, 0, 0, 0.3, 0, 0, 0.5, 0, 0, 0, 0, 0]
    many = once(np.full(20, 0.05), np.full(20, 1, np.uint64))
    assert sorted(many.round(6).tolist()) == [0.0] * 19 + [0.45]


def test_an_open_budget_holds_what_is_wanted_within_its_bounds() -> None:
    """Lines worth 1.9 times their tokens or more, and musts; never below the low share nor above the high one."""
    cost = np.array([10.0, 10, 10, 10, 60])
    value = np.array([0.2, 0.19, 0.18, 0.03, 0.4])
    marks = np.array([False, False, False, True, False])
    assert open_budget(Evidence(value, ~marks & marks, 0.0), cost, 100, (0.0, 1.0)) == 20
    assert open_budget(Evidence(value, marks, 0.0), cost, 100, (0.0, 1.0)) == 30
    assert open_budget(Evidence(value, marks, 0.0), cost, 100, (0.35, 1.0)) == 35
    assert open_budget(Evidence(value, marks, 0.0), cost, 100, (0.0, 0.25)) == 25
