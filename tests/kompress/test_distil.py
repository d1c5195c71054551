"""The late stage learns the targets of its teachers, and nothing in front of it moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headroom_core.evals.kompress_curves import sheet  # noqa: E402
from headroom_core.evals.kompress_importance import lost_without  # noqa: E402
from headroom_core.kompress.compressor import KompressCompressor  # noqa: E402
from headroom_core.kompress.model import Kompress, Shape  # noqa: E402
from headroom_core.models.registry import BUNDLED  # noqa: E402
from headroom_core.training import kompress_distil  # noqa: E402
from headroom_core.training.kompress_data import Corpus, Reader, tokenizer  # noqa: E402
from headroom_core.training.kompress_distil import MOST, NEEDED, Example, Judged, Run, examples, judge, target  # noqa: E402
from headroom_core.training.kompress_reranker import Ranked, Reranker, tune  # noqa: E402
from headroom_core.training.kompress_train import forward, sentence_logits  # noqa: E402
from tests.kompress.texts import DOCUMENTS  # noqa: E402

SMALL = Shape(hidden=32, layers=2, heads=4, inner=48, positions=384, early=1, conv=8)
PIECES = tokenizer(BUNDLED / "kompress" / "tokenizer.json")
GOLD = "It was built in 1891 by the engineer Ada Moen."


def item(source: str = "squad_du") -> dict[str, Any]:
    """Who built the harbour, among three documents."""
    gold = f"Lenvik has a harbour. {GOLD} The piers are of stone."
    start = gold.index(GOLD)
    others = [{"title": "O", "text": text, "evidence": [], "answer_spans": []} for text in DOCUMENTS[2:4]]
    own = {
        "title": "T",
        "text": gold,
        "evidence": [[start, start + len(GOLD)]],
        "answer_spans": [[gold.index("Ada Moen"), gold.index("Ada Moen") + 8]],
    }
    query = "Who built the harbour of Lenvik?"
    return {"id": "1", "source": source, "query": query, "answers": ["Ada Moen"], "documents": [*others, own]}


def reranker() -> Reranker:
    """A small one with random weights."""
    torch.manual_seed(3)
    return Reranker(Kompress(Shape(**{**SMALL.as_dict(), "early": 2}), dropout=0.0), PIECES)


def test_the_reranker_learns_which_sentences_answer():
    """After some steps on one question its gold sentence leads; its mark is the sum of sentence and document."""
    page = sheet(item())
    question = Ranked(page, np.zeros(len(page.units)))
    begun = reranker()
    model = tune(begun, [question] * 600, seed=1)
    before, after = reranker().marks(question), model.marks(question)
    others = [i for i in range(len(page.units)) if i not in question.gold]
    lead = [float(marks[question.gold[0]] - marks[others].max()) for marks in (before, after)]
    assert lead[1] > lead[0]
    query, text = page.item["query"], page.unit_texts()[question.gold[0]]
    parts = model.scores([(query, text), (query, page.texts[2])])
    assert after[question.gold[0]] == pytest.approx(parts.sum(), abs=0.05)


def test_a_target_adds_what_the_teachers_say():
    """Several hops keep their own logits; else the re-ranker's and the importance are added, the latter up to a bound."""
    page = sheet(item())
    size = len(page.units)
    judged = Judged(Ranked(page, np.arange(size, dtype=float)), np.linspace(-1, 1, size), np.full(size, 9.0))
    model = reranker()
    expected = 0.6 * (judged.late + model.marks(judged.ranked)) + NEEDED * MOST
    assert np.allclose(target(judged, model), expected)
    hops = Judged(Ranked(sheet(item("hotpot_train")), judged.ranked.score), judged.late, judged.lost)
    assert np.array_equal(target(hops, model), judged.late)


def test_runs_read_questions_of_their_own():
    """No question of one hop comes twice, in no round; the first run of each round reads the several hops, too."""
    rounds = (((3, 9), (2, 9)), ((2, 9), (1, 9)))
    single = {**item(), "answerable": True, "documents": item()["documents"][2:]}
    hops = [{**item("hotpot_train"), "id": f"hop {k}"} for k in range(2)]
    found = kompress_distil.parts([*({**single, "id": str(k)} for k in range(10)), *hops], rounds, seed=1)
    ids = [[[one["id"] for one in run] for run in runs] for runs in found]
    assert [[len(run) for run in runs] for runs in ids] == [[5, 2], [4, 1]]
    near = [one for runs in ids for run in runs for one in run if not one.startswith("hop")]
    assert len(near) == len(set(near)) == 8
    assert all({"hop 0", "hop 1"} <= set(runs[0]) for runs in ids)


def test_the_bundle_judges_a_question():
    """Late logits and importance stand at their sentences: only sentences beside the answer's can be important."""
    compressor = KompressCompressor(enable_ccr=False)
    judged = judge(compressor, item())
    assert len(judged.late) == len(judged.lost) == len(judged.ranked.page.units)
    assert int(judged.late.argmax()) in judged.ranked.gold
    nats = lost_without(compressor, item()["documents"][2], item()["query"])
    owner = judged.ranked.owner
    assert not judged.lost[owner != 2].any()
    assert judged.lost[owner == 2].tolist() == [nats.get(k, 0.0) for k in range(3)]


def test_the_late_stage_learns_its_targets_alone(monkeypatch: pytest.MonkeyPatch):
    """The softmax over a question's sentences comes closer to that of the targets; early weights stay as they are."""
    for name, value in (("RATE", 3e-3), ("HEAD_RATE", 3e-3), ("WARM", 5), ("REPORTS", 20)):
        monkeypatch.setattr(kompress_distil, name, value)
    reader = Reader(PIECES)
    page = sheet(item())
    size = len(page.units)
    judged = Judged(Ranked(page, np.zeros(size)), np.zeros(size), np.zeros(size))
    [example] = examples([judged], reranker(), reader)
    wanted = Example(example.question, np.where(np.arange(size) == 0, 3.0, 0.0))
    corpus = Corpus(reader.documents, [example.question], [], [], list(range(len(reader.documents))), {})
    torch.manual_seed(5)
    model = Kompress(SMALL, dropout=0.0)
    early = {
        name: tensor.clone() for name, tensor in model.state_dict().items() if not name.startswith(("layers.1", "late"))
    }
    run = Run(model, corpus, [wanted], reader, seed=2)
    batch, chosen = next(run.batches(1))

    def apart() -> float:
        with torch.no_grad():
            out = forward(model, batch, "cpu", "late", half=True)
            return float(run.apart(sentence_logits(out, "late", len(batch.labels)), batch, chosen))

    before = apart()
    tuned = run.train(40)
    assert apart() < 0.9 * before
    assert all(torch.equal(tuned.state_dict()[name], tensor) for name, tensor in early.items())
