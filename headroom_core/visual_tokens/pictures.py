"""What each model family shows of its images: features, how they lie, and which stretches are compressed together.

Read from ``get_image_features`` of transformers 5 (``pooler_output``: what the projector gives to the language model).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.looks import Looks
from headroom_core.visual_tokens.types import Grid


@dataclass(frozen=True)
class Piece:
    """A stretch of a picture's features.

    Attributes:
        grid: how they lie; None for features that are kept as they are (a class token, a separator).
        separated: every row of the grid is followed by one more feature, a separator.
    """

    length: int
    grid: Grid | None
    separated: bool = False


@dataclass(frozen=True)
class Picture:
    """One run of placeholders: its features (n, D), its pieces in order, its placeholder id, its importance (n,)."""

    features: Tensor
    pieces: tuple[Piece, ...]
    token: int
    importance: Tensor | None = None


Inputs = Mapping[str, Any]
Reader = Callable[[Any, Inputs, Looks], Iterator[Picture]]


def _llava(base: Any, inputs: Inputs, looks: Looks) -> Iterator[Picture]:
    layer = inputs.get("vision_feature_layer") or base.config.vision_feature_layer
    with looks.at(base.vision_tower, layer if isinstance(layer, int) else layer[-1]):
        found = _features(base, inputs, "pixel_values", "image_sizes", *_LAYERS)
    for number, features in enumerate(found):
        count = features.shape[0]
        side = math.isqrt(count)
        extra = 0 if side * side == count or math.isqrt(count - 1) ** 2 != count - 1 else 1
        pieces = [Piece(1, None)] * extra + [Piece(count - extra, _square(count - extra))]
        if inputs.get("image_sizes") is not None:
            rows, cols = (int(length) // base.vision_tower.patch_size for length in inputs["image_sizes"][number])
            pieces = [Piece(count, (rows, cols))]
        weight = looks.of(number, count - extra)
        if weight is not None and extra:
            weight = functional.pad(weight, (extra, 0))
        yield Picture(features, tuple(pieces), base.config.image_token_id, weight)


def _llava_next(base: Any, inputs: Inputs, looks: Looks) -> Iterator[Picture]:
    from transformers.models.llava_next.modeling_llava_next import get_anyres_image_grid_shape, unpad_image

    layer = inputs.get("vision_feature_layer") or base.config.vision_feature_layer
    with looks.at(base.vision_tower, layer if isinstance(layer, int) else layer[-1]):
        found = _features(base, inputs, "pixel_values", "image_sizes", *_LAYERS)
    vision = base.config.vision_config
    side = vision.image_size // vision.patch_size
    tile = 0
    for features, size in zip(found, inputs["image_sizes"], strict=True):
        rest = features.shape[0] - side * side
        pieces = [Piece(side * side, (side, side))]
        tiles = 1
        if rest > 1:
            down, across = get_anyres_image_grid_shape(size, base.config.image_grid_pinpoints, vision.image_size)
            empty = torch.empty(1, down * side, across * side)
            _, rows, cols = unpad_image(empty, size).shape
            pieces.append(Piece(rows * (cols + 1), (rows, cols), separated=True))
            tiles += down * across
        elif rest == 1:
            pieces.append(Piece(1, None))
        weights = [looks.of(number, side * side) for number in range(tile, tile + tiles)]
        tile += tiles
        known = [weight for weight in weights if weight is not None]
        packed = None
        if len(known) == tiles:
            strategy = inputs.get("vision_feature_select_strategy") or base.config.vision_feature_select_strategy
            stacked = torch.stack(known).unsqueeze(-1)
            (packed,), _ = base.pack_image_features([stacked], [size], strategy, image_newline=stacked.new_zeros(1))
            packed = packed.squeeze(-1)
        if sum(piece.length for piece in pieces) != features.shape[0]:
            raise InvalidInput(f"{features.shape[0]} features do not fit tiles of {side} x {side}; is this LLaVA-NeXT?")
        yield Picture(features, tuple(pieces), base.config.image_token_id, packed)


def _idefics(base: Any, inputs: Inputs, looks: Looks) -> Iterator[Picture]:
    with looks.at(base.vision_model, -1):
        found = _features(base, inputs, "pixel_values", "pixel_attention_mask")
    length = base.image_seq_len
    tile = 0
    for features in found:  # one entry per sample: all tiles of all its images
        for part in torch.split(features, length):
            yield Picture(part, (Piece(length, _square(length)),), base.config.image_token_id, looks.of(tile, length))
            tile += 1


def _paligemma(base: Any, inputs: Inputs, looks: Looks) -> Iterator[Picture]:
    with looks.at(base.vision_tower, -1):
        found = _features(base, inputs, "pixel_values")
    for number, features in enumerate(found):
        count = features.shape[0]
        yield Picture(features, (Piece(count, _square(count)),), base.config.image_token_id, looks.of(number, count))


def _qwen(base: Any, inputs: Inputs, looks: Looks) -> Iterator[Picture]:
    merge = base.config.vision_config.spatial_merge_size
    for kind, pixels in (("image", "pixel_values"), ("video", "pixel_values_videos")):
        if inputs.get(pixels) is None:
            continue
        sizes = inputs[f"{kind}_grid_thw"]
        read = base.get_image_features if kind == "image" else base.get_video_features
        found = _pooled(read(inputs[pixels], sizes, return_dict=True))
        token = getattr(base.config, f"{kind}_token_id")
        for features, (frames, height, width) in zip(found, sizes.tolist(), strict=True):
            cells = (height // merge, width // merge)
            grid: Grid = cells if frames == 1 else (frames, *cells)
            yield Picture(features, (Piece(features.shape[0], grid),), token)


_LAYERS = ("vision_feature_layer", "vision_feature_select_strategy")

READERS: dict[str, Reader] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "idefics3": _idefics,
    "smolvlm": _idefics,
    "paligemma": _paligemma,
    "qwen2_vl": _qwen,
    "qwen2_5_vl": _qwen,
}


def _features(base: Any, inputs: Inputs, *names: str) -> list[Tensor]:
    given = {name: inputs[name] for name in names if inputs.get(name) is not None}
    return _pooled(base.get_image_features(**given, return_dict=True))


def _pooled(output: Any) -> list[Tensor]:
    pooled = getattr(output, "pooler_output", None)
    if pooled is None:
        raise InvalidInput(
            "get_image_features gave no pooler_output; visual_tokens.patch needs transformers 5 or newer."
        )
    return list(pooled)


def _square(count: int) -> Grid:
    side = math.isqrt(count)
    return (side, side) if side * side == count else (1, count)
