"""Attention-weighted pruning: keep the tokens that attention looks at, drop the rest.

The score is the class token's attention, or the attention received from all tokens where there is none, as in FastV
(Chen et al., https://arxiv.org/abs/2403.06764) and the encoder-side variants of it.
"""

from __future__ import annotations

from torch import Tensor

from headroom_core.visual_tokens.base import TokenCompressor, importance, pruned, top
from headroom_core.visual_tokens.types import Compressed, Grid


class AttentionPrune(TokenCompressor):
    """The M most attended tokens, in raster order."""

    uses = frozenset({"attention"})

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Rank by importance and keep the first ``kept``."""
        return pruned(tokens, top(importance(tokens, attention), kept), grid)
