"""Dominant tokens kept as they are, all others merged into evenly spaced contextual ones.

Yang et al., VisionZip, CVPR 2025, https://arxiv.org/abs/2412.04467: pruning by attention loses the background; here it
survives in a few means.
"""

from __future__ import annotations

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import TokenCompressor, importance, merged, top, unit
from headroom_core.visual_tokens.types import Compressed, Grid


class DominantContextual(TokenCompressor):
    """Of M outputs a part are the most attended tokens, the others means over all the rest.

    Args:
        ratio: N / M.
        contextual: part of M that is contextual (the paper uses about a sixth).
    """

    uses = frozenset({"attention"})

    def __init__(self, ratio: float = 4.0, contextual: float = 1 / 6) -> None:
        super().__init__(ratio)
        if not 0 < contextual < 1:
            raise InvalidInput(f"contextual={contextual!r} is no part of the outputs; give 0 to 1, exclusive.")
        self.contextual = contextual

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """Keep the dominant ones, assign the rest to targets by likeness, average."""
        batch, count, _ = tokens.shape
        context = max(1, int(kept * self.contextual + 0.5))
        dominant = torch.zeros(batch, count, dtype=torch.bool, device=tokens.device)
        dominant = dominant.scatter(1, top(importance(tokens, attention), kept - context), True)
        rest = top((~dominant).float(), count - kept + context)
        spacing = (torch.arange(context, device=tokens.device) * rest.shape[1]).div(context, rounding_mode="floor")
        targets = dominant.scatter(1, rest[:, spacing], True)
        return fold(tokens, targets, ~dominant & targets, kept, grid)


def fold(tokens: Tensor, targets: Tensor, open_: Tensor, kept: int, grid: Grid | None) -> Compressed:
    """Keep the ``targets`` (B, N) bool, ``kept`` of them; every other token joins the ``open_`` target most like it."""
    count = tokens.shape[1]
    keep = top(targets.float(), kept)
    number = (targets.long().cumsum(dim=1) - 1).clamp(min=0)
    rows = unit(tokens)
    into = keep.unsqueeze(-1).expand(-1, -1, rows.shape[-1])
    alike = rows @ rows.gather(1, into).transpose(1, 2)
    alike = alike.masked_fill(~open_.gather(1, keep).unsqueeze(1), -2.0)
    own = torch.arange(count, device=tokens.device).expand_as(number)
    assignment = torch.where(targets, number.gather(1, own), alike.argmax(dim=2))
    return merged(tokens, assignment, keep, grid)
