"""Guards, the order of words, and spans of the source."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.kompress import guards
from headroom_core.kompress.select import Words, fill, order_asked, order_free, render, spans_of
from headroom_core.language.sentences import sentences


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
        ("they met on the 12th of May there", "12th of May"),
        ("in İzmir they did NOT change it", "NOT change"),
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


def test_a_capital_that_opens_a_sentence_is_a_name_only_where_it_is_one_elsewhere():
    """Adverbs and verbs that open sentences are running words; a name that stands inside another sentence is a name."""
    text = (
        "Additionally, the boats of Lenvik sailed. Lenvik's boats came back. (Strictly) so we saw them. Moen did not."
    )
    words = guards.words_of(text)
    names = [text[s:e] for (s, e), g in zip(words, guards.strengths(text, words), strict=True) if g == 1]
    assert names == ["Lenvik", "Lenvik's"]


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


def _scored(text: str, scores: list[float]) -> Words:
    starts = np.array([s for s, _ in guards.words_of(text)])
    return Words.of(text, sentences(text), starts, np.array(scores))


def test_canonical_numbers_of_the_order_inside_a_text():
    """Three tenths of the score's logit, half a point off for function words, a point more for articles."""
    value = _scored("the dog ran", [0.5, 0.9, 0.2]).importance()
    assert value.round(5).tolist() == [-1.0, 1.15917, 0.08411]
    value = _scored("dogs of winter", [0.5, 0.5, 0.5]).importance()
    assert value.round(5).tolist() == [0.5, 0.475, 0.5]  # lifted to 0.95 of its lower neighbour


def test_a_gap_of_two_words_is_lifted_from_both_sides():
    """What stands between two words that stay comes up after two rounds; a gap of four does not fill."""
    high, low = 0.99, 0.1
    lift = 0.3 * (np.log(99) + np.log(9))
    two = _scored("dogs ran cold winter", [high, low, low, high]).importance()
    assert two.round(5).tolist() == [round(lift, 5), 0.0, 0.0, round(lift, 5)]
    one = _scored("dogs ran winter", [high, low, high]).importance()
    assert one.round(5).tolist() == [round(each, 5) for each in (lift, 0.95 * lift, lift)]


def test_guards_stand_above_all_lifted_words():
    """A number counts two points, a strong guard four; words between them rise to just under the guards."""
    words = _scored("boats 1921 cold 1922 ran", [0.5] * 5)
    value = words.importance()
    strong = words.guard >= 3
    assert words.guard[[1, 3]].min() > 0
    assert value[[1, 3]].tolist() == pytest.approx([4.0 if strong[1] else 2.0, 4.0 if strong[3] else 2.0])
    assert value[2] < value[1]
    assert value[2] == pytest.approx(min(0.95 * value[1], value[1] - 1e-3))
    assert value[0] == value[4] == 0.0


def test_a_word_has_its_best_piece():
    """Several word pieces of one word: the highest score counts, whatever their order; ends of sentences part words."""
    text = "Unbelievable tides. Calm."
    words = Words.of(text, sentences(text), np.array([0, 2, 6, 13, 20]), np.array([0.2, 0.9, 0.4, 0.3, 0.8]))
    assert words.score.tolist() == [0.9, 0.3, 0.8]
    assert words.sentence.tolist() == [0, 0, 1]
    assert words.whole(np.array([False, True])).tolist() == [False, False, True]
