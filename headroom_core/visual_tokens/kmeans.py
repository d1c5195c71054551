"""K-means, the same result on every run."""

from __future__ import annotations

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import group_sums

_CHUNK = 16384  # rows per distance matrix: 256 codes of float32 make 16 MiB


def kmeans(vectors: Tensor, codes: int, steps: int = 20, seed: int = 0) -> Tensor:
    """(K, D) float32 centroids of the vectors (n, D): k-means++ seeds (Arthur and Vassilvitskii, 2007), then Lloyd steps."""
    if vectors.ndim != 2 or not 1 <= codes <= vectors.shape[0]:
        raise InvalidInput(f"{codes} codes for vectors {tuple(vectors.shape)}; give (n, D) with n >= codes >= 1.")
    return lloyd(vectors, _seeds(vectors.float(), codes, seed), steps)


def lloyd(vectors: Tensor, centroids: Tensor, steps: int) -> Tensor:
    """Centroids after ``steps`` rounds of assign and average, fewer where nothing moves any more.

    A centroid that no vector is nearest to moves to the vector that is worst served.
    """
    vectors, centroids = vectors.float(), centroids.float()
    count = centroids.shape[0]
    before: Tensor | None = None
    for _ in range(steps):
        code, distance = nearest(vectors, centroids)
        if before is not None and torch.equal(code, before):
            break
        before = code
        ones = torch.ones(vectors.shape[0], 1, device=vectors.device)
        sums = _sums(torch.cat([vectors, ones], dim=1), code, count)
        sizes = sums[:, -1:]
        moved = sums[:, :-1] / sizes.clamp(min=1)
        empty = (sizes.squeeze(1) == 0).nonzero().squeeze(1)
        if empty.numel():
            worst = torch.argsort(distance, descending=True, stable=True)[: empty.numel()]
            moved[empty] = vectors[worst]
        centroids = moved
    return centroids


def nearest(vectors: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """For each vector (n, D) the nearest centroid (n,) int64 and the squared distance (n,); of equals the first."""
    squares = centroids.square().sum(dim=1)
    codes, distances = [], []
    for part in torch.split(vectors, _CHUNK):
        found = (squares - 2 * part @ centroids.T).min(dim=1)
        codes.append(found.indices)
        distances.append((found.values + part.square().sum(dim=1)).clamp(min=0))
    return torch.cat(codes), torch.cat(distances)


def _seeds(vectors: Tensor, codes: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(codes, generator=generator, dtype=torch.float64)
    chosen = [int(draws[0] * vectors.shape[0])]
    distance = (vectors - vectors[chosen[0]]).square().sum(dim=1)
    for draw in draws[1:]:
        mass = distance.double().cumsum(dim=0)
        place = int(torch.searchsorted(mass, (mass[-1] * draw).view(1)).clamp(max=vectors.shape[0] - 1))
        chosen.append(place)
        distance = torch.minimum(distance, (vectors - vectors[place]).square().sum(dim=1))
    return vectors[chosen]


def _sums(rows: Tensor, code: Tensor, groups: int) -> Tensor:
    total = torch.zeros(groups, rows.shape[1], device=rows.device)
    for part, target in zip(torch.split(rows, _CHUNK), torch.split(code, _CHUNK), strict=True):
        total += group_sums(part.unsqueeze(0), target.unsqueeze(0), groups).squeeze(0)
    return total
