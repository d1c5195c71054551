"""Which hits rank how, by canonical numbers: words, names, paths, nearness, definitions."""

from __future__ import annotations

import pytest

from headroom_core.anchors import rarity
from headroom_core.transforms._search import hits, rank


def _ranked(query: str, *texts: str, paths: tuple[str, ...] = ()) -> list[float]:
    return rank.scores(texts, paths or tuple(f"p{i}" for i in range(len(texts))), query)


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
