"""Layers that the learned compressors share: attention, its feed-forward, windows, places on a grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention; ``forward`` takes queries (B, Q, D) and keys = values (B, K, D)."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.keys = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def start_as_lookup(self, sharpness: float = 2.0) -> None:
        """Begin as a soft look-up: a query attends to the sources most like it and brings them back unchanged.

        Learned queries that begin at centres of real tokens then begin as a soft clustering, and training need not find
        where to look from noise.
        """
        width = self.out.weight.shape[0]
        with torch.no_grad():
            torch.nn.init.eye_(self.query.weight).mul_(sharpness)
            self.keys.weight.copy_(torch.cat([torch.eye(width) * sharpness, torch.eye(width)]))
            torch.nn.init.eye_(self.out.weight)
            for bias in (self.query.bias, self.keys.bias, self.out.bias):
                bias.zero_()

    def split(self, rows: Tensor) -> Tensor:
        """(B, R, D) to (B, heads, R, D / heads)."""
        return rows.reshape(*rows.shape[:-1], self.heads, -1).transpose(1, 2)

    def forward(self, queries: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attended rows (B, Q, D); ``bias`` is added to the logits and broadcasts to (B, heads, Q, K)."""
        keys, values = self.keys(source).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(
            self.split(self.query(queries)), self.split(keys), self.split(values), attn_mask=bias
        )
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def weights(self, queries: Tensor, source: Tensor) -> Tensor:
        """The mean over heads of the attention of ``queries`` (B, Q, D) to ``source``: (B, Q, K)."""
        keys = self.split(self.keys(source).chunk(2, dim=-1)[0])
        logits = self.split(self.query(queries)) @ keys.transpose(2, 3) / math.sqrt(keys.shape[-1])
        return logits.softmax(dim=-1).mean(dim=1)


class CrossBlock(nn.Module):
    """Pre-norm: rows read a source, then a feed-forward. ``latents_too``: the rows are among what they read (Perceiver)."""

    def __init__(self, width: int, heads: int, *, latents_too: bool = False) -> None:
        super().__init__()
        self.latents_too = latents_too
        self.rows_norm, self.source_norm, self.between = (nn.LayerNorm(width) for _ in range(3))
        self.attend = Attention(width, heads)
        self.attend.start_as_lookup()
        self.mlp = mlp(width, quiet=True)

    def forward(self, rows: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, M, D) rows after reading (B, N, D); ``bias`` (B, 1, 1, N) as in ``Attention``."""
        asking, read = self.rows_norm(rows), self.source_norm(source)
        if self.latents_too:
            read = torch.cat([read, asking], dim=1)
            bias = None if bias is None else functional.pad(bias, (0, asking.shape[1]))
        rows = rows + self.attend(asking, read, bias)
        return rows + self.mlp(self.between(rows))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm transformer block over all tokens (``window=None``), or over square windows shifted by ``shift``."""

    def __init__(self, width: int, window: int | None = None, shift: int = 0, heads: int = 2) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.before = nn.LayerNorm(width)
        self.attend = Attention(width, heads)
        self.between = nn.LayerNorm(width)
        self.mlp = mlp(width)

    def forward(self, rows: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
        """(B, N, D) to (B, N, D); ``grid`` (H, W), both multiples of the window, is needed with windows."""
        normed = self.before(rows)
        if self.window is None or grid is None:
            rows = rows + self.attend(normed, normed)
        else:
            rows = rows + self._windowed(normed, self.window, grid)
        return rows + self.mlp(self.between(rows))  # type: ignore[no-any-return]

    def _windowed(self, rows: Tensor, window: int, grid: tuple[int, int]) -> Tensor:
        batch, count, width = rows.shape
        high, wide = grid[0] // window, grid[1] // window
        lattice = rows.view(batch, *grid, width)
        if self.shift:
            lattice = lattice.roll((-self.shift, -self.shift), (1, 2))
        windows = (
            lattice.reshape(batch, high, window, wide, window, width).transpose(2, 3).reshape(-1, window**2, width)
        )
        mixed: Tensor = self.attend(windows, windows)
        lattice = mixed.view(batch, high, wide, window, window, width).transpose(2, 3).reshape(batch, *grid, width)
        if self.shift:
            lattice = lattice.roll((self.shift, self.shift), (1, 2))
        return lattice.reshape(batch, count, width)


class LocalLookup(nn.Module):
    """Every cell of a coarser grid brings back a weighted mean of the tokens in and around it, unchanged.

    The logit of a token for a cell: score(token) + (query(row of the cell) + phase) . key(token) / sqrt(D), less ``reach``
    times the squared distance from the cell's edge, in cells. It begins as pooling, where the score says how much each token
    weighs. The phase is a learned vector for the cell's place modulo 3 along each axis: with it, neighbours can share out
    what lies in one of them.
    """

    def __init__(self, width: int, hidden: int, phases: int = 3) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(hidden, width), nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)
        self.reach = nn.Parameter(torch.tensor(5.0))
        self.phase = nn.Parameter(torch.randn(phases, phases, width) * 0.1)
        nn.init.normal_(self.query.weight, std=0.02)
        nn.init.zeros_(self.query.bias)
        nn.init.eye_(self.key.weight)
        nn.init.zeros_(self.score.weight)

    def forward(self, rows: Tensor, tokens: Tensor, grid: tuple[int, int], coarse: tuple[int, int]) -> Tensor:
        """Means (B, h x w, D) of the tokens (B, H x W, D), for rows (B, h x w, hidden) that say what each cell asks for."""
        phase = [torch.arange(length, device=tokens.device) % len(self.phase) for length in coarse]
        asking = self.query(rows) + self.phase[phase[0]][:, phase[1]].flatten(0, 1)
        logits = asking @ self.key(tokens).transpose(1, 2) / math.sqrt(tokens.shape[-1])
        away = (lattice(*coarse, tokens.device)[:, None] - lattice(*grid, tokens.device)).abs()
        beyond = (away * torch.tensor(coarse, device=tokens.device) - 0.5).clamp(min=0).square().sum(-1)
        logits = logits + self.score(tokens).transpose(1, 2) - self.reach * beyond.to(tokens.dtype)
        return logits.softmax(dim=-1) @ tokens  # type: ignore[no-any-return]


def mlp(width: int, factor: int = 2, *, out: int | None = None, quiet: bool = False) -> nn.Sequential:
    """Two layers with GELU between; ``quiet`` ones begin with next to no output."""
    last = nn.Linear(factor * width, out or width)
    if quiet:
        nn.init.normal_(last.weight, std=0.01)
    return nn.Sequential(nn.Linear(width, factor * width), nn.GELU(), last)


def sincos(places: Tensor, width: int) -> Tensor:
    """(..., width) sine-cosine code of places (..., 2) in 0..1: half of the width for rows, half for columns."""
    quarter = width // 4
    waves = torch.exp(torch.arange(quarter, device=places.device) * (-math.log(100.0) / quarter)) * 50.0
    angles = places.unsqueeze(-1) * waves
    code = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return functional.pad(code, (0, width - code.shape[-1]))


def lattice(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows x columns, 2) centres of the cells of a grid, in 0..1."""
    y = (torch.arange(rows, device=device) + 0.5) / rows
    x = (torch.arange(columns, device=device) + 0.5) / columns
    return torch.cartesian_prod(y, x)
