"""The learned visual-token compressors: shapes, types, ratios, errors."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from headroom_core.errors import InvalidInput  # noqa: E402
from headroom_core.visual_tokens.learned import LEARNED, SliceResampler, make  # noqa: E402
from headroom_core.visual_tokens.learned.layers import LocalLookup  # noqa: E402
from headroom_core.visual_tokens.learned.weights import read_into, write_from  # noqa: E402

WIDTH = 32
CASES = [(name, ratio) for name in LEARNED for ratio in (4.0, 9.0, 16.0) if name != "ocr_conv" or ratio == 16]


def _tokens(batch: int = 2, count: int = 576):  # type: ignore[no-untyped-def]
    return torch.randn(batch, count, WIDTH, generator=torch.Generator().manual_seed(0))


def _run(module, tokens, grid=(24, 24)):  # type: ignore[no-untyped-def]
    return module(tokens, query=tokens[:, 0] + 1, attention=None, grid=grid)


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_a_learned_module_gives_n_over_ratio_tokens(name: str, ratio: float) -> None:
    """576 tokens become 144, 64 or 36; sizes sum to 576; every output has a place in the grid and belongs to all inputs."""
    found = _run(make(name, WIDTH, ratio=ratio), _tokens())
    assert found.tokens.shape == (2, round(576 / ratio), WIDTH)
    assert found.sizes.sum(1).tolist() == pytest.approx([576, 576])
    assert found.positions.shape == (2, round(576 / ratio), 2)
    assert (found.places((24, 24)) >= 0).all()
    assert (found.places((24, 24)) < 576).all()
    assert found.keep_index is None
    assert found.assignment is None
    assert bool(found.mask.all())


@pytest.mark.parametrize("name", LEARNED)
def test_ratio_one_is_the_identity(name: str) -> None:
    """At ratio 1 the tokens come back bit for bit, whatever the weights."""
    tokens = _tokens()
    assert torch.equal(_run(make(name, WIDTH, ratio=1), tokens).tokens, tokens)


@pytest.mark.parametrize("name", LEARNED)
def test_tokens_keep_their_dtype_and_batches_do_not_mix(name: str) -> None:
    """bfloat16 in, bfloat16 out, also with float32 weights; a picture's outputs do not depend on its neighbours."""
    module, tokens = make(name, WIDTH, ratio=16).eval(), _tokens(3)
    assert _run(module, tokens.bfloat16()).tokens.dtype == torch.bfloat16
    assert _run(module.bfloat16(), tokens.bfloat16()).tokens.dtype == torch.bfloat16
    module = module.float()
    alone = torch.cat([_run(module, tokens[n : n + 1]).tokens for n in range(3)])
    assert torch.allclose(_run(module, tokens).tokens, alone, atol=1e-5)


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_module_compiles_without_a_graph_break(name: str) -> None:
    """``torch.compile(fullgraph=True)`` traces the whole module and gives the same tokens."""
    torch.compiler.reset()  # sizes seen in other tests would be traced as unknowns
    module, tokens = make(name, WIDTH, ratio=16).eval(), _tokens()
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert torch.allclose(_run(compiled, tokens).tokens, _run(module, tokens).tokens, atol=1e-6)


@pytest.mark.parametrize("name", LEARNED)
def test_gradients_reach_every_weight(name: str) -> None:
    """Nothing in a module is dead: every parameter gets a gradient (latents: those that the ratio uses)."""
    module = make(name, WIDTH, ratio=16)
    _run(module, _tokens()).tokens.square().mean().backward()
    idle = [label for label, value in module.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert [label for label in idle if not label.endswith("keys.bias")] == []


@pytest.mark.parametrize("name", LEARNED)
def test_weights_survive_a_file(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Written as half-precision safetensors and read again, a module gives the same tokens within half precision."""
    pytest.importorskip("safetensors")
    module, other = make(name, WIDTH, ratio=16).eval(), make(name, WIDTH, ratio=16).eval()
    write_from(module, tmp_path / "w.safetensors")
    read_into(other, tmp_path / "w.safetensors")
    assert torch.allclose(_run(module, _tokens()).tokens, _run(other, _tokens()).tokens, atol=0.05)


def test_a_question_changes_what_the_conditioned_module_gives() -> None:
    """Two questions, two results; several word vectors count as their mean."""
    module, tokens = make("query_conditioned", WIDTH, ratio=9).eval(), _tokens(1)
    words = torch.randn(1, 2, WIDTH, generator=torch.Generator().manual_seed(1))
    first, second = module(tokens, query=words[:, 0]).tokens, module(tokens, query=words[:, 1]).tokens
    assert not torch.allclose(first, second, atol=1e-4)
    assert torch.allclose(module(tokens, query=words).tokens, module(tokens, query=words.mean(1)).tokens, atol=1e-6)


def test_a_local_lookup_begins_as_pooling_and_reaches_into_neighbours() -> None:
    """Without score, phase and question it is average pooling of each cell; a score picks; a short reach is not a wall."""
    lookup, tokens = LocalLookup(WIDTH, 4), _tokens(1, 144)
    rows = torch.zeros(1, 9, 4)
    with torch.no_grad():
        lookup.phase.zero_()
        lookup.reach.fill_(1e4)
        pooled = torch.nn.functional.adaptive_avg_pool2d(tokens.transpose(1, 2).reshape(1, WIDTH, 12, 12), 3)
        assert torch.allclose(lookup(rows, tokens, (12, 12), (3, 3)), pooled.flatten(2).transpose(1, 2), atol=1e-5)
        lookup.score.weight.copy_(50 * tokens[:, 13])  # row 1, column 1: in the first cell
        near = lookup(rows, tokens, (12, 12), (3, 3))
        assert torch.allclose(near[0, 0], tokens[0, 13], atol=1e-3)
        assert not torch.allclose(near[0, 1], tokens[0, 13], atol=0.5)
        lookup.reach.zero_()
        assert torch.allclose(lookup(rows, tokens, (12, 12), (3, 3))[0, 8], tokens[0, 13], atol=1e-3)


def test_slices_are_compressed_each_on_its_own() -> None:
    """The shared resampler gives each slice its tokens, numbered by slice; a slice's result needs no other slice."""
    module = SliceResampler(WIDTH, ratio=9).eval()
    slices = torch.randn(2, 6, 576, WIDTH, generator=torch.Generator().manual_seed(2))
    found = module.slices(slices, grid=(24, 24))
    assert found.tokens.shape == (2, 384, WIDTH)
    assert torch.allclose(found.tokens[:, 64:128], module(slices[:, 1], grid=(24, 24)).tokens, atol=1e-5)
    assert found.positions[0, ::64, 0].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make("perciever", WIDTH, ratio=4), "no learned module"),
        (lambda: make("ocr_conv", WIDTH, ratio=9), "ratio=9"),
        (lambda: make("perceiver", WIDTH, ratio=2)(_tokens()), "288 output tokens"),
        (lambda: make("conv_abstractor", WIDTH, ratio=5)(_tokens()), "no square"),
        (lambda: make("query_conditioned", WIDTH, ratio=4)(_tokens()), "query is None"),
        (lambda: make("perceiver", WIDTH + 1, ratio=4)(_tokens()), "wide"),
        (lambda: make("conv_abstractor", WIDTH, ratio=4)(_tokens(), grid=(4, 12, 12)), "video"),
    ],
)
def test_a_wrong_call_says_what_to_give(call, message: str) -> None:  # type: ignore[no-untyped-def]
    """Bad names, ratios, widths and grids raise ``InvalidInput`` with the value in the sentence."""
    with pytest.raises(InvalidInput, match=message):
        call()
