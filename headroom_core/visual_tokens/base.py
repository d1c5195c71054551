"""What the compressors share: the module they derive from, grids, positions, importance."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.types import Compressed, Grid


class TokenCompressor(nn.Module):
    """Base of the compressors: checks the arguments, is the identity at ratio 1, else calls ``compress``.

    Args:
        ratio: N / M, at least 1.

    ``uses`` names the optional arguments that a module reads ("attention", "query", "grid"): a patched model collects
    only those.
    """

    uses: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, ratio: float = 4.0) -> None:
        super().__init__()
        if not ratio >= 1:
            raise InvalidInput(f"ratio={ratio!r} is no factor N / M; give 1 (keep all) or more, for example 4.")
        self.ratio = float(ratio)

    def forward(
        self,
        tokens: Tensor,
        *,
        attention: Tensor | None = None,
        query: Tensor | None = None,
        grid: Grid | None = None,
    ) -> Compressed:
        """``Compressed`` with M = ``kept_count(N, ratio)`` tokens; shapes as in ``visual_tokens.types``."""
        check(tokens, attention, query, grid)
        if self.ratio == 1.0:
            return identity(tokens, grid)
        kept = kept_count(tokens.shape[1], self.ratio)
        return self.compress(tokens, kept, attention=attention, query=query, grid=grid)

    def compress(
        self, tokens: Tensor, kept: int, *, attention: Tensor | None, query: Tensor | None, grid: Grid | None
    ) -> Compressed:
        """The work of one module: ``kept`` of the N tokens."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """For ``repr``."""
        return f"ratio={self.ratio:g}"


def kept_count(count: int, ratio: float) -> int:
    """M for N tokens at a ratio: N / ratio rounded half up, at least 1."""
    return max(1, int(count / ratio + 0.5))


def check(tokens: Tensor, attention: Tensor | None, query: Tensor | None, grid: Grid | None) -> None:
    """Raise ``InvalidInput`` for shapes that do not belong together."""
    if tokens.ndim != 3 or not tokens.is_floating_point():
        raise InvalidInput(f"tokens are {tuple(tokens.shape)} {tokens.dtype}; give floats of shape (B, N, D).")
    batch, count, width = tokens.shape
    if grid is not None and math.prod(grid) != count:
        raise InvalidInput(f"grid {grid} has {math.prod(grid)} cells for {count} tokens; give (H, W) or (T, H, W).")
    if attention is not None:
        square = (
            attention.ndim == 4 and attention.shape[2] == attention.shape[3] and attention.shape[3] - count in {0, 1}
        )
        if attention.shape[0] != batch or not (square or attention.shape == (batch, count)):
            raise InvalidInput(
                f"attention is {tuple(attention.shape)} for {batch} x {count} tokens; give (B, N), (B, heads, N, N) "
                "or (B, heads, N + 1, N + 1)."
            )
    if query is not None and (query.ndim not in {2, 3} or query.shape[0] != batch or query.shape[-1] != width):
        raise InvalidInput(f"query is {tuple(query.shape)}; give (B, D) or (B, Q, D) with B={batch}, D={width}.")


def identity(tokens: Tensor, grid: Grid | None = None) -> Compressed:
    """All tokens, each for itself."""
    batch, count, _ = tokens.shape
    index = torch.arange(count, device=tokens.device).expand(batch, count)
    return Compressed(
        tokens=tokens,
        sizes=torch.ones(batch, count, device=tokens.device),
        positions=cells(count, grid, tokens.device).expand(batch, -1, -1),
        keep_index=index,
        assignment=index,
    )


def grid_of(count: int, grid: Grid | None) -> Grid:
    """The grid given, or the square that N tokens make; one row where they make none."""
    if grid is not None:
        return grid
    side = math.isqrt(count)
    return (side, side) if side * side == count else (1, count)


def frames_of(count: int, grid: Grid | None) -> tuple[int, int, int]:
    """(T, H, W); an image is a video of one frame."""
    found = grid_of(count, grid)
    return (1, found[0], found[1]) if len(found) == 2 else found


def cells(count: int, grid: Grid | None, device: torch.device) -> Tensor:
    """(N, G) float32, the coordinates of every token; G = 1, the index, without a grid."""
    index = torch.arange(count, device=device)
    if grid is None:
        return index.float().unsqueeze(1)
    axes = []
    for length in reversed(grid):
        axes.append(index % length)
        index = index.div(length, rounding_mode="floor")
    return torch.stack(axes[::-1], dim=1).float()


def spread_positions(kept: int, count: int, grid: Grid | None, device: torch.device) -> Tensor:
    """(M, G) float32, M places spread evenly over the N tokens in raster order: for outputs without a place."""
    index = ((torch.arange(kept, device=device).float() + 0.5) * (count / kept)).floor().long().clamp(max=count - 1)
    return cells(count, grid, device)[index]


def unit(tokens: Tensor) -> Tensor:
    """Rows of length 1 in float32; zero rows stay zero. Similarities are taken in full precision in any dtype."""
    return functional.normalize(tokens.float(), dim=-1, eps=1e-6)


def importance(tokens: Tensor, attention: Tensor | None) -> Tensor:
    """(B, N) float32 importance.

    From ``attention`` as the table in ``visual_tokens.types`` says. Without it, the attention that each token would
    receive from the others by likeness: mean over rows of softmax(8 cos(x_i, x_j)); a stand-in for models whose
    attention is not at hand (flash and sdpa kernels give none).
    """
    count = tokens.shape[1]
    if attention is None:
        x = unit(tokens)
        return torch.softmax(8.0 * x @ x.transpose(1, 2), dim=-1).mean(dim=1)
    if attention.ndim == 2:
        return attention.float()
    heads = attention.float().mean(dim=1)
    if attention.shape[-1] == count + 1:
        return heads[:, 0, 1:]
    return heads.mean(dim=1)


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """(B, K, D): rows of (B, N, D) by (B, K)."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def top(scores: Tensor, kept: int) -> Tensor:
    """(B, K) indices of the ``kept`` largest, in raster order; of equals the first wins, on every device."""
    order = torch.argsort(scores, dim=1, descending=True, stable=True)
    return order[:, :kept].sort(dim=1).values


def pruned(tokens: Tensor, keep: Tensor, grid: Grid | None) -> Compressed:
    """The result of keeping the tokens ``keep`` (B, M), ascending, and dropping the rest."""
    batch, count, _ = tokens.shape
    kept = keep.shape[1]
    numbers = torch.arange(kept, device=keep.device).expand(batch, kept)
    return Compressed(
        tokens=take(tokens, keep),
        sizes=torch.ones(batch, kept, device=tokens.device),
        positions=cells(count, grid, tokens.device)[keep],
        keep_index=keep,
        assignment=torch.full((batch, count), -1, dtype=torch.long, device=keep.device).scatter(1, keep, numbers),
    )


def group_sums(rows: Tensor, target: Tensor, groups: int) -> Tensor:
    """(B, M, D) sums of the rows (B, N, D) that share a target (B, N) in 0..M-1, the same bits on every run."""
    if rows.is_cuda:  # scatter_add there adds in any order; a product with a one-hot matrix does not
        numbers = torch.arange(groups, device=rows.device).view(1, groups, 1)
        return (target.unsqueeze(1) == numbers).to(rows.dtype) @ rows
    into = target.unsqueeze(-1).expand(-1, -1, rows.shape[-1])
    return torch.zeros(rows.shape[0], groups, rows.shape[-1], device=rows.device).scatter_add(1, into, rows)


def merged(
    tokens: Tensor, assignment: Tensor, keep: Tensor, grid: Grid | None, weights: Tensor | None = None
) -> Compressed:
    """The result of averaging every group of tokens.

    ``assignment`` (B, N) gives each token's output in 0..M-1, -1 for none; ``keep`` (B, M) the token at whose place the
    output stands; ``weights`` (B, N) what a token weighs in its mean and its centre (1 each unless given). Sums run in
    float32.
    """
    batch, count, width = tokens.shape
    kept = keep.shape[1]
    present = (assignment >= 0).float()
    weight = present if weights is None else present * weights.float()
    target = assignment.clamp(min=0)
    places = cells(count, grid, tokens.device).expand(batch, -1, -1)
    values = torch.cat([tokens.float(), places], dim=2) * weight.unsqueeze(-1)
    sums = group_sums(torch.cat([values, weight.unsqueeze(-1), present.unsqueeze(-1)], dim=2), target, kept)
    sums, mass, sizes = sums[..., :-2], sums[..., -2], sums[..., -1]
    means = sums / mass.clamp(min=1e-12).unsqueeze(-1)
    return Compressed(
        tokens=means[..., :width].to(tokens.dtype),
        sizes=sizes,
        positions=means[..., width:],
        keep_index=keep,
        assignment=assignment,
    )
