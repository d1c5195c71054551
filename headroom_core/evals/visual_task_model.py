"""The small model that answers the visual-token task: a vision transformer of 576 tokens and an answer head.

``Encoder``: a convolutional stem to 24 x 24 tokens, windowed blocks (8 x 8, every second shifted by half a window), then
one global block with a class token, whose attention is what pruning modules see. ``Head``: the embedded question
cross-attends to whatever tokens are left; it never sees the picture. Both are plain on purpose: the task measures what
compressed tokens still tell, not how good the model could be.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.visual_tokens.learned.layers import Attention, Block, mlp

from .visual_task_scenes import CELLS, CHARACTERS, CLASSES, GRID, INKS, N_CLASSES, SHAPES, WORD

WIDTH = 64
_WINDOW = 8
_RELEVANCE_SCALE = 10.0
_DENSE = (len(CHARACTERS), len(INKS), WORD, len(SHAPES))
N_PRESENT = len(CHARACTERS) + len(INKS) + len(SHAPES)


@dataclass(frozen=True)
class Encoded:
    """Tokens (B, 576, D), class-token attention (B, 576) that sums to less than 1, class token (B, D)."""

    tokens: Tensor
    attention: Tensor
    summary: Tensor


class Encoder(nn.Module):
    """Pictures (B, 3, 192, 192) in 0..1 to ``Encoded``."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 48, 6, 4, 1),
            nn.GELU(),
            nn.Conv2d(48, width, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, 1, 1),
        )
        self.place = nn.Parameter(torch.randn(GRID * GRID, width) * 0.02)
        self.blocks = nn.ModuleList([Block(width, _WINDOW), Block(width, _WINDOW, _WINDOW // 2), Block(width, _WINDOW)])
        self.last = Block(width)
        self.summary = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.norm = nn.LayerNorm(width)

    def local(self, images: Tensor) -> Tensor:
        """(B, 576, D) rows before the global block."""
        rows: Tensor = self.stem((images - 0.5) * 4).flatten(2).transpose(1, 2) + self.place
        for block in self.blocks:
            rows = block(rows, (GRID, GRID))
        return rows

    def forward(self, images: Tensor) -> Encoded:
        """Tokens, class attention of the last block, class token."""
        rows = self.local(images)
        rows = torch.cat([self.summary.expand(len(rows), -1, -1), rows], dim=1)
        with torch.no_grad():
            normed = self.last.before(rows)
            attention = self.last.attend.weights(normed[:, :1], normed)[:, 0, 1:]
        rows = self.norm(self.last(rows))
        return Encoded(rows[:, 1:], attention, rows[:, 0])


class Head(nn.Module):
    """Questions (B, Q, 3) and tokens (B, M, D) to class logits (B, Q, 24); -inf outside the question's kind."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(CLASSES), width)
        self.subject = nn.Embedding(len(CLASSES) * len(INKS), width)
        self.slot = nn.Embedding(WORD, width)
        self.lift = mlp(width)
        self.hops = nn.ModuleList([Attention(width) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.mlps = nn.ModuleList([nn.Sequential(nn.LayerNorm(width), mlp(width)) for _ in range(2)])
        self.sink = nn.Parameter(torch.randn(1, 1, width))
        self.answer = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, N_CLASSES))
        self.relevance = nn.Linear(width, width)
        allowed = torch.full((len(CLASSES), N_CLASSES), float("-inf"))
        for row, (start, end) in enumerate(CLASSES.values()):
            allowed[row, start:end] = 0
        self.register_buffer("allowed", allowed, persistent=False)

    def embed(self, questions: Tensor) -> Tensor:
        """(B, Q, D) question embeddings."""
        kind, subject, slot = questions.unbind(-1)
        rows: Tensor = self.kind(kind) + self.subject(kind * len(INKS) + subject) + self.slot(slot)
        lifted: Tensor = self.lift(rows)
        return rows + lifted

    def in_token_space(self, questions: Tensor) -> Tensor:
        """(B, Q, D) vectors whose cosine with a token says how relevant it is, as a CLIP text vector would."""
        found: Tensor = self.relevance(self.embed(questions))
        return found

    def read(self, tokens: Tensor, questions: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, Q, D) what the questions read. ``bias`` (B, M): log of token sizes, -inf where there is no token."""
        source = torch.cat([self.sink.expand(len(tokens), -1, -1), tokens], dim=1)
        mask = None if bias is None else functional.pad(bias, (1, 0))[:, None, None]
        rows = self.embed(questions)
        for hop, norm, after in zip(self.hops, self.norms, self.mlps, strict=True):
            rows = rows + hop(norm(rows), source, mask)
            rows = rows + after(rows)
        return rows

    def classify(self, rows: Tensor, questions: Tensor) -> Tensor:
        """(B, Q, 24) logits from what was read."""
        allowed: Tensor = self.allowed  # type: ignore[assignment]
        logits: Tensor = self.answer(rows)
        return logits + allowed[questions[..., 0]]

    def forward(self, tokens: Tensor, questions: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, Q, 24) logits."""
        return self.classify(self.read(tokens, questions, bias), questions)

    def relevance_logits(self, tokens: Tensor, questions: Tensor) -> Tensor:
        """(B, Q, N) scaled cosines between questions and tokens."""
        asked = functional.normalize(self.in_token_space(questions), dim=-1)
        return _RELEVANCE_SCALE * asked @ functional.normalize(tokens, dim=-1).transpose(1, 2)


class Dense(nn.Module):
    """Training aid, not used to answer: what has its centre in each token, the token's cell, what the class token saw."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.each = nn.Linear(width, sum(n + 1 for n in _DENSE))
        self.cell = nn.Linear(width, CELLS)
        self.all = nn.Linear(width, N_PRESENT)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """(B, N, classes + 1) logits for characters, inks, places, shapes."""
        return list(self.each(tokens).split([n + 1 for n in _DENSE], dim=-1))


class Answerer(nn.Module):
    """Encoder and head: the uncompressed model."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        self.head = Head(width)
