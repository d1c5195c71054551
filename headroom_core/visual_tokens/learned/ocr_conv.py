"""A 16x compressor for pictures of text, after DeepSeek-OCR's encoder (arXiv 2510.18234, section 3.2).

Cheap attention where there are many tokens, convolution to get rid of them, global attention where few are left.
"""

from __future__ import annotations

from torch import Tensor, nn

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.types import Compressed, Grid

from .abstractor import at_cells
from .base import LearnedCompressor, plane
from .layers import Block, LocalLookup, mlp


class OcrConv(LearnedCompressor):
    """Window attention, two convolutions of stride 2 (16x fewer tokens), global attention: 576 -> 36.

    Not in the paper: its outputs also say what each 4 x 4 block looks up among the tokens around it (``LocalLookup``), so
    that training starts at pooling and not at noise.
    ``windowed`` blocks of window attention cost the most; an encoder of patches has looked at neighbours already.
    The grid's sides must be multiples of ``window`` and of 4; the ratio is 16 (or 1).
    """

    def __init__(
        self,
        width: int,
        *,
        ratio: float = 16.0,
        hidden: int = 96,
        window: int = 8,
        windowed: int = 1,
        depth: int = 2,
        heads: int = 2,
    ) -> None:
        super().__init__(width, ratio)
        if ratio not in {1.0, 16.0}:
            raise InvalidInput(
                f"ratio={ratio:g}; two convolutions of stride 2 give 16, another ratio needs another module."
            )
        self.window = window
        self.local = nn.ModuleList([Block(width, window, (n % 2) * window // 2, heads) for n in range(windowed)])
        self.shrink = nn.Sequential(
            nn.Conv2d(width, hidden, 3, 2, 1), nn.GELU(), nn.Conv2d(hidden, hidden, 3, 2, 1), nn.GELU()
        )
        self.whole = nn.ModuleList([Block(hidden, heads=heads) for _ in range(depth)])
        self.lookup = LocalLookup(width, hidden)
        self.out = nn.Sequential(nn.LayerNorm(hidden), mlp(hidden, 1, out=width, quiet=True))

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """As every learned module; the outputs stand at the centres of their cells."""
        found = plane(tokens.shape[1], grid)
        if found[0] != found[1] or found[0] % self.window or found[0] % 4:
            raise InvalidInput(f"grid {found}; give a square of a side that {self.window} and 4 divide, as 24 x 24.")
        rows = super().compress(tokens, kept, attention=attention, query=query, grid=grid)
        return at_cells(rows, found[0] // 4, found)

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, N / 16, D); the question is not used."""
        found = plane(tokens.shape[1], grid)
        rows = tokens
        for block in self.local:
            rows = block(rows, found)
        rows = self.shrink(rows.transpose(1, 2).reshape(rows.shape[0], -1, *found)).flatten(2).transpose(1, 2)
        for block in self.whole:
            rows = block(rows)
        coarse = (found[0] // 4, found[1] // 4)
        return self.lookup(rows, tokens, found, coarse) + self.out(rows)  # type: ignore[no-any-return]
