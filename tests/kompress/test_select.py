"""Guards, the order of words, and spans of the source."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.kompress import guards
from headroom_core.kompress.chunks import sentences
from headroom_core.kompress.select import Words, fill, order_asked, order_free, render, spans_of


def _words(text: str, seed: int = 0) -> Words:
    starts = np.array([s for s, _ in guards.words_of(text)])
    return Words.of(text, sentences(text), starts, np.random.default_rng(seed).random(len(starts)))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("it weighed 12.5 kilograms after all", "12.5 kilograms"),
        ("they left on 3 March 1921 by boat", "3 March 1921"),
        ("the valve was not closed properly then", "not closed"),
        ("it didn't work that day", "didn't work"),
        ("we saw Ada Moen there", "Ada Moen"),
        ("open the file src/app/main.py now", "src/app/main.py"),
        ("set max_retries to something", "max_retries"),
        ("read https://example.org/a?b=1 first", "https://example.org/a?b=1"),
        ("it is more expensive than the old one", "more expensive than the old"),
        ("at least some of it", "at least"),
    ],
)
def test_guards_hold_what_carries_meaning(text: str, kept: str):
    """Numbers with units, dates, negations with heads, names, identifiers, paths, URLs, both ends of comparisons."""
    words = guards.words_of(text)
    guarded = {text[s:e] for (s, e), g in zip(words, guards.strengths(text, words), strict=True) if g > 0}
    assert set(kept.split()) <= guarded


def test_plain_words_are_not_guarded():
    """Running words without names, numbers or negation carry no guard, so there is something to drop."""
    text = "the boats were painted in the old harbour before winter came"
    assert guards.strengths(text, guards.words_of(text)).sum() == 0


def test_brackets_stay_in_pairs():
    """Where one end of a bracket or quotation stays, the other stays too."""
    text = 'He (a man of the sea) said "we sail at dawn" and left'
    words = _words(text)
    keep = np.zeros(len(words.spans), bool)
    keep[1] = True
    shown = render(text, spans_of(words, words.paired(keep)))
    assert shown.count("(") == shown.count(")") == 1


@given(st.text(alphabet='ab (.)\n"é', max_size=120), st.randoms(use_true_random=False))
def test_the_result_is_made_of_spans_of_the_source(text: str, draw):
    """Spans rise and lie inside the text; their text holds the kept words in order."""
    words = _words(text)
    keep = np.array([draw.random() < 0.5 for _ in words.spans], bool)
    spans = spans_of(words, keep)
    assert all(a < b for a, b in spans)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(spans))
    kept = [text[s:e] for (s, e), on in zip(words.spans, keep, strict=True) if on]
    assert "".join(render(text, spans).split()) == "".join(kept)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.9])
def test_a_budget_is_met_and_nested(ratio: float):
    """A smaller budget keeps a part of what a larger one keeps (pairs aside), and neither is overdrawn."""
    text = "One two three four five. Six seven eight nine ten. Eleven twelve thirteen fourteen fifteen."
    words = _words(text)
    scores = [np.array([0.3, 2.0, -1.0])]
    order = order_asked([words], scores)

    def count(t: str) -> int:
        return len(t.split())

    mask = fill([words], order, ratio * 15, count)[0]
    wider = fill([words], order, ratio * 15 + 3, count)[0]
    assert mask.sum() <= ratio * 15
    assert mask.sum() >= int(ratio * 15)
    assert not (mask & ~wider).any()
    assert not mask[:5].any() or mask[5:10].all()


def test_without_a_query_guards_come_first():
    """Numbers and negations stand before all plain words in the order."""
    text = "the boat was not painted in 1891 by the men of the old harbour"
    words = _words(text)
    first = [text[slice(*words.spans[i])] for _, i in order_free(words)[:3]]
    assert set(first) == {"not", "painted", "1891"}


def test_words_of_any_length_take_linear_time():
    """A megabyte without a space, as encoded data is, goes through the rules at once and counts as an identifier."""
    text = "see " + "ab+/" * 250_000 + " there"
    assert guards.strengths(text, guards.words_of(text)).tolist() == [0.0, 3.0, 0.0]
