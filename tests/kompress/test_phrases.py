"""Phrases without a query: the numpy network is the trained one, and what it prices stays whole."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.model import Kompress, Shape
from headroom_core.kompress.phrases import LONGEST, OWN, Phrases, Seen, Window, _pass_on, window
from headroom_core.kompress.signals import split
from headroom_core.training import kompress_teacher as teacher
from headroom_core.training.kompress_phrases import (
    Network,
    Passage,
    answers_of,
    features_of,
    loss_of,
    passage,
    softened,
    train,
)
from headroom_core.training.kompress_phrases_export import graph
from tests.kompress.texts import LONG

TEXT = (
    "The harbour of Lenvik was built between 1888 and 1891 by the engineer Ada Moen. It has two long piers, and the "
    "older one was closed for nine years after a storm. In winter the ferry to the outer islands leaves at noon."
)


@pytest.fixture(scope="module")
def kompress() -> KompressCompressor:
    """The bundled model."""
    return KompressCompressor(enable_ccr=False, counter="o200k")


def _read(kompress: KompressCompressor, text: str, answer: str) -> Passage:
    """A text with one answer, as the early exit reads it."""
    loaded = kompress.load()
    assert loaded.model.staged is not None
    document = split(loaded.tokenizer, [text])[0]
    read = window(loaded.model.staged, document, 0, len(document.ids))
    start = text.index(answer)
    return passage(*read, document.ids, [(start, start + len(answer))])


def test_the_graph_is_the_trained_network(kompress: KompressCompressor, tmp_path: Path) -> None:
    """Probabilities read through the ONNX graph equal those of the torch network that it was written from."""
    own = _read(kompress, TEXT, "Ada Moen")
    torch.manual_seed(5)
    features = features_of(own)
    model = Network(features.shape[1]).eval()
    file = tmp_path / "phrases.onnx"
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    file.write_bytes(graph(arrays).SerializeToString())
    read = Phrases.load(file, {"level": 1.0})
    chance = read.run(replace(own.seen, states=own.seen.states.astype(np.float32)))
    assert chance.shape == (len(own.words.spans), LONGEST)
    with torch.inference_mode():
        logits = model(features, torch.from_numpy(own.first), torch.from_numpy(own.last))
    np.testing.assert_allclose(chance[own.first, own.last - own.first], torch.sigmoid(logits), rtol=0.01)


def test_phrases_are_worth_their_chance(kompress: KompressCompressor) -> None:
    """Where nothing is guarded, each sentence holds its own phrases' probabilities and nothing else."""
    own = _read(kompress, TEXT, "Ada Moen")
    count = len(own.words.spans)
    plain = replace(own.words, guard=np.zeros(count), article=np.zeros(count, np.bool_))
    chance = np.random.default_rng(0).random((count, LONGEST)).astype(np.float32)
    [batch] = Phrases(lambda seen: chance, 1.0).batches([plain], [chance])
    found = {}
    for place, real, worth in zip(batch.place, batch.real, batch.worth, strict=True):
        for a, b in np.argwhere(worth > 0).tolist():
            assert real[b]
            found[int(place[a]), int(place[b])] = float(worth[a, b])
    pairs = zip(own.first.tolist(), own.last.tolist(), strict=True)
    assert found == {(a, b): float(chance[a, b - a]) for a, b in pairs}


def test_guards_by_what_they_tell_alone(kompress: KompressCompressor) -> None:
    """Where nobody asks for anything, numbers and negations go last, then names, then quantifiers, and the rest first."""
    own = _read(kompress, "In all it took Lenvik 40 days, and several ships never left.", "40 days")
    none = np.zeros((len(own.words.spans), LONGEST), np.float32)
    price = Phrases(lambda seen: none, 1.0).prices([own.words], [none]).tolist()
    words = dict(zip("In all it took Lenvik 40 days, and several ships never left.".split(), price, strict=True))
    assert min(words["40"], words["never"]) > words["Lenvik"] > max(words["all"], words["several"])
    assert min(words["all"], words["several"]) > 0 == words["took"] == words["ships"]


def test_words_are_those_of_the_text(kompress: KompressCompressor) -> None:
    """Over windows and sentences, each run without white space is one word, in order, with a score in [0, 1)."""
    words = kompress.words(LONG)
    joined = [words.text[s:e] + " " * (words.text[e : e + 1].isspace() or e == len(LONG)) for s, e in words.spans]
    assert "".join(joined).split() == LONG.split()
    assert ((words.score >= 0) & (words.score < 1)).all()
    assert words.ranked


def test_half_of_a_text_still_holds_its_names_and_numbers(kompress: KompressCompressor) -> None:
    """What is most worth asking for survives the cut to a half, as whole phrases."""
    shown = kompress.compress(TEXT, target_ratio=0.5).compressed
    for phrase in ("1888", "1891", "Ada Moen", "Lenvik", "two"):
        assert phrase in shown
    assert len(shown) < 0.65 * len(TEXT)


def test_torch_reads_the_same_states(kompress: KompressCompressor) -> None:
    """Scores of the torch back end lie near those of ONNX, so both keep the same words but for few."""
    other = KompressCompressor(enable_ccr=False, backend="torch")
    a, b = (k.compress(TEXT, target_ratio=0.6).spans for k in (kompress, other))
    kept = [{i for s, e in spans for i in range(s, e)} for spans in (a, b)]
    assert len(kept[0] & kept[1]) >= 0.9 * max(map(len, kept))


def test_one_limit_keeps_what_the_scores_would(kompress: KompressCompressor) -> None:
    """The short way for a known limit gives the words whose scores lie above it, over several windows."""
    loaded = kompress.load()
    assert loaded.phrases is not None
    assert loaded.model.staged is not None
    document = split(loaded.tokenizer, [LONG])[0]
    scores = loaded.phrases.read(loaded.model.staged, document).score
    for limit in (0.2, 0.5, 0.9):
        short = loaded.phrases.read(loaded.model.staged, document, limit=limit).score
        assert short.tolist() == (scores > limit).astype(float).tolist()
        assert 0 < short.mean() < 1


def test_a_phrase_is_told_without_its_articles() -> None:
    """What began with an article begins behind it, what ended with one ends before it, an article alone is none."""
    worth = np.zeros((1, 4, 4), np.float32)
    worth[0, 0, 2] = 0.5  # "the old ferry" of "the old ferry the"
    worth[0, 1, 2] = 0.25
    worth[0, 2, 3] = 0.125
    worth[0, 0, 0] = worth[0, 3, 3] = 9.0
    _pass_on(worth, np.array([[True, False, False, True]]))
    expected = np.zeros((4, 4))
    expected[1, 2], expected[2, 2] = 0.75, 0.125
    assert worth[0].tolist() == expected.tolist()


def test_commas_go_first_but_not_between_names(kompress: KompressCompressor) -> None:
    """Marks go before words, their white space stays; between guarded words they tell one from the next and stay."""
    text = "The towns of Lenvik, Hamn, and Botn share it: fishermen, traders and sailors, mostly, and for long."
    result = kompress.compress(text, target_ratio=0.85)
    assert "Lenvik, Hamn and Botn share it fishermen traders and sailors mostly" in result.compressed
    assert "".join(text[a:b] for a, b in result.spans) == result.compressed


def _toy(seed: int, count: int = 12) -> Passage:
    """A sentence of so many words; the answer is the stretch whose words carry a mark in their features."""
    draw = np.random.default_rng(seed)
    states = draw.normal(0, 0.1, (count, 6)).astype(np.float32)
    start = int(draw.integers(0, count - 2))
    states[start : start + 3, 0] = 2.0
    every = np.arange(count)
    words = Window(
        [(i, i + 1) for i in every],
        np.zeros(count, np.int64),
        np.ones(count),
        np.zeros(count),
        np.zeros(count, np.bool_),
    )
    seen = Seen(states, every, every, np.zeros((count, OWN), np.float32))
    return passage(words, seen, 1000 + every, [(start, start + 3)])


def test_a_passage_has_all_phrases_and_marks_the_answer(kompress: KompressCompressor) -> None:
    """Every stretch of a sentence of up to ``LONGEST`` words is there once; the one of the answer is wanted."""
    own = _read(kompress, TEXT, "1888 and 1891")
    sentence = own.words.sentence
    count = len(sentence)
    expected = [(a, b) for a in range(count) for b in range(a, min(count, a + LONGEST)) if sentence[a] == sentence[b]]
    assert list(zip(own.first.tolist(), own.last.tolist(), strict=True)) == expected
    [wanted] = np.flatnonzero(own.target).tolist()
    begin, end = own.words.spans[own.first[wanted]][0], own.words.spans[own.last[wanted]][1]
    assert TEXT[begin:end] == "1888 and 1891"


def test_training_finds_marked_phrases_and_repeats() -> None:
    """On a toy the loss per answer falls far below that of a uniform guess; the same seed gives the same weights."""
    said: list[str] = []
    chosen, held = [_toy(i) for i in range(400)], [_toy(i) for i in range(1000, 1020)]
    model = train(chosen, held, 3, said.append)
    guess = np.log(len(held[0].first))
    assert float(said[-1].split()[-5]) < 0.6 * guess
    with torch.inference_mode():
        assert float(loss_of(model, held[:1])) < guess
    again = train(chosen, held, 3, said.append)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_teachers_say_what_is_learned() -> None:
    """Targets are the mean of the teachers, mixed with the answers that were asked for."""

    class Sure:
        def __init__(self, chance: float) -> None:
            self.chance = chance

        def chances(self, passages: Sequence[Passage]) -> Iterator[NDArray[np.float32]]:
            return (np.full(len(p.first), self.chance, np.float32) for p in passages)

    own = _toy(1)
    [soft] = softened([own], [Sure(0.2), Sure(0.4)], 0.5)
    np.testing.assert_allclose(soft.target, 0.5 * own.target + 0.15)


def test_a_teacher_learns_and_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    """A tiny encoder learns which word pieces are asked for; pads of a batch change nothing; a seed repeats itself."""
    chosen, held = [_told(i) for i in range(160)], [_told(i) for i in range(1000, 1016)]
    first, again = (teacher.train(_tiny(), chosen, held, 5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    losses = [float(line.split()[5]) for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert losses[-1] <= losses[0]
    short, long = held[0], _told(3, 20)
    [alone] = first.chances([short])
    beside, _ = first.chances([short, long])
    np.testing.assert_allclose(alone, beside, atol=0.02)  # bfloat16


def _tiny() -> Kompress:
    torch.manual_seed(1)
    return Kompress(Shape(vocab=1200, hidden=24, layers=2, heads=2, inner=48, positions=64, early=2), dropout=0.0)


def _told(seed: int, count: int = 12) -> Passage:
    """A toy whose answer shows in its word pieces."""
    own = _toy(seed, count)
    ids = own.ids.copy()
    wanted = int(np.flatnonzero(own.target)[0])
    ids[1 + own.first[wanted] : 2 + own.last[wanted]] = 1100
    return replace(own, ids=ids)


def test_a_passage_is_shown_in_parts(kompress: KompressCompressor) -> None:
    """What training shows of a passage is a run of its sentences, with the phrases and word pieces of those."""
    own = _read(kompress, TEXT, "nine years")
    draw = random.Random(0)
    sizes = set()
    for _ in range(30):
        part = teacher.varied(own, draw)
        sizes.add(len(part.ids))
        assert part.ids[0] == 101
        assert part.ids[-1] == 102
        assert int(part.seen.last[-1]) + 3 == len(part.ids)
        assert int(part.last.max()) + 1 == len(part.seen.own) == len(part.seen.first)
        known = set(own.ids.tolist()) | {teacher.MASK}
        assert set(part.ids.tolist()) <= known
    assert len(sizes) > 2
    assert max(sizes) == len(own.ids)


def test_answers_are_gathered_by_passage() -> None:
    """All questions of one passage make one list; unanswerable ones and other sources add nothing."""
    document = {"text": "a b c", "answer_spans": [[0, 1]]}
    rows = [
        {"source": "squad_du", "answerable": True, "documents": [document]},
        {"source": "squad2_half", "answerable": True, "documents": [{**document, "answer_spans": [[2, 3]]}]},
        {"source": "squad2_half", "answerable": False, "documents": [document]},
        {"source": "policyqa", "answerable": True, "documents": [document]},
    ]
    assert dict(answers_of(rows)) == {"a b c": [(0, 1), (2, 3)]}
