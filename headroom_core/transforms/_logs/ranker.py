"""How likely each line of a log belongs to the text that says why a run failed: a small net, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headroom_core.errors import ModelError
from headroom_core.transforms._logs.features import SHAPE, STRUCTURE, Features
from headroom_core.transforms._logs.vocabulary import Lookup

F32 = NDArray[np.float32]
_FILE = Path(__file__).resolve().parents[2] / "models" / "bundled" / "log_ranker.npz"
_ROWS = 1 << 13  # nodes whose words are counted at a time


@dataclass(frozen=True, slots=True)
class Net:
    """The arrays of one net. ``known`` is 1 for the words that it knows; ``convs`` are (weights (tap, in, out), bias), dilated by 1, 2, 4, 8."""

    words: F32
    known: F32
    heads: F32
    dense: F32
    dense_bias: F32
    convs: tuple[tuple[F32, F32], ...]
    far: F32
    far_bias: F32
    out: F32
    out_bias: F32

    def scores(self, x: F32) -> F32:
        """Logits from the first layer's sums (nodes, width)."""
        x = np.maximum(x + self.dense_bias, 0)
        for k, (weight, bias) in enumerate(self.convs):
            x += np.maximum(_convolve(x, weight, 1 << k) + bias, 0)
        reach = (self.far.shape[0] - x.shape[1]) // 2
        forward = np.maximum.accumulate(x[:, :reach], 0)
        back = np.maximum.accumulate(x[::-1, reach : 2 * reach], 0)[::-1]
        x = x + np.maximum(np.hstack([x, forward, back]) @ self.far + self.far_bias, 0)
        return np.asarray(x @ self.out + self.out_bias, np.float32)


@dataclass(frozen=True, slots=True)
class Ranker:
    """Nets over one vocabulary of words and pairs."""

    vocabulary: Lookup
    size: int
    nets: tuple[Net, ...]

    def share(self, seen: Features) -> NDArray[np.float64]:
        """Expected share of the wanted text in each node: the mean of the nets' softmaxes. Sums to 1."""
        total = np.zeros(len(seen.line))
        for first, net in zip(self._first_layer(seen), self.nets, strict=True):
            logits = net.scores(first).astype(np.float64)
            raised = np.exp(logits - logits.max())
            total += raised / raised.sum()
        return total / len(self.nets)

    def _first_layer(self, seen: Features) -> list[F32]:
        """Per net: words over the root of their number, the first word, and the dense features."""
        n = len(seen.line)
        here = seen.node_of >= 0
        row, pair_row = self.vocabulary(seen.words.hash), self.vocabulary(seen.pairs)
        flat = [seen.node_of[k] * self.size + r[k] for r in (row, pair_row) for k in (np.flatnonzero(here & (r >= 0)),)]
        head = np.flatnonzero(here & seen.words.first & (row >= 0))
        dense = np.hstack([seen.shape, seen.structure])
        out = [dense @ net.dense for net in self.nets]
        for a in range(0, n, _ROWS):
            b = min(n, a + _ROWS)
            cells = [f if n <= _ROWS else f[slice(*np.searchsorted(f // self.size, (a, b)))] for f in flat]
            counts = np.bincount(np.concatenate(cells) - a * self.size, minlength=(b - a) * self.size)
            bag = counts.astype(np.float32).reshape(b - a, self.size)
            for net, x in zip(self.nets, out, strict=True):
                x[a:b] += (bag @ net.words) / np.sqrt(bag @ net.known + 1)[:, None]
        for net, x in zip(self.nets, out, strict=True):
            x[seen.node_of[head]] += net.heads[row[head]]
        return out


def _convolve(x: F32, weight: F32, dilation: int) -> F32:
    """Three taps at distance ``dilation``, zeros beyond the ends: (n, in) to (n, out)."""
    out = x @ weight[1]
    if len(x) > dilation:
        out[dilation:] += x[:-dilation] @ weight[0]
        out[:-dilation] += x[dilation:] @ weight[2]
    return np.asarray(out)


@lru_cache(maxsize=1)
def bundled() -> Ranker:
    """The nets that ship with the library. Raises ModelError where their file is missing or of another layout."""
    return load(_FILE)


def load(file: Path) -> Ranker:
    """Read what ``headroom_core.training.log_ranker`` wrote; the arrays of net k are named ``k.<array>``."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            every = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise ModelError(f"The log ranker {file} cannot be read ({error}); reinstall the package") from error
    vocab = every.pop("vocab")
    nets = tuple(_net(every, f"{k}.", file) for k in range(len({name.split(".")[0] for name in every})))
    return Ranker(Lookup({int(key): row for row, key in enumerate(vocab)}), len(vocab), nets)


def _net(every: dict[str, NDArray[np.generic]], prefix: str, file: Path) -> Net:
    f = {name.removeprefix(prefix): a.astype(np.float32) for name, a in every.items() if name.startswith(prefix)}
    if f["dense"].shape[0] != SHAPE + STRUCTURE:
        raise ModelError(f"The log ranker {file} is of another layout; train it again")
    convs = tuple((f[f"conv{k}"], f[f"conv{k}_bias"]) for k in range(sum(name.startswith("conv") for name in f) // 2))
    known = np.asarray(f["words"].any(axis=1), np.float32)
    plain = (f["words"], known, f["heads"], f["dense"], f["dense_bias"])
    return Net(*plain, convs, f["far"], f["far_bias"], f["out"], f["out_bias"])
