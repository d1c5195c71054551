"""How likely each line of a log belongs to the text that says why a run failed: a small net, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headroom_core.errors import ModelError
from headroom_core.transforms._logs.features import SHAPE, STRUCTURE, Features

F32 = NDArray[np.float32]
_FILE = Path(__file__).resolve().parents[2] / "models" / "bundled" / "log_ranker.npz"
_CHUNK = 1 << 16  # words whose rows are gathered at a time


@dataclass(frozen=True, slots=True)
class Ranker:
    """The arrays of one net. ``convs`` are (weights (tap, in, out), bias), dilated by 1, 2, 4, 8."""

    vocab: NDArray[np.uint64]
    words: F32
    heads: F32
    dense: F32
    dense_bias: F32
    convs: tuple[tuple[F32, F32], ...]
    far: F32
    far_bias: F32
    out: F32
    out_bias: F32

    def scores(self, seen: Features) -> F32:
        """One logit per node: their softmax is the expected share of the wanted text in each line."""
        n = len(seen.line)
        if not n:
            return np.zeros(0, np.float32)
        x = self._bag(seen, n) + np.hstack([seen.shape, seen.structure]) @ self.dense + self.dense_bias
        np.maximum(x, 0, out=x)
        for k, (weight, bias) in enumerate(self.convs):
            x += np.maximum(_convolve(x, weight, 1 << k) + bias, 0)
        reach = (self.far.shape[0] - x.shape[1]) // 2
        forward = np.maximum.accumulate(x[:, :reach], 0)
        back = np.maximum.accumulate(x[::-1, reach : 2 * reach], 0)[::-1]
        x += np.maximum(np.hstack([x, forward, back]) @ self.far + self.far_bias, 0)
        return np.asarray(x @ self.out + self.out_bias, np.float32)

    def _bag(self, seen: Features, n: int) -> F32:
        """Sum of the rows of each node's known words and pairs, over the root of their number, plus its first word."""
        here = np.flatnonzero(seen.node_of >= 0)
        words, node = seen.words.hash[here], seen.node_of[here]
        row, known = self._rows(words)
        pair_row, pair_known = self._rows(seen.words.bigrams()[here])
        counts = np.bincount(node[known], minlength=n) + np.bincount(node[pair_known], minlength=n)
        out = np.zeros((n, self.words.shape[1]), np.float32)
        for rows, at in ((row[known], node[known]), (pair_row[pair_known], node[pair_known])):
            _add(out, self.words, rows, at)
        out /= np.sqrt(counts + 1.0, dtype=np.float32)[:, None]
        first = known & seen.words.first[here]
        out[node[first]] += self.heads[row[first]]
        return out

    def _rows(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        at = np.minimum(np.searchsorted(self.vocab, hashes), len(self.vocab) - 1)
        return at, self.vocab[at] == hashes


def _add(out: F32, table: F32, rows: NDArray[np.int64], at: NDArray[np.int64]) -> None:
    """out[at] += table[rows], where ``at`` is sorted."""
    for a in range(0, len(rows), _CHUNK):
        here = at[a : a + _CHUNK]
        heads = np.flatnonzero(np.concatenate([[True], here[1:] != here[:-1]]))
        out[here[heads]] += np.add.reduceat(table[rows[a : a + _CHUNK]], heads)


def _convolve(x: F32, weight: F32, dilation: int) -> F32:
    """Three taps at distance ``dilation``, zeros beyond the ends: (n, in) to (n, out)."""
    out = x @ weight[1]
    if len(x) > dilation:
        out[dilation:] += x[:-dilation] @ weight[0]
        out[:-dilation] += x[dilation:] @ weight[2]
    return np.asarray(out)


@lru_cache(maxsize=1)
def bundled() -> Ranker:
    """The net that ships with the library. Raises ModelError where its file is missing or of another layout."""
    return load(_FILE)


def load(file: Path) -> Ranker:
    """Read a net that ``headroom_core.training.log_ranker`` wrote."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            a = {name: arrays[name] if name == "vocab" else arrays[name].astype(np.float32) for name in arrays.files}
    except (OSError, ValueError) as error:
        raise ModelError(f"The log ranker {file} cannot be read ({error}); reinstall the package") from error
    convs = tuple((a[f"conv{k}"], a[f"conv{k}_bias"]) for k in range(sum(name.endswith("_bias") for name in a) - 3))
    if a["dense"].shape[0] != SHAPE + STRUCTURE:
        raise ModelError(f"The log ranker {file} is of another layout; train it again")
    return Ranker(
        a["vocab"],
        a["words"],
        a["heads"],
        a["dense"],
        a["dense_bias"],
        convs,
        a["far"],
        a["far_bias"],
        a["out"],
        a["out_bias"],
    )
