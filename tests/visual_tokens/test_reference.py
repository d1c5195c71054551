"""Fast code against slow code: ToMe, the threshold walk, K-means and MaxSim, each written down plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from headroom_core.visual_tokens import SimilarityMerge, ToMe, maxsim, proportional_attention
from headroom_core.visual_tokens.kmeans import kmeans, lloyd


def _tokens(count: int, width: int, seed: int) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def _slow_tome(tokens: Tensor, kept: int, share: float) -> list[list[int]]:
    """Groups of input indices, by lists and loops."""
    groups = [[i] for i in range(tokens.shape[0])]
    while len(groups) > kept:
        away = min(len(groups) - kept, max(1, int(len(groups) * share)))
        means = [functional.normalize(tokens[group].mean(dim=0), dim=0) for group in groups]
        pairs = []
        for i in range(0, len(groups), 2):
            best = max(range(1, len(groups), 2), key=lambda j: (float(means[i] @ means[j]), -j))
            pairs.append((-float(means[i] @ means[best]), i, best))
        for _, i, j in sorted(pairs)[:away]:
            groups[j] = groups[j] + groups[i]
            groups[i] = []
        groups = [group for group in groups if group]
    return [sorted(group) for group in groups]


@pytest.mark.parametrize(("count", "kept", "share"), [(16, 8, 0.5), (33, 8, 0.5), (40, 10, 0.25), (25, 3, 0.3)])
def test_tome_matches_the_plain_algorithm(count: int, kept: int, share: float) -> None:
    """The same groups in the same order, and their means."""
    tokens = _tokens(count, 12, count)
    found = ToMe(count / kept, share=share)(tokens.unsqueeze(0))
    assert found.assignment is not None
    slow = _slow_tome(tokens, kept, share)
    groups = [(found.assignment[0] == number).nonzero().squeeze(1).tolist() for number in range(kept)]
    assert sorted(groups) == sorted(slow)
    for number, group in enumerate(groups):
        torch.testing.assert_close(found.tokens[0, number], tokens[group].mean(dim=0))


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6])
def test_threshold_merging_matches_the_walk(threshold: float) -> None:
    """Each unmerged token takes in all later unmerged ones that are alike."""
    tokens = _tokens(60, 6, 5)
    rows = functional.normalize(tokens, dim=1)
    alike = rows @ rows.T
    taken: set[int] = set()
    slow = []
    for i in range(60):
        if i in taken:
            continue
        group = [i] + [j for j in range(i + 1, 60) if j not in taken and alike[i, j] >= threshold]
        taken.update(group)
        slow.append(group)
    found = SimilarityMerge(threshold)(tokens.unsqueeze(0))
    assert found.assignment is not None
    assert found.keep_index is not None
    groups = [(found.assignment[0] == number).nonzero().squeeze(1).tolist() for number in range(found.tokens.shape[1])]
    assert groups == slow
    assert found.keep_index[0].tolist() == [group[0] for group in slow]


def test_kmeans_matches_plain_lloyd() -> None:
    """The same centroids from the same start, step by step."""
    vectors, start = _tokens(200, 5, 0), _tokens(7, 5, 1)
    slow = start.clone()
    for _ in range(6):
        members: list[list[int]] = [[] for _ in range(7)]
        for i in range(200):
            members[int((slow - vectors[i]).square().sum(dim=1).argmin())].append(i)
        slow = torch.stack([vectors[group].mean(dim=0) for group in members])
    torch.testing.assert_close(lloyd(vectors, start, 6), slow)


def test_kmeans_finds_separate_clusters_and_repeats_itself() -> None:
    """Eight far clusters are found exactly, twice the same; duplicates leave no centroid without a vector."""
    centres = 50 * _tokens(8, 4, 2)
    vectors = (centres.unsqueeze(1) + 0.01 * _tokens(80, 4, 3).view(8, 10, 4)).view(80, 4)
    found = kmeans(vectors, 8)
    assert float(torch.cdist(centres, found).min(dim=1).values.max()) < 0.1
    assert torch.equal(found, kmeans(vectors, 8))
    assert bool(torch.isfinite(kmeans(torch.ones(5, 3), 4)).all())


def test_proportional_attention_counts_copies() -> None:
    """A key of size 3 draws what three equal keys draw; size 0 draws nothing."""
    query, key, value = (_tokens(4, 8, seed).view(1, 1, 4, 8) for seed in (0, 1, 2))
    sizes = torch.tensor([[3.0, 1.0, 1.0, 0.0]])
    found = proportional_attention(query, key, value, sizes)
    spread = [0, 0, 0, 1, 2]
    torch.testing.assert_close(
        found, functional.scaled_dot_product_attention(query, key[:, :, spread], value[:, :, spread])
    )


def test_maxsim_matches_loops() -> None:
    """The sum of the best products, page by page."""
    query = _tokens(3, 6, 0)
    pages = [_tokens(length, 6, length) for length in (4, 1, 9)]
    slow = [sum(max(float(q @ p) for p in page) for q in query) for page in pages]
    torch.testing.assert_close(maxsim(query, pages), torch.tensor(slow))
