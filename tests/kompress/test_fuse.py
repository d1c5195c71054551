"""How signals become one score per sentence: what each of them may move, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from headroom_core.kompress.fuse import SHORTEST, USUAL, Weights, bridges, fused, is_transcript, links, name_of
from headroom_core.kompress.select import Words, fill, order_asked, order_free, render, spans_of
from headroom_core.kompress.signals import Pieces, Signals, Vector
from headroom_core.language.sentences import sentences

NOTHING = Weights(**dict.fromkeys(Weights().as_dict(), 0.0))


def _pieces(text: str) -> Pieces:
    empty = np.zeros(0, np.int64)
    return Pieces(text, empty, empty, empty, sentences(text), empty)


def signals(texts: Sequence[str], late: Sequence[float], pieces: Sequence[float] | None = None) -> Signals:
    documents = [_pieces(text) for text in texts]
    units = [unit for document in documents for unit in document.units]
    owner = np.array([d for d, document in enumerate(documents) for _ in document.units], np.int64)
    assert len(units) == len(late)
    logits = np.array(late, float)
    zeros = np.zeros(len(units))
    length = np.full(len(units), 25.0) if pieces is None else np.array(pieces, float)
    return Signals(owner, units, length, logits, zeros, zeros, documents, [zeros] * len(documents))


def _firsts(seen: Signals) -> np.ndarray:
    return np.searchsorted(seen.document, np.arange(len(seen.documents) + 1))


TWO = ["The ferry is painted red. It has two decks.", "Ada Moen built the ferry in 1891. She came from Lenvik."]


def test_without_weights_the_last_layer_decides() -> None:
    """Every other signal comes in through its weight; ``shift`` moves all scores alike."""
    seen = signals(TWO, [1.0, -2.0, 0.5, -1.0])
    again = np.array([9.0, 9.0, 9.0, 9.0])
    assert fused(seen, again, NOTHING).tolist() == seen.late.tolist()
    assert fused(seen, again, replace(NOTHING, shift=-1.5)).tolist() == (seen.late - 1.5).tolist()


def test_the_second_reading_only_lifts() -> None:
    """A sentence that the second reading likes better rises; one that it likes less stays where it is."""
    seen = signals(TWO, [4.0, 0.0, 0.0, 0.0])
    score = fused(seen, np.array([0.0, 2.0, -3.0, 0.0]), replace(NOTHING, hint=1.0))
    assert score[0] == 4.0
    assert 1.5 < score[1] <= 2.0
    assert score[2] == 0.0


def test_the_sentence_that_opens_its_document_is_lifted() -> None:
    """The first of each document and no other; a document without sentences opens with none."""
    seen = signals(TWO, [0.0] * 4)
    assert fused(seen, seen.late, replace(NOTHING, first=0.7)).tolist() == [0.7, 0.0, 0.7, 0.0]
    seen = signals(["", "One only."], [0.0])
    assert fused(seen, seen.late, replace(NOTHING, first=0.7)).tolist() == [0.7]
    seen = signals(["One. Two.", "", "Three.", ""], [0.0] * 3)
    assert fused(seen, seen.late, replace(NOTHING, first=0.7)).tolist() == [0.7, 0.0, 0.7]


def test_no_sentences_have_no_scores() -> None:
    """Nothing in, nothing out."""
    seen = signals([""], [])
    assert len(fused(seen, seen.late, Weights())) == 0


LINKED = [
    "Ada Moen was an engineer from the north. She liked the sea.",
    "The harbour was built by Ada Moen in 1891. It has two piers.",
    "Bread is sold on Fridays. The shop closes at six.",
]


def test_a_document_that_a_good_sentence_names_rises() -> None:
    """Ada Moen is named by a good sentence of another document, so hers rises; the bakery does not."""
    seen = signals(LINKED, [-2.0, -2.0, 4.0, -2.0, -2.0, -2.0])
    found = links(seen, _firsts(seen))
    assert found[0] == found[1] > 0.5
    assert found[2] == found[3] == found[4] == found[5] == 0.0
    score = fused(seen, seen.late, replace(NOTHING, link=2.0))
    assert score[0] > seen.late[0] + 1.0
    assert score[4] == seen.late[4]


def test_a_link_counts_as_much_as_its_source_is_sure() -> None:
    """The better the sentence that names the document, the more it rises; what is sure already rises little."""
    weak, strong = (
        links(signals(LINKED, [-2.0, -2.0, s, -2.0, -2.0, -2.0]), np.array([0, 2, 4, 6])) for s in (-1.0, 3.0)
    )
    assert 0 < weak[0] < strong[0]
    sure = links(signals(LINKED, [5.0, -2.0, 3.0, -2.0, -2.0, -2.0]), np.array([0, 2, 4, 6]))
    assert sure[0] < 0.05 < sure[1]


def test_half_of_a_name_is_no_link() -> None:
    """A sentence that shares less than half of a name's rarity names something else."""
    texts = [LINKED[0], "The market was opened by Ada Vik. It is large.", LINKED[2]]
    found = links(signals(texts, [-2.0, -2.0, 4.0, -2.0, -2.0, -2.0]), np.array([0, 2, 4, 6]))
    named = links(signals(LINKED, [-2.0, -2.0, 4.0, -2.0, -2.0, -2.0]), np.array([0, 2, 4, 6]))
    assert found[0] < named[0]


def test_one_document_has_nobody_to_link_to() -> None:
    """With a single document links and bridges are not asked for."""
    seen = signals([TWO[1]], [2.0, -1.0])
    assert fused(seen, seen.late, replace(NOTHING, link=9.0)).tolist() == [2.0, -1.0]


SPEECH = "\n".join(f"{name}: {said}" for name, said in [
    ("Ada", "The ferry is late."), ("Bo Vik", "By how much?"), ("Ada", "An hour."), ("Bo Vik", "Then we wait."),
    ("Ada", "We do."), ("Bo Vik", "Who tells the guests?"),
])  # fmt: skip


def test_speakers_make_a_transcript() -> None:
    """Most lines begin with a speaker and a colon; a few of them, times of day or settings make none."""
    assert is_transcript(SPEECH)
    assert not is_transcript("\n".join(SPEECH.split("\n")[:4]))
    assert not is_transcript("12:04 the ferry is late\n" * 9)
    assert not is_transcript("The ferry: late\n" + "It came an hour after it should have come\n" * 9)
    assert not is_transcript("item: cash, 2021: 4.1, 2020: 3.9\n" * 9)
    assert not is_transcript("")


def test_in_transcripts_the_neighbourhood_counts() -> None:
    """A sentence among good ones rises there, and only there; the wide mean reaches no further than its document."""
    good = [2.0] * len(sentences(SPEECH))
    other = "Bread is sold on Fridays. The shop closes at six."
    seen = signals([SPEECH, other], [*good[:-1], -2.0, 0.0, 0.0])
    score = fused(seen, seen.late, replace(NOTHING, wide=1.0))
    last = len(good) - 1
    assert score[last] > seen.late[last] + 1.0
    assert score[last + 1 :].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada Moen\nAn engineer of the north.", ["ada", "moen"]),
        ("Ada Moen was an engineer. She built.", ["ada", "moen"]),
        ("The harbour of Lenvik (1891) has two piers.", ["harbour", "lenvik"]),
        ("We saw nothing of that kind there yesterday evening or the evening before that day, she said.", []),
        ("", []),
        ("Is it late?\nYes.", []),
    ],
)
def test_what_a_document_is_about(text: str, name: list[str]) -> None:
    """Its short first line, or the words before its first verb or bracket; else nobody knows."""
    assert [word[:5] for word in name_of(text)] == [word[:5] for word in name]


def test_weights_are_kept_and_read_again() -> None:
    """What is stored comes back; names of another version are ignored, missing ones keep their defaults."""
    weights = replace(Weights(), link=7.0, shift=-1.0)
    assert Weights.of(weights.as_dict()) == weights
    assert Weights.of({"link": 7, "unknown": 3.0}) == replace(Weights(), link=7.0)


# ------------------------------------------------------------------ the order of words
def _words(text: str, scores: Vector | None = None) -> Words:
    from headroom_core.kompress import guards

    starts = np.array([s for s, _ in guards.words_of(text)])
    return Words.of(text, sentences(text), starts, np.full(len(starts), 0.5) if scores is None else scores)


def _shown(words: Words, order: Sequence[tuple[int, int]], size: int) -> str:
    keep = np.zeros(len(words.spans), np.bool_)
    keep[[i for _, i in order[:size]]] = True
    return render(words.text, spans_of(words, keep))


def test_inside_a_sentence_guards_come_first_and_articles_last() -> None:
    """Of a sentence that is asked for, the number and the name are kept before running words, articles after them."""
    words = _words("the boat of Ada Moen carried 12 tons over the bay")
    order = order_asked([words], [np.array([1.0])])
    first = {words.text[slice(*words.spans[i])] for _, i in order[:4]}
    assert {"Ada", "Moen", "12"} <= first
    assert {words.text[slice(*words.spans[i])] for _, i in order[-2:]} == {"the"}


def test_better_sentences_come_first_whatever_their_document() -> None:
    """Sentences of two documents are ordered by score; equal scores keep the order of the text."""
    parts = [_words("Red boats sail. Blue boats wait."), _words("Green boats burn.")]
    order = order_asked(parts, [np.array([0.1, 0.9]), np.array([0.5])])
    assert [(d, int(parts[d].sentence[i])) for d, i in order[::3]] == [(0, 1), (1, 0), (0, 0)]
    order = order_asked(parts, [np.array([0.5, 0.5]), np.array([0.5])])
    assert [(d, int(parts[d].sentence[i])) for d, i in order[::3]] == [(0, 0), (0, 1), (1, 0)]


def test_without_a_query_high_scores_come_first() -> None:
    """Among plain words the network decides; a guard outranks any score."""
    text = "boats sail slowly past 12 piers"
    words = _words(text, np.array([0.1, 0.9, 0.2, 0.3, 0.01, 0.4]))
    ranked = [text[slice(*words.spans[i])] for _, i in order_free(words)]
    assert ranked[0] == "12"
    assert ranked.index("sail") < ranked.index("slowly") < ranked.index("boats")


def test_a_word_between_two_that_stay_is_lifted() -> None:
    """So phrases stay whole: the same word alone among weak ones comes later."""
    strong = _words("alpha beta gamma delta epsilon", np.array([0.95, 0.05, 0.95, 0.05, 0.05]))
    order = [i for _, i in order_free(strong)]
    assert order.index(1) < order.index(3)
    assert order.index(1) < order.index(4)


@pytest.mark.parametrize("budget", [0, 1, 7, 20, 33, 10_000])
def test_a_budget_takes_the_longest_beginning_that_fits(budget: int) -> None:
    """One word more would not fit; all of it where all fits."""
    words = _words("Red boats sail slowly past the long pier of the old town.")
    order = order_free(words)
    kept = fill([words], order, budget, len)[0]
    text = render(words.text, spans_of(words, kept))
    assert len(text) <= budget
    size = int(kept.sum())
    if size < len(order):
        assert len(_shown(words, order, size + 1)) > budget
    else:
        assert text == words.text


def test_words_without_pieces_have_no_score() -> None:
    """A text that nobody scored still has words, sentences and guards; an empty one has none of them."""
    words = Words.of("Ada has 12 boats", [(0, 16)], np.zeros(0, np.int64), np.zeros(0))
    assert words.score.tolist() == [0.0] * 4
    assert words.guard[2] > 0
    empty = Words.of("", [], np.zeros(0, np.int64), np.zeros(0))
    assert len(empty.whole(np.zeros(0, np.bool_))) == 0
    assert spans_of(empty, np.zeros(0, np.bool_)) == []


BRIDGED = [
    "The ferry Solveig is painted red. It was built by Ada Moen.",
    "In Lenvik, Ada Moen learned the trade. The winters are long there.",
    "Bread is sold on Fridays. The shop closes at six.",
]


def test_a_name_shared_with_a_good_sentence_is_a_bridge() -> None:
    """The good sentence names Ada Moen; another document's sentence with that name rises, its neighbours do not."""
    seen = signals(BRIDGED, [-2.0, 4.0, -2.0, -2.0, -2.0, -2.0])
    found = bridges(seen, seen.late, "Where did the builder of the ferry learn?")
    assert found[2] > 0.2
    assert found[[0, 3, 4, 5]].tolist() == [0.0] * 4
    score = fused(seen, seen.late, replace(NOTHING, bridge=2.0), "Where did the builder of the ferry learn?")
    assert score[2] == pytest.approx(seen.late[2] + 2.0 * found[2])


def test_what_the_query_names_is_no_bridge() -> None:
    """A name that the query holds is in every candidate anyway: it tells nothing about a second hop."""
    seen = signals(BRIDGED, [-2.0, 4.0, -2.0, -2.0, -2.0, -2.0])
    assert not bridges(seen, seen.late, "Where did Ada Moen learn?").any()


def test_without_a_good_sentence_the_second_reading_counts_for_little() -> None:
    """Where nothing answers, what follows from the best of the bad sentences lifts nothing."""
    good, bad = signals(TWO, [4.0, -6.0, -6.0, -6.0]), signals(TWO, [-7.0, -6.0, -6.0, -6.0])
    lift = [fused(s, s.late + 4.0, replace(NOTHING, hint=1.0))[2] - s.late[2] for s in (good, bad)]
    assert lift[0] > 3.9
    assert lift[1] < 0.2


def test_of_two_equal_sentences_the_shorter_comes_first() -> None:
    """A short sentence costs less for what it tells; the shortest ones gain nothing more."""
    seen = signals(TWO, [0.0] * 4, [50.0, 25.0, 8.0, 2.0])
    score = fused(seen, seen.late, replace(NOTHING, brief=0.5))
    assert score[0] < score[1] < score[2]
    assert score[2] == score[3]


def test_brief_sentences_rise_and_long_ones_sink() -> None:
    """By the logarithm of their pieces over the usual number; below the shortest nothing changes any more."""
    seen = signals(TWO, [0.0] * 4, [25.0, 50.0, SHORTEST, SHORTEST / 2])
    score = fused(seen, seen.late, replace(NOTHING, brief=2.0))
    expected = [-2.0 * np.log(pieces / USUAL) for pieces in (25.0, 50.0, SHORTEST, SHORTEST)]
    assert score.tolist() == pytest.approx(expected)


def test_only_the_transcript_among_documents_is_smoothed() -> None:
    """The sentences of a talk lean on those around them; the documents before and behind it do not."""
    talk = "\n".join(f"{'ADA' if i % 2 else 'BO'}: We spoke of boats number {i}." for i in range(8))
    assert is_transcript(talk)
    texts = [TWO[0], talk, TWO[1]]
    count = [len(sentences(text)) for text in texts]
    late = np.zeros(sum(count))
    late[0], late[count[0] + 3], late[-1] = 3.0, 5.0, 3.0
    seen = signals(texts, late.tolist())
    score = fused(seen, seen.late, replace(NOTHING, wide=1.0))
    talked = slice(count[0], count[0] + count[1])
    assert score[: count[0]].tolist() == late[: count[0]].tolist()
    assert score[talked.stop :].tolist() == late[talked.stop :].tolist()
    assert (score[talked] > late[talked]).all()
