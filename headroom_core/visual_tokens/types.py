"""What every visual-token compressor takes and gives.

Shapes: B images (or videos) of a batch, N input tokens of width D, M output tokens, G axes of the grid.

===========  ==================================  ==================================================================
argument     shape                               meaning
===========  ==================================  ==================================================================
tokens       (B, N, D), any float dtype          visual tokens in raster order, without a class token
attention    (B, N)                              importance, larger is more important
             or (B, heads, N, N)                 attention of one layer: importance is the mean received attention
             or (B, heads, N + 1, N + 1)         the same with a class token in front: importance is its row
query        (B, D) or (B, Q, D)                 the question in the width of the tokens: one vector, or one per word
grid         (H, W) or (T, H, W)                 how the N tokens lie: rows and columns, frames first for a video
===========  ==================================  ==================================================================

A ratio is the factor N / M: 4 keeps a quarter. At ratio 1 every compressor gives its input back, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

Grid: TypeAlias = tuple[int, int] | tuple[int, int, int]


@dataclass(frozen=True)
class Compressed:
    """M tokens in place of N.

    Attributes:
        tokens: (B, M, D) in the dtype of the input.
        sizes: (B, M) float32, how many input tokens stand behind each output. Merging: they sum to N. Pruning: 1 each.
            Learned queries: N / M each. 0 marks padding, where the images of a batch keep different numbers; padding
            is always at the end.
        positions: (B, M, G) float32 in cells of the grid (row, column; frame first for a video), the size-weighted
            centre of what stands behind the output; G = 1 (the index) where no grid was given.
        keep_index: (B, M) int64, the input token at whose place the output stands (the kept one; for a merge its
            target), or None where outputs have no place of their own (learned queries). 0 at padding.
        assignment: (B, N) int64, the output into which each input token went, -1 where it was dropped, or None where
            every output reads every input.
    """

    tokens: Tensor
    sizes: Tensor
    positions: Tensor
    keep_index: Tensor | None = None
    assignment: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(B, M) bool, False at padding."""
        return self.sizes > 0

    def trim(self) -> Compressed:
        """Without the columns that are padding in every image. Reads the sizes: not for compiled code."""
        width = max(1, int(self.mask.sum(dim=1).max()))
        if width == self.tokens.shape[1]:
            return self
        return replace(
            self,
            tokens=self.tokens[:, :width],
            sizes=self.sizes[:, :width],
            positions=self.positions[:, :width],
            keep_index=None if self.keep_index is None else self.keep_index[:, :width],
        )

    def places(self, grid: Grid | None = None) -> Tensor:
        """(B, M) int64, the input token at or nearest to each output's position; what a patch gathers positions by."""
        if self.keep_index is not None:
            return self.keep_index
        cells = self.positions.round().long()
        if grid is None or cells.shape[-1] == 1:
            return cells[..., 0]
        flat = torch.zeros_like(cells[..., 0])
        for axis, length in enumerate(grid):
            flat = flat * length + cells[..., axis].clamp(0, length - 1)
        return flat


@runtime_checkable
class VisualCompressor(Protocol):
    """Anything that shortens a sequence of visual tokens."""

    def __call__(
        self,
        tokens: Tensor,
        *,
        attention: Tensor | None = None,
        query: Tensor | None = None,
        grid: Grid | None = None,
    ) -> Compressed:
        """The compressed tokens; see the module's table for the shapes."""
        ...
