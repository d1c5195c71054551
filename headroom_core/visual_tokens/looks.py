"""What a vision encoder looks at: importance of its patches from one layer's queries and keys.

Attention kernels (sdpa, flash) do not give their weights away, so they are computed again for one layer: with a class token
only its row (the score of VisionZip, https://arxiv.org/abs/2412.04467), without one the mean received attention.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Encoders whose scores are plain q k: no rotary positions, one image per row.
_PLAIN = frozenset({"clip_vision_model", "siglip_vision_model", "idefics3_vision", "smolvlm_vision"})


class Looks:
    """Collects importance while an encoder runs, if it is wanted and the encoder is one that we can read."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.scores: Tensor | None = None

    @contextmanager
    def at(self, tower: nn.Module, layer: int) -> Iterator[None]:
        """Watch attention ``layer`` of ``tower``: a negative number, or one counted from 1 as hidden states are."""
        kind = getattr(getattr(tower, "config", None), "model_type", None)
        if not self.wanted or kind not in _PLAIN:
            yield
            return
        attentions = [m for m in tower.modules() if hasattr(m, "q_proj") and hasattr(m, "k_proj")]
        watched = attentions[layer if layer < 0 else max(0, layer - 1)]
        hook = watched.register_forward_pre_hook(self._read, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()

    def of(self, number: int, count: int) -> Tensor | None:
        """(count,) importance of one image, averaged over the patches that each feature stands for."""
        if self.scores is None:
            return None
        patches = self.scores[number]
        if patches.numel() == count:
            return patches
        rows, side = math.isqrt(patches.numel()), math.isqrt(count)
        if rows * rows != patches.numel() or side * side != count or rows % side:
            return None
        return functional.avg_pool2d(patches.view(1, rows, rows), rows // side).flatten()

    @torch.no_grad()
    def _read(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        batch, count, _ = hidden.shape
        split = (batch, count, module.num_heads, -1)
        query = module.q_proj(hidden).view(split).transpose(1, 2).float()
        key = module.k_proj(hidden).view(split).transpose(1, 2).float()
        classed = math.isqrt(count) ** 2 != count and math.isqrt(count - 1) ** 2 == count - 1
        if classed:
            query = query[:, :, :1]
        total = torch.zeros(batch, count, device=hidden.device)
        for head in range(query.shape[1]):  # one by one: all heads of 4096 patches together are a gigabyte
            logits = query[:, head] @ key[:, head].transpose(1, 2) / math.sqrt(query.shape[-1])
            total += torch.softmax(logits, dim=-1).mean(dim=1)
        weights = total / query.shape[1]
        self.scores = weights[:, 1:] if classed else weights
