"""Patched models: the same at ratio 1, shorter above it, consistent with and without a cache, and whole again afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens import (
    AttentionPrune,
    AveragePool,
    QuerySelect,
    RandomKeep,
    SimilarityMerge,
    SliceWise,
    ToMe,
    patch,
    unpatch,
)
from headroom_core.visual_tokens.learned import PerceiverResampler
from headroom_core.visual_tokens.looks import Looks
from tests.visual_tokens.tiny import FAMILIES, IMAGE, VIDEO, build, prompt, whole

every = pytest.mark.parametrize("family", list(FAMILIES))
_built: dict[str, Any] = {}


def model_and(family: str, split: list[int]) -> tuple[Any, dict[str, Any], int]:
    """The family's model, inputs with ``split`` images per row, and all visual tokens of these."""
    if family not in _built:
        _built[family] = build(family)
    model, inputs = _built[family]
    vision, counts = inputs(sum(split))
    return model, whole(family, counts, split, vision), sum(counts)


@torch.no_grad()
def logits(model: Any, given: dict[str, Any]) -> Tensor:
    return model(**given).logits


def generated(model: Any, given: dict[str, Any], **options: Any) -> Tensor:
    return model.generate(**given, max_new_tokens=4, do_sample=False, **options)


@every
def test_ratio_one_gives_identical_logits_and_text(family: str) -> None:
    """Two rows, three images, left padding: not one bit differs."""
    model, given, tokens = model_and(family, [1, 2])
    plain, text = logits(model, given), generated(model, given)
    with patch(model, ToMe(ratio=1)) as state:
        assert torch.equal(logits(model, given), plain)
        assert torch.equal(generated(model, given), text)
        assert (state.before, state.after) == (tokens, tokens)


@every
def test_half_precision_models(family: str) -> None:
    """In bfloat16 the same holds: identical at ratio 1, finite above it, attention read along the way."""
    model, given, _ = model_and(family, [1, 2])
    half = copy.deepcopy(model).to(torch.bfloat16)
    given = {name: value.bfloat16() if value.is_floating_point() else value for name, value in given.items()}
    plain = logits(half, given)
    with patch(half, ToMe(ratio=1)):
        assert torch.equal(logits(half, given), plain)
    with patch(half, AttentionPrune(ratio=4)):
        assert bool(logits(half, given).isfinite().all())


@every
def test_ratio_four_shortens_the_prompt_and_generates(family: str) -> None:
    """About a quarter of the visual tokens is left; the prompt comes back whole, followed by as many new tokens."""
    model, given, tokens = model_and(family, [1, 2])
    with patch(model, ToMe(ratio=4)) as state:
        short = logits(model, given)
        text = generated(model, given)
    assert state.before == tokens
    newlines = 14 + 8 + 14 if family == "llava_next" else 0  # the tokens that end a row stay while their row does
    assert tokens / 4 <= state.after <= tokens / 4 + newlines
    assert short.shape[1] < given["input_ids"].shape[1]
    assert torch.equal(text[:, :-4], given["input_ids"])


@every
def test_the_cache_continues_what_a_whole_pass_says(family: str) -> None:
    """Greedy tokens from ``generate`` are those that passes without a cache give: masks and positions go on rightly."""
    model, given, _ = model_and(family, [1, 2])
    with patch(model, AveragePool(ratio=4)):
        text = generated(model, given)
        longer = dict(given)
        for step in range(3):
            best = logits(model, longer)[:, -1].argmax(dim=1)
            assert torch.equal(best, text[:, given["input_ids"].shape[1] + step])
            longer = _longer(longer, best)


def _longer(given: dict[str, Any], new: Tensor) -> dict[str, Any]:
    found = dict(given)
    found["input_ids"] = torch.cat([given["input_ids"], new.unsqueeze(1)], dim=1)
    fillers = {"attention_mask": 1, "mm_token_type_ids": 0, "token_type_ids": 1}
    for name, filler in fillers.items():
        if name in given:
            column = torch.full_like(given[name][:, :1], filler)
            found[name] = torch.cat([given[name], column], dim=1)
    return found


@every
def test_a_padded_row_says_what_it_says_alone(family: str) -> None:
    """The shorter row of a batch, padded on the left, ends in the same logits as by itself."""
    model, both, _ = model_and(family, [1, 2])
    _, alone, _ = model_and(family, [1])
    with patch(model, AveragePool(ratio=4)):
        together, single = logits(model, both), logits(model, alone)
    torch.testing.assert_close(together[0, -1], single[0, -1], atol=1e-4, rtol=1e-4)


@every
def test_beams_and_returned_dictionaries(family: str) -> None:
    """Beam search works; a returned dictionary holds the whole prompt too."""
    model, given, _ = model_and(family, [1])
    with patch(model, AttentionPrune(ratio=4)):
        found = generated(model, given, num_beams=2, num_return_sequences=2, return_dict_in_generate=True)
    assert found.sequences.shape == (2, given["input_ids"].shape[1] + 4)
    assert torch.equal(found.sequences[:, :-4], given["input_ids"].expand(2, -1))


@every
def test_unpatch_restores_exactly(family: str) -> None:
    """Attributes, weights and outputs are those from before, after one patch, two, or none."""
    model, given, _ = model_and(family, [1])
    names, weights, plain = dict(vars(model)), set(model.state_dict()), logits(model, given)
    patch(model, ToMe(4))
    second = patch(model, AveragePool(4))
    assert set(model.state_dict()) == weights
    logits(model, given)
    assert second.after > 0
    unpatch(model)
    unpatch(model)
    assert vars(model).keys() == names.keys()
    assert "forward" not in vars(model)
    assert torch.equal(logits(model, given), plain)


def test_what_was_wrapped_before_is_put_back() -> None:
    """A forward that someone else had set on the model is used below the patch and comes back."""
    model, given, _ = model_and("llava", [1])
    seen = []

    def mine(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs.get("inputs_embeds") is not None)
        return type(model).forward(model, *args, **kwargs)

    model.forward = mine
    try:
        with patch(model, ToMe(4)):
            logits(model, given)
        assert vars(model)["forward"] is mine
        assert seen == [True]
    finally:
        del model.forward


@pytest.mark.parametrize("family", ["llava_next", "qwen2_vl"])
@pytest.mark.parametrize(
    "compressor", [SimilarityMerge(0.5), SliceWise(ToMe(4), side=4), QuerySelect(9), AttentionPrune(3)], ids=repr
)
def test_other_compressors_generate(family: str, compressor: Any) -> None:
    """Adaptive numbers per image, slices, questions and attention go through the same door."""
    model, given, _ = model_and(family, [1, 2])
    with patch(model, compressor) as state:
        text = generated(model, given)
    assert state.after < state.before
    assert text.shape[1] == given["input_ids"].shape[1] + 4


@pytest.mark.parametrize("family", ["llava_next", "qwen2_vl"])
def test_learned_queries_take_places_spread_over_the_image(family: str) -> None:
    """Outputs without a token of their own get placeholders and positions too."""
    model, given, tokens = model_and(family, [1, 2])
    torch.manual_seed(0)
    with patch(model, PerceiverResampler(32, ratio=4).eval()) as state:
        text = generated(model, given)
    assert torch.equal(text[:, :-4], given["input_ids"])
    assert tokens / 4 <= state.after < tokens / 2


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_rotary_positions_stay_where_the_tokens_stood(family: str) -> None:
    """The language model gets the kept columns of the full M-RoPE positions, not new ones."""
    model, given, _ = model_and(family, [1])
    positions, _ = model.model.get_rope_index(
        given["input_ids"],
        mm_token_type_ids=given["mm_token_type_ids"],
        image_grid_thw=given["image_grid_thw"],
        attention_mask=given["attention_mask"],
    )
    seen = {}
    text_model = model.model.language_model
    hook = text_model.register_forward_pre_hook(lambda m, a, k: seen.update(k), with_kwargs=True)
    compressor = RandomKeep(4)
    with patch(model, compressor):
        logits(model, given)
    hook.remove()
    visual = (given["input_ids"][0] == IMAGE).nonzero().squeeze(1)
    kept = compressor(torch.zeros(1, 48, 32), grid=(8, 6)).keep_index[0]
    columns = [c for c in range(given["input_ids"].shape[1]) if c not in set(visual.tolist())]
    columns = sorted(columns + visual[kept].tolist())
    assert torch.equal(seen["position_ids"], positions[:, :, columns])


def test_a_video_shrinks_over_time() -> None:
    """Qwen's video tokens (T, H, W) are compressed as one."""
    model, _, _ = model_and("qwen2_vl", [1])
    size = torch.tensor([[4, 8, 8]])
    text = prompt([[64]], token=VIDEO)
    values = torch.randn(256, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0))
    kinds = 2 * (text["input_ids"] == VIDEO).int()
    given = {**text, "pixel_values_videos": values, "video_grid_thw": size, "mm_token_type_ids": kinds}
    plain = logits(model, given)
    with patch(model, ToMe(1)):
        assert torch.equal(logits(model, given), plain)
    with patch(model, ToMe(8)) as state:
        assert generated(model, given).shape[1] == text["input_ids"].shape[1] + 4
    assert (state.before, state.after) == (64, 8)


def test_a_shortened_batch_carries_no_needless_padding() -> None:
    """The longest row has none, on whichever side the batch is padded; rows say the same either way."""
    model, left, _ = model_and("llava", [1, 2])
    pad = int((left["attention_mask"][0] == 0).sum())
    right = dict(left)
    for name in ("input_ids", "attention_mask"):
        right[name] = left[name].clone()
        right[name][0] = left[name][0].roll(-pad)
    with patch(model, AveragePool(4)):
        from_left, from_right = logits(model, left), logits(model, right)
    words = [
        int((row.bool() & (ids != IMAGE)).sum())
        for row, ids in zip(left["attention_mask"], left["input_ids"], strict=True)
    ]
    lengths = [words[0] + 16, words[1] + 32]
    assert from_left.shape[1] == from_right.shape[1] == max(lengths)
    torch.testing.assert_close(from_left[0, -1], from_right[0, lengths[0] - 1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(from_left[1], from_right[1], atol=1e-4, rtol=1e-4)


def test_labels_lose_what_the_ids_lose() -> None:
    """Training through a patched model: the loss is over the same text."""
    model, given, _ = model_and("llava", [1, 2])
    labels = given["input_ids"].masked_fill(given["input_ids"] == IMAGE, -100)
    with torch.no_grad():
        plain = model(**given, labels=labels).loss
        with patch(model, ToMe(1)):
            assert torch.equal(model(**given, labels=labels).loss, plain)
        with patch(model, ToMe(4)):
            assert bool(torch.isfinite(model(**given, labels=labels).loss))
    with patch(model, AveragePool(4)):
        model(**given, labels=labels).loss.backward()
    assert model.model.multi_modal_projector.linear_1.weight.grad.abs().sum() > 0
    model.zero_grad()


def test_text_only_and_embeddings_pass_through() -> None:
    """Without images, or with embeddings made elsewhere, the plain model answers."""
    model, _, _ = model_and("llava", [1])
    text = {"input_ids": torch.tensor([[1, 5, 6, 7]])}
    plain = logits(model, text)
    with patch(model, ToMe(4)):
        assert torch.equal(logits(model, text), plain)
        assert torch.equal(generated(model, text)[:, :4], text["input_ids"])
        embeds = model.get_input_embeddings()(text["input_ids"])
        assert torch.equal(logits(model, {"inputs_embeds": embeds}), plain)


@pytest.mark.parametrize("family", ["llava", "paligemma"])
def test_importance_is_the_encoders_own_attention(family: str) -> None:
    """What is computed again from q and k equals the attention that the eager kernel gives out."""
    model, given, _ = model_and(family, [1])
    tower = model.model.vision_tower
    kind = tower.config._attn_implementation
    looks = Looks(wanted=True)
    with looks.at(tower, -2), torch.no_grad():
        tower(given["pixel_values"])
    try:
        tower.set_attn_implementation("eager")
        with torch.no_grad():
            weights = tower(given["pixel_values"], output_attentions=True).attentions[-2].mean(dim=1)
    finally:
        tower.set_attn_implementation(kind)
    wanted = weights[:, 0, 1:] if family == "llava" else weights.mean(dim=1)
    assert looks.scores is not None
    torch.testing.assert_close(looks.scores, wanted)


def test_unknown_models_and_wrong_placeholders_are_named() -> None:
    """``InvalidInput`` says what can be patched, and when placeholders and features differ."""
    with pytest.raises(InvalidInput, match="llava_next"):
        patch(torch.nn.Linear(2, 2), ToMe(4))
    model, given, _ = model_and("llava", [1])
    with patch(model, ToMe(4)), pytest.raises(InvalidInput, match="placeholders"):
        logits(
            model, {**given, "input_ids": given["input_ids"][:, 5:], "attention_mask": given["attention_mask"][:, 5:]}
        )
    with patch(model, ToMe(4)), pytest.raises(InvalidInput, match="attention_mask"):
        logits(model, {**given, "attention_mask": torch.ones(1, 1, 72, 72)})
