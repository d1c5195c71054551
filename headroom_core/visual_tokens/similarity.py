"""Threshold merging: walk the tokens in raster order; each unmerged one takes in all later ones that are alike.

Adaptive: a plain image keeps few tokens, a busy one many. The greedy walk is the one of the token-pooling literature
(Marin et al., https://arxiv.org/abs/2110.03860, treat pooling as clustering); here it runs in rounds over whole tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, check, identity, merged, top, unit
from headroom_core.visual_tokens.types import Compressed, Grid

_SEARCH_ROUNDS = 6  # what is undecided after these leads itself: the walk of the fixed ratio is that much coarser


class SimilarityMerge(TokenCompressor):
    """Merge tokens whose cosine with a leading token reaches ``threshold``.

    Args:
        threshold: cosine from which two tokens count as alike.
        ratio: None keeps as many as the image needs: the outputs of a batch are then padded at the end to the largest
            number (in compiled code to N; ``Compressed.trim`` cuts). A number fixes M = N / ratio: the threshold is
            found per image by bisection, and the tokens least like their leader fill up to M.
        rounds: the walk settles after as many rounds as its longest chain of decisions; tokens undecided after this
            many lead themselves.

    A threshold of 1 or more, or ratio=1, merges nothing.
    """

    def __init__(self, threshold: float = 0.9, ratio: float | None = None, rounds: int = 24) -> None:
        super().__init__(1.0 if ratio is None else ratio)
        if not threshold >= -1:
            raise InvalidInput(f"threshold={threshold!r} is no cosine; give -1 to 1, for example 0.9.")
        self.threshold = threshold
        self.adaptive = ratio is None
        self.rounds = rounds

    def forward(
        self,
        tokens: Tensor,
        *,
        attention: Tensor | None = None,
        query: Tensor | None = None,
        grid: Grid | None = None,
    ) -> Compressed:
        """``Compressed``; with the adaptive ratio M differs per image and ``mask`` says what is padding."""
        check(tokens, attention, query, grid)
        if not self.adaptive:
            return super().forward(tokens, attention=attention, query=query, grid=grid)
        if self.threshold >= 1:
            return identity(tokens, grid)
        alike = _cosines(tokens)
        threshold = torch.full((tokens.shape[0], 1, 1), self.threshold, device=tokens.device)
        leads = leaders(alike >= threshold, self.rounds)
        result = _gather(tokens, alike, leads, tokens.shape[1], grid, threshold)
        return result if torch.compiler.is_compiling() else result.trim()

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Exactly ``kept``, by bisection over the threshold."""
        alike = _cosines(tokens)
        low = torch.full((tokens.shape[0], 1, 1), -1.01, device=tokens.device)
        high = torch.full_like(low, 1.01)
        for _ in range(8):  # to within 0.01
            middle = (low + high) / 2
            few = leaders(alike >= middle, min(self.rounds, _SEARCH_ROUNDS)).sum(dim=1).view(-1, 1, 1) <= kept
            low, high = torch.where(few, middle, low), torch.where(few, high, middle)
        leads = leaders(alike >= low, min(self.rounds, _SEARCH_ROUNDS))
        closest = alike.masked_fill(~leads.unsqueeze(1), -2.0).max(dim=2).values
        leads = torch.zeros_like(leads).scatter(1, top(leads * 4.0 - closest, kept), True)
        return _gather(tokens, alike, leads, kept, grid, None)


def leaders(alike: Tensor, rounds: int) -> Tensor:
    """(B, N) bool: who leads when tokens are walked in order and each unmerged one takes in all later alike ones.

    ``alike`` (B, N, N) bool, symmetric. In each round a token leads once no earlier undecided token is like it, and
    falls once an earlier leader is; that is the sequential walk, many steps at a time.
    """
    count = alike.shape[1]
    before = torch.ones(count, count, dtype=torch.bool, device=alike.device).tril(-1)
    earlier = (alike & before).float()
    undecided = torch.ones(alike.shape[:2], device=alike.device)
    leads = torch.zeros_like(undecided)
    for _ in range(rounds):
        blocked = torch.bmm(earlier, undecided.unsqueeze(2)).squeeze(2)
        leads = torch.where((undecided > 0) & (blocked == 0), 1.0, leads)
        fallen = torch.bmm(earlier, leads.unsqueeze(2)).squeeze(2) > 0
        undecided = torch.where((leads > 0) | fallen, 0.0, undecided)
        if not torch.compiler.is_compiling() and not bool(undecided.any()):
            break  # further rounds change nothing
    return (leads + undecided) > 0


def _cosines(tokens: Tensor) -> Tensor:
    rows = unit(tokens)
    return rows @ rows.transpose(1, 2)


def _gather(
    tokens: Tensor, alike: Tensor, leads: Tensor, width: int, grid: Grid | None, threshold: Tensor | None
) -> Compressed:
    """Merge every token into its leader: the first one that is alike, or without a threshold the most alike."""
    count = tokens.shape[1]
    order = torch.argsort(leads.int(), dim=1, descending=True, stable=True)[:, :width]  # leaders first, in raster order
    number = (leads.long().cumsum(dim=1) - 1).clamp(min=0)
    candidates = alike.masked_fill(~leads.unsqueeze(1), -2.0)
    if threshold is None:
        leader = candidates.argmax(dim=2)
    else:
        leader = (candidates >= threshold).float().argmax(dim=2)
    own = torch.arange(count, device=tokens.device).expand_as(leader)
    assignment = number.gather(1, torch.where(leads, own, leader))
    found = merged(tokens, assignment, order, grid)
    real = found.sizes > 0
    return Compressed(
        tokens=found.tokens,
        sizes=found.sizes,
        positions=found.positions,
        keep_index=torch.where(real, order, 0),
        assignment=assignment,
    )
