"""Where an optional package, a model file or a server is missing, one sentence says so and names the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headroom_core import open_originals
from headroom_core.ccr.encrypted import EncryptedBlobs
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.errors import InvalidInput, MissingExtra, ModelError, StoreError
from headroom_core.kompress.loaded import PieceTokenizer
from headroom_core.kompress.published import PublishedOnnx, load_published
from headroom_core.models.registry import BUNDLED, MLModelRegistry, ModelRow
from headroom_core.models.resolve import resolve
from headroom_core.syntax import _tree


def _tokenizer() -> PieceTokenizer:
    return PieceTokenizer(BUNDLED / "kompress" / "tokenizer.json")


DOORS: list[tuple[str, str, Callable[[], object]]] = [
    ("redis", "redis", lambda: open_originals("redis://127.0.0.1:1/0", key=b"k" * 32)),
    ("cryptography.exceptions", "crypto", lambda: EncryptedBlobs(MemoryBlobs(), key=b"k" * 32)),
    ("huggingface_hub", "hub", lambda: resolve("owner/name")),
    ("torch", "torch", lambda: _tokenizer()("a text", return_tensors="pt")),
]


@pytest.mark.parametrize(("package", "extra", "knock"), DOORS, ids=[door[0] for door in DOORS])
def test_each_door_names_its_pip_line(
    package: str, extra: str, knock: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its package a feature raises ``MissingExtra`` with the extra that brings it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        knock()
    assert f"pip install 'headroom-integrations[{extra}]'" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_languages_without_a_grammar_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that nobody knows, and one whose package is away, cannot be parsed; nothing is raised."""
    assert _tree.errors(b"x", "cobol") is None
    assert _tree.read(b"x", "cobol") is None
    _tree.grammar.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    try:
        assert _tree.errors(b"int a;", "c") is None
    finally:
        _tree.grammar.cache_clear()


# ------------------------------------------------------------------ models
def test_a_model_whose_file_is_gone_says_which(tmp_path: Path) -> None:
    """The row names the file and the remedy."""
    row = ModelRow("mine", "layout", "Apache-2.0", "here", {"model.onnx": "0" * 64}, 1, tmp_path)
    with pytest.raises(ModelError, match=r"mine lacks .*model\.onnx.*Install"):
        row.verify(tmp_path)


def test_a_known_name_without_a_folder_is_no_model_here(tmp_path: Path) -> None:
    """A row that only describes a model elsewhere is not found on this machine."""
    registry = MLModelRegistry()
    registry.add(ModelRow("elsewhere", "layout", "Apache-2.0", "there", {}, 1))
    with pytest.raises(ModelError, match="no model at 'elsewhere'"):
        resolve("elsewhere", registry=registry)


def test_a_model_that_cannot_be_fetched_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the cache and the network away: one sentence; in reach: its folder."""
    hub = pytest.importorskip("huggingface_hub")
    asked: list[bool] = []

    def fetch(name: str, *, allow_patterns: Any, local_files_only: bool = False) -> str:
        asked.append(local_files_only)
        if local_files_only:
            raise hub.errors.LocalEntryNotFoundError("not here")
        if name == "owner/away":
            raise OSError("the network is away")
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    assert resolve("owner/name") == tmp_path
    with pytest.raises(ModelError, match="'owner/away' could not be fetched: the network is away"):
        resolve("owner/away")
    assert asked == [True, False, True, False], "the cache is asked first"


def test_a_folder_without_a_tokenizer_or_weights_says_what_it_lacks(tmp_path: Path) -> None:
    """A model folder of the published layout needs both."""
    with pytest.raises(ModelError, match="no tokenizer"):
        load_published(tmp_path, "auto", threads=1, threshold=0.5)
    (tmp_path / "tokenizer.json").write_bytes((BUNDLED / "kompress" / "tokenizer.json").read_bytes())
    for backend, wanted in (
        ("onnx", r"onnx/\*\.onnx"),
        ("torch", "model.safetensors"),
        ("auto", "model.safetensors or"),
    ):
        with pytest.raises(ModelError, match=wanted):
            load_published(tmp_path, backend, threads=1, threshold=0.5)


class _Graph:
    """A session that gives arrays out as a graph of the published layout does."""

    def __init__(self, *outputs: np.ndarray) -> None:
        self.outputs = outputs
        self.fed: list[dict[str, np.ndarray]] = []

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="input_ids")]

    def run(self, names: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.fed.append(feed)
        width = feed["input_ids"].shape[1]
        return [output[:, :width] for output in self.outputs]


IDS = np.array([[5, 6, 7], [8, 9, 0]], np.int64)
ON = np.array([[1, 1, 1], [1, 1, 0]], bool)


def test_a_published_graph_may_give_logits_or_probabilities() -> None:
    """Two logits a token become their difference; a span probability beside them and a finished score become logits."""
    logits = np.array([[[0.0, 2.0], [0.0, -1.0], [1.0, 1.0]]], np.float32)
    span = np.array([[0.5, 0.9, 0.1]], np.float32)
    graph = _Graph(logits, span)
    scores = PublishedOnnx(graph)(IDS, ON)
    assert scores.keep[0].tolist() == [2.0, -1.0, 0.0]
    assert scores.keep[1, 2] == -20.0, "padding is never kept"
    assert [feed["input_ids"].shape for feed in graph.fed] == [(1, 3), (1, 2)], "texts go in alone, unpadded"
    assert "attention_mask" not in graph.fed[0], "a graph gets the inputs that it has"
    finished = PublishedOnnx(_Graph(span))(IDS, ON)
    assert finished.keep[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert finished.keep[0, 1] == pytest.approx(np.log(9), rel=1e-5)


def test_texts_of_different_length_need_padding() -> None:
    """Without it no array is possible, and the remedy is named."""
    with pytest.raises(InvalidInput, match="padding=True"):
        _tokenizer()(["one", "one and two and three"])
    padded = _tokenizer()(["one", "one and two and three"], padding=True)
    assert padded["input_ids"].shape == padded["attention_mask"].shape
    assert padded["attention_mask"][0].sum() < padded["attention_mask"][1].sum()


# ------------------------------------------------------------------ stores
def test_closing_an_encrypted_store_closes_what_is_behind_it(tmp_path: Path) -> None:
    """And does nothing to a store that cannot be closed."""
    pytest.importorskip("cryptography")
    store = SqliteBlobs(tmp_path / "kept.sqlite3")
    sealed = EncryptedBlobs(store, key=b"k" * 32)
    sealed.put("ns/k", b"v")
    sealed.close()
    assert sealed.get("ns/k") == b"v", "it opens again"
    store.close()
    EncryptedBlobs(MemoryBlobs(), key=b"k" * 32).close()


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    """A refused connection is a ``StoreError`` with the kind of failure and no address or password."""
    pytest.importorskip("redis")
    store = open_originals("redis://:secret@127.0.0.1:1/0", key=b"k" * 32)
    with pytest.raises(StoreError) as caught:
        store.put(b"data", namespace="ns")
    assert "secret" not in str(caught.value)
