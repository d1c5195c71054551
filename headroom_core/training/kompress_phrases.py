"""Trains the phrase network of ``kompress.phrases`` on the states of the bundled early exit: minutes on one core.

Positive phrases are the answer spans of all questions about a passage (SQuAD parts of the training split), negative ones all
other stretches of up to ``LONGEST`` words. Answers are few, so teachers (``kompress_teacher``), where there are any, mark
the passages that nobody asked about, too, and the network learns their probabilities. The states are computed once; the
epoch that reads the fuse split best is kept.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.evals.data import rows
from headroom_core.evals.kompress_sets import SPANS, Item, split_train
from headroom_core.kompress.loaded import PieceTokenizer
from headroom_core.kompress.onnx import OnnxScorer
from headroom_core.kompress.phrases import LONGEST, Phrases, Seen, Window, window
from headroom_core.kompress.scorer import CLS, SEP
from headroom_core.kompress.signals import MAX_TOKENS, split
from headroom_core.language.span import Span
from headroom_core.training.kompress_export import write as write_graph
from headroom_core.training.kompress_phrases_export import SCALE, graph

RANK = 24
HIDDEN, DROPOUT, BATCH, EPOCHS, RATE = 128, 0.1, 8, 12, 1.5e-3
HARD = 0.5
"""Weight of the questions that were asked beside what teachers say of the same passage."""
LEAST_WORDS, MOST_CHARACTERS = 12, 6000
"""Bounds of a passage: shorter ones are headings, longer ones never fit into a window."""
SHARE = 0.54
"""Share of running text whose words score above 0.5."""


@dataclass(slots=True)
class Passage:
    """A window: its words and what is seen of them, its word pieces ``[CLS] ... [SEP]``, and all its phrases.

    ``first``, ``last``: the words of each phrase (k,); ``target``: the probability that somebody asks for it (k,).
    """

    words: Window
    seen: Seen
    ids: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    target: NDArray[np.float32]


class Teacher(Protocol):
    """Marks passages that the network then learns from."""

    def chances(self, passages: Sequence[Passage]) -> Iterator[NDArray[np.float32]]:
        """The probability of each phrase of each passage."""


def answers_of(items: Iterable[Item]) -> dict[str, list[Span]]:
    """The answer spans of all questions about each passage."""
    found: dict[str, list[Span]] = defaultdict(list)
    for item in items:
        document = item["documents"][0]
        if item["source"] in SPANS and item["answerable"] and document["answer_spans"]:
            found[document["text"]].append(tuple(document["answer_spans"][0]))
    return found


def unasked(items: Iterable[Item]) -> list[str]:
    """Passages of the training rows that have no answer spans, and abstracts; none of which another split knows."""
    splits = split_train()
    known = {d["text"] for name, own in splits.items() if name != "train" for item in own for d in item["documents"]}
    asked = answers_of(splits["train"])
    texts = [d["text"] for item in items if item["source"] != "qmsum" for d in item["documents"]]
    texts += [
        r["text"] for r in rows("text", "extractive.jsonl.gz") if (r["source"], r["split"]) == ("scitldr_a", "train")
    ]
    return sorted({t for t in texts if t not in known and t not in asked and len(t) <= MOST_CHARACTERS})


def passages(folder: Path, texts: Iterable[tuple[str, Sequence[Span]]]) -> list[Passage]:
    """Texts with their answer spans, where they fit into one window, as the bundled early exit reads them."""
    scorer, tokenizer = OnnxScorer(folder), PieceTokenizer(folder / "tokenizer.json")
    found = []
    for text, spans in texts:
        document = split(tokenizer, [text])[0]
        if 8 <= len(document.ids) <= MAX_TOKENS - 2:
            words, seen = window(scorer, document, 0, len(document.ids))
            if len(words.spans) >= LEAST_WORDS:
                found.append(passage(words, seen, document.ids, spans))
    return found


def passage(words: Window, seen: Seen, pieces: NDArray[np.int64], spans: Sequence[Span]) -> Passage:
    """A window with all its phrases; those that equal an answer span have the target 1."""
    first, ahead = (x.ravel() for x in np.indices((len(words.spans), LONGEST)))
    last = first + ahead
    inside = last < len(words.spans)
    first, last = first[inside], last[inside]
    inside = words.sentence[first] == words.sentence[last]
    first, last = first[inside], last[inside]
    begins, ends = (np.array([s[k] for s in words.spans]) for k in (0, 1))
    target = np.zeros(len(first), np.float32)
    for start, end in spans:
        a, b = np.searchsorted(ends, start, "right"), np.searchsorted(begins, end, "left") - 1
        target[(first == a) & (last == b)] = 1
    ids = np.concatenate([[CLS], pieces, [SEP]]).astype(np.int64)
    return Passage(words, replace(seen, states=seen.states.astype(np.float16)), ids, first, last, target)


def softened(chosen: Sequence[Passage], teachers: Sequence[Teacher], hard: float) -> Iterator[Passage]:
    """The passages with what teachers say on average as targets; the old ones weigh ``hard``."""
    for own, *said in zip(chosen, *(t.chances(chosen) for t in teachers), strict=True):
        soft = np.mean(said, axis=0)
        yield replace(own, target=(hard * own.target + (1 - hard) * soft).astype(np.float32))


def means(states: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The mean state of each word's pieces (n, size) from the states of the pieces (pieces, size)."""
    total = functional.pad(states.float().cumsum(0), (0, 0, 1, 0))
    return (total[last + 1] - total[first]) / (last - first + 1)[:, None]


class Network(nn.Module):
    """Features to ``HIDDEN`` by a linear layer, two convolutions over words, then the logit of each phrase.

    A phrase [a, b] has the logit begin_a + end_b + the sum of inside_k from a to b + length_(b-a) + left_a . right_b / SCALE.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.input = nn.Linear(features, HIDDEN)
        self.near, self.far = (nn.Conv1d(HIDDEN, HIDDEN, 5, padding=2) for _ in range(2))
        self.ends = nn.Linear(HIDDEN, 3)
        self.left, self.right = (nn.Linear(HIDDEN, RANK) for _ in range(2))
        self.length = nn.Parameter(torch.full((LONGEST,), -4.0))

    def logits(self, batch: Sequence[Passage]) -> Iterator[Tensor]:
        """The logit of each phrase of each passage."""
        for own in batch:
            yield self(features_of(own), torch.from_numpy(own.first), torch.from_numpy(own.last))

    def forward(self, features: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Logits of the phrases [first, last] (k,) of words with features (n, features)."""
        x = functional.gelu(self.input(functional.dropout(features, 2 * DROPOUT, self.training)), approximate="tanh")
        for layer in (self.near, self.far):
            shown = functional.dropout(x, DROPOUT, self.training).T[None]
            x = x + functional.gelu(layer(shown)[0].T, approximate="tanh")
        x = functional.dropout(x, DROPOUT, self.training)
        ends, left, right = self.ends(x), self.left(x), self.right(x)
        inside = functional.pad(ends[:, 2].cumsum(0), (1, 0))
        both = (left[first] * right[last]).sum(1) / SCALE
        found: Tensor = ends[first, 0] + ends[last, 1] + inside[last + 1] - inside[first] + both
        return found + self.length[last - first]


class Marker(Protocol):
    """The phrase network, or a teacher of it."""

    def logits(self, batch: Sequence[Passage]) -> Iterator[Tensor]:
        """The logit of each phrase of each passage."""


def loss_of(model: Marker, batch: Sequence[Passage]) -> Tensor:
    """Summed cross entropy of all phrases of some passages."""
    losses = [
        functional.binary_cross_entropy_with_logits(
            found, torch.from_numpy(own.target).to(found.device), reduction="sum"
        )
        for found, own in zip(model.logits(batch), batch, strict=True)
    ]
    return torch.stack(losses).sum()


def features_of(own: Passage) -> Tensor:
    """Mean states and other numbers of each word (n, features)."""
    states, first, last, known = (
        torch.from_numpy(a) for a in (own.seen.states, own.seen.first, own.seen.last, own.seen.own)
    )
    return torch.cat([means(states, first, last), known], 1)


def mean_loss(model: Marker, chosen: Sequence[Passage]) -> float:
    """Cross entropy per answer of a model in evaluation mode."""
    with torch.inference_mode():
        total = sum(float(loss_of(model, chosen[at : at + BATCH])) for at in range(0, len(chosen), BATCH))
    return total / sum(float(p.target.sum()) for p in chosen)


def train(chosen: Sequence[Passage], held: Sequence[Passage], seed: int, log: Callable[[str], None] = print) -> Network:
    """The network as it was after the epoch that reads ``held`` best."""
    torch.manual_seed(seed)
    draw, model = random.Random(seed), Network(features_of(chosen[0]).shape[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    total, step, best = EPOCHS * (len(chosen) // BATCH), 0, float("inf")
    order, found = list(range(len(chosen))), copy.deepcopy(model)
    for epoch in range(EPOCHS):
        model.train()
        draw.shuffle(order)
        for at in range(0, len(order) - BATCH + 1, BATCH):
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / 50) * (1 - step / total)
            batch = [chosen[i] for i in order[at : at + BATCH]]
            loss = loss_of(model, batch) / (5 * BATCH)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
        now = mean_loss(model.eval(), held)
        log(f"phrases, seed {seed}, epoch {epoch + 1}: {now:.3f} nats per held-back answer")
        if now < best:
            best, found = now, copy.deepcopy(model)
    return found.eval()


def level_of(network: Phrases, chosen: Sequence[Passage]) -> float:
    """The price that ``SHARE`` of all word pieces reach."""
    shown = [replace(p.seen, states=p.seen.states.astype(np.float32)) for p in chosen]
    priced = [network.prices([p.words], [network.run(seen)]) for p, seen in zip(chosen, shown, strict=True)]
    price, size = np.concatenate(priced), np.concatenate([p.words.pieces for p in chosen])
    order = np.argsort(-price, kind="stable")
    place = int(np.searchsorted(np.cumsum(size[order]), SHARE * size.sum()))
    return float(price[order[place]])


def write(
    folder: Path, training: Sequence[Item], held: Iterable[Item], seed: int, teachers: Sequence[Teacher] = ()
) -> dict[str, Any]:
    """Train, save ``phrases.onnx``, and return its row of the manifest: the level."""
    chosen, judges = (passages(folder, sorted(answers_of(items).items())) for items in (training, held))
    if teachers:
        others = passages(folder, ((text, ()) for text in unasked(training)))
        chosen = [*softened(chosen, teachers, HARD), *softened(others, teachers, 0.0)]
    model = train(chosen, judges, seed)
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    write_graph(graph(arrays), folder / "phrases.onnx")
    return {"level": round(level_of(Phrases.load(folder / "phrases.onnx", {"level": 1.0}), judges), 6)}
