"""Which lines of a log fill a budget, which holes close, and how much is wanted, by canonical numbers."""

from __future__ import annotations

import numpy as np
import pytest

from headroom_core.transforms._logs import features, lines, summary
from headroom_core.transforms._logs.blocks import Evidence, choose, once, open_budget
from headroom_core.transforms.logs import _Log


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


def _summary(text: str, kinds: int) -> str:
    read = lines.read(text)
    return summary.left_out(read, features.read(read).kinds, np.zeros(len(read), bool), kinds)


def test_half_of_the_kinds_that_are_named_tell_of_trouble() -> None:
    """First the trouble, however rare, then what was most; every other kind is counted."""
    rows = [f"cannot open harbor {i}: error again" for i in range(2)] + [
        f"failed to sail on tide {i}" for i in range(2)
    ]
    rows += [f"warning of ice number {i} near shore" for i in range(2)]
    for word, count in (("boats", 9), ("lamps", 8), ("stones", 7), ("birds", 6)):
        rows += [
            f"{word} were counted {i}" if word != "birds" else f"we saw {i} {word} fly over us" for i in range(count)
        ]
    told = _summary("\n".join(rows), 4)
    named = told.split(": ", 1)[1].split(", ")
    assert len(named) == 5
    assert sum(any(word in each for word in ("error", "failed", "warning")) for each in named[:2]) == 2
    assert not any(any(word in each for word in ("error", "failed", "warning")) for each in named[2:4])
    assert "more kinds" in named[-1]


@pytest.mark.parametrize(
    ("head", "service"), [("2026-05-04 11:59:59 INFO start of it", True), ("##[group]Run tests", False)]
)
def test_a_build_whose_lines_have_levels_is_no_stream_of_events(head: str, service: bool) -> None:
    """Marks of a CI system tell a run of commands, whatever its lines look like."""
    rows = [f"2026-05-04 12:00:{i % 60:02d} INFO pool - request {i * 7919} took {i % 40} ms" for i in range(80)]
    log = _Log.read("\n".join([head, *rows, *(["##[endgroup]"] if head.startswith("#") else [])]), None)
    assert log is not None
    assert (log.evidence.service > 0.5) is service
    assert log.evidence.service == 0 or service
