"""Where sentences begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.language.sentences import LONGEST, sentences
from tests.timing import cpu_seconds


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


def test_dots_that_lead_to_a_page_number_are_one_line():
    """An entry of a table of contents is one unit, and spaced full stops of tokenised text still end sentences."""
    assert _texts("1 Piers . . . . . . . 3\n2 Lamps . . . . 12") == ["1 Piers . . . . . . . 3", "2 Lamps . . . . 12"]
    assert _texts("It has two piers . The lamp is green .") == ["It has two piers .", "The lamp is green ."]


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


@pytest.mark.parametrize("run", [" ", "\t", ".", ".)", "|", "> ", "a: ", "1 2 3\n", "a\tb\n", "the boats were\n"])
def test_long_runs_take_linear_time(run: str):
    """A hundred thousand times the same marks between two words."""
    text = "One boat " + run * 100_000 + "came home."
    assert cpu_seconds(lambda: sentences(text), times=1) < 3
