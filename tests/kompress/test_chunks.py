"""Sentences and windows."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from headroom_core.kompress.chunks import LONGEST, sentences, windows


def _texts(text: str) -> list[str]:
    return [text[s:e] for s, e in sentences(text)]


def test_abbreviations_initials_and_decimals_do_not_end_a_sentence():
    """``Dr.``, ``J. R.``, ``U.S.`` and ``3.5`` stay inside; real ends are found."""
    text = "Dr. Moen met J. R. Lund in the U.S. Army. The bill was 3.5 million. Was it paid? Yes!"
    assert _texts(text) == [
        "Dr. Moen met J. R. Lund in the U.S. Army.",
        "The bill was 3.5 million.",
        "Was it paid?",
        "Yes!",
    ]


def test_a_line_break_ends_a_sentence():
    """Headings and list lines are units of their own."""
    assert _texts("Title\n\nFirst line\r\nsecond line. Third.") == ["Title", "First line", "second line.", "Third."]


@given(st.text(max_size=400))
def test_sentences_cover_everything_but_white_space(text: str):
    """Spans rise, do not overlap, and what lies between them is white space."""
    at = 0
    for start, end in sentences(text):
        assert at <= start < end
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()


def test_a_word_of_many_characters_is_cut():
    """No unit is longer than the bound."""
    assert max(e - s for s, e in sentences("a" * 5000 + " b. " + "c " * 3000)) <= LONGEST


@given(st.lists(st.integers(1, 120), min_size=1, max_size=60))
def test_windows_partition_the_sentences_within_the_limit(sizes: list[int]):
    """Windows follow each other; only a sentence that is too long alone breaks the limit."""
    found = windows(sizes, [1] * len(sizes), max_tokens=100, max_words=350)
    assert next(a for a, _ in found) == 0
    assert found[-1][1] == len(sizes)
    assert all(left[1] == right[0] for left, right in itertools.pairwise(found))
    assert all(sum(sizes[a:b]) <= 100 or b - a == 1 for a, b in found)
