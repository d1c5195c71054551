"""Trains the phrase network of ``kompress.phrases`` on the states of the bundled early exit: minutes on one core.

Positive phrases are the answer spans of all questions about a passage (SQuAD parts of the training split), negative ones all
other stretches of up to ``LONGEST`` words. The states are computed once; the epoch that reads the fuse split best is kept.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.evals.kompress_sets import SPANS, Item
from headroom_core.kompress.chunks import Span
from headroom_core.kompress.loaded import PieceTokenizer
from headroom_core.kompress.onnx import OnnxScorer
from headroom_core.kompress.phrases import LONGEST, Phrases, Window, window
from headroom_core.kompress.signals import MAX_TOKENS, split
from headroom_core.training.kompress_export import MS, Graph
from headroom_core.training.kompress_export import write as write_graph

HIDDEN, RANK, BATCH, EPOCHS, RATE = 96, 24, 8, 6, 1.5e-3
SHARE = 0.57
"""Share of running text whose words score above 0.5."""


@dataclass(slots=True)
class Passage:
    """A window's words, and the word intervals that answer a question."""

    words: Window
    features: NDArray[np.float32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    answer: NDArray[np.float32]


def answers_of(items: Iterable[Item]) -> dict[str, list[Span]]:
    """The answer spans of all questions about each passage."""
    found: dict[str, list[Span]] = defaultdict(list)
    for item in items:
        document = item["documents"][0]
        if item["source"] in SPANS and item["answerable"] and document["answer_spans"]:
            found[document["text"]].append(tuple(document["answer_spans"][0]))
    return found


def passages(folder: Path, items: Iterable[Item]) -> list[Passage]:
    """Passages that fit into one window, as the bundled early exit reads them."""
    scorer, tokenizer = OnnxScorer(folder), PieceTokenizer(folder / "tokenizer.json")
    found = []
    for text, spans in sorted(answers_of(items).items()):
        document = split(tokenizer, [text])[0]
        if not 8 <= len(document.ids) <= MAX_TOKENS - 2:
            continue
        found.append(_passage(*window(scorer, document, 0, len(document.ids)), spans))
    return found


def _passage(words: Window, features: NDArray[np.float32], spans: Sequence[Span]) -> Passage:
    count = len(words.spans)
    pairs = [
        (a, b)
        for a in range(count)
        for b in range(a, min(count, a + LONGEST))
        if words.sentence[a] == words.sentence[b]
    ]
    begins, ends = (np.array([s[k] for s in words.spans]) for k in (0, 1))
    asked = {
        (int(np.searchsorted(ends, start, "right")), int(np.searchsorted(begins, end, "left")) - 1)
        for start, end in spans
    }
    first, last = (np.array([p[k] for p in pairs], np.int64) for k in (0, 1))
    return Passage(words, features, first, last, np.array([p in asked for p in pairs], np.float32))


class Network(nn.Module):
    """Features to ``HIDDEN`` by a linear layer, two convolutions over words, then ends and insides of phrases."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.input = nn.Linear(features, HIDDEN)
        self.near, self.far = (nn.Conv1d(HIDDEN, HIDDEN, 5, padding=2) for _ in range(2))
        self.ends = nn.Linear(HIDDEN, 3)
        self.left, self.right = (nn.Linear(HIDDEN, RANK) for _ in range(2))
        self.length = nn.Parameter(torch.full((LONGEST,), -4.0))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What ``phrases.Phrases`` takes: ends (n, 3), left and right (n, RANK) of words with features (n, features)."""
        x = functional.gelu(self.input(functional.dropout(features, 0.4, self.training)), approximate="tanh")
        for layer in (self.near, self.far):
            shown = functional.dropout(x, 0.2, self.training).T[None]
            x = x + functional.gelu(layer(shown)[0].T, approximate="tanh")
        x = functional.dropout(x, 0.2, self.training)
        return self.ends(x), self.left(x), self.right(x)

    def forward(self, features: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Logits of the phrases [first, last] (k,)."""
        ends, left, right = self.heads(features)
        inside = functional.pad(ends[:, 2].cumsum(0), (1, 0))
        both = (left[first] * right[last]).sum(1) / 5
        logits = ends[first, 0] + ends[last, 1] + inside[last + 1] - inside[first]
        found: Tensor = logits + self.length[last - first] + both
        return found


def loss_of(model: Network, passage: Passage) -> Tensor:
    """Summed cross entropy of all phrases of a passage."""
    tensors = (torch.from_numpy(a) for a in (passage.features, passage.first, passage.last))
    target = torch.from_numpy(passage.answer)
    return functional.binary_cross_entropy_with_logits(model(*tensors), target, reduction="sum")


def mean_loss(model: Network, chosen: Sequence[Passage]) -> float:
    """Cross entropy per answer."""
    model.eval()
    with torch.inference_mode():
        total = sum(float(loss_of(model, p)) for p in chosen)
    return total / sum(float(p.answer.sum()) for p in chosen)


def train(chosen: Sequence[Passage], held: Sequence[Passage], seed: int, log: Callable[[str], None] = print) -> Network:
    """The network as it was after the epoch that reads ``held`` best."""
    torch.manual_seed(seed)
    draw, model = random.Random(seed), Network(chosen[0].features.shape[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    total, step, best = EPOCHS * (len(chosen) // BATCH), 0, float("inf")
    order, found = list(range(len(chosen))), copy.deepcopy(model)
    for epoch in range(EPOCHS):
        model.train()
        draw.shuffle(order)
        for at in range(0, len(order) - BATCH + 1, BATCH):
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / 50) * (1 - step / total)
            loss = torch.stack([loss_of(model, chosen[i]) for i in order[at : at + BATCH]]).sum() / (5 * BATCH)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
        now = mean_loss(model, held)
        log(f"phrases, seed {seed}, epoch {epoch + 1}: {now:.3f} nats per held-back answer")
        if now < best:
            best, found = now, copy.deepcopy(model)
    return found.eval()


def graph(model: Network) -> Any:
    """The network as an ONNX graph, weights in half precision: features (n, features) to ends, left, right."""
    from onnx import TensorProto, helper

    made = Graph("half")
    state = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}

    def weight(name: str) -> str:
        return made.half(name, state[name])

    x = made.node("Gemm", ["features", weight("input.weight"), weight("input.bias")], transB=1)
    x = made.node("FastGelu", [x], MS)
    for layer in ("near", "far"):
        turned = made.node("Unsqueeze", [made.node("Transpose", [x]), made.constant(f"{layer}.axis", np.array([0]))])
        names = [turned, weight(f"{layer}.weight"), weight(f"{layer}.bias")]
        shown = made.node("FastGelu", [made.node("Conv", names, pads=[2, 2], kernel_shape=[5])], MS)
        flat = made.node("Squeeze", [shown, f"{layer}.axis"])
        x = made.node("Add", [x, made.node("Transpose", [flat])])
    outputs = []
    for head, size in (("ends", 3), ("left", RANK), ("right", RANK)):
        names = [x, weight(f"{head}.weight"), weight(f"{head}.bias")]
        made.nodes.append(helper.make_node("Gemm", names, [head], transB=1))
        outputs.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, ["words", size]))
    features = state["input.weight"].shape[1]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["words", features])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)]
    return helper.make_model(
        helper.make_graph(made.nodes, "phrases", inputs, outputs, made.weights),
        opset_imports=opsets,
        ir_version=9,
        producer_name="headroom",
    )


def level_of(network: Phrases, chosen: Sequence[Passage]) -> float:
    """The price that ``SHARE`` of all word pieces reach."""
    priced = [(network.prices([p.words], [network.run(p.features)]), p.words.pieces) for p in chosen]
    price, size = (np.concatenate([pair[k] for pair in priced]) for k in (0, 1))
    order = np.argsort(-price, kind="stable")
    place = int(np.searchsorted(np.cumsum(size[order]), SHARE * size.sum()))
    return float(price[order[place]])


def write(folder: Path, training: Iterable[Item], held: Iterable[Item], seed: int) -> dict[str, Any]:
    """Train, save ``phrases.onnx``, and return its row of the manifest: the level and the logits of lengths."""
    chosen, judges = passages(folder, training), passages(folder, held)
    model = train(chosen, judges, seed)
    write_graph(graph(model), folder / "phrases.onnx")
    found = {"length": [round(v, 5) for v in model.length.tolist()], "level": 1.0}
    return found | {"level": round(level_of(Phrases.load(folder / "phrases.onnx", found), judges), 6)}
