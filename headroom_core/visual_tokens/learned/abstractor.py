"""Abstractors: the convolutional one of Honeybee (arXiv 2312.06742, section 3.2), and a query-pooled transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.visual_tokens.types import Compressed, Grid

from .base import Latents, LearnedCompressor, plane, square
from .layers import Block, CrossBlock, LocalLookup, mlp


class _Bottleneck(nn.Module):
    """A RegNet-Y block: 1x1, grouped 3x3, squeeze and excitation, 1x1, residual (arXiv 2003.13678)."""

    def __init__(self, width: int, group: int) -> None:
        super().__init__()
        self.into = nn.Conv2d(width, width, 1)
        self.mix = nn.Conv2d(width, width, 3, padding=1, groups=max(1, width // group))
        self.squeeze = nn.Sequential(nn.Conv2d(width, width // 4, 1), nn.SiLU(), nn.Conv2d(width // 4, width, 1))
        self.out = nn.Conv2d(width, width, 1)
        self.norms = nn.ModuleList([nn.GroupNorm(1, width) for _ in range(3)])

    def forward(self, plane: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        rows = functional.silu(self.norms[0](self.into(plane)))
        rows = functional.silu(self.norms[1](self.mix(rows)))
        rows = rows * torch.sigmoid(self.squeeze(rows.mean(dim=(2, 3), keepdim=True)))
        return functional.silu(plane + self.norms[2](self.out(rows)))


class ConvAbstractor(LearnedCompressor):
    """C-Abstractor: ``depth`` convolution blocks, adaptive average pooling to a square, ``depth`` blocks, an MLP.

    Not in the paper: its outputs also say what each cell looks up among the tokens around it (``LocalLookup``), so that
    training starts at pooling and not at noise, and fine print need not pass through the convolutions.
    Keeps the neighbourhood of every output. M must be a square number (4x, 9x, 16x of 576 are: 144, 64, 36).
    """

    def __init__(self, width: int, *, ratio: float = 4.0, hidden: int = 96, depth: int = 2, group: int = 16) -> None:
        super().__init__(width, ratio)
        self.into = nn.Conv2d(width, hidden, 1)
        self.fine = nn.Sequential(*[_Bottleneck(hidden, group) for _ in range(depth)])
        self.coarse = nn.Sequential(*[_Bottleneck(hidden, group) for _ in range(depth)])
        self.lookup = LocalLookup(width, hidden)
        self.out = nn.Sequential(nn.LayerNorm(hidden), mlp(hidden, 1, out=width, quiet=True))

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """As every learned module; the outputs stand at the centres of their cells."""
        found = super().compress(tokens, kept, attention=attention, query=query, grid=grid)
        return at_cells(found, square(kept), plane(tokens.shape[1], grid))

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, kept, D); the question is not used."""
        side, found = square(kept), plane(tokens.shape[1], grid)
        lattice = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *found)
        rows = self.coarse(functional.adaptive_avg_pool2d(self.fine(self.into(lattice)), (side, side)))
        rows = rows.flatten(2).transpose(1, 2)
        return self.lookup(rows, tokens, found, (side, side)) + self.out(rows)  # type: ignore[no-any-return]


class QueryAbstractor(LearnedCompressor):
    """Query-pooled transformer: each layer lets the queries talk to each other, then read the tokens."""

    def __init__(self, width: int, *, ratio: float = 9.0, latents: int = 144, depth: int = 2, heads: int = 2) -> None:
        super().__init__(width, ratio)
        self.latents = Latents(latents, width)
        self.among = nn.ModuleList([Block(width, heads=heads) for _ in range(depth)])
        self.reading = nn.ModuleList([CrossBlock(width, heads) for _ in range(depth)])
        self.out = nn.Sequential(nn.LayerNorm(width), mlp(width))
        self.norm = nn.LayerNorm(width)

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, kept, D); neither the question nor the grid is used."""
        rows = self.latents(tokens.shape[0], kept)
        for among, reading in zip(self.among, self.reading, strict=True):
            rows = reading(among(rows), tokens)
        return self.norm(rows + self.out(rows))  # type: ignore[no-any-return]


def at_cells(found: Compressed, side: int, grid: tuple[int, int]) -> Compressed:
    """The same outputs with positions at the centres of ``side`` x ``side`` equal cells of the grid."""
    device = found.tokens.device
    axes = [((torch.arange(side, device=device) + 0.5) * (length / side) - 0.5) for length in grid]
    centres = torch.cartesian_prod(*axes)
    if found.positions.shape[-1] == 1:
        centres = (centres[:, :1].round() * grid[1] + centres[:, 1:].round()).clamp(max=grid[0] * grid[1] - 1)
    return Compressed(found.tokens, found.sizes, centres.expand(found.tokens.shape[0], -1, -1))
