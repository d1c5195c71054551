"""A compressor that reads the picture for one question, after the query-aware selection of the compression surveys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.types import Grid

from .base import Latents, LearnedCompressor
from .layers import CrossBlock, mlp


class QueryConditioned(LearnedCompressor):
    """Learned latents shifted by the question read tokens whose attention is biased by their relevance to it.

    relevance = softmax(W_q question . W_k token / sqrt(D)); the log of it, times a learned gain, is added to the attention
    logits of every latent. Needs ``query`` (B, D), or (B, Q, D) whose mean is the question.
    """

    uses = frozenset({"query", "grid"})

    def __init__(self, width: int, *, ratio: float = 9.0, latents: int = 144, depth: int = 2, heads: int = 2) -> None:
        super().__init__(width, ratio)
        self.latents = Latents(latents, width)
        self.asked = nn.Linear(width, width)
        self.offered = nn.Linear(width, width)
        self.shift = mlp(width)
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.layers = nn.ModuleList([CrossBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def relevance(self, tokens: Tensor, query: Tensor) -> Tensor:
        """(B, N) log-softmax relevance of the tokens to the question (B, D)."""
        logits = torch.einsum("bnd,bd->bn", self.offered(tokens), self.asked(query)) / self.width**0.5
        return functional.log_softmax(logits.float(), dim=1).to(tokens.dtype)

    def read(self, tokens: Tensor, kept: int, *, query: Tensor | None, grid: Grid | None) -> Tensor:
        """(B, kept, D) for the question."""
        if query is None:
            raise InvalidInput("query is None; this module compresses for a question, give query=(B, D).")
        question = (query if query.ndim == 2 else query.mean(dim=1)).to(tokens.dtype)
        bias = (self.gain * self.relevance(tokens, question))[:, None, None]
        rows = self.latents(tokens.shape[0], kept) + self.shift(question).unsqueeze(1)
        for layer in self.layers:
            rows = layer(rows, tokens, bias)
        return self.norm(rows)  # type: ignore[no-any-return]
