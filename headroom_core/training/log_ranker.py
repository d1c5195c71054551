"""Train the log ranker: which lines of a failed build's log say why it failed.

    python -m headroom_core.training.log_ranker [--epochs 8] [--out DIR]

Reads ``logs/ci_train.jsonl.gz`` (logs with a labelled failure) and writes ``log_ranker.npz``, whose card lies beside
it. A net is a bag of a few hashed words per line with dense features, dilated convolutions over the lines, and running
maxima in both directions; it is trained so that its softmax over a log's lines matches the share of the labelled text
that each line holds. Nets of several seeds over one vocabulary are averaged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.evals import data
from headroom_core.transforms._logs import features, lines

U64 = NDArray[np.uint64]
WIDTH, RUNNING, DILATIONS = 24, 8, (1, 2, 4, 8)
MIN_GROUPS = 5  # repositories that a word must stand in
# The nets whose results are averaged: seed, words known, share of words and of activations dropped in training.
NETS = ((7, 150, 0.4, 0.4), (11, 150, 0.4, 0.4), (7, 250, 0.5, 0.3))


@dataclass(slots=True)
class Example:
    """One log as the net sees it. ``hashes`` are words and pairs, ``node`` the line node of each; ``label`` in {0, 1}.

    ``ignore`` marks nodes whose text equals a labelled line elsewhere.
    """

    group: str
    hashes: U64
    node: NDArray[np.int64]
    head: U64
    head_node: NDArray[np.int64]
    dense: NDArray[np.float32]
    label: NDArray[np.bool_]
    ignore: NDArray[np.bool_]


def example(row: dict[str, Any]) -> Example:
    """The features and labels of one data row."""
    text = lines.read(row["log"])
    seen = features.read(text)
    gold = np.zeros(len(text) + 1, np.int64)
    gold[np.array(row["chunk_lines"]) - 1] = 1
    run = np.concatenate([[0], np.cumsum(gold)])
    label = run[seen.last + 1] > run[seen.line]
    exact = seen.words.line_hashes(len(text))[0][seen.line]
    ignore = np.isin(exact, exact[label]) & ~label
    hashes, node, head, head_node = words_of(seen)
    return Example(row["repo"], hashes, node, head, head_node, np.hstack([seen.shape, seen.structure]), label, ignore)


def words_of(seen: features.Features) -> tuple[U64, NDArray[np.int64], U64, NDArray[np.int64]]:
    """Words and pairs with their nodes, and the first word of each node."""
    here = seen.node_of >= 0
    one, two, node = seen.words.hash[here], seen.pairs[here], seen.node_of[here]
    first = seen.words.first[here]
    return np.concatenate([one, two[two > 0]]), np.concatenate([node, node[two > 0]]), one[first], node[first]


def vocabulary(examples: Sequence[Example], size: int) -> U64:
    """Hashes that occur in at least MIN_GROUPS repositories and tell labelled lines from others, sorted."""
    groups: dict[str, list[Example]] = {}
    for item in examples:
        groups.setdefault(item.group, []).append(item)
    keys, gap = [], []
    for members in groups.values():
        inside, outside = [], []
        for item in members:
            label = item.label[item.node]
            inside.append(item.hashes[label])
            outside.append(item.hashes[~label])
        seen, at = np.unique(np.concatenate(inside + outside), return_inverse=True)
        split = sum(map(len, inside))
        a = np.bincount(at[:split], minlength=len(seen)) / max(1, sum(int(m.label.sum()) for m in members))
        b = np.bincount(at[split:], minlength=len(seen)) / max(1, sum(int((~m.label).sum()) for m in members))
        keys.append(seen)
        gap.append(np.sqrt(a) - np.sqrt(b))
    unique, at, groups_with = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    weight = np.abs(np.bincount(at, np.concatenate(gap))) * (groups_with >= MIN_GROUPS) + 1e-6 * groups_with
    weight[groups_with < MIN_GROUPS] = -1
    best = np.argsort(-weight, kind="stable")[:size]
    return np.sort(unique[best[weight[best] >= 0]])


def coded(hashes: U64, node: NDArray[np.int64], vocab: U64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vocabulary rows of the words that are in it, and their nodes."""
    at = np.minimum(np.searchsorted(vocab, hashes), len(vocab) - 1)
    known = vocab[at] == hashes
    return at[known], node[known]


def build_net(vocab: int, dense: int, forget: float, drop: float) -> Any:
    """The torch module; its ``export`` gives the arrays that the numpy side reads."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words: Any = nn.EmbeddingBag(vocab, WIDTH, mode="sum")
            self.heads: Any = nn.EmbeddingBag(vocab, WIDTH, mode="sum")
            nn.init.normal_(self.words.weight, std=0.1)
            nn.init.normal_(self.heads.weight, std=0.1)
            self.dense = nn.Linear(dense, WIDTH)
            self.convs: Any = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 3, padding=d, dilation=d) for d in DILATIONS)
            self.far = nn.Linear(WIDTH + 2 * RUNNING, WIDTH)
            self.out = nn.Linear(WIDTH, 1)
            self.drop = nn.Dropout(drop)

        def forward(self, ids: Any, offsets: Any, head: Any, head_offsets: Any, dense_rows: Any, scale: Any) -> Any:
            words, heads = self.words.weight, self.heads.weight
            if self.training:  # whole words vanish, so that no line hangs on one of them
                alive = (torch.rand(len(words), 1) > forget).float() / (1 - forget)
                words, heads = words * alive, heads * alive
            bag = functional.embedding_bag(ids, words, offsets, mode="sum") * scale[:, None]
            x = bag + functional.embedding_bag(head, heads, head_offsets, mode="sum") + self.dense(dense_rows)
            x = self.drop(torch.relu(x))
            for conv in self.convs:
                x = x + self.drop(torch.relu(conv(x.T[None])[0].T))
            run = torch.cummax(x[:, :RUNNING], 0).values
            back = torch.cummax(x[:, RUNNING : 2 * RUNNING].flip(0), 0).values.flip(0)
            x = x + self.drop(torch.relu(self.far(torch.cat([x, run, back], 1))))
            return self.out(x)[:, 0]

        def export(self) -> dict[str, NDArray[np.float32]]:
            arrays = {"words": self.words.weight, "heads": self.heads.weight, "dense": self.dense.weight.T}
            arrays |= {"dense_bias": self.dense.bias, "far": self.far.weight.T, "far_bias": self.far.bias}
            arrays |= {"out": self.out.weight[0], "out_bias": self.out.bias}
            for k, conv in enumerate(self.convs):
                arrays[f"conv{k}"] = conv.weight.permute(2, 1, 0)  # (tap, in, out)
                arrays[f"conv{k}_bias"] = conv.bias
            return {name: value.detach().cpu().numpy().astype(np.float32) for name, value in arrays.items()}

    return Net()


def batch(item: Example, vocab: U64) -> tuple[Any, ...]:
    """Tensors of one log: word rows and their offsets, first words and theirs, dense features, scale of the bag."""
    import torch

    n = len(item.label)
    ids, node = coded(item.hashes, item.node, vocab)
    head, head_node = coded(item.head, item.head_node, vocab)
    order = np.argsort(node, kind="stable")
    counts, head_counts = np.bincount(node, minlength=n), np.bincount(head_node, minlength=n)
    arrays = (ids[order], _offsets(counts), head, _offsets(head_counts), item.dense)
    scale = (1 / np.sqrt(counts + 1.0)).astype(np.float32)
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in (*arrays, scale))


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)[:-1]])


def hidden(tensors: tuple[Any, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    """For training: now and then the signs of commands, or the place in the log, are hidden."""
    dense = tensors[4].clone()
    if rng.random() < 0.3:
        dense[:, features.SHAPE :] = 0
    if rng.random() < 0.2:
        dense[:, 14:17] = 0
    return (*tensors[:4], dense, tensors[5])


def loss_of(scores: Any, item: Example) -> Any:
    """Cross entropy between the softmax over lines and the share of the labelled lines in each."""
    import torch

    label = torch.from_numpy(item.label)
    masked = scores.masked_fill(torch.from_numpy(item.ignore), -1e4)
    return torch.logsumexp(masked, 0) - scores[label].mean()


def train(
    examples: Sequence[Example], vocab: U64, *, epochs: int = 8, seed: int = 7, drops: tuple[float, float] = (0.4, 0.4)
) -> Any:
    """A trained net. ``drops`` are the shares of words and of activations left out. Deterministic on one thread."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = build_net(len(vocab), examples[0].dense.shape[1], *drops)
    usable = [item for item in examples if item.label.any()]
    tensors = [batch(item, vocab) for item in usable]
    sizes: dict[str, int] = {}
    for item in usable:
        sizes[item.group] = sizes.get(item.group, 0) + 1
    slow = [p for name, p in net.named_parameters() if "words" not in name and "heads" not in name]
    bags = [net.words.weight, net.heads.weight]
    optimiser = torch.optim.AdamW(
        [{"params": slow, "weight_decay": 0.05}, {"params": bags, "weight_decay": 0.3}], lr=3e-3
    )
    steps, step = epochs * (len(usable) // 8 + 1), 0
    for epoch in range(epochs):
        net.train()
        total = 0.0
        order = rng.permutation(len(usable))
        for at in range(0, len(order), 8):
            for group in optimiser.param_groups:
                group["lr"] = 3e-3 * min(1.0, (step + 1) / 30) * (1 - 0.97 * step / steps)
            optimiser.zero_grad()
            for k in order[at : at + 8]:
                item = usable[k]
                weight = sizes[item.group] ** -0.5
                loss = loss_of(net(*hidden(tensors[k], rng)), item) * weight / 4
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            step += 1
        print(f"seed {seed}, epoch {epoch + 1}: loss {total / len(usable):.3f}", flush=True)
    net.eval()
    return net


def folds(examples: Iterable[Example], k: int) -> Iterator[set[str]]:
    """K disjoint sets of repositories, dealt in order of name."""
    names = sorted({item.group for item in examples})
    for fold in range(k):
        yield set(names[fold::k])


def main(argv: Sequence[str] | None = None) -> None:
    """Train on all of the training logs and write the arrays of the nets, named ``<net>.<array>``."""
    default = Path(__file__).resolve().parents[1] / "models" / "bundled"
    parser = argparse.ArgumentParser(description="Train the log ranker")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args(argv)
    examples = [example(row) for row in data.rows("logs", "ci_train.jsonl.gz")]
    every = vocabulary(examples, max(size for _, size, _, _ in NETS))
    arrays: dict[str, NDArray[Any]] = {"vocab": every}
    for k, (seed, size, *drops) in enumerate(NETS):
        vocab = vocabulary(examples, size)
        net = train(examples, vocab, epochs=options.epochs, seed=seed, drops=(drops[0], drops[1]))
        for name, value in net.export().items():
            if name in ("words", "heads"):  # rows of words that this net does not know stay zero
                wide = np.zeros((len(every), value.shape[1]), np.float32)
                wide[np.searchsorted(every, vocab)] = value
                value = wide
            arrays[f"{k}.{name}"] = value.astype(np.float16)
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out / "log_ranker.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
