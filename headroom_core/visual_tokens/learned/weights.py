"""The learned modules by name, and their weights as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headroom_core.errors import InvalidInput, MissingExtra

from .abstractor import ConvAbstractor, QueryAbstractor
from .base import LearnedCompressor
from .conditioned import QueryConditioned
from .ocr_conv import OcrConv
from .resampler import PerceiverResampler, SliceResampler

FOLDER = Path(__file__).resolve().parents[2] / "models" / "bundled" / "visual_tokens"

LEARNED: Mapping[str, Callable[..., LearnedCompressor]] = {
    "perceiver": PerceiverResampler,
    "conv_abstractor": ConvAbstractor,
    "query_abstractor": QueryAbstractor,
    "slice_resampler": SliceResampler,
    "query_conditioned": QueryConditioned,
    "ocr_conv": OcrConv,
}


def make(name: str, width: int, *, ratio: float, **options: Any) -> LearnedCompressor:
    """An untrained module: a name of ``LEARNED``, the width of the tokens, the ratio N / M."""
    if name not in LEARNED:
        raise InvalidInput(f"{name!r} is no learned module; there are {', '.join(LEARNED)}.")
    return LEARNED[name](width, ratio=ratio, **options)


def load(name: str, *, ratio: float, width: int = 64, folder: Path = FOLDER) -> LearnedCompressor:
    """A trained module in float32, ready for use: the weights ``folder / name.safetensors``."""
    module = make(name, width, ratio=ratio)
    read_into(module, folder / f"{name}.safetensors")
    return module.eval()


def read_into(module: nn.Module, file: Path) -> None:
    """Fill a module from a safetensors file (half precision is widened)."""
    if not file.exists():
        raise InvalidInput(
            f"there are no weights {file}; train them with python -m headroom_core.training.visual_tokens."
        )
    module.load_state_dict({name: value.float() for name, value in _safetensors().load_file(file).items()})


def write_from(module: nn.Module, file: Path) -> None:
    """Write a module's weights as half-precision safetensors."""
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().to(torch.float16).contiguous() for name, value in module.state_dict().items()}
    _safetensors().save_file(state, file)


def _safetensors() -> Any:
    try:
        import safetensors.torch as found
    except ModuleNotFoundError as error:
        if error.name != "safetensors":
            raise
        raise MissingExtra("safetensors", "torch") from error
    return found
