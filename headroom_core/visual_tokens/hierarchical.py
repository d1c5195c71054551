"""Hierarchical patch compression: fine patches, then merged neighbours, then importance.

Level 1 is the input. Level 2 merges blocks of 2 x 2 neighbours, the most alike blocks first. Level 3 keeps the M most
important of those; what is left out joins the kept token most like it. The three levels are those of hierarchical patch
compression for ColPali (multi-vector page retrieval); sizes and order are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, frames_of, group_sums, importance, merged, unit
from headroom_core.visual_tokens.coarse import cell_means
from headroom_core.visual_tokens.dominant import fold
from headroom_core.visual_tokens.pooling import cell_numbers
from headroom_core.visual_tokens.types import Compressed, Grid


class HierarchicalPatches(TokenCompressor):
    """Merge like neighbours, then let importance choose.

    A merged block is as important as its most important member: by the sum, a wall would beat a word.

    Args:
        ratio: N / M.
        near: the largest part of the tokens that level 2 takes away; 0.75 merges every block.
    """

    uses = frozenset({"attention", "grid"})

    def __init__(self, ratio: float = 4.0, near: float = 0.6) -> None:
        super().__init__(ratio)
        if not 0 <= near <= 0.75:
            raise InvalidInput(f"near={near!r} is outside 0 to 0.75; blocks of 2 x 2 leave a quarter.")
        self.near = near

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Levels 2 and 3."""
        batch, count, _ = tokens.shape
        host = neighbours(tokens, min(count - kept, int(count * self.near)), grid)
        own = torch.arange(count, device=tokens.device).expand(batch, count)
        weight = importance(tokens, attention)
        weight = torch.full_like(weight, -1.0).scatter_reduce(1, host, weight, "amax").masked_fill(host != own, -1.0)
        order = torch.argsort(weight, dim=1, descending=True, stable=True)[:, :kept]
        chosen = torch.zeros_like(own, dtype=torch.bool).scatter(1, order, True)
        means = group_sums(tokens.float(), host, count)  # their directions: all that likeness reads
        final = fold(means, chosen, chosen, kept, None)
        assert final.assignment is not None
        assert final.keep_index is not None
        return merged(tokens, final.assignment.gather(1, host), final.keep_index, grid)


def neighbours(tokens: Tensor, away: int, grid: Grid | None) -> Tensor:
    """(B, N) the first token of the 2 x 2 block that each token merges into, itself where its block stays apart.

    Blocks merge whole, the most alike first, while at most ``away`` tokens go; a block's likeness is the least cosine of a
    member with its mean.
    """
    batch, count, _ = tokens.shape
    frames = frames_of(count, grid)
    shape = (frames[0], (frames[1] + 1) // 2, (frames[2] + 1) // 2)
    cells = math.prod(shape)
    # An odd side leaves its last cell with one row or column: cells are i // 2, not an even split.
    padded = (frames[0], shape[1] * 2, shape[2] * 2)
    numbers = cell_numbers(padded, shape, tokens.device).view(padded)
    block = numbers[:, : frames[1], : frames[2]].reshape(-1)
    into = block.expand(batch, -1)
    alike = (unit(tokens) * unit(cell_means(tokens, block, cells))[:, block]).sum(dim=2)
    likeness = torch.full((batch, cells), 2.0, device=tokens.device).scatter_reduce(1, into, alike, "amin")
    saved = torch.zeros(cells, device=tokens.device).scatter_add(0, block, torch.ones(count, device=tokens.device)) - 1
    order = torch.argsort(likeness, dim=1, descending=True, stable=True)
    fits = saved[order].cumsum(dim=1) <= away
    merge = torch.zeros_like(fits).scatter(1, order, fits)
    own = torch.arange(count, device=tokens.device)
    first = torch.full((cells,), count, dtype=torch.long, device=tokens.device).scatter_reduce(0, block, own, "amin")
    return torch.where(merge[:, block], first[block], own)
