"""Multi-scale: a low-resolution picture of everything, compressed little, and local detail, compressed a lot.

Detail is what the low-resolution picture does not say: a token's distance from its coarse cell's mean (the residual of a
two-level Laplacian pyramid), weighted by attention where it is given.
"""

from __future__ import annotations

from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, importance
from headroom_core.visual_tokens.coarse import cell_means, coarse_and_fine, coarse_cells
from headroom_core.visual_tokens.types import Compressed, Grid


class MultiScale(TokenCompressor):
    """Coarse means for the whole, single tokens where there is detail.

    Args:
        ratio: N / M.
        coarse: part of M that shows the whole.
    """

    uses = frozenset({"attention", "grid"})

    def __init__(self, ratio: float = 4.0, coarse: float = 0.25) -> None:
        super().__init__(ratio)
        if not 0 < coarse < 1:
            raise InvalidInput(f"coarse={coarse!r} is no part of the outputs; give 0 to 1, exclusive.")
        self.coarse = coarse

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Pool, measure what the pool loses, keep that."""
        cell, cells = coarse_cells(tokens.shape[1], kept, self.coarse, grid, tokens.device)
        detail = (tokens.float() - cell_means(tokens, cell, cells)[:, cell]).norm(dim=2)
        score = detail if attention is None else detail * importance(tokens, attention)
        return coarse_and_fine(tokens, score, cell, cells, kept, grid)
