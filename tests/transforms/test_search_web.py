"""Lists of web hits: the best whole, the next by title and address, the rest counted."""

from __future__ import annotations

import pytest

from headroom_core.transforms._search.web import read_web
from headroom_core.transforms.search import Search, clip
from headroom_core.types import Context, Part, Rewrite, Text

SNIPPET = "Timetables, fares and piers of the coast, with maps and a list of those who built them. "


def _hit(i: int, text: str = SNIPPET * 6) -> str:
    return f"{i}. Result about harbour {i}\nhttps://example.org/harbours/{i}\n{text}\n"


def _run(text: str, query: str | None, **more: object) -> Rewrite | None:
    part = Part((0, 0), "search", Text(text), len(text) // 3)
    return Search()(part, Context(count=lambda t: len(t) // 3, query=query, **more))  # type: ignore[arg-type]


def test_the_hit_that_answers_stays_whole() -> None:
    """Its snippet stays; others keep title and address, in their order; the closing line counts them."""
    hits = [_hit(i) for i in range(1, 31)]
    hits[16] = _hit(17, SNIPPET * 3 + "The night ferry of Lenvik was cancelled in 1962. " + SNIPPET * 3)
    rewrite = _run("\n".join(hits), "When was the night ferry of Lenvik cancelled?")
    assert rewrite is not None
    assert "cancelled in 1962" in rewrite.text
    assert "29. Result about harbour 29 https://example.org/harbours/29\n" in rewrite.text
    assert len(rewrite.text) < 0.5 * len("\n".join(hits))
    assert rewrite.left_out is not None
    assert "of 30 results" in rewrite.left_out


def test_under_a_small_target_some_hits_go_whole() -> None:
    """A share of a few per cent holds the best hit and a few titles; how many went whole is said."""
    text = "\n".join(_hit(i) for i in range(1, 61))
    rewrite = _run(text, "harbour 9", target_ratio=0.05)
    assert rewrite is not None
    assert rewrite.left_out is not None
    assert "of them whole" in rewrite.left_out
    assert len(rewrite.text) < 0.12 * len(text)


def test_few_short_hits_all_stay() -> None:
    """Nothing is left out where everything fits."""
    assert _run("\n".join(_hit(i, "Short.") for i in range(1, 5)), "harbour 2") is None


def test_a_heading_inside_of_a_snippet_belongs_to_its_hit() -> None:
    """A block without an address is the rest of the hit before it."""
    text = "\n".join([_hit(1), _hit(2), _hit(3), "4) a list inside of the snippet, without an address", _hit(5)])
    hits = read_web(text)
    assert [hit.address[-1] for hit in hits] == ["1", "2", "3", "5"]
    assert ["a list inside of the snippet" in hit.text for hit in hits] == [False, False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "1. No address here\n2. nor here https://a.example/1\n3. x https://a.example/2\n4. y https://a.example/3\n",
        "Read https://a.example/1, https://a.example/2 and https://a.example/3 about it.",
        "no addresses at all",
    ],
    ids=["first without address", "running text", "nothing"],
)
def test_other_texts_are_no_hits(text: str) -> None:
    """Prose with links, and lists whose first entry has no address, are left to others."""
    assert read_web(text) == []


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (0, "lantern" + "." * 93 + "…"),
        (400, "…" + "." * 25 + "lantern" + "." * 68 + "…"),
        (893, "…" + "." * 93 + "lantern"),
        (None, "." * 100 + "…"),
    ],
)
def test_a_long_hit_is_cut_around_the_word(at: int | None, shown: str) -> None:
    """A quarter of the room stands before the word; an ellipsis stands only where something was cut."""
    text = "." * 900 if at is None else "." * at + "lantern" + "." * (893 - at)
    assert clip(text, 100, ["nothing", "lantern"]) == shown
    assert clip(text[:100], 100, ["lantern"]) == text[:100]
