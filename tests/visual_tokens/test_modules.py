"""Every training-free module keeps the contract of ``visual_tokens.types``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens import (
    AttentionPrune,
    AveragePool,
    BalancedPrune,
    Compressed,
    DominantContextual,
    Grid,
    HierarchicalPatches,
    MultiScale,
    QuerySelect,
    RandomKeep,
    SimilarityMerge,
    SliceWise,
    ToMe,
    VisualCompressor,
)

MODULES: dict[str, Callable[[float], Any]] = {
    "ToMe": ToMe,
    "SimilarityMerge": lambda ratio: SimilarityMerge(ratio=ratio),
    "AttentionPrune": AttentionPrune,
    "BalancedPrune": BalancedPrune,
    "DominantContextual": DominantContextual,
    "QuerySelect": QuerySelect,
    "MultiScale": MultiScale,
    "HierarchicalPatches": HierarchicalPatches,
    "SliceWise": lambda ratio: SliceWise(ToMe(ratio), side=6),
    "AveragePool": AveragePool,
    "RandomKeep": RandomKeep,
}
PRUNING = {"AttentionPrune", "BalancedPrune", "RandomKeep"}
every = pytest.mark.parametrize("name", list(MODULES))


def scene(batch: int = 2, grid: Grid = (12, 12), width: int = 24, seed: int = 0) -> dict[str, Any]:
    """Tokens that neighbour each other smoothly, with attention and a question."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.randn(batch, width, 3, 3, generator=generator)
    frames, (height, breadth) = (grid[0] if len(grid) == 3 else 1), grid[-2:]
    picture = torch.nn.functional.interpolate(low, size=(height, breadth), mode="bilinear")
    tokens = picture.flatten(2).transpose(1, 2).repeat(1, frames, 1)
    count = tokens.shape[1]
    return {
        "tokens": tokens + 0.3 * torch.randn(batch, count, width, generator=generator),
        "attention": torch.rand(batch, count, generator=generator),
        "query": torch.randn(batch, 3, width, generator=generator),
        "grid": grid,
    }


def run(module: Any, given: dict[str, Any]) -> Compressed:
    found = module(given["tokens"], **{name: value for name, value in given.items() if name != "tokens"})
    assert isinstance(found, Compressed)
    return found


@every
@pytest.mark.parametrize("ratio", [2.0, 4.0, 9.0, 16.0])
def test_shapes_sizes_places_and_assignment_agree(name: str, ratio: float) -> None:
    """M = N / ratio; sizes count the assignment; every output is where its place says; merging loses no token."""
    given = scene()
    found = run(MODULES[name](ratio), given)
    batch, count, width = given["tokens"].shape
    kept = found.tokens.shape[1]
    loose = {"AveragePool": 8, "SliceWise": 2}.get(name, 0)  # whole cells, whole tokens in each of four slices
    assert abs(kept - count / ratio) <= loose
    assert found.tokens.shape == (batch, kept, width)
    assert found.tokens.dtype == given["tokens"].dtype
    assert found.positions.shape == (batch, kept, 2)
    assert bool((found.positions >= 0).all())
    assert bool((found.positions <= 11).all())
    assert found.keep_index is not None
    assert found.assignment is not None
    assert all(len(set(row.tolist())) == kept for row in found.keep_index)
    own = torch.arange(kept).expand(batch, kept)
    assert torch.equal(found.assignment.gather(1, found.keep_index), own)
    counted = torch.stack([torch.bincount(row[row >= 0], minlength=kept) for row in found.assignment])
    assert torch.equal(found.sizes, counted.float())
    assert found.sizes.sum(dim=1).tolist() == [float(kept if name in PRUNING else count)] * batch


@every
def test_outputs_are_the_means_of_what_went_into_them(name: str) -> None:
    """An output is the mean of its tokens, and its position the mean of their places."""
    given = scene()
    found = run(MODULES[name](4.0), given)
    assert found.assignment is not None
    for number in range(found.tokens.shape[1]):
        members = (found.assignment[0] == number).nonzero().squeeze(1)
        torch.testing.assert_close(found.tokens[0, number], given["tokens"][0, members].mean(dim=0))
        rows = torch.stack([members // 12, members % 12], dim=1).float().mean(dim=0)
        torch.testing.assert_close(found.positions[0, number], rows)


@every
def test_ratio_one_is_the_identity(name: str) -> None:
    """Bit for bit, with sizes 1 and every token in its place."""
    given = scene(grid=(7, 12))
    found = run(MODULES[name](1.0), given)
    assert torch.equal(found.tokens, given["tokens"])
    assert found.keep_index is not None
    assert torch.equal(found.keep_index, torch.arange(84).expand(2, 84))
    assert bool((found.sizes == 1).all())


@every
def test_a_batch_gives_what_each_image_gives_alone(name: str) -> None:
    """No image looks at its neighbours in the batch."""
    given = scene(batch=3)
    together = run(MODULES[name](9.0), given)
    for row in range(3):
        alone = run(
            MODULES[name](9.0), {k: v[row : row + 1] if isinstance(v, torch.Tensor) else v for k, v in given.items()}
        )
        torch.testing.assert_close(alone.tokens[0], together.tokens[row])
        assert alone.keep_index is not None
        assert together.keep_index is not None
        assert torch.equal(alone.keep_index[0], together.keep_index[row])


@every
def test_two_runs_are_equal(name: str) -> None:
    """The same bits every time, also from a new object."""
    given = scene(seed=3)
    assert torch.equal(run(MODULES[name](9.0), given).tokens, run(MODULES[name](9.0), given).tokens)


@every
def test_bfloat16_is_close_to_float32(name: str) -> None:
    """Half precision in, half precision out; decisions and sums run in float32."""
    given = scene()
    half = {k: v.bfloat16() if isinstance(v, torch.Tensor) else v for k, v in given.items()}
    wide = {k: v.float() if isinstance(v, torch.Tensor) else v for k, v in half.items()}
    found, full = run(MODULES[name](4.0), half), run(MODULES[name](4.0), wide)
    assert found.tokens.dtype == torch.bfloat16
    torch.testing.assert_close(found.tokens.float(), full.tokens, atol=0.02, rtol=0.02)


@every
def test_a_video_is_compressed_over_its_frames(name: str) -> None:
    """(T, H, W) gives three coordinates and the same ratio."""
    given = scene(grid=(4, 6, 6))
    found = run(MODULES[name](9.0), given)
    assert found.positions.shape[2] == 3
    assert found.tokens.shape[1] == 16
    assert torch.equal(found.assignment.gather(1, found.keep_index), torch.arange(16).expand(2, 16))
    assert bool((found.keep_index.diff(dim=1) > 0).all()) or name == "SliceWise"
    assert float(found.positions[..., 0].max()) <= 3


@every
def test_odd_grids_and_no_grid(name: str) -> None:
    """Sides that nothing divides, one row, no grid at all."""
    for grid in ((7, 11), (1, 30), (5, 3)):
        given = scene(grid=grid)
        found = run(MODULES[name](4.0), given)
        assert 1 <= found.tokens.shape[1] <= math.prod(grid) / 4 + 1
    given = scene(grid=(5, 7))
    found = run(MODULES[name](4.0), {**given, "grid": None})
    assert found.positions.shape[2] == 1


@every
def test_one_graph_without_breaks(name: str) -> None:
    """``torch.compile(fullgraph=True)`` takes every module: no Python decision depends on the data."""
    given = scene(grid=(6, 6), width=8)
    torch.compiler.reset()
    module = MODULES[name](4.0)
    backend = "aot_eager" if name in {"AttentionPrune", "AveragePool"} else "eager"
    compiled = torch.compile(module, backend=backend, fullgraph=True)
    torch.testing.assert_close(run(compiled, given).tokens, run(module, given).tokens)


@every
def test_modules_are_visual_compressors(name: str) -> None:
    """They satisfy the protocol, as any function of that signature does."""
    assert isinstance(MODULES[name](4.0), VisualCompressor)


def test_video_pooling_merges_frames() -> None:
    """A still video merges over time: 8 equal frames at ratio 8 lose next to nothing."""
    tokens = torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(0)).repeat(1, 8, 1)
    found = ToMe(8)(tokens, grid=(8, 4, 4))
    rebuilt = found.tokens[0][found.assignment[0]]  # type: ignore[index]
    assert float((rebuilt - tokens[0]).square().mean()) < 0.02


@pytest.mark.parametrize("name", sorted(PRUNING | {"ToMe"}))
def test_order_does_not_matter_to_what_is_kept(name: str) -> None:
    """Shuffled tokens with their attention shuffled alike: pruning by scores keeps the same vectors."""
    given = scene()
    if name in {"RandomKeep", "ToMe"}:  # these go by index; they only have to stay valid
        order = torch.randperm(144, generator=torch.Generator().manual_seed(1))
        shuffled = {**given, "tokens": given["tokens"][:, order]}
        assert float(run(MODULES[name](4.0), shuffled).sizes.sum()) > 0
        return
    order = torch.randperm(144, generator=torch.Generator().manual_seed(1))
    found = run(MODULES[name](4.0), given)
    moved = run(
        MODULES[name](4.0),
        {**given, "tokens": given["tokens"][:, order], "attention": given["attention"][:, order]},
    )
    first = {tuple(row) for row in found.tokens[0].tolist()}
    assert {tuple(row) for row in moved.tokens[0].tolist()} == first


def test_attention_of_all_three_shapes() -> None:
    """Scores, a layer's weights, and weights with a class token in front name the same best tokens."""
    given = scene(batch=1, grid=(4, 4))
    scores = given["attention"]
    received = (scores / scores.sum()).view(1, 1, 1, 16).expand(1, 2, 16, 16)
    classed = torch.zeros(1, 2, 17, 17)
    classed[:, :, 0, 1:] = scores
    kept = [
        AttentionPrune(4)(given["tokens"], attention=weights, grid=(4, 4)).keep_index
        for weights in (scores, received, classed)
    ]
    assert torch.equal(kept[0], kept[1])
    assert torch.equal(kept[0], kept[2])
    assert set(kept[0][0].tolist()) == set(scores[0].topk(4).indices.tolist())


def test_balanced_pruning_keeps_one_of_each_kind() -> None:
    """Four groups of copies; attention alone would take all from the loudest one."""
    directions = torch.eye(4, 8)
    tokens = directions.repeat_interleave(4, dim=0).unsqueeze(0)
    attention = torch.arange(16, 0, -1).float().unsqueeze(0)
    alone = AttentionPrune(4)(tokens, attention=attention)
    balanced = BalancedPrune(4)(tokens, attention=attention)
    assert len({tuple(row) for row in alone.tokens[0].tolist()}) == 1
    assert len({tuple(row) for row in balanced.tokens[0].tolist()}) == 4


def test_the_question_decides_what_stays_sharp() -> None:
    """Tokens that point where the question points are kept by themselves, unchanged."""
    given = scene(batch=1)
    question = given["tokens"][:, [17, 93]]
    found = QuerySelect(9)(given["tokens"], query=question, grid=(12, 12))
    kept = found.keep_index[0].tolist()  # type: ignore[index]
    for wanted in (17, 93):
        place = kept.index(wanted)
        assert found.sizes[0, place] == 1
        assert torch.equal(found.tokens[0, place], given["tokens"][0, wanted])
    padded = torch.cat([question, torch.zeros(1, 5, question.shape[2])], dim=1)
    assert torch.equal(QuerySelect(9)(given["tokens"], query=padded, grid=(12, 12)).tokens, found.tokens)


def test_multi_scale_keeps_the_odd_one_out() -> None:
    """A flat image with one spot: the spot stays sharp."""
    tokens = torch.ones(1, 144, 4)
    tokens[0, 77] = torch.tensor([5.0, -5.0, 5.0, -5.0])
    found = MultiScale(9)(tokens, grid=(12, 12))
    place = found.keep_index[0].tolist().index(77)  # type: ignore[index]
    assert torch.equal(found.tokens[0, place], tokens[0, 77])


def test_hierarchical_merges_flat_blocks_first() -> None:
    """Left half flat, right half noise: the right half keeps more tokens."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.ones(8, 8, 16)
    picture[:, 4:] = torch.randn(8, 4, 16, generator=generator)
    found = HierarchicalPatches(2)(picture.view(1, 64, 16), attention=torch.ones(1, 64), grid=(8, 8))
    right = (found.positions[0, :, 1] >= 4).sum()
    assert int(right) > 20


def test_adaptive_merging_follows_the_image() -> None:
    """A flat image shrinks to one token, a random one hardly; padding is at the end and marked."""
    flat = torch.ones(1, 64, 32)
    noise = torch.randn(1, 64, 32, generator=torch.Generator().manual_seed(0))
    found = SimilarityMerge(0.9)(torch.cat([flat, noise]), grid=(8, 8))
    assert found.mask.sum(dim=1).tolist() == [1, 64]
    assert bool(found.mask[0, 0])
    assert not bool(found.mask[0, 1:].any())
    assert found.sizes.sum(dim=1).tolist() == [64, 64]
    assert SimilarityMerge(0.9)(flat).tokens.shape == (1, 1, 32)
    torch.compiler.reset()
    compiled = torch.compile(SimilarityMerge(0.9), backend="eager", fullgraph=True)
    assert torch.equal(compiled(flat).trim().tokens, SimilarityMerge(0.9)(flat).tokens)


def test_slices_are_compressed_on_their_own() -> None:
    """Changing one slice changes that slice's outputs only."""
    given = scene(batch=1)
    module = SliceWise(ToMe(4), side=6)
    before = run(module, given)
    changed = {**given, "tokens": given["tokens"].clone()}
    changed["tokens"][0, :6] = 0.0  # in the first of the 2 x 2 slices
    after = run(module, changed)
    assert torch.equal(before.tokens[0, 9:], after.tokens[0, 9:])
    assert not torch.equal(before.tokens[0, :9], after.tokens[0, :9])


def test_slices_of_an_adaptive_compressor() -> None:
    """Slices that keep different numbers are joined with the padding at the end."""
    tokens = torch.ones(2, 144, 16)
    tokens[0, 72:] = torch.randn(72, 16, generator=torch.Generator().manual_seed(0))
    found = SliceWise(SimilarityMerge(0.9), side=6)(tokens, grid=(12, 12))
    assert found.sizes.sum(dim=1).tolist() == [144, 144]
    count = found.mask.sum(dim=1)
    assert int(count[0]) > int(count[1])
    assert bool((found.mask.long().diff(dim=1) <= 0).all())
    own = found.assignment[0].gather(0, found.keep_index[0][found.mask[0]])  # type: ignore[index]
    assert torch.equal(own, torch.arange(int(count[0])))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ToMe(0.5), "ratio"),
        (lambda: ToMe(4, share=0.7), "share"),
        (lambda: QuerySelect(4, coarse=1.0), "coarse"),
        (lambda: MultiScale(4, coarse=0.0), "coarse"),
        (lambda: HierarchicalPatches(4, near=0.8), "near"),
        (lambda: DominantContextual(4, contextual=0.0), "contextual"),
        (lambda: BalancedPrune(4, balance=()), "balance"),
        (lambda: SimilarityMerge(-3.0), "threshold"),
        (lambda: ToMe(4)(torch.zeros(3, 4)), "tokens"),
        (lambda: ToMe(4)(torch.zeros(1, 4, 2), grid=(3, 3)), "grid"),
        (lambda: ToMe(4)(torch.zeros(1, 4, 2), attention=torch.zeros(1, 5)), "attention"),
        (lambda: ToMe(4)(torch.zeros(1, 4, 2), query=torch.zeros(1, 3)), "query"),
    ],
)
def test_wrong_values_are_named(make: Callable[[], object], said: str) -> None:
    """``InvalidInput`` names the argument."""
    with pytest.raises(InvalidInput, match=said):
        make()


@pytest.mark.full
@every
@pytest.mark.parametrize("seed", range(10))
def test_contract_on_many_scenes(name: str, seed: int) -> None:
    """The contract on other sizes, ratios and seeds."""
    grid = (3 + seed * 2, 5 + seed)
    given = scene(batch=1 + seed % 3, grid=grid, seed=seed)
    found = run(MODULES[name](1.5 + seed), given)
    assert found.assignment is not None
    assert bool((found.assignment.max(dim=1).values == found.tokens.shape[1] - 1).all())
    assert found.sizes.sum(dim=1).tolist() == [(found.assignment[0] >= 0).sum()] * found.tokens.shape[0]
