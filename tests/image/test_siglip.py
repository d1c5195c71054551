"""The SigLIP backend on a tiny random checkpoint: shapes, ranges, one text pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from headroom_core.errors import ModelError
from headroom_core.image.siglip import CONCEPTS, SiglipSignals


def _tiny() -> Any:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.SiglipConfig(
        text_config={**sizes, "vocab_size": 60, "max_position_embeddings": 8},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
    )
    return transformers.SiglipModel(config)


def _backend(model: Any, calls: list[int]) -> SiglipSignals:
    import numpy as np
    import torch

    def tokenize(prompts: Sequence[str]) -> dict[str, Any]:
        calls.append(len(prompts))
        return {"input_ids": torch.tensor([[sum(map(ord, p[k::8])) % 60 for k in range(8)] for p in prompts])}

    def prepare(image: Image.Image) -> dict[str, Any]:
        pixels = np.asarray(image.convert("RGB").resize((32, 32)), dtype="float32") / 127.5 - 1
        return {"pixel_values": torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())}

    return SiglipSignals(model, tokenize, prepare)


def test_a_tiny_checkpoint_gives_signals() -> None:
    """Every signal lies in [0, 1], depends on the picture, repeats exactly; prompts are embedded once."""
    calls: list[int] = []
    backend = _backend(_tiny(), calls)
    white, noise = Image.new("RGB", (64, 64), "white"), Image.effect_noise((64, 64), 90).convert("RGB")
    first = backend(white)
    texts = len(calls)
    assert texts == 2 * len(CONCEPTS)
    assert backend(white) == first
    assert backend(noise) != first
    assert len(calls) == texts
    assert all(0 <= getattr(first, name) <= 1 for name in CONCEPTS)


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    """A folder without a model is an error with the remedy."""
    pytest.importorskip("transformers")
    with pytest.raises(ModelError, match="SigLIP"):
        SiglipSignals.load(tmp_path)
