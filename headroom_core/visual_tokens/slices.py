"""Slices: a large image is cut along a grid that suits its shape; each slice is compressed on its own.

Guo et al., LLaVA-UHD, ECCV 2024, https://arxiv.org/abs/2403.11703 (section 3.1): N = ceil(W H / (Wv Hv)) slices; of the
factorisations of N - 1, N and N + 1 the one with the largest
S(W, H, Wv, Hv, m, n) = -|log((W n) / (H m)) - log(Wv / Hv)|, for m columns and n rows, is taken.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import check, grid_of, identity, importance, take
from headroom_core.visual_tokens.types import Compressed, Grid, VisualCompressor


def choose_slices(
    width: float, height: float, slice_width: float = 336, slice_height: float = 336, most: int = 6
) -> tuple[int, int]:
    """(rows, columns) for an image of ``width`` x ``height`` (pixels, or tokens beside tokens per slice).

    (1, 1) for an image that fits into a slice. ``most`` caps the ideal number of slices.
    """
    if min(width, height, slice_width, slice_height) <= 0 or most < 1:
        raise InvalidInput(
            f"{width} x {height} in slices of {slice_width} x {slice_height}, at most {most}: all must be > 0."
        )
    ideal = min(most, math.ceil(width * height / (slice_width * slice_height)))
    if ideal <= 1:
        return 1, 1
    wanted = math.log(slice_width / slice_height)
    best, found = math.inf, (1, 1)
    for number in (ideal, ideal - 1, ideal + 1):  # of equal scores the ideal number wins
        for columns in range(1, number + 1 if 1 < number <= most else 1):
            rows, left = divmod(number, columns)
            distance = abs(math.log(width * rows / (height * columns)) - wanted)
            if not left and distance < best - 1e-9:
                best, found = distance, (rows, columns)
    return found


class SliceWise(nn.Module):
    """Any compressor, slice by slice.

    Args:
        inner: what compresses a slice; it gets the slice's own grid, attention and the query.
        side: tokens along a slice's side (24 for 336 pixels in patches of 14); the slicing follows ``choose_slices``.
        most: the largest number of slices.

    The outputs come slice after slice in raster order of the slices, positions in cells of the whole image. Each frame of
    a video is sliced on its own. Where ``inner`` drops nothing the input comes back as it was, in its own order.
    """

    def __init__(self, inner: VisualCompressor, side: int = 24, most: int = 6) -> None:
        super().__init__()
        self.inner = inner
        self.side = side
        self.most = most
        self.uses = frozenset(getattr(inner, "uses", ())) | {"grid"}

    @property
    def ratio(self) -> float:
        """The inner compressor's."""
        return float(getattr(self.inner, "ratio", 1.0))

    def forward(
        self,
        tokens: Tensor,
        *,
        attention: Tensor | None = None,
        query: Tensor | None = None,
        grid: Grid | None = None,
    ) -> Compressed:
        """``Compressed``; shapes as in ``visual_tokens.types``."""
        check(tokens, attention, query, grid)
        count = tokens.shape[1]
        if self.ratio == 1.0 and not getattr(self.inner, "adaptive", False):
            return identity(tokens, grid)
        shape = grid_of(count, grid)
        score = None if attention is None else importance(tokens, attention)
        parts = []
        for box in self._boxes(shape):
            index = _members(shape, box, tokens.device)
            local = (box[1] - box[0], box[3] - box[2])
            part = self.inner(
                tokens[:, index],
                attention=None if score is None else score[:, index],
                query=query,
                grid=local,
            )
            parts.append((part, index, box))
        return _joined(parts, count, grid, shape)

    def _boxes(self, shape: Grid) -> list[tuple[int, int, int, int, int]]:
        """(first row, end row, first column, end column, frame) of every slice."""
        frames, height, width = (1, *shape) if len(shape) == 2 else shape
        rows, columns = choose_slices(width, height, self.side, self.side, self.most)
        rows, columns = min(rows, height), min(columns, width)
        return [
            (r * height // rows, (r + 1) * height // rows, c * width // columns, (c + 1) * width // columns, t)
            for t in range(frames)
            for r in range(rows)
            for c in range(columns)
        ]


def _members(shape: Grid, box: tuple[int, int, int, int, int], device: torch.device) -> Tensor:
    height, width = shape[-2:]
    rows = torch.arange(box[0], box[1], device=device) + box[4] * height
    return (rows.unsqueeze(1) * width + torch.arange(box[2], box[3], device=device)).reshape(-1)


def _joined(
    parts: list[tuple[Compressed, Tensor, tuple[int, int, int, int, int]]], count: int, grid: Grid | None, shape: Grid
) -> Compressed:
    """The slices' results as one; indices, numbers and positions are those of the whole image."""
    first = parts[0][0]
    batch, device = first.tokens.shape[0], first.tokens.device
    indexed = all(part.keep_index is not None for part, _, _ in parts)
    assigned = all(part.assignment is not None for part, _, _ in parts)
    assignment = torch.full((batch, count), -1, dtype=torch.long, device=device)
    places, positions, offset = [], [], 0
    for part, index, box in parts:
        if part.keep_index is not None:
            places.append(index[part.keep_index])
        if part.assignment is not None:
            moved = torch.where(part.assignment < 0, -1, part.assignment + offset)
            assignment = assignment.scatter(1, index.expand(batch, -1), moved)
        offset += part.tokens.shape[1]
        rows, columns = part.positions[..., 0] + box[0], part.positions[..., 1] + box[2]
        if grid is None:
            positions.append(((rows * shape[-1]) + columns).unsqueeze(-1))
        elif len(grid) == 2:
            positions.append(torch.stack([rows, columns], dim=-1))
        else:
            positions.append(torch.stack([torch.full_like(rows, box[4]), rows, columns], dim=-1))
    joined = Compressed(
        tokens=torch.cat([part.tokens for part, _, _ in parts], dim=1),
        sizes=torch.cat([part.sizes for part, _, _ in parts], dim=1),
        positions=torch.cat(positions, dim=1),
        keep_index=torch.cat(places, dim=1) if indexed else None,
        assignment=assignment if assigned else None,
    )
    return _padding_last(joined) if not torch.compiler.is_compiling() else joined


def _padding_last(result: Compressed) -> Compressed:
    """Slices that kept fewer leave padding in the middle; move it to the end. Order is kept otherwise."""
    if bool(result.mask.all()):
        return result
    order = torch.argsort((~result.mask).int(), dim=1, stable=True)
    number = torch.argsort(order, dim=1)
    assignment = result.assignment
    if assignment is not None:
        assignment = torch.where(assignment < 0, -1, number.gather(1, assignment.clamp(min=0)))
    return replace(
        result,
        tokens=take(result.tokens, order),
        sizes=result.sizes.gather(1, order),
        positions=take(result.positions, order),
        keep_index=None if result.keep_index is None else result.keep_index.gather(1, order),
        assignment=assignment,
    ).trim()
