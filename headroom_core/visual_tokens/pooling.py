"""Average pooling over the grid, and random choice: what any module has to beat."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from headroom_core.visual_tokens.base import TokenCompressor, frames_of, merged, pruned, top
from headroom_core.visual_tokens.types import Compressed, Grid


class AveragePool(TokenCompressor):
    """Means over the cells of a coarser grid; for a video also over frames.

    M is the product of the coarser grid, at most ``kept_count(N, ratio)``: 24 x 24 tokens become 12 x 12, 8 x 8, 6 x 6 at
    4, 9 and 16. Without a grid the tokens are taken as a square, or as one row.
    """

    uses = frozenset({"grid"})

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Assign by cell and average."""
        count = tokens.shape[1]
        frames = frames_of(count, grid)
        shape = coarser(frames, kept)
        cell = cell_numbers(frames, shape, tokens.device)
        first = torch.full((math.prod(shape),), count, device=tokens.device, dtype=torch.long)
        first = first.scatter_reduce(0, cell, torch.arange(count, device=tokens.device), "amin")
        batch = tokens.shape[0]
        return merged(tokens, cell.expand(batch, -1), first.expand(batch, -1), grid)


class RandomKeep(TokenCompressor):
    """M tokens drawn by a hash of their index and ``seed``: the same ones on every call, device and image."""

    def __init__(self, ratio: float = 4.0, seed: int = 0) -> None:
        super().__init__(ratio)
        self.seed = seed

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Keep those with the largest hash."""
        index = torch.arange(tokens.shape[1], device=tokens.device) + (self.seed % 2**31) * 40503
        for factor in (0x45D9F3B, 0x119DE1F3):  # integer mixing; every product stays below 2**63
            index = (((index >> 16) ^ index) & 0x7FFFFFFF) * factor
        scores = ((index >> 16) & 0xFFFFFF).float().expand(tokens.shape[0], -1)
        return pruned(tokens, top(scores, kept), grid)


def coarser(frames: tuple[int, int, int], kept: int) -> tuple[int, int, int]:
    """The (t, h, w) with t * h * w <= kept whose product is large and whose three factors are even.

    Minimises log(kept / thw) + (largest - smallest of log(T / t), log(H / h), log(W / w)) / 2; an axis of length 1 is left
    out of the comparison.
    """
    best, found = math.inf, (1, 1, 1)
    for t in range(1, min(frames[0], kept) + 1):
        for h in range(1, min(frames[1], kept // t) + 1):
            w = min(frames[2], kept // (t * h))
            logs = [math.log(a / b) for a, b in zip(frames, (t, h, w), strict=True) if a > 1] or [0.0]
            cost = math.log(kept / (t * h * w)) + (max(logs) - min(logs)) / 2
            if cost < best - 1e-9:
                best, found = cost, (t, h, w)
    return found


def cell_numbers(frames: tuple[int, int, int], shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """(N,) int64: the coarse cell of every token; along each axis cell k holds the indices i with i * cells // length = k."""
    axes = [
        (torch.arange(length, device=device) * cells).div(length, rounding_mode="floor")
        for length, cells in zip(frames, shape, strict=True)
    ]
    t, h, w = axes
    return ((t.view(-1, 1, 1) * shape[1] + h.view(1, -1, 1)) * shape[2] + w.view(1, 1, -1)).reshape(-1)
