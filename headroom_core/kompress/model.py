"""The network in torch: a BERT encoder with two exits and the heads. Used for training, GPUs and as the fp32 reference.

Query-free text leaves the encoder at the early exit (layer ``early``), text with a query at the last layer. Both exits
carry the same heads, each with its own weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

TOKEN_OUTPUTS = ("drop", "keep", "span", "weight", "value", "start", "end")
"""Columns of the per-token output: two logits of the token head, the span head's logit, the sentence head's pooling
weight and value, and the logits of an answer's start and end."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network."""

    vocab: int = 30522
    hidden: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536
    positions: int = 512
    early: int = 3
    conv: int = 64

    def as_dict(self) -> dict[str, int]:
        """For the checkpoint's configuration."""
        return asdict(self)


class Layer(nn.Module):
    """One post-norm transformer layer (Devlin et al. 2019)."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.count = shape.heads
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.hidden)
        self.norm1 = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.up = nn.Linear(shape.hidden, shape.inner)
        self.down = nn.Linear(shape.inner, shape.hidden)
        self.norm2 = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: (batch, length, hidden); mask: (batch, 1, 1, length), True where a token is."""
        batch, length, hidden = x.shape
        q, k, v = (
            part.view(batch, length, self.count, hidden // self.count).transpose(1, 2)
            for part in self.qkv(x).chunk(3, -1)
        )
        drop = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=drop)
        mixed = self.out(mixed.transpose(1, 2).reshape(batch, length, hidden))
        x = self.norm1(x + functional.dropout(mixed, self.dropout, self.training))
        inner = self.down(functional.gelu(self.up(x)))
        return self.norm2(x + functional.dropout(inner, self.dropout, self.training))  # type: ignore[no-any-return]


class Heads(nn.Module):
    """Token head, span head, sentence pooling, answer reader and the document's relevance from ``[CLS]``."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.tokens = nn.Linear(shape.hidden, 6)
        self.conv1 = nn.Conv1d(shape.hidden, shape.conv, 5, padding=2)
        self.conv2 = nn.Conv1d(shape.conv, 1, 3, padding=1)
        self.pool = nn.Linear(shape.hidden, shape.hidden)
        self.relevance = nn.Linear(shape.hidden, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """x: (batch, length, hidden) to ((batch, length, 7), (batch,)): see ``TOKEN_OUTPUTS``, and the relevance logit."""
        shown = x if mask is None else x * mask[:, 0, 0, :, None].to(x.dtype)
        inner = functional.gelu(self.conv1(shown.transpose(1, 2)))
        if mask is not None:
            inner = inner * mask[:, 0, 0, None, :].to(x.dtype)
        span = self.conv2(inner).transpose(1, 2)
        six = self.tokens(x)
        relevance = self.relevance(torch.tanh(self.pool(x[:, 0])))[:, 0]
        return torch.cat([six[..., :2], span, six[..., 2:]], -1), relevance


class Kompress(nn.Module):
    """Encoder and heads."""

    def __init__(self, shape: Shape | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape = shape or Shape()
        self.word = nn.Embedding(shape.vocab, shape.hidden)
        self.place = nn.Embedding(shape.positions, shape.hidden)
        self.kind = nn.Embedding(2, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.dropout = dropout
        self.layers = nn.ModuleList(Layer(shape, dropout) for _ in range(shape.layers))
        self.early = Heads(shape)
        self.late = Heads(shape)

    def embed(self, ids: Tensor, kinds: Tensor) -> Tensor:
        """(batch, length) to (batch, length, hidden)."""
        x = self.word(ids) + self.place.weight[: ids.shape[1]] + self.kind(kinds)
        return functional.dropout(self.norm(x), self.dropout, self.training)

    def forward(self, ids: Tensor, kinds: Tensor, mask: Tensor | None, exits: str = "late") -> dict[str, Tensor]:
        """Outputs of the exits asked for (``early``, ``late`` or ``both``): ``<exit>_tokens`` and ``<exit>_relevance``.

        The early exit also gives ``early_states`` (batch, length, hidden).
        ids, kinds: (batch, length) integers; mask: (batch, length) booleans, or None where nothing is padded.
        """
        wide = None if mask is None else mask[:, None, None, :]
        x = self.embed(ids, kinds)
        out: dict[str, Tensor] = {}
        for i, layer in enumerate(self.layers, 1):
            x = layer(x, wide)
            if i == self.shape.early and exits != "late":
                out["early_tokens"], out["early_relevance"] = self.early(x, wide)
                out["early_states"] = x
                if exits == "early":
                    return out
        out["late_tokens"], out["late_relevance"] = self.late(x, wide)
        return out

    @torch.no_grad()
    def start_from_bert(self, state: dict[str, Tensor]) -> None:
        """Take the encoder weights of a BERT checkpoint with the usual names."""
        self.word.weight.copy_(state["embeddings.word_embeddings.weight"])
        self.place.weight.copy_(state["embeddings.position_embeddings.weight"][: self.shape.positions])
        self.kind.weight.copy_(state["embeddings.token_type_embeddings.weight"])
        _norm(self.norm, state, "embeddings.LayerNorm")
        for i, layer in enumerate(self.layers):
            root = f"encoder.layer.{i}."
            names = [f"{root}attention.self.{n}" for n in ("query", "key", "value")]
            assert isinstance(layer, Layer)
            layer.qkv.weight.copy_(torch.cat([state[f"{n}.weight"] for n in names]))
            layer.qkv.bias.copy_(torch.cat([state[f"{n}.bias"] for n in names]))
            _linear(layer.out, state, f"{root}attention.output.dense")
            _norm(layer.norm1, state, f"{root}attention.output.LayerNorm")
            _linear(layer.up, state, f"{root}intermediate.dense")
            _linear(layer.down, state, f"{root}output.dense")
            _norm(layer.norm2, state, f"{root}output.LayerNorm")


@torch.no_grad()
def _linear(module: nn.Linear, state: dict[str, Tensor], name: str) -> None:
    module.weight.copy_(state[f"{name}.weight"])
    module.bias.copy_(state[f"{name}.bias"])


@torch.no_grad()
def _norm(module: nn.LayerNorm, state: dict[str, Tensor], name: str) -> None:
    module.weight.copy_(state[f"{name}.weight"])
    module.bias.copy_(state[f"{name}.bias"])
