"""A coarse picture of everything plus single tokens where they matter: what query-aware and multi-scale share."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, frames_of, group_sums, merged, top
from headroom_core.visual_tokens.pooling import cell_numbers, coarser
from headroom_core.visual_tokens.types import Compressed, Grid


class CoarseAndFine(TokenCompressor):
    """Means over a coarse grid, and the tokens of largest ``score`` by themselves.

    Args:
        ratio: N / M.
        coarse: part of M that are means.
    """

    def __init__(self, ratio: float = 4.0, coarse: float = 0.25) -> None:
        super().__init__(ratio)
        if not 0 < coarse < 1:
            raise InvalidInput(f"coarse={coarse!r} is no part of the outputs; give 0 to 1, exclusive.")
        self.coarse = coarse

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Lay the coarse grid, score, keep the best, pool the rest."""
        cell, cells = coarse_cells(tokens.shape[1], kept, self.coarse, grid, tokens.device)
        score = self.score(tokens, cell, cells, attention=attention, query=query)
        return coarse_and_fine(tokens, score, cell, cells, kept, grid)

    def score(
        self, tokens: Tensor, cell: Tensor, cells: int, *, attention: Tensor | None, query: Tensor | None
    ) -> Tensor:
        """(B, N): how much each token deserves to stay by itself; ``cell`` (N,) is its coarse cell, of ``cells``."""
        raise NotImplementedError


def coarse_cells(count: int, kept: int, part: float, grid: Grid | None, device: torch.device) -> tuple[Tensor, int]:
    """(N,) the coarse cell of every token, and how many cells: about ``part`` of ``kept``, at least 1."""
    frames = frames_of(count, grid)
    shape = coarser(frames, max(1, int(kept * part + 0.5)))
    return cell_numbers(frames, shape, device), math.prod(shape)


def cell_means(tokens: Tensor, cell: Tensor, cells: int) -> Tensor:
    """(B, C, D) float32 means of the tokens of each cell."""
    into = cell.expand(tokens.shape[0], -1)
    sizes = group_sums(torch.ones_like(tokens[..., :1], dtype=torch.float32), into, cells)
    return group_sums(tokens.float(), into, cells) / sizes


def coarse_and_fine(
    tokens: Tensor, score: Tensor, cell: Tensor, cells: int, kept: int, grid: Grid | None
) -> Compressed:
    """One mean per coarse cell, and the tokens of largest ``score`` (B, N) by themselves, ``kept`` together.

    A cell's mean is over the tokens that are not kept by themselves; its token of least score is never among those, so no
    cell is empty, and it lends the mean its place.
    """
    batch, count, _ = tokens.shape
    order = torch.argsort(score, dim=1, descending=True, stable=True)
    own = torch.arange(count, device=tokens.device).expand(batch, count)
    rank = torch.zeros_like(own).scatter(1, order, own)
    into = cell.expand(batch, -1)
    last = torch.zeros(batch, cells, dtype=torch.long, device=tokens.device).scatter_reduce(1, into, rank, "amax")
    hosts = order.gather(1, last)
    fine = top((-rank).float().scatter(1, hosts, -math.inf), kept - cells)
    alone = torch.zeros_like(own, dtype=torch.bool).scatter(1, fine, True)
    leads = alone.scatter(1, hosts, True)
    number = leads.long().cumsum(dim=1) - 1
    assignment = number.gather(1, torch.where(alone, own, hosts.gather(1, into)))
    return merged(tokens, assignment, top(leads.float(), kept), grid)
