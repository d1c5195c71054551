"""Weights to ONNX: the graph is written node by node with ONNX Runtime's fused operators, in fp32 or with int8 weights.

Rows of a graph call are never padded (the scorer sends texts of one length or one by one), so no mask enters.

In int8 a matrix product rounds its activations to 256 steps between the smallest and the greatest of them, and a few
channels reach ten times as far as the rest. Given the channels' peaks, those are divided down to the level of the
others and their weights multiplied (Xiao et al. 2022, for outliers only). The early stage's ``down`` products, whose
outliers change from token to token, round each row by itself instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MS = "com.microsoft"
BLOCK = 128
LEVEL = 0.98
"""Quantile of a matrix product's channel peaks above which a channel is divided down."""


class Graph:
    """Collects nodes and weights of one ONNX graph."""

    def __init__(self, mode: str, peaks: Mapping[str, Array] | None = None) -> None:
        self.mode = mode
        self.peaks = peaks or {}
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._serial = 0

    def constant(self, name: str, value: Array) -> str:
        """Add an initializer."""
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Add a node; returns its first output."""
        from onnx import helper

        self._serial += 1
        names = [f"{op}_{self._serial}" + ("" if i == 0 else f"_{i}") for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, inputs, names, name=f"n{self._serial}_{op}", domain=domain, **attributes)
        )
        return names[0]

    def matmul(self, x: str, weight: Array, name: str, *, by_row: bool = False) -> str:
        """Multiply x by weight (in, out); ``by_row``: in int8 each row of x is rounded by itself, where shapes allow."""
        if self.mode == "fp32":
            return self.node("MatMul", [x, self.constant(f"{name}.w", weight.astype(np.float32))])
        if by_row and weight.shape[0] % BLOCK == 0:
            return self._by_row(x, weight, name)
        x, weight = self.levelled(x, weight, name)
        quantised, scale = per_column(weight)
        zero = np.zeros(weight.shape[1], np.int8)
        names = [
            self.constant(f"{name}.q", quantised),
            self.constant(f"{name}.s", scale),
            self.constant(f"{name}.z", zero),
        ]
        return self.node("DynamicQuantizeMatMul", [x, *names], MS)

    def half(self, name: str, value: Array) -> str:
        """A constant; large ones lie in half precision and are widened when the graph is loaded, except in fp32."""
        if self.mode == "fp32" or value.size < 4096:
            return self.constant(name, value.astype(np.float32))
        return self.node("Cast", [self.constant(name, value.astype(np.float16))], to=1)

    def levelled(self, x: str, weight: Array, name: str) -> tuple[str, Array]:
        """The input with its outlying channels divided down, and the weights that undo it."""
        peaks = self.peaks.get(name)
        if peaks is None:
            return x, weight
        times = np.maximum(1.0, peaks / np.quantile(peaks, LEVEL)).astype(np.float32)
        return self.node("Mul", [x, self.constant(f"{name}.m", 1 / times)]), weight * times[:, None]

    def _by_row(self, x: str, weight: Array, name: str) -> str:
        """Activations rounded per row and block of ``BLOCK`` channels inside the kernel, weights per block."""
        inputs, outputs = weight.shape
        blocks = weight.T.reshape(outputs, inputs // BLOCK, BLOCK).astype(np.float32)
        scale = np.maximum(np.abs(blocks).max(-1), 1e-8) / 127
        quantised = np.clip(np.rint(blocks / scale[..., None]), -127, 127) + 128
        names = [
            self.constant(f"{name}.r", quantised.astype(np.uint8)),
            self.constant(f"{name}.s", scale.astype(np.float32)),
        ]
        sizes = {"K": inputs, "N": outputs, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
        return self.node("MatMulNBits", [x, *names], MS, **sizes)


def per_column(weight: Array) -> tuple[Array, Array]:
    """Symmetric int8 weights and one scale per output column."""
    scale = np.maximum(np.abs(weight).max(0), 1e-8) / 127
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def build(
    state: dict[str, Array], shape: dict[str, int], mode: str, stage: str, peaks: Mapping[str, Array] | None = None
) -> Any:
    """One of two ONNX models; ``mode``: fp32 or int8, ``peaks``: greatest activation of each channel by product.

    ``early``: ids and kinds (batch, length) int64 to tokens (batch, length, 7), relevance (batch,), hidden.
    ``late``: hidden (batch, length, size) to tokens and relevance of the last layer.
    """
    from onnx import TensorProto, helper

    graph = Graph(mode, peaks)
    float_, dims = TensorProto.FLOAT, ["batch", "length"]
    wide = [*dims, shape["hidden"]]
    outputs = [
        helper.make_tensor_value_info("tokens", float_, [*dims, 7]),
        helper.make_tensor_value_info("relevance", float_, ["batch"]),
    ]
    if stage == "early":
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, dims) for n in ("ids", "kinds")]
        x, layers = _embeddings(graph, state, mode), range(shape["early"])
        outputs.append(helper.make_tensor_value_info("hidden", float_, wide))
    else:
        inputs = [helper.make_tensor_value_info("hidden", float_, wide)]
        x, layers = "hidden", range(shape["early"], shape["layers"])
    for i in layers:
        x = _layer(graph, state, f"layers.{i}", x, shape["heads"], by_row=stage == "early")
    _heads(graph, state, stage, x)
    if stage == "early":
        graph.nodes.append(helper.make_node("Identity", [x], ["hidden"]))
    made = helper.make_graph(graph.nodes, f"kompress-{stage}", inputs, outputs, graph.weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9, producer_name="headroom")


def _embeddings(graph: Graph, state: dict[str, Array], mode: str) -> str:
    words = state["word.weight"]
    if mode == "fp32":
        word = graph.node("Gather", [graph.constant("word.w", words.astype(np.float32)), "ids"])
    else:
        quantised, scale = per_column(words.T)
        rows = graph.node("Gather", [graph.constant("word.q", quantised.T), "ids"])
        scales = graph.node("Gather", [graph.constant("word.s", scale[:, None]), "ids"])
        word = graph.node("Mul", [graph.node("Cast", [rows], to=1), scales])
    length = graph.node(
        "Slice",
        [graph.node("Shape", ["ids"]), graph.constant("one", np.array([1])), graph.constant("two", np.array([2]))],
    )
    places = graph.half("place.w", state["place.weight"])
    place = graph.node(
        "Slice", [places, graph.constant("zero", np.array([0])), length, graph.constant("axis", np.array([0]))]
    )
    kind = graph.node("Gather", [graph.constant("kind.w", state["kind.weight"].astype(np.float32)), "kinds"])
    total = graph.node("Add", [word, place])
    return _skip(graph, state, "norm", total, kind, None)


def _skip(graph: Graph, state: dict[str, Array], norm: str, x: str, skip: str, bias: Array | None) -> str:
    """LayerNorm(x + skip + bias)."""
    weights = [graph.constant(f"{norm}.{k}", state[f"{norm}.{k}"].astype(np.float32)) for k in ("weight", "bias")]
    inputs = [x, skip, *weights]
    if bias is not None:
        inputs.append(graph.constant(f"{norm}.added", bias.astype(np.float32)))
    return graph.node("SkipLayerNormalization", inputs, MS, epsilon=1e-12)


def _layer(graph: Graph, state: dict[str, Array], name: str, x: str, heads: int, *, by_row: bool) -> str:
    mixed = _attention(graph, state, name, x, heads)
    mixed = graph.matmul(mixed, state[f"{name}.out.weight"].T, f"{name}.out")
    x = _skip(graph, state, f"{name}.norm1", mixed, x, state[f"{name}.out.bias"])
    inner = graph.matmul(x, state[f"{name}.up.weight"].T, f"{name}.up")
    inner = graph.node(
        "BiasGelu", [inner, graph.constant(f"{name}.up.b", state[f"{name}.up.bias"].astype(np.float32))], MS
    )
    inner = graph.matmul(inner, state[f"{name}.down.weight"].T, f"{name}.down", by_row=by_row)
    return _skip(graph, state, f"{name}.norm2", inner, x, state[f"{name}.down.bias"])


def _attention(graph: Graph, state: dict[str, Array], name: str, x: str, heads: int) -> str:
    weight, bias = state[f"{name}.qkv.weight"].T, state[f"{name}.qkv.bias"].astype(np.float32)
    if graph.mode == "fp32":
        names = [graph.constant(f"{name}.qkv.w", weight.astype(np.float32)), graph.constant(f"{name}.qkv.b", bias)]
        return graph.node("Attention", [x, *names], MS, num_heads=heads)
    x, weight = graph.levelled(x, weight, f"{name}.qkv")
    quantised, scale = per_column(weight)
    added = [graph.constant(f"{name}.qkv.{k}", v) for k, v in (("q", quantised), ("b", bias), ("s", scale))]
    whole = graph.node("DynamicQuantizeLinear", [x], outputs=3)
    zero = graph.constant(f"{name}.qkv.z", np.zeros(weight.shape[1], np.int8))
    inputs = [whole, added[0], added[1], f"{whole}_1", added[2], "", f"{whole}_2", zero]
    return graph.node("QAttention", inputs, MS, num_heads=heads)


def _heads(graph: Graph, state: dict[str, Array], exit_: str, x: str) -> None:
    f32 = {k: state[f"{exit_}.{k}"].astype(np.float32) for k in (
        "tokens.weight", "tokens.bias", "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
        "pool.weight", "pool.bias", "relevance.weight", "relevance.bias")}  # fmt: skip
    const = {k: graph.half(f"{exit_}.{k}", v.T if v.ndim == 2 else v) for k, v in f32.items()}
    six = graph.node("Add", [graph.node("MatMul", [x, const["tokens.weight"]]), const["tokens.bias"]])
    turned = graph.node("Transpose", [x], perm=[0, 2, 1])
    inner = graph.node("Conv", [turned, const["conv1.weight"], const["conv1.bias"]], pads=[2, 2], kernel_shape=[5])
    half = graph.constant(f"{exit_}.half", np.array(0.5, np.float32))
    root = graph.constant(f"{exit_}.root", np.array(2**-0.5, np.float32))
    one = graph.constant(f"{exit_}.one", np.array(1.0, np.float32))
    bell = graph.node("Add", [graph.node("Erf", [graph.node("Mul", [inner, root])]), one])
    inner = graph.node("Mul", [graph.node("Mul", [inner, half]), bell])
    span = graph.node("Conv", [inner, const["conv2.weight"], const["conv2.bias"]], pads=[1, 1], kernel_shape=[3])
    span = graph.node("Transpose", [span], perm=[0, 2, 1])
    sizes = graph.constant(f"{exit_}.sizes", np.array([2, 4]))
    first = graph.node("Split", [six, sizes], outputs=2, axis=-1)
    from onnx import helper

    graph.nodes.append(helper.make_node("Concat", [first, span, f"{first}_1"], ["tokens"], axis=-1))
    zero = graph.constant(f"{exit_}.zero", np.array(0))
    head = graph.node("Gather", [x, zero], axis=1)
    pooled = graph.node(
        "Tanh", [graph.node("Add", [graph.node("MatMul", [head, const["pool.weight"]]), const["pool.bias"]])]
    )
    value = graph.node("Add", [graph.node("MatMul", [pooled, const["relevance.weight"]]), const["relevance.bias"]])
    axis = graph.constant(f"{exit_}.axis", np.array([1]))
    graph.nodes.append(helper.make_node("Squeeze", [value, axis], ["relevance"]))


def write(model: Any, path: Path) -> int:
    """Check and save; returns the size in bytes."""
    data = model.SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return len(data)
