"""Multi-scale: a low-resolution picture of everything, compressed little, and local detail, compressed a lot.

Detail is what the low-resolution picture does not say: a token's distance from its coarse cell's mean (the residual of a
two-level Laplacian pyramid), weighted by attention where it is given.
"""

from __future__ import annotations

from torch import Tensor

from headroom_core.visual_tokens.base import importance
from headroom_core.visual_tokens.coarse import CoarseAndFine, cell_means


class MultiScale(CoarseAndFine):
    """Coarse means for the whole, single tokens where there is detail.

    Args:
        ratio: N / M.
        coarse: part of M that shows the whole.
    """

    uses = frozenset({"attention", "grid"})

    def score(
        self, tokens: Tensor, cell: Tensor, cells: int, *, attention: Tensor | None, query: Tensor | None
    ) -> Tensor:
        """What the coarse means lose of each token."""
        detail: Tensor = (tokens.float() - cell_means(tokens, cell, cells)[:, cell]).norm(dim=2)
        return detail if attention is None else detail * importance(tokens, attention)
