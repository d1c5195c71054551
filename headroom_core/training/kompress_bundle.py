"""Writes the bundle: int8 graphs, tokenizer, ``model.json`` with fusion, thresholds and digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.calibrate import Curve
from headroom_core.kompress.fuse import Weights
from headroom_core.kompress.scorer import CLS, SEP
from headroom_core.kompress.temper import Temper
from headroom_core.training.kompress_data import Corpus
from headroom_core.training.kompress_export import build, write

LICENCE = "Apache-2.0"
SOURCE = "headroom_core.training.kompress, from all-MiniLM-L6-v2 (Apache-2.0)"


FREE_BIAS = 1.75
"""Added to both token logits of the early exit, so that a score over 0.5 keeps about 57 % of running text."""


def write_graphs(
    state: Mapping[str, NDArray[Any]],
    shape: dict[str, int],
    folder: Path,
    mode: str = "int8",
    peaks: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """``early.onnx`` and ``late.onnx``; ``peaks``: see ``channel_peaks``."""
    shifted = dict(state)
    shifted["early.tokens.bias"] = state["early.tokens.bias"] + np.array([0, FREE_BIAS, 0, 0, 0, 0], np.float32)
    shifted["early.conv2.bias"] = state["early.conv2.bias"] + np.float32(FREE_BIAS)
    for stage in ("early", "late"):
        write(build(shifted, shape, mode, stage, peaks), folder / f"{stage}.onnx")


def write_late(state: Mapping[str, NDArray[Any]], folder: Path, rows: Iterable[NDArray[np.int64]]) -> None:
    """``late.onnx`` alone, with ``channel_peaks`` over some rows."""
    from headroom_core.kompress.model import Shape

    write(build(dict(state), Shape().as_dict(), "int8", "late", channel_peaks(state, rows)), folder / "late.onnx")


def channel_peaks(state: Mapping[str, NDArray[Any]], rows: Iterable[NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """The greatest activation of each input channel of each matrix product over some rows of ids (length,)."""
    import torch

    from headroom_core.kompress.model import Kompress, Layer
    from headroom_core.kompress.scorer import kinds_of

    model = Kompress()
    model.load_state_dict({name: torch.from_numpy(np.array(array, np.float32)) for name, array in state.items()})
    model.eval()
    found: dict[str, NDArray[np.float32]] = {}

    def watch(name: str) -> Any:
        def note(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            reach = inputs[0][0].abs().amax(0).numpy()
            found[name] = np.maximum(found.get(name, reach), reach)

        return note

    for i, layer in enumerate(model.layers):
        assert isinstance(layer, Layer)
        for part in ("qkv", "out", "up", "down"):
            getattr(layer, part).register_forward_pre_hook(watch(f"layers.{i}.{part}"))
    with torch.inference_mode():
        for row in rows:
            ids = row[None, :].astype(np.int64)
            model(torch.from_numpy(ids), torch.from_numpy(kinds_of(ids)), None, "late")
    return found


def shown(corpus: Corpus, count: int) -> Iterator[NDArray[np.int64]]:
    """Some training questions with their first documents, as the network reads them: rows for ``channel_peaks``."""
    for question in corpus.train[:: max(1, len(corpus.train) // count)]:
        document = corpus.documents[question.entries[0].document]
        yield np.array([CLS, *question.ids.tolist(), SEP, *document.ids[:300].tolist(), SEP], np.int64)


def write_tokenizer(source: Path, folder: Path) -> None:
    """The word-piece tokenizer without truncation and padding."""
    stored = json.loads(source.read_text(encoding="utf-8"))
    stored["truncation"] = stored["padding"] = None
    (folder / "tokenizer.json").write_text(
        json.dumps(stored, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
    )


def write_manifest(
    folder: Path,
    weights: Weights,
    notes: Mapping[str, Any],
    *,
    phrases: Mapping[str, Any],
    tempers: Mapping[str, Temper] | None = None,
    curves: Mapping[str, Curve] | None = None,
) -> None:
    """``model.json``: the registry's row with digests, fusion, phrases and tempers, risk curves, notes on the training."""
    files = ("early.onnx", "late.onnx", "phrases.onnx", "tokenizer.json")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    row = {"name": "kompress", "layout": "headroom-two-exits", "licence": LICENCE, "source": SOURCE, "files": digests}
    made = {
        "row": row,
        "fusion": weights.as_dict(),
        "phrases": dict(phrases),
        "tempers": {group: temper.as_dict() for group, temper in (tempers or {}).items()},
        "curves": {group: curve.as_dict() for group, curve in (curves or {}).items()},
        "notes": dict(notes),
    }
    (folder / "model.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
