"""Formulas, slicing, recommendations and the door of the subpackage."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
import torch

from headroom_core.errors import InvalidInput
from headroom_core.evals import visual_speed
from headroom_core.visual_tokens import (
    AttentionPrune,
    AveragePool,
    SimilarityMerge,
    SliceWise,
    ToMe,
    choose_slices,
    identity,
    recommend,
    reconstruction,
)
from headroom_core.visual_tokens.metrics import Layer, attention_speedup, latency_s, prefill_flops, rebuild
from headroom_core.visual_tokens.pooling import coarser
from headroom_core.visual_tokens.recommend import Content, Risk
from headroom_core.visual_tokens.types import Compressed


def test_reconstruction_of_known_results() -> None:
    """Nothing lost is 0; means of two lose what they lose; a dropped token counts as its nearest neighbour."""
    tokens = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]]])
    assert reconstruction(tokens, identity(tokens)).mse == 0
    pooled = AveragePool(2)(tokens, grid=(1, 4))
    found = reconstruction(tokens, pooled, (1, 4))
    assert found.mse == pytest.approx(0.5)
    assert found.relative == pytest.approx(4 / 30)
    assert found.cosine == pytest.approx(1.0)
    kept = AttentionPrune(2)(tokens, attention=torch.tensor([[9.0, 0, 0, 8.0]]), grid=(1, 4))
    assert rebuild(kept, (1, 4))[0, :, :].tolist() == [[1, 0], [1, 0], [0, 4], [0, 4]]


def test_reconstruction_needs_an_assignment() -> None:
    """Learned queries have no inverse, and the error says what to measure instead."""
    learned = Compressed(torch.zeros(1, 2, 4), torch.full((1, 2), 2.0), torch.zeros(1, 2, 1))
    with pytest.raises(InvalidInput, match="task"):
        rebuild(learned)


def test_places_of_outputs_without_an_index() -> None:
    """The grid cell nearest to the position."""
    positions = torch.tensor([[[0.4, 1.6], [2.0, 9.0]]])
    learned = Compressed(torch.zeros(1, 2, 4), torch.ones(1, 2), positions)
    assert learned.places((3, 4)).tolist() == [[2, 11]]


def test_flops_by_hand() -> None:
    """One layer of width 4, feed-forward 8, ten tokens."""
    layer = Layer(4, 8)
    assert layer.flops(10) == 2 * 10 * 4 * 16 + 4 * 100 * 4 + 2 * 10 * 4 * 8 * 3
    assert Layer(4, 8, gated=False, key_width=2).flops(10) == 2 * 10 * 4 * 12 + 4 * 100 * 4 + 2 * 10 * 4 * 8 * 2
    assert prefill_flops(layer, 3, 8, 2) == 3 * layer.flops(10)


def test_attention_speedup_is_the_square() -> None:
    """4096 to 512 tokens: 64 times for attention alone."""
    assert attention_speedup(4096, 512) == 64
    with pytest.raises(InvalidInput, match="at least 1"):
        attention_speedup(4, 0)


def test_latency_is_the_median_of_the_calls() -> None:
    """As many calls as asked for, and a positive number of seconds."""
    calls = []
    assert latency_s(lambda: calls.append(1), repeats=5, warmup=2) > 0
    assert len(calls) == 7


@pytest.mark.parametrize(
    ("size", "rows_columns"),
    [
        ((336, 336), (1, 1)),
        ((200, 300), (1, 1)),
        ((672, 672), (2, 2)),
        ((672, 1008), (3, 2)),
        ((1008, 672), (2, 3)),
        ((336, 1344), (4, 1)),
        ((1344, 336), (1, 4)),
        ((4000, 4000), (2, 3)),
    ],
)
def test_slices_follow_shape_and_area(size: tuple[int, int], rows_columns: tuple[int, int]) -> None:
    """The document's 672 x 1008 is cut into 6 slices, 2 across and 3 down."""
    found = choose_slices(*size)
    if size == (4000, 4000):  # seven would be over the limit, five is prime: six, or two by two less
        assert found[0] * found[1] <= 6
    else:
        assert found == rows_columns


def test_slices_maximise_the_score_of_the_paper() -> None:
    """Against the formula written out over all candidates."""
    from math import ceil, log

    for width, height in product(range(200, 1500, 170), repeat=2):
        ideal = min(6, ceil(width * height / 336**2))
        if ideal == 1:
            continue
        scores = {
            (n, m): -abs(log((width * n) / (height * m)))
            for count in (ideal - 1, ideal, ideal + 1)
            if 1 < count <= 6
            for m in range(1, count + 1)
            for n in [count // m]
            if n * m == count
        }
        assert scores[choose_slices(width, height)] == pytest.approx(max(scores.values()))


def test_pooled_grids() -> None:
    """24 x 24 at 4, 9, 16; long images and videos keep their shape."""
    assert [coarser((1, 24, 24), 576 // ratio) for ratio in (4, 9, 16)] == [(1, 12, 12), (1, 8, 8), (1, 6, 6)]
    assert coarser((1, 12, 48), 144) == (1, 6, 24)
    assert coarser((8, 8, 8), 64) == (4, 4, 4)


def test_recommendations_keep_their_rules() -> None:
    """4 is conservative, 6 to 9 balanced, 16 for documents with a learned module only."""
    contents: tuple[Content, ...] = ("photo", "document", "chart", "screen", "video")
    risks: tuple[Risk, ...] = ("conservative", "balanced", "aggressive")
    for content, risk, learned, question in product(contents, risks, (False, True), (False, True)):
        found = recommend(1344, 1344, content=content, risk=risk, learned=learned, question=question)
        assert found.ratio is not None
        if risk == "conservative":
            assert found.ratio == 4
        elif risk == "balanced":
            assert 6 <= found.ratio <= 9
        else:
            assert (found.ratio == 16) == (content == "document" and learned)
        if not learned:
            side = int(found.tokens**0.5)
            assert found.build() is not None, side


def test_recommendation_by_budget() -> None:
    """A small image stays; a budget takes the least ratio that is enough; one out of reach is said to be."""
    assert recommend(200, 200).ratio == 1.0
    assert recommend(672, 1008).tokens == 6 * 576
    gentle = recommend(672, 1008, budget=1728)
    assert (gentle.ratio, gentle.kept, gentle.fits) == (2.0, 1728, True)
    assert recommend(336, 336, budget=600).ratio == 1.0
    assert not recommend(672, 1008, budget=50).fits


def test_recommendations_build_what_they_name() -> None:
    """Slices for large images, a threshold for adaptive, a sentence for learned ones."""
    large = recommend(672, 1008).build()
    assert isinstance(large, SliceWise)
    assert isinstance(large.inner, ToMe)
    tokens = torch.randn(1, 6 * 576, 8, generator=torch.Generator().manual_seed(0))
    assert large(tokens, grid=(72, 48)).tokens.shape[1] == recommend(672, 1008).kept
    assert isinstance(recommend(672, 1008, adaptive=True).build(), SimilarityMerge)
    with pytest.raises(InvalidInput, match="learned"):
        recommend(672, 1008, learned=True).build()
    with pytest.raises(InvalidInput, match="poster"):
        recommend(10, 10, content="poster")  # type: ignore[arg-type]


def test_the_speed_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The command runs end to end and ends with a verdict."""
    visual_speed.main(["--sides", "24", "--width", "32", "--layers", "1", "--repeats", "1", "--modules", "ToMe"])
    said = capsys.readouterr().out
    assert "| 576 | 144 | ToMe |" in said
    assert "from 576 tokens on" in said


def test_without_torch_the_door_says_how() -> None:
    """No torch: ``import headroom_core`` works and the subpackage names the pip line."""
    code = (
        "import sys\nsys.modules['torch'] = None\nimport headroom_core\n"
        "from headroom_core.errors import MissingExtra\n"
        "try:\n    import headroom_core.visual_tokens\n"
        "except MissingExtra as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "headroom-integrations[torch]" in said


def test_the_base_package_loads_no_torch() -> None:
    """``import headroom_core`` stays light."""
    code = "import sys, headroom_core\nprint('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
