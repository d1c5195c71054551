"""What the learned compressors share: their latents, and the outcome of outputs that read every token."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, grid_of, spread_positions
from headroom_core.visual_tokens.types import Compressed, Grid


class LearnedCompressor(TokenCompressor):
    """Base of the compressors with weights: they map (B, N, width) to (B, M, width) in the dtype of the tokens.

    ``read`` is the work of one module. Outputs have no place of their own: ``keep_index`` and ``assignment`` are None
    and every size is N / M. Weights may be trained for several ratios at once (``ratio`` is an argument, no weight).
    """

    uses = frozenset({"grid"})

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__(ratio)
        self.width = width

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """See ``TokenCompressor``."""
        if tokens.shape[-1] != self.width:
            raise InvalidInput(f"tokens are {tokens.shape[-1]} wide; this module was made for width={self.width}.")
        weights = next(self.parameters())
        rows = self.read(tokens.to(weights.dtype), kept, query=query, grid=grid).to(tokens.dtype)
        return everything_read(tokens, rows, grid)

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, kept, D) from (B, N, D)."""
        raise NotImplementedError


class Latents(nn.Module):
    """Learned query vectors.

    Fewer may be taken than there are, always from the front, so that one module serves every ratio it was trained with.
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(count, width) * 0.5)

    def forward(self, batch: int, kept: int) -> Tensor:
        """(B, kept, D)."""
        if kept > len(self.rows):
            raise InvalidInput(f"{kept} output tokens asked of {len(self.rows)} latents; give a larger ratio or more.")
        return self.rows[:kept].expand(batch, -1, -1)


def everything_read(tokens: Tensor, rows: Tensor, grid: Grid | None) -> Compressed:
    """``Compressed`` for outputs that each read every token."""
    batch, count, _ = tokens.shape
    kept = rows.shape[1]
    sizes = torch.full((batch, kept), count / kept, device=tokens.device)
    return Compressed(rows, sizes, spread_positions(kept, count, grid, tokens.device).expand(batch, -1, -1))


def plane(count: int, grid: Grid | None) -> tuple[int, int]:
    """(H, W) of an image's tokens; ``InvalidInput`` for a video or for tokens that make no square."""
    found = grid_of(count, grid)
    if len(found) == 3:
        raise InvalidInput(f"grid {found} is a video's; give this module one frame at a time, grid=(H, W).")
    if found[0] == 1 and count > 3:
        raise InvalidInput(f"{count} tokens make no square; give grid=(H, W).")
    return found[0], found[1]


def square(kept: int) -> int:
    """The side of ``kept`` output tokens; ``InvalidInput`` when they make no square."""
    side = math.isqrt(kept)
    if side * side != kept:
        raise InvalidInput(f"{kept} output tokens make no square; choose a ratio that gives a square number of them.")
    return side
