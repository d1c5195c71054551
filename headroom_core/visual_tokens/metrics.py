"""What compression loses and what it saves, by formula and by the clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import cells, take, unit
from headroom_core.visual_tokens.types import Compressed, Grid


@dataclass(frozen=True)
class Reconstruction:
    """How well the input can be rebuilt from the output; means over batch and tokens.

    Attributes:
        mse: mean squared error per value.
        relative: squared error over squared norm: 0 is perfect, 1 as good as all zeros.
        cosine: mean cosine of a token and its reconstruction.
    """

    mse: float
    relative: float
    cosine: float


def rebuild(result: Compressed, grid: Grid | None = None) -> Tensor:
    """(B, N, D): every input token as the output it went into; dropped ones as the kept token nearest on the grid.

    Needs ``assignment``: learned queries have no inverse.
    """
    if result.assignment is None:
        raise InvalidInput(
            "This result has no assignment (learned queries read everything); measure it by task accuracy."
        )
    places = cells(result.assignment.shape[1], grid, result.tokens.device)
    distance = torch.cdist(places.expand(result.tokens.shape[0], -1, -1), result.positions)
    near = distance.masked_fill(~result.mask.unsqueeze(1), torch.inf).argmin(dim=2)
    return take(result.tokens, torch.where(result.assignment < 0, near, result.assignment))


def reconstruction(tokens: Tensor, result: Compressed, grid: Grid | None = None) -> Reconstruction:
    """The error of ``rebuild``. A low one does not promise that the meaning survived: measure the task as well."""
    original, rebuilt = tokens.float(), rebuild(result, grid).float()
    error = (original - rebuilt).square()
    return Reconstruction(
        mse=float(error.mean()),
        relative=float(error.sum() / original.square().sum().clamp(min=1e-12)),
        cosine=float((unit(original) * unit(rebuilt)).sum(dim=2).mean()),
    )


@dataclass(frozen=True)
class Layer:
    """Sizes of one transformer layer: width D, width of its feed-forward part, whether that is gated (three matrices).

    ``key_width`` is the width of all keys together where it differs from D (grouped queries).
    """

    width: int
    feed_forward: int
    gated: bool = True
    key_width: int | None = None

    def flops(self, tokens: int) -> float:
        """Floating-point operations of a prefill of ``tokens``, two per multiply-add; causal halves are not taken off.

        Projections 2 n D (2 D + 2 D_k), scores and their sum 4 n^2 D, feed-forward 2 n D F for each of its matrices.
        """
        keys = self.width if self.key_width is None else self.key_width
        projections = 2.0 * tokens * self.width * (2 * self.width + 2 * keys)
        attention = 4.0 * tokens**2 * self.width
        return projections + attention + 2.0 * tokens * self.width * self.feed_forward * (3 if self.gated else 2)


def prefill_flops(layer: Layer, layers: int, visual: int, text: int) -> float:
    """Operations of the language model for a prompt of ``visual`` and ``text`` tokens."""
    return layers * layer.flops(visual + text)


def attention_speedup(before: int, after: int) -> float:
    """(n / m)^2: what attention alone gains. An upper bound: see ``Layer.flops`` for the rest and the clock for the truth."""
    if min(before, after) < 1:
        raise InvalidInput(f"{before} and {after} tokens; both must be at least 1.")
    return (before / after) ** 2


def latency_s(call: Callable[[], object], repeats: int = 7, warmup: int = 2) -> float:
    """Median seconds of ``call``; on a GPU including the wait until it is done."""
    for _ in range(warmup):
        call()
    taken = []
    for _ in range(repeats):
        _wait()
        start = time.perf_counter()
        call()
        _wait()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
