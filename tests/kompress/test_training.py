"""The trainer on a handful of texts: targets stand on their tokens, seeds repeat, graphs compute what torch computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from headroom_core.kompress.model import Kompress, Shape  # noqa: E402
from headroom_core.kompress.onnx import OnnxScorer  # noqa: E402
from headroom_core.kompress.torch import TorchScorer, weights_of  # noqa: E402
from headroom_core.models.registry import BUNDLED  # noqa: E402
from headroom_core.training.kompress_batches import CLS, SEP, Builder, plan_epoch  # noqa: E402
from headroom_core.training.kompress_bundle import write_graphs  # noqa: E402
from headroom_core.training.kompress_data import Corpus, Question, Reader, tokenizer  # noqa: E402
from headroom_core.training.kompress_export import MS, Graph  # noqa: E402
from headroom_core.training.kompress_train import Layout, Schedule, train  # noqa: E402
from tests.kompress.texts import DOCUMENTS  # noqa: E402

SMALL = Shape(hidden=32, layers=2, heads=4, inner=48, positions=384, early=1, conv=8)


GOLD = set("the harbour of lenvik was built in 1891 by the engineer ada moen . market opens on saturdays".split())


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Four documents, two questions."""
    reader = Reader(tokenizer(BUNDLED / "kompress" / "tokenizer.json"))
    questions: list[Question] = []
    for text, query, answer in (
        (DOCUMENTS[0], "Who built the harbour?", "Ada Moen"),
        (DOCUMENTS[2], "When does the market open?", "Saturdays"),
    ):
        start = text.index(answer)
        end = text.index(".", start) + 1
        document = {
            "title": "T",
            "text": text,
            "evidence": [[text.rfind(".", 0, start) + 1, end]],
            "answer_spans": [[start, start + len(answer)]],
        }
        row = {"query": query, "source": "squad_du", "answers": [answer], "documents": [document]}
        questions.append(reader.question(row))
    others = [reader.document("O", text, "other") for text in DOCUMENTS]
    return Corpus(reader.documents, questions, [], [], others, {})


@pytest.mark.parametrize(("packed", "shortlist"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_targets_stand_on_their_tokens(corpus: Corpus, packed: float, shortlist: float):
    """In every layout gold sentences and answer tokens are where the text has them, and nowhere else."""
    builder = Builder(corpus, near=2, packed=packed, shortlist=shortlist, masked=0.0)
    pieces = tokenizer(BUNDLED / "kompress" / "tokenizer.json")
    answered = 0
    for seed in range(8):
        batch = builder.batch(seed, [("question", 0), ("question", 1)])
        for bucket in batch.buckets:
            flat = bucket.ids.reshape(-1)
            shown = pieces.decode([int(i) for i in flat[bucket.inside[bucket.answer > 0]]])
            answered += len(shown) > 0
            assert set(shown.split()) <= {"ada", "moen", "saturdays"}
            gold = pieces.decode([int(i) for i in flat[bucket.inside[bucket.target > 0]]])
            assert set(gold.replace(".", " ").split()) <= GOLD
            assert (bucket.ids[:, 0] == CLS).all()
            assert not np.isin(flat[bucket.inside], [CLS, SEP, 0]).any()
    assert answered


def test_the_same_seed_gives_the_same_batch(corpus: Corpus):
    """Two builders agree on every array."""
    plans = [("question", 0), ("question", 1)]
    one, two = (Builder(corpus).batch(5, plans) for _ in range(2))
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(one.buckets, two.buckets, strict=True))
    assert plan_epoch(corpus, 3, 2) == plan_epoch(corpus, 3, 2)


def test_training_lowers_the_loss_and_repeats(corpus: Corpus):
    """A few steps on two questions lower the loss; the same seed gives the same weights."""
    found: list[list[str]] = []
    weights = []
    for _ in range(2):
        torch.manual_seed(1)
        lines: list[str] = []
        schedule = Schedule(epochs=30, groups=2, rate=3e-3, head_rate=3e-3, steps=30, workers=1)
        model = train(Kompress(SMALL, dropout=0.0), corpus, schedule, Layout(near=2), "cpu", lines.append)
        found.append([line for line in lines if line.startswith("step")])
        weights.append(model.layers[0].qkv.weight.detach().numpy())

    def loss(line: str) -> float:
        return float(line.split("sentence ")[1].split()[0])

    assert loss(found[0][-1]) < loss(found[0][0])
    assert np.array_equal(weights[0], weights[1])


def test_graphs_compute_what_torch_computes(tmp_path: Path):
    """In full precision the graphs equal the network to 1e-4; in int8 the logits stay close."""
    torch.manual_seed(2)
    model = Kompress(SMALL).eval()
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    ids = np.random.default_rng(0).integers(1000, 9000, (1, 40))
    ids[0, [0, 9, 39]] = [CLS, SEP, SEP]
    mask = np.ones_like(ids, bool)
    expected = TorchScorer(model, "cpu")(ids, mask)
    for mode, tolerance in (("fp32", 1e-4), ("int8", 0.15)):
        write_graphs(state, SMALL.as_dict(), tmp_path / mode, mode)
        found = OnnxScorer(tmp_path / mode, 1)(ids, mask)
        assert np.abs(found.keep - expected.keep).max() < tolerance
        assert found.value is not None
        assert expected.value is not None
        assert np.abs(found.value - expected.value).max() < tolerance


def test_an_outlying_channel_does_not_coarsen_the_others():
    """One input channel reaches a hundred times as far: with the peaks known, or row by row, int8 stays close."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, 20, 128)).astype(np.float32)
    x[..., 7] *= 100
    weight = rng.normal(size=(128, 32)).astype(np.float32)
    weight[7] *= 0.01
    error = {}
    for name, peaks, by_row in (
        ("plain", {}, False),
        ("levelled", {"w": np.abs(x[0]).max(0)}, False),
        ("by row", {}, True),
    ):
        error[name] = np.abs(_product(x, weight, peaks, by_row) - x @ weight).mean()
    assert error["levelled"] < 0.3 * error["plain"]
    assert error["by row"] < error["plain"]


def _product(x: np.ndarray, weight: np.ndarray, peaks: dict[str, np.ndarray], by_row: bool) -> np.ndarray:
    """One matrix product of an int8 graph."""
    import onnx
    import onnxruntime

    graph = Graph("int8", peaks)
    out = graph.matmul("x", weight, "w", by_row=by_row)
    made = onnx.helper.make_graph(
        graph.nodes,
        "one",
        [onnx.helper.make_tensor_value_info("x", 1, list(x.shape))],
        [onnx.helper.make_tensor_value_info(out, 1, None)],
        graph.weights,
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(MS, 1)]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def test_the_torch_back_end_reads_the_weights_out_of_levelled_graphs(tmp_path: Path):
    """Divided channels and rows rounded by themselves come back as the weights they stand for, to int8 precision."""
    torch.manual_seed(4)
    shape = replace(SMALL, inner=128)
    state = {name: tensor.numpy() for name, tensor in Kompress(shape).state_dict().items()}
    peaks = {f"layers.{i}.{n}": np.linspace(1, 9, 32) for i in range(2) for n in ("qkv", "up")}
    write_graphs(state, shape.as_dict(), tmp_path, peaks=peaks)
    found = weights_of(tmp_path)
    for i in range(2):
        for part in ("qkv", "out", "up", "down"):
            name = f"layers.{i}.{part}.weight"
            assert np.abs(found[name] - state[name]).max() < 0.03 * np.abs(state[name]).max()
