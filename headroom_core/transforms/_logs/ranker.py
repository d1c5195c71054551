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
_ALONE = 1 << 18  # multiplications below which a matrix product stays in one thread
_WORDS = 1 << 14  # words that are looked up at a time


@dataclass(frozen=True, slots=True)
class Ranker:
    """Nets of one shape over one vocabulary of words and pairs, stacked: the first axis is the net, where not said.

    ``words`` is (size, nets * width + nets): the last columns are 1 for the words that a net knows. ``heads`` is
    (size, nets * width), ``dense`` (SHAPE + STRUCTURE, nets * width). ``convs`` are (nets, in, taps * out) with biases
    (nets, 1, out), dilated by 1, 2, 4, 8.
    """

    vocabulary: Lookup
    words: F32
    heads: F32
    dense: F32
    dense_bias: F32
    convs: tuple[tuple[F32, F32], ...]
    far: F32
    far_bias: F32
    out: F32
    out_bias: F32

    def share(self, seen: Features) -> NDArray[np.float64]:
        """Expected share of the wanted text in each node: the mean of the nets' softmaxes. Sums to 1."""
        logits = self.scores(seen).astype(np.float64)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray((raised / raised.sum(axis=1, keepdims=True)).mean(axis=0))

    def scores(self, seen: Features) -> F32:
        """Logits, (nets, nodes)."""
        nets, width = len(self.dense_bias), self.dense_bias.shape[-1]
        x = self._first_layer(seen).reshape(-1, nets, width).swapaxes(0, 1)
        x = np.ascontiguousarray(np.maximum(x + self.dense_bias, 0))
        for k, (weight, bias) in enumerate(self.convs):
            x += np.maximum(_convolve(x, weight, 1 << k) + bias, 0)
        reach = (self.far.shape[1] - width) // 2
        forward = np.maximum.accumulate(x[:, :, :reach], 1)
        back = np.maximum.accumulate(x[:, ::-1, reach : 2 * reach], 1)[:, ::-1]
        x = x + np.maximum(_product(np.concatenate([x, forward, back], 2), self.far) + self.far_bias, 0)
        return np.asarray((x @ self.out)[:, :, 0] + self.out_bias, np.float32)

    def _first_layer(self, seen: Features) -> F32:
        """Words over the root of their number, the first word, and the dense features: (nodes, nets * width)."""
        nets = len(self.dense_bias)
        row, pair_row = self.vocabulary(seen.words.hash), self.vocabulary(seen.pairs)
        known, pair_known = (np.flatnonzero((r >= 0) & (seen.node_of >= 0)) for r in (row, pair_row))
        sums = np.zeros((len(seen.line), self.words.shape[1]), np.float32)
        for rows, at in ((row, known), (pair_row, pair_known)):
            for begin in range(0, len(at), _WORDS):
                some = at[begin : begin + _WORDS]
                node = seen.node_of[some]  # words follow their nodes' order
                firsts = np.flatnonzero(np.concatenate([[True], node[1:] != node[:-1]]))
                sums[node[firsts]] += np.add.reduceat(self.words[rows[some]], firsts)
        scale = 1 / np.sqrt(sums[:, -nets:] + 1)
        dense = np.hstack([seen.shape, seen.structure])
        out: F32 = _product(np.asarray(dense, np.float32)[None], self.dense[None])[0]
        out += sums[:, :-nets] * np.repeat(scale, out.shape[1] // nets, axis=1)
        head = known[seen.words.first[known]]
        out[seen.node_of[head]] += self.heads[row[head]]
        return out


def _product(x: F32, weight: F32) -> F32:
    """(nets, n, in) times (nets, in, out), by blocks of rows so small that no library splits one among threads.

    On a busy machine the threads of one product wait for each other far longer than they work.
    """
    nets, n, inner = x.shape
    rows = max(1, _ALONE // (inner * weight.shape[2]))
    blocks = -(-n // rows)
    padded = np.zeros((nets, blocks * rows, inner), np.float32)
    padded[:, :n] = x
    made = padded.reshape(nets, blocks, rows, inner) @ weight[:, None]
    return np.asarray(made.reshape(nets, blocks * rows, -1)[:, :n])


def _convolve(x: F32, weight: F32, dilation: int) -> F32:
    """Three taps at distance ``dilation``, zeros beyond the ends: (nets, n, in) to (nets, n, out)."""
    taps, width = _product(x, weight), x.shape[2]
    before, after = taps[:, :, :width], taps[:, :, 2 * width :]
    out: F32 = taps[:, :, width : 2 * width].copy()
    if x.shape[1] > dilation:
        out[:, dilation:] += before[:, :-dilation]
        out[:, :-dilation] += after[:, dilation:]
    return out


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
    nets = range(len({name.split(".")[0] for name in every}))
    a = {name: np.asarray(value, np.float32) for name, value in every.items()}
    if a["0.dense"].shape[0] != SHAPE + STRUCTURE:
        raise ModelError(f"The log ranker {file} is of another layout; train it again")
    words, heads, dense = ([a[f"{k}.{name}"] for k in nets] for name in ("words", "heads", "dense"))
    known = [w.any(axis=1, keepdims=True).astype(np.float32) for w in words]
    convs = []
    for layer in range(sum(name.startswith("0.conv") for name in a) // 2):
        taps = np.stack([np.concatenate(list(a[f"{k}.conv{layer}"]), axis=1) for k in nets])
        convs.append((taps, np.stack([a[f"{k}.conv{layer}_bias"] for k in nets])[:, None]))
    return Ranker(
        Lookup({int(key): row for row, key in enumerate(vocab)}),
        np.hstack([*words, *known]),
        np.hstack(heads),
        np.hstack(dense),
        np.stack([a[f"{k}.dense_bias"] for k in nets])[:, None],
        tuple(convs),
        np.stack([a[f"{k}.far"] for k in nets]),
        np.stack([a[f"{k}.far_bias"] for k in nets])[:, None],
        np.stack([a[f"{k}.out"] for k in nets])[:, :, None],
        np.stack([a[f"{k}.out_bias"] for k in nets]),
    )
