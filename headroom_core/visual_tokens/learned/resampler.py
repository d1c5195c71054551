"""Resamplers: learned queries read all visual tokens.

Perceiver resampler after Flamingo (arXiv 2204.14198, section 3.1) and Idefics2 (arXiv 2405.02246); the compression layer of
LLaVA-UHD (arXiv 2403.11703, section 2.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.types import Compressed, Grid

from .base import Latents, LearnedCompressor, plane
from .layers import CrossBlock, lattice, sincos


class PerceiverResampler(LearnedCompressor):
    """z <- z + attention(q=z, kv=[x; z]); z <- z + mlp(z), ``depth`` times, from learned latents z.

    Args:
        width: D of the tokens.
        ratio: N / M; M must not exceed ``latents``.
        latents: how many there are (144 serves 4x of 576; 64 is Idefics2's number).
    """

    def __init__(self, width: int, *, ratio: float = 9.0, latents: int = 144, depth: int = 2, heads: int = 2) -> None:
        super().__init__(width, ratio)
        self.latents = Latents(latents, width)
        self.layers = nn.ModuleList([CrossBlock(width, heads, latents_too=True) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, kept, D); neither the question nor the grid is used."""
        rows = self.latents(tokens.shape[0], kept)
        for layer in self.layers:
            rows = layer(rows, tokens)
        return self.norm(rows)  # type: ignore[no-any-return]


class SliceResampler(LearnedCompressor):
    """LLaVA-UHD's compression module: one shared resampler of few queries for every slice of a picture.

    Queries cross-attend to the tokens of one slice; keys carry a two-dimensional sine-cosine code of their place in the
    slice, so that the same weights serve slices of any size. 576 tokens become 64 (9x) to 144 (4x).
    """

    def __init__(self, width: int, *, ratio: float = 9.0, latents: int = 144, depth: int = 2, heads: int = 2) -> None:
        super().__init__(width, ratio)
        self.latents = Latents(latents, width)
        self.layers = nn.ModuleList([CrossBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, kept, D) of one slice each; the question is not used."""
        places = sincos(lattice(*plane(tokens.shape[1], grid), tokens.device), self.width).to(tokens.dtype)
        source, rows = tokens + places, self.latents(tokens.shape[0], kept)
        for layer in self.layers:
            rows = layer(rows, source)
        return self.norm(rows)  # type: ignore[no-any-return]

    def slices(self, tokens: Tensor, *, grid: Grid | None = None) -> Compressed:
        """Compress the slices of one picture, (B, S, N, D), each on its own: (B, S x M, D), slice after slice.

        ``positions`` count the slice first, then row and column inside it.
        """
        if tokens.ndim != 4:
            raise InvalidInput(f"slices are {tuple(tokens.shape)}; give (B, slices, N, D).")
        batch, count = tokens.shape[:2]
        each = self(tokens.flatten(0, 1), grid=grid)
        number = torch.arange(count, device=tokens.device).repeat(batch).float()[:, None, None]
        positions = torch.cat([number.expand(-1, each.positions.shape[1], -1), each.positions], dim=-1)
        rows, sizes, places = (
            part.reshape(batch, -1, *part.shape[2:]) for part in (each.tokens, each.sizes, positions)
        )
        return Compressed(rows, sizes, places)
