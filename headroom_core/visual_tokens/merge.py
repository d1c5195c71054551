"""ToMe: merge the most alike pairs of a bipartite split until M tokens are left.

Bolya et al., Token Merging: Your ViT But Faster, ICLR 2023, https://arxiv.org/abs/2210.09461: the alternating split, the
matching, the size-weighted mean (section 3) and the proportional attention softmax(QK'/sqrt(d) + log s)V.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, group_sums, merged, take, top, unit
from headroom_core.visual_tokens.types import Compressed, Grid


class ToMe(TokenCompressor):
    """Bipartite soft matching, repeated: each step merges at most ``share`` of the tokens, so 16x takes a few steps.

    Args:
        ratio: N / M.
        share: the largest part of the tokens that one step may merge away, at most 0.5. Smaller steps look for the best
            pairs anew more often: closer means, more time.

    Every output is the plain mean of all input tokens behind it (which is what size-weighted means of means come to).
    For a video (T, H, W) all frames are matched together, and the split alternates along time: what stands still in two
    neighbouring frames is on different sides and can merge.
    """

    def __init__(self, ratio: float = 4.0, share: float = 0.25) -> None:
        super().__init__(ratio)
        if not 0 < share <= 0.5:
            raise InvalidInput(f"share={share!r} is outside (0, 0.5]; one step merges one half into the other at most.")
        self.share = share

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Match and merge until ``kept`` are left."""
        batch, count, _ = tokens.shape
        order = _interleaved(count, grid, tokens.device)
        assignment = torch.arange(count, device=tokens.device).expand(batch, count)
        place = assignment
        sums = tokens[:, order].float()
        while count > kept:
            away = min(count - kept, max(1, int(count * self.share)))
            target, alive = match(sums, away)
            # Directions are all that matching reads, and the direction of a sum is that of its mean.
            sums = take(group_sums(sums, target, count), alive)
            number = torch.zeros_like(target).scatter(1, alive, _numbers(alive))
            assignment = number.gather(1, target).gather(1, assignment)
            place = place.gather(1, alive)
            count -= away
        place, rank = order[place].sort(dim=1)  # outputs in raster order
        number = torch.argsort(rank, dim=1)
        return merged(tokens, number.gather(1, assignment)[:, torch.argsort(order)], place, grid)


def match(tokens: Tensor, away: int) -> tuple[Tensor, Tensor]:
    """One step of bipartite soft matching.

    Tokens at even places may merge into the token at an odd place that is most like them (cosine); the ``away`` best of
    these pairs do.

    Returns:
        target (B, N): the token that each token now belongs to, itself unless it merged; alive (B, N - away), ascending:
        the tokens that are left.
    """
    batch, count, _ = tokens.shape
    if not 0 < away <= count // 2:
        raise InvalidInput(f"away={away} of {count} tokens; one step merges 1 to {count // 2}.")
    rows = unit(tokens)
    best, partner = (rows[:, ::2] @ rows[:, 1::2].transpose(1, 2)).max(dim=2)
    source = torch.argsort(best, dim=1, descending=True, stable=True)[:, :away]
    own = torch.arange(count, device=tokens.device).expand(batch, count)
    target = own.scatter(1, source * 2, partner.gather(1, source) * 2 + 1)
    return target, top((target == own).float(), count - away)


def proportional_attention(query: Tensor, key: Tensor, value: Tensor, sizes: Tensor) -> Tensor:
    """Attention in which a merged token weighs as much as the tokens behind it.

    ``query``, ``key``, ``value`` (B, heads, *, d), ``sizes`` (B, M) of the keys; padding (size 0) gets no weight.
    """
    bias = sizes.log()[:, None, None, :].to(query.dtype)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def _interleaved(count: int, grid: Grid | None, device: torch.device) -> Tensor:
    """(N,) the order in which tokens are split into even and odd: raster, for a video the frames of each cell in a row."""
    order = torch.arange(count, device=device)
    return order if grid is None or len(grid) == 2 else order.view(grid).permute(1, 2, 0).reshape(-1)


def _numbers(index: Tensor) -> Tensor:
    return torch.arange(index.shape[1], device=index.device).expand_as(index)
