"""Small decisions inside transforms, by canonical numbers: which hits rank how, which lines fill a budget, which holes close."""

from __future__ import annotations

import numpy as np
import pytest

from headroom_core.anchors import rarity
from headroom_core.transforms._logs.blocks import Evidence, choose, once, open_budget
from headroom_core.transforms._search import hits, rank


def _ranked(query: str, *texts: str, paths: tuple[str, ...] = ()) -> list[float]:
    return rank.scores(texts, paths or tuple(f"p{i}" for i in range(len(texts))), query)


# ------------------------------------------------------------------ search
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("retry limit reached", True), ("retry_limit", True), ("RetryLimit", True), ("retryLIMIT", True), ("v2limit", True),
        ("delimiter", False), ("unlimited", False),
    ],
)  # fmt: skip
def test_words_are_found_where_a_part_of_a_name_begins(text: str, found: bool) -> None:
    """After a space, an underscore, a change to upper case or a digit; inside a word they are another word."""
    assert (_ranked("the limit", text, "nothing", "else")[0] > 0) is found


@pytest.mark.parametrize(("count", "counts"), [(11, True), (12, False), (13, False)])
def test_what_stands_in_nearly_every_hit_tells_none_apart(count: int, counts: bool) -> None:
    """From twelve hits on, of which 85 % hold the word."""
    assert (_ranked("harbor", *["harbor"] * (count - 1), "else")[0] > 0) is counts
    assert _ranked("harbor", *["harbor"] * 20, *["else"] * 4)[0] > 0


def test_canonical_scores_of_words_names_and_paths() -> None:
    """A plain word weighs its rarity, a name 1.6 times, a word inside a name half; in a path six tenths of that."""
    plain = _ranked("harbor", "harbor here", "x", "y", "z")
    assert plain == [pytest.approx(rarity(1, 4)), 0, 0, 0]
    named = _ranked("load_harbor", "load_harbor(1)", "a harbor", "y", "z")
    assert named[1] == pytest.approx(0.5 * rarity(2, 4))
    assert named[0] > 1.6 * rarity(1, 4) + 0.5 * rarity(2, 4)
    in_path = _ranked("harbor", "one", "two", "three", paths=("src/harbor.py", "src/a.py", "src/b.py"))
    assert in_path == [pytest.approx(0.6 * rarity(1, 3)), 0, 0]


@pytest.mark.parametrize(("gap", "near"), [(0, True), (20, True), (21, False)])
def test_words_that_follow_each_other_count_more_close_together(gap: int, near: bool) -> None:
    """Within 28 characters: three tenths of their mean weight on top."""
    weight = rarity(1, 3)
    score = _ranked("frozen harbor", f"frozen {'.' * gap} harbor", "x", "y")[0]
    assert score == pytest.approx(2 * weight + (0.3 * weight if near else 0))
    turned = _ranked("frozen harbor", f"harbor {'.' * gap} frozen", "x", "y")[0]
    assert turned == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "query", "lift"),
    [
        ("def harbor():", "harbor", 0.12), ("def harbor():", "where is harbor defined", 0.6),
        ("harbor = 3", "where is harbor defined", 0.15), ("harbor = 3", "harbor", 0), ("# harbor", "harbor", 0.05),
    ],
)  # fmt: skip
def test_definitions_of_what_is_asked_rise(text: str, query: str, lift: float) -> None:
    """Most where the question asks for the definition; comments a little."""
    assert _ranked(query, text, "x", "y")[0] == pytest.approx(rarity(1, 3) * (1 + lift))


@pytest.mark.parametrize(("numbered", "style"), [(3, "numbered"), (2, "plain"), (0, "plain")])
def test_a_few_numbered_lines_make_no_numbered_result(numbered: int, style: str) -> None:
    """Three of ten lines with a path and a number do."""
    rows = [f"src/a.py:{i}: x" for i in range(numbered)] + [f"src/b{i}.py: word {i}" for i in range(10 - numbered)]
    found = hits.read("\n".join(rows))
    assert found is not None
    assert found.style == style


# ------------------------------------------------------------------ logs
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
