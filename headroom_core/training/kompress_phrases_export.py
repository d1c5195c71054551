"""The phrase network as an ONNX graph: from what ``phrases.Seen`` holds to the probability of every phrase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.phrases import LONGEST, OWN
from headroom_core.training.kompress_export import MS, Graph

SCALE = 5
"""What the products of left and right are divided by."""

Weights = Mapping[str, NDArray[np.float32]]


def graph(state: Weights) -> Any:
    """The tensors of ``kompress_phrases.Network``, stored in half precision, to a graph with the output ``chance`` (n, LONGEST)."""
    from onnx import TensorProto, helper

    made = Graph("half")
    _whole(made, "zero", 0)
    _whole(made, "one", 1)
    made.constant("row", np.array(0, np.int64))
    logits = _phrases(made, state, _words(made, state))
    total = made.node("Add", [_band(made, logits), made.half("length", state["length"])])
    made.nodes.append(helper.make_node("Sigmoid", [total], ["chance"]))
    hidden = state["input.weight"].shape[1] - OWN
    inputs = [
        helper.make_tensor_value_info("states", TensorProto.FLOAT, ["pieces", hidden]),
        helper.make_tensor_value_info("first", TensorProto.INT64, ["words"]),
        helper.make_tensor_value_info("last", TensorProto.INT64, ["words"]),
        helper.make_tensor_value_info("own", TensorProto.FLOAT, ["words", OWN]),
    ]
    outputs = [helper.make_tensor_value_info("chance", TensorProto.FLOAT, ["words", LONGEST])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)]
    return helper.make_model(
        helper.make_graph(made.nodes, "phrases", inputs, outputs, made.weights),
        opset_imports=opsets,
        ir_version=9,
        producer_name="headroom",
    )


def _whole(made: Graph, name: str, *values: int) -> str:
    """A constant of whole numbers."""
    return made.constant(name, np.array(values, np.int64))


def _linear(made: Graph, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any]) -> str:
    """A linear layer."""
    return made.node("Gemm", [x, made.half(f"{name}.weight", weight), made.half(f"{name}.bias", bias)], transB=1)


def _words(made: Graph, state: Weights) -> str:
    """Hidden numbers of each word. The first layer stands before the means, which so run over fewer channels."""
    from onnx import TensorProto

    of_states, of_own = np.split(state["input.weight"], [-OWN], axis=1)
    pieces = made.node("MatMul", ["states", made.half("input.states", of_states.T)])
    total = made.node("CumSum", [pieces, "row"])
    lasts, firsts, opening = (
        made.node("Gather", [x, i]) for x, i in ((total, "last"), (total, "first"), (pieces, "first"))
    )
    span = made.node("Add", [made.node("Sub", ["last", "first"]), "one"])
    size = made.node("Unsqueeze", [made.node("Cast", [span], to=TensorProto.FLOAT), "one"])
    mean = made.node("Div", [made.node("Add", [made.node("Sub", [lasts, firsts]), opening]), size])
    own = _linear(made, "own", "input", of_own, state["input.bias"])
    x = made.node("FastGelu", [made.node("Add", [mean, own])], MS)
    for layer in ("near", "far"):
        turned = made.node("Unsqueeze", [made.node("Transpose", [x]), "zero"])
        names = [turned, *(made.half(f"{layer}.{part}", state[f"{layer}.{part}"]) for part in ("weight", "bias"))]
        shown = made.node("FastGelu", [made.node("Conv", names, pads=[2, 2], kernel_shape=[5])], MS)
        x = made.node("Add", [x, made.node("Transpose", [made.node("Squeeze", [shown, "zero"])])])
    return x


def _phrases(made: Graph, state: Weights, x: str) -> str:
    """The logit of the words from each row to each column (n, n + LONGEST - 1), but for what the length adds."""
    ends, left, right = (
        _linear(made, x, head, state[f"{head}.weight"], state[f"{head}.bias"]) for head in ("ends", "left", "right")
    )
    begin, end, inside = (
        made.node("Slice", [ends, _whole(made, f"from{k}", k), _whole(made, f"to{k}", k + 1), "one"]) for k in range(3)
    )
    running = made.node("CumSum", [inside, "row"])
    begin = made.node("Add", [made.node("Sub", [begin, running]), inside])
    more = _whole(made, "more", 0, 0, LONGEST - 1, 0)  # rows that no phrase reaches
    never = made.constant("never", np.array(-1e4, np.float32))
    end = made.node("Pad", [made.node("Add", [end, running]), more, never])
    right = made.node("Transpose", [made.node("Pad", [right, more])])
    scale = made.constant("scale", np.array(1 / SCALE, np.float32))
    both = made.node("Mul", [made.node("MatMul", [left, right]), scale])
    return made.node("Add", [made.node("Add", [both, begin]), made.node("Transpose", [end])])


def _band(made: Graph, logits: str) -> str:
    """The ``LONGEST`` diagonals as columns: read in rows that are one longer, each row begins on the main diagonal."""
    count = made.node("Slice", [made.node("Shape", [logits]), "zero", "one"])
    wide = made.node("Add", [count, _whole(made, "longest", LONGEST)])
    row = made.node("Reshape", [logits, _whole(made, "flat", -1)])
    longer = made.node("Pad", [row, made.node("Concat", ["zero", count], axis=0)])
    skewed = made.node("Reshape", [longer, made.node("Concat", [count, wide], axis=0)])
    return made.node("Slice", [skewed, "zero", "longest", "one"])
