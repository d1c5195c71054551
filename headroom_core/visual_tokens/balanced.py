"""Balanced pruning: attention and diversity together, in stages.

Zhang et al., Balanced Token Pruning, NeurIPS 2025 (the weighting lambda * attention + (1 - lambda) * diversity with lambda
rising over the stages). There the stages are layers of the language model and diversity is a greedy search; here all
stages run on the visual tokens, and a token's diversity is 1 - its likeness to the most alike token of more importance, so
that a stage is a few matrix products instead of M steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, importance, pruned, take, top, unit
from headroom_core.visual_tokens.types import Compressed, Grid


class BalancedPrune(TokenCompressor):
    """Keep tokens that are attended to and unlike each other.

    Args:
        ratio: N / M.
        balance: lambda of each stage, the weight of attention against diversity; its length is the number of stages.
            The kept number falls geometrically from N to M.
    """

    uses = frozenset({"attention"})

    def __init__(self, ratio: float = 4.0, balance: tuple[float, ...] = (0.1, 0.3, 0.5)) -> None:
        super().__init__(ratio)
        if not balance or any(not 0 <= weight <= 1 for weight in balance):
            raise InvalidInput(f"balance={balance!r}; give one weight from 0 to 1 per stage.")
        self.balance = tuple(balance)

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Score and cut, once per stage."""
        batch, count, _ = tokens.shape
        rows, score = unit(tokens), importance(tokens, attention)
        keep = torch.arange(count, device=tokens.device).expand(batch, count)
        for stage, weight in enumerate(self.balance, start=1):
            width = kept if stage == len(self.balance) else _between(count, kept, stage / len(self.balance))
            chosen = top(weight * ranks(score) + (1 - weight) * ranks(diversity(rows, score)), width)
            rows, score, keep = take(rows, chosen), score.gather(1, chosen), keep.gather(1, chosen)
        return pruned(tokens, keep, grid)


def ranks(scores: Tensor) -> Tensor:
    """(B, N) scores as ranks from 0 (least) to 1: a long tail (attention) cannot drown a narrow band (cosines)."""
    order = torch.argsort(scores, dim=1, stable=True)
    rank = torch.arange(scores.shape[1], device=scores.device, dtype=torch.float32).expand_as(scores)
    return torch.zeros_like(rank).scatter(1, order, rank) / max(1, scores.shape[1] - 1)


def diversity(rows: Tensor, score: Tensor) -> Tensor:
    """(B, N) in 0..2: cosine distance to the most alike token of larger score (of equal scores the earlier); 2 for the first."""
    count = rows.shape[1]
    alike = rows @ rows.transpose(1, 2)
    earlier = torch.ones(count, count, dtype=torch.bool, device=rows.device).tril(-1)
    mine, other = score.unsqueeze(2), score.unsqueeze(1)
    above = (other > mine) | ((other == mine) & earlier)
    return 1 - alike.masked_fill(~above, -1.0).max(dim=2).values


def _between(count: int, kept: int, part: float) -> int:
    return max(kept, int(count * (kept / count) ** part + 0.5))
