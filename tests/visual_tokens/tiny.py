"""Tiny random vision-language models and inputs for them: one row per family that ``patch`` knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

IMAGE, VIDEO = 90, 91
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _llava() -> tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(**VISION, image_size=32, patch_size=4)
    config = LlavaConfig(vision_config=vision, text_config=LlamaConfig(**TEXT), image_token_index=IMAGE)
    return LlavaForConditionalGeneration(config), lambda count: (
        {"pixel_values": _rand(count, 3, 32, 32)},
        [64] * count,
    )


def _llava_next() -> tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaNextConfig, LlavaNextForConditionalGeneration

    vision = CLIPVisionConfig(**VISION, image_size=32, patch_size=4)
    pins = [[32, 64], [64, 32], [64, 64], [32, 96]]
    config = LlavaNextConfig(
        vision_config=vision, text_config=LlamaConfig(**TEXT), image_token_index=IMAGE, image_grid_pinpoints=pins
    )

    def inputs(count: int) -> tuple[dict[str, Any], list[int]]:
        # (60, 50) -> 64 x 64: 2 x 2 tiles of 8 x 8 tokens, unpadded to 16 x 14, and a newline per row
        sizes = torch.tensor([[60, 50], [30, 60]] * count)[:count]
        counts = [64 + 16 * (14 + 1), 64 + 8 * (16 + 1)] * count
        return {"pixel_values": _rand(count, 5, 3, 32, 32), "image_sizes": sizes}, counts[:count]

    return LlavaNextForConditionalGeneration(config), inputs


def _idefics3(smol: bool = False) -> tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]:
    import transformers as tf

    names = (
        ("SmolVLMConfig", "SmolVLMForConditionalGeneration")
        if smol
        else ("Idefics3Config", "Idefics3ForConditionalGeneration")
    )
    vision = {
        **VISION,
        "image_size": 32,
        "patch_size": 2,
        "model_type": "smolvlm_vision" if smol else "idefics3_vision",
    }
    config = getattr(tf, names[0])(
        vision_config=vision, text_config={**TEXT, "model_type": "llama"}, image_token_id=IMAGE, scale_factor=2
    )
    model = getattr(tf, names[1])(config)
    return model, lambda count: ({"pixel_values": _rand(1, count, 3, 32, 32)}, [64] * count)


def _paligemma() -> tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]:
    from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration, SiglipVisionConfig

    vision = SiglipVisionConfig(**VISION, image_size=32, patch_size=4, vision_use_head=False)
    config = PaliGemmaConfig(
        vision_config=vision,
        text_config=GemmaConfig(**{**TEXT, "head_dim": 8}),
        image_token_index=IMAGE,
        projection_dim=32,
    )
    return PaliGemmaForConditionalGeneration(config), lambda count: (
        {"pixel_values": _rand(count, 3, 32, 32)},
        [64] * count,
    )


def _qwen(newer: bool = False) -> tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]:
    import transformers as tf

    text = {**TEXT, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}}
    ids = {"image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": 92, "vision_end_token_id": 93}
    if newer:
        vision = {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "depth": 2}
        vision |= {"fullatt_block_indexes": [1], "window_size": 56, "patch_size": 14, "spatial_merge_size": 2}
        model = tf.Qwen2_5_VLForConditionalGeneration(
            tf.Qwen2_5_VLConfig(vision_config=vision, text_config=text, **ids)
        )
    else:
        vision = {"embed_dim": 32, "hidden_size": 32, "num_heads": 4, "depth": 2, "mlp_ratio": 2}
        model = tf.Qwen2VLForConditionalGeneration(tf.Qwen2VLConfig(vision_config=vision, text_config=text, **ids))

    def inputs(count: int) -> tuple[dict[str, Any], list[int]]:
        sizes = ([[1, 16, 12], [1, 8, 12]] * count)[:count]
        patches = sum(t * h * w for t, h, w in sizes)
        values = {"pixel_values": _rand(patches, 3 * 2 * 14 * 14), "image_grid_thw": torch.tensor(sizes)}
        return values, [t * h * w // 4 for t, h, w in sizes]

    return model, inputs


FAMILIES: dict[str, Callable[[], tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "idefics3": _idefics3,
    "smolvlm": lambda: _idefics3(smol=True),
    "paligemma": _paligemma,
    "qwen2_vl": _qwen,
    "qwen2_5_vl": lambda: _qwen(newer=True),
}


def build(family: str) -> tuple[Any, Callable[[int], tuple[dict[str, Any], list[int]]]]:
    """The model in eval mode with fixed weights, and ``inputs(images) -> (vision inputs, tokens of each image)``."""
    torch.manual_seed(0)
    model, inputs = FAMILIES[family]()
    model.eval()
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = None
    return model, inputs


def prompt(counts: list[list[int]], token: int = IMAGE) -> dict[str, torch.Tensor]:
    """Rows of text and placeholders, padded on the left; ``counts`` lists the images' tokens of each row."""
    rows = []
    for number, images in enumerate(counts):
        row = [1, 5, 6]
        for count in images:
            row += [92, *([token] * count), 93]
        rows.append([*row, 10 + number, 11, *range(12, 12 + number), 13])
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def whole(family: str, counts: list[int], split: list[int], vision: dict[str, Any]) -> dict[str, Any]:
    """All inputs for rows with ``split`` images each."""
    images = iter(counts)
    text = prompt([[next(images) for _ in range(number)] for number in split])
    if family.startswith("qwen"):
        text["mm_token_type_ids"] = (text["input_ids"] == IMAGE).int()
    if family == "paligemma":
        text["token_type_ids"] = torch.zeros_like(text["input_ids"])
    if family in {"idefics3", "smolvlm"}:
        pixels = vision["pixel_values"][0]
        stacked = torch.zeros(len(split), max(split), *pixels.shape[1:])
        start = 0
        for row, number in enumerate(split):
            stacked[row, :number] = pixels[start : start + number]
            start += number
        vision = {"pixel_values": stacked}
    return {**text, **vision}
