"""Phrases without a query: the numpy network is the trained one, and what it prices stays whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.phrases import LONGEST, Phrases, Window, _pass_on, window
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


def _seen(kompress: KompressCompressor, text: str) -> tuple[Window, NDArray[np.float32]]:
    loaded = kompress.load()
    assert loaded.model.staged is not None
    document = split(loaded.tokenizer, [text])[0]
    return window(loaded.model.staged, document, 0, len(document.ids))


def test_the_graph_is_the_trained_network(kompress: KompressCompressor, tmp_path: Path) -> None:
    """Probabilities read through the ONNX graph equal those of the torch network that it was written from."""
    words, features = _seen(kompress, TEXT)
    torch.manual_seed(5)
    model = Network(features.shape[1]).eval()
    file = tmp_path / "phrases.onnx"
    file.write_bytes(graph(model).SerializeToString())
    read = Phrases.load(file, {"length": model.length.tolist(), "level": 1.0})
    plain = replace(words, guard=np.zeros(len(words.spans)), article=np.zeros(len(words.spans), np.bool_))
    found = next(read.batches([plain], [read.run(features)])).worth
    first = np.flatnonzero(words.sentence == words.sentence[0])
    pairs = [(a, b) for a in first for b in first if a <= b < a + LONGEST]
    a, b = (torch.tensor([p[k] for p in pairs]) for k in (0, 1))
    with torch.inference_mode():
        expected = torch.sigmoid(model(torch.from_numpy(features), a, b)).numpy()
    np.testing.assert_allclose([found[0][p] for p in pairs], expected, rtol=0.01)


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


def _toy(seed: int) -> Passage:
    """A sentence of eight words; the answer is the stretch whose words carry a mark in their features."""
    draw = np.random.default_rng(seed)
    features = draw.normal(0, 0.1, (8, 6)).astype(np.float32)
    start = int(draw.integers(0, 6))
    features[start : start + 3, 0] = 2.0
    pairs = [(a, b) for a in range(8) for b in range(a, 8)]
    first, last = (np.array([p[k] for p in pairs]) for k in (0, 1))
    answer = np.array([p == (start, start + 2) for p in pairs], np.float32)
    spans = [(i, i + 1) for i in range(8)]
    words = Window(spans, np.zeros(8, np.int64), np.ones(8), np.zeros(8), np.zeros(8, np.bool_))
    return Passage(words, features, first, last, answer)


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
