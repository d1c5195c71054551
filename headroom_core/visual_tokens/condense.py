"""From a model's inputs with images to shorter embeddings: read, compress, shorten."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.looks import Looks
from headroom_core.visual_tokens.pictures import READERS, Inputs, Picture
from headroom_core.visual_tokens.pieces import Kept, compress_pictures
from headroom_core.visual_tokens.shorten import Columns, Stretch, columns, locate
from headroom_core.visual_tokens.types import VisualCompressor

_PIXELS = ("pixel_values", "pixel_values_videos")
_VISION = frozenset(
    {
        *_PIXELS,
        "image_sizes",
        "pixel_attention_mask",
        "image_grid_thw",
        "video_grid_thw",
        "second_per_grid_ts",
        "mm_token_type_ids",
        "vision_feature_layer",
        "vision_feature_select_strategy",
    }
)
_FILLERS = {"token_type_ids": 0, "labels": -100}


@dataclass(frozen=True)
class Condensed:
    """Keyword arguments for the unpatched model, the shortened ids, and how many visual tokens there were and are."""

    inputs: dict[str, Any]
    ids: Tensor
    before: int
    after: int


def condense(model: Any, compressor: VisualCompressor, inputs: Inputs) -> Condensed | None:
    """None where the inputs bring no new images, or embeddings instead of ids."""
    ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    if ids is None or inputs.get("inputs_embeds") is not None or all(inputs.get(name) is None for name in _PIXELS):
        return None
    if mask is not None and mask.ndim != 2:
        raise InvalidInput(f"attention_mask is {tuple(mask.shape)}; a patched model needs the plain one, (B, L).")
    uses: frozenset[str] = getattr(compressor, "uses", frozenset())
    pictures = list(READERS[model.config.model_type](model.model, inputs, Looks("attention" in uses)))
    flats = _located(ids, pictures)
    visual = torch.zeros_like(ids, dtype=torch.bool)
    for picture in pictures:
        visual |= ids == picture.token
    words = model.get_input_embeddings()(ids.masked_fill(visual, 0))  # a placeholder may lie outside the vocabulary
    asked = _questions(words, visual, mask) if "query" in uses else [None] * ids.shape[0]
    kept = compress_pictures(compressor, pictures, [asked[int(flat[0]) // ids.shape[1]] for flat in flats])
    stretches = [Stretch(flat.numel(), left.places) for flat, left in zip(flats, kept, strict=True)]
    picked = columns(ids, mask, list(zip(flats, stretches, strict=True)))
    short = picked.pick(ids, _padding_id(model))
    found = {name: value for name, value in inputs.items() if name not in _VISION and name != "input_ids"}
    found |= _beside(model.model, inputs, picked)
    found["inputs_embeds"] = _embeddings(words, picked, short, pictures, kept)
    return Condensed(found, short, sum(f.numel() for f in flats), sum(k.places.numel() for k in kept))


def _located(ids: Tensor, pictures: list[Picture]) -> list[Tensor]:
    """The flat placeholder indices of every picture, in the order of ``pictures``."""
    found: dict[int, list[Tensor]] = {}
    for token in dict.fromkeys(picture.token for picture in pictures):
        found[token] = locate(ids, token, [p.features.shape[0] for p in pictures if p.token == token])
    return [found[picture.token].pop(0) for picture in pictures]


def _questions(words: Tensor, visual: Tensor, mask: Tensor | None) -> list[Tensor | None]:
    """For each row the embeddings of its text after the last image, of all its text where nothing follows."""
    text = ~visual if mask is None else ~visual & mask.bool()
    after = visual.flip(1).cumsum(dim=1).flip(1) == 0
    found: list[Tensor | None] = []
    for row in range(text.shape[0]):
        asked = text[row] & after[row]
        found.append(words[row][asked if bool(asked.any()) else text[row]])
    return found


def _embeddings(words: Tensor, picked: Columns, short: Tensor, pictures: list[Picture], kept: list[Kept]) -> Tensor:
    """The language model's input: text as it was, features in the places of their placeholders."""
    index = picked.index.clamp(min=0).unsqueeze(-1).expand(-1, -1, words.shape[-1])
    embeds = words.gather(1, index)
    for token in dict.fromkeys(picture.token for picture in pictures):
        features = torch.cat([k.features for k, p in zip(kept, pictures, strict=True) if p.token == token])
        here = ((short == token) & (picked.index >= 0)).unsqueeze(-1)
        embeds = embeds.masked_scatter(here, features.to(embeds.device, embeds.dtype))
    return embeds


def _beside(base: Any, inputs: Inputs, picked: Columns) -> dict[str, Any]:
    """Masks, labels, token types and positions of the columns that stay."""
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    found: dict[str, Any] = {
        name: picked.pick(inputs[name], filler) for name, filler in _FILLERS.items() if inputs.get(name) is not None
    }
    if mask is not None or bool((picked.index < 0).any()):
        found["attention_mask"] = picked.pick(torch.ones_like(ids) if mask is None else mask, 0)
    if inputs.get("position_ids") is not None:
        found["position_ids"] = picked.positions(inputs["position_ids"])
    elif hasattr(base, "get_rope_index"):
        found["position_ids"], base.rope_deltas = _rope(base, inputs, picked)
    return found


def _rope(base: Any, inputs: Inputs, picked: Columns) -> tuple[Tensor, Tensor]:
    """M-RoPE positions (3, B, L') where the kept tokens stood, and what the next position is ahead of the length."""
    ids = inputs["input_ids"]
    kinds = inputs.get("mm_token_type_ids")
    if kinds is None:
        kinds = (ids == base.config.image_token_id).int() + 2 * (ids == base.config.video_token_id).int()
    given = {**inputs, "mm_token_type_ids": kinds}
    known = inspect.signature(base.get_rope_index).parameters
    positions, _ = base.get_rope_index(**{name: given[name] for name in known if name in given})
    positions = picked.positions(positions)
    real = picked.index >= 0
    if inputs.get("attention_mask") is not None:
        real = picked.pick(inputs["attention_mask"], 0) > 0
    last = positions.amax(dim=0).masked_fill(~real, 0).amax(dim=1, keepdim=True)
    return positions, last + 1 - real.sum(dim=1, keepdim=True)


def _padding_id(model: Any) -> int:
    config = model.config
    for holder in (config, config.get_text_config()):
        if isinstance(found := getattr(holder, "pad_token_id", None), int):
            return found
    return 0
