"""Query-aware selection: the tokens that the question is about stay sharp, everything else becomes coarse.

The relevance of a token is its largest cosine with any vector of the question (late interaction per token, as in ColPali,
Faysse et al., https://arxiv.org/abs/2407.01449; text-guided pruning as in SparseVLM, https://arxiv.org/abs/2410.04417,
keeps no remainder). Tokens and question must live in one space: after the projector of a model, or in a joint encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headroom_core.visual_tokens.base import importance, unit
from headroom_core.visual_tokens.coarse import CoarseAndFine


class QuerySelect(CoarseAndFine):
    """The most relevant tokens by themselves, the others as means over a coarse grid.

    Args:
        ratio: N / M.
        coarse: part of M that goes to the coarse remainder.

    Without a query the importance decides.
    """

    uses = frozenset({"query", "attention", "grid"})

    def score(
        self, tokens: Tensor, cell: Tensor, cells: int, *, attention: Tensor | None, query: Tensor | None
    ) -> Tensor:
        """Relevance to the question."""
        return importance(tokens, attention) if query is None else relevance(tokens, query)


def relevance(tokens: Tensor, query: Tensor) -> Tensor:
    """(B, N) float32: the largest cosine of each token with a vector of the query; zero vectors (padding) do not count."""
    words = query.unsqueeze(1) if query.ndim == 2 else query
    alike = unit(tokens) @ unit(words).transpose(1, 2)
    real = (words != 0).any(dim=2).unsqueeze(1)
    return torch.where(real, alike, -1.0).max(dim=2).values
