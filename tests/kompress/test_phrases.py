"""Phrases without a query: the numpy network is the trained one, and what it prices stays whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.phrases import LONGEST, Phrases, Window, _without, window
from headroom_core.kompress.signals import split
from headroom_core.training.kompress_phrases import Network, Passage, answers_of, graph, loss_of, train
from tests.kompress.texts import LONG

TEXT = (
    "The harbour of Lenvik was built between 1888 and 1891 by the engineer Ada Moen. It has two long piers, and the "
    "older one was closed for nine years after a storm. In winter the ferry to the outer islands leaves at noon."
)


@pytest.fixture(scope="module")
def kompress() -> KompressCompressor:
    """The bundled model."""
    return KompressCompressor(enable_ccr=False, counter="o200k")


def _seen(kompress: KompressCompressor, text: str) -> Window:
    loaded = kompress.load()
    assert loaded.model.staged is not None
    document = split(loaded.tokenizer, [text])[0]
    return window(loaded.model.staged, document, 0, len(document.ids))


def test_the_graph_is_the_trained_network(kompress: KompressCompressor, tmp_path: Path) -> None:
    """Probabilities read through the ONNX graph equal those of the torch network that it was written from."""
    words = _seen(kompress, TEXT)
    torch.manual_seed(5)
    model = Network(words.features.shape[1]).eval()
    file = tmp_path / "phrases.onnx"
    file.write_bytes(graph(model).SerializeToString())
    read = Phrases.load(file, {"length": model.length.tolist(), "level": 1.0})
    found = read.worth(replace(words, guard=np.zeros(len(words.spans))))
    first = np.flatnonzero(words.sentence == words.sentence[0])
    pairs = [(a, b) for a in first for b in first if a <= b < a + LONGEST]
    a, b = (torch.tensor([p[k] for p in pairs]) for k in (0, 1))
    with torch.inference_mode():
        expected = torch.sigmoid(model(torch.from_numpy(words.features), a, b)).numpy()
    np.testing.assert_allclose([found[0][p] for p in pairs], expected, rtol=0.01)


def test_words_are_those_of_the_text(kompress: KompressCompressor) -> None:
    """Over windows and sentences, each run without white space is one word, in order, with a score in [0, 1)."""
    words = kompress.words(LONG)
    assert [words.text[s:e] for s, e in words.spans] == LONG.split()
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


def test_an_article_is_left_out_of_its_phrase() -> None:
    """Phrases are told in the words that are no articles: what began with one begins behind it, one alone is none."""
    worth = np.zeros((4, 4))
    worth[0, 2] = 0.5  # "the old | ferry" of "the old ferry the"
    worth[1, 2] = 0.25
    worth[2, 3] = 0.125
    worth[0, 0] = worth[3, 3] = 9.0
    assert _without(worth, np.array([1, 2])).tolist() == [[0.0, 0.75], [0.0, 0.125]]
    assert _without(worth, np.arange(4)).tolist() == worth.tolist()
    assert _without(worth, np.zeros(0, np.int64)).shape == (0, 0)


def _toy(seed: int) -> Passage:
    """A sentence of eight words; the answer is the stretch whose words carry a mark in their features."""
    draw = np.random.default_rng(seed)
    features = draw.normal(0, 0.1, (8, 6)).astype(np.float32)
    start = int(draw.integers(0, 6))
    features[start : start + 3, 0] = 2.0
    pairs = [(a, b) for a in range(8) for b in range(a, 8)]
    first, last = (np.array([p[k] for p in pairs]) for k in (0, 1))
    answer = np.array([p == (start, start + 2) for p in pairs], np.float32)
    words = Window(
        [(i, i + 1) for i in range(8)], features, np.zeros(8, np.int64), np.ones(8), np.zeros(8), np.zeros(8, np.bool_)
    )
    return Passage(words, first, last, answer)


def test_training_finds_marked_phrases_and_repeats() -> None:
    """On a toy the loss per answer falls far below that of a uniform guess; the same seed gives the same weights."""
    said: list[str] = []
    chosen, held = [_toy(i) for i in range(400)], [_toy(i) for i in range(1000, 1020)]
    model = train(chosen, held, 3, said.append)
    assert float(said[-1].split()[-5]) < 0.6 * np.log(36)
    with torch.inference_mode():
        assert float(loss_of(model, held[0])) < np.log(36)
    again = train(chosen, held, 3, said.append)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


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
