"""Codebooks: a vector of a page becomes a few bytes.

HPC-ColPali (hierarchical patch compression for ColPali) stores one K-means code per patch, ceil(log2 K) bits. That is
``train_codebook(vectors, [(1, 256)])``. Product quantisation (Jegou et al., TPAMI 2011) gives every part of the vector its
own code, ``[(16, 256)]``; residual stages code what earlier ones left, ``[(1, 256), (16, 16)]``. A learned rotation (OPQ, Ge
et al., CVPR 2013, the non-parametric form) spreads the variance over the parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.kmeans import kmeans, lloyd, nearest


@dataclass(frozen=True)
class Codebook:
    """What turns vectors into codes and back.

    Attributes:
        stages: one (parts, K, D / parts) float32 tensor per stage, with values that float16 can hold.
        rotation: (D, D) applied before, or None.
    """

    stages: tuple[Tensor, ...]
    rotation: Tensor | None = None

    @property
    def width(self) -> int:
        """D."""
        return int(self.stages[0].shape[0] * self.stages[0].shape[2])

    @property
    def bits(self) -> tuple[int, ...]:
        """Bits of every code of a vector, in the order of the columns of ``encode``."""
        return tuple(max(1, ceil(log2(stage.shape[1]))) for stage in self.stages for _ in range(stage.shape[0]))

    @property
    def nbytes(self) -> int:
        """Size of the codebook itself: its tensors in float16."""
        rotation = 0 if self.rotation is None else self.rotation.numel()
        return 2 * (sum(stage.numel() for stage in self.stages) + rotation)

    def encode(self, vectors: Tensor) -> Tensor:
        """(n, C) int16 codes of vectors (n, D), one column per part of each stage."""
        left = self.turned(vectors)
        columns = []
        for stage in self.stages:
            codes, decoded = _quantise(left, stage)
            columns.append(codes)
            left = left - decoded
        return torch.cat(columns, dim=1).to(torch.int16)

    def decode(self, codes: Tensor) -> Tensor:
        """(n, D) float32, what the codes (n, C) stand for."""
        total = self.decode_turned(codes)
        return total if self.rotation is None else total @ self.rotation.T

    def decode_turned(self, codes: Tensor) -> Tensor:
        """(n, D) float32 before the rotation is undone; inner products with ``turned`` queries are the same."""
        total = torch.zeros(codes.shape[0], self.width, device=self.stages[0].device)
        column = 0
        for stage in self.stages:
            parts = stage.shape[0]
            total = total + _looked_up(stage, codes[:, column : column + parts].long())
            column += parts
        return total

    def turned(self, vectors: Tensor) -> Tensor:
        """The vectors in the codebook's own axes, float32."""
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise InvalidInput(f"vectors are {tuple(vectors.shape)}; this codebook takes (n, {self.width}).")
        return vectors.float() if self.rotation is None else vectors.float() @ self.rotation

    def tables(self, queries: Tensor) -> tuple[Tensor, ...]:
        """For each stage (Q, parts, K): inner products of the queries (Q, D) with every code; a vector's is their sum."""
        turned = self.turned(queries)
        split = [turned.view(turned.shape[0], stage.shape[0], -1) for stage in self.stages]
        return tuple(torch.einsum("qpd,pkd->qpk", q, stage) for q, stage in zip(split, self.stages, strict=True))


def train_codebook(
    vectors: Tensor,
    stages: list[tuple[int, int]],
    *,
    rotate: bool = False,
    steps: int = 20,
    turns: int = 6,
    seed: int = 0,
) -> Codebook:
    """A codebook for vectors like these.

    Args:
        vectors: (n, D), a sample of what will be encoded.
        stages: (parts, K) of each stage; D must divide by parts, and K be at most n and 32768.
        rotate: learn a rotation first: rounds of quantise, then the orthogonal map that best takes the vectors to what
            their codes say.
        steps: Lloyd steps of each K-means.
        turns: rounds for the rotation.
        seed: of the K-means seeds and of the first rotation; the same seed gives the same codebook.
    """
    width = vectors.shape[1]
    if not stages or any(parts < 1 or width % parts or not 1 <= codes <= 32768 for parts, codes in stages):
        raise InvalidInput(
            f"stages={stages!r} for width {width}; give [(parts, K), ...] with parts dividing the width."
        )
    vectors = vectors.float()
    if not rotate:
        return Codebook(_fit(vectors, stages, steps, seed, None))
    rotation = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(seed))).Q
    rotation = rotation.to(vectors.device)
    fitted: tuple[Tensor, ...] | None = None
    for _ in range(turns):
        fitted = _fit(vectors @ rotation, stages, 4, seed, fitted)
        book = Codebook(fitted, rotation)
        left, _, right = torch.linalg.svd(vectors.T @ book.decode_turned(book.encode(vectors)))
        rotation = left @ right
    rotation = rotation.half().float()
    return Codebook(_fit(vectors @ rotation, stages, steps, seed, fitted), rotation)


def pack(codes: Tensor, bits: tuple[int, ...]) -> Tensor:
    """(n, ceil(sum(bits) / 8)) uint8: the codes (n, C) bit after bit, each most significant bit first."""
    planes = [(codes[:, i].int() >> shift) & 1 for i, width in enumerate(bits) for shift in range(width - 1, -1, -1)]
    table = torch.stack(planes, dim=1)
    table = torch.nn.functional.pad(table, (0, -table.shape[1] % 8)).view(codes.shape[0], -1, 8)
    weights = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], device=codes.device, dtype=torch.int32)
    return (table * weights).sum(dim=2).to(torch.uint8)


def unpack(packed: Tensor, bits: tuple[int, ...]) -> Tensor:
    """The codes (n, C) int16 that ``pack`` packed."""
    shifts = torch.arange(7, -1, -1, device=packed.device)
    table = ((packed.int().unsqueeze(2) >> shifts) & 1).view(packed.shape[0], -1)
    columns, start = [], 0
    for width in bits:
        weights = 2 ** torch.arange(width - 1, -1, -1, device=packed.device)
        columns.append((table[:, start : start + width] * weights).sum(dim=1))
        start += width
    return torch.stack(columns, dim=1).to(torch.int16)


def _fit(
    vectors: Tensor, stages: list[tuple[int, int]], steps: int, seed: int, start: tuple[Tensor, ...] | None
) -> tuple[Tensor, ...]:
    """K-means for every part of every stage, on what the stages before left; from ``start`` where there is one."""
    left, found = vectors, []
    for number, (parts, codes) in enumerate(stages):
        split = left.view(left.shape[0], parts, -1)
        fitted = torch.stack(
            [
                kmeans(split[:, part], codes, steps, seed + part)
                if start is None
                else lloyd(split[:, part], start[number][part], steps)
                for part in range(parts)
            ]
        )
        found.append(fitted.half().float())
        left = left - _quantise(left, found[-1])[1]
    return tuple(found)


def _quantise(vectors: Tensor, stage: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (n, parts) and what they stand for (n, D)."""
    split = vectors.view(vectors.shape[0], stage.shape[0], -1)
    codes = torch.stack([nearest(split[:, part], stage[part])[0] for part in range(stage.shape[0])], dim=1)
    return codes, _looked_up(stage, codes)


def _looked_up(stage: Tensor, codes: Tensor) -> Tensor:
    parts = torch.arange(stage.shape[0], device=codes.device)
    return stage[parts, codes].reshape(codes.shape[0], -1)
