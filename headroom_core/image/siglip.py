"""Signals from a SigLIP model: concept prompts against the picture, calibrated; for those who can download one.

Each signal is σ(scale · (sim(picture, yes) − sim(picture, no)) + bias) over the mean embeddings of its prompts. The
text side is embedded once. Needs torch and transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from headroom_core.errors import MissingExtra, ModelError

from .decision import ImageSignals

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

DEFAULT_MODEL = "google/siglip-base-patch16-224"

# signal -> (prompts that say yes, prompts that say no, scale, bias)
CONCEPTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], float, float]] = {
    "has_text": (("a picture with readable text", "a sign with words"), ("a picture without any text",), 60.0, 0.0),
    "is_document": (("a scanned document page", "a photo of a receipt"), ("a photo of a scene", "a chart"), 60.0, 0.0),
    "is_complex": (("a crowded, busy scene with many things",), ("a single object on a plain background",), 50.0, 0.0),
    "has_small_details": (("fine print and tiny details",), ("a large simple shape",), 50.0, 0.0),
}


class SiglipSignals:
    """Picture → ``ImageSignals``. ``tokenize`` maps prompts to model inputs, ``prepare`` a picture to pixel values."""

    def __init__(
        self, model: Any, tokenize: Callable[[Sequence[str]], Any], prepare: Callable[[PilImage], Any]
    ) -> None:
        self._model = model.eval()
        self._tokenize, self._prepare = tokenize, prepare
        self._concepts: dict[str, tuple[Any, Any]] | None = None
        self._lock = Lock()

    @classmethod
    def load(cls, model: str | Path = DEFAULT_MODEL) -> SiglipSignals:
        """From a folder or a hub name; raises ``MissingExtra`` or ``ModelError``."""
        try:
            from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        except ModuleNotFoundError as error:
            raise MissingExtra("transformers", "torch") from error
        try:
            net = AutoModel.from_pretrained(model)
            words, pictures = AutoTokenizer.from_pretrained(model), AutoImageProcessor.from_pretrained(model)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"SigLIP model {str(model)!r} cannot be loaded; download it, or pass its folder."
            ) from error
        return cls(
            net,
            lambda prompts: words(list(prompts), padding="max_length", truncation=True, return_tensors="pt"),
            lambda image: pictures(images=image.convert("RGB"), return_tensors="pt"),
        )

    def __call__(self, image: PilImage) -> ImageSignals:
        """The signals of an RGB or grey picture; text density is not measured by SigLIP and stays 0."""
        import torch

        with torch.no_grad():
            seen = _unit(self._model.get_image_features(**self._prepare(image)))[0]
            found = {}
            for name, (yes, no) in self._embedded().items():
                _, _, scale, bias = CONCEPTS[name]
                found[name] = float(torch.sigmoid(scale * (seen @ yes - seen @ no) + bias))
        return ImageSignals(**{name: round(value, 4) for name, value in found.items()})

    def _embedded(self) -> dict[str, tuple[Any, Any]]:
        with self._lock:
            if self._concepts is None:
                self._concepts = {name: (self._mean(yes), self._mean(no)) for name, (yes, no, _, _) in CONCEPTS.items()}
            return self._concepts

    def _mean(self, prompts: Sequence[str]) -> Any:
        return _unit(_unit(self._model.get_text_features(**self._tokenize(prompts))).mean(0, keepdim=True))[0]


def _unit(features: Any) -> Any:
    """Rows of length 1; newer transformers wrap the features in an output object."""
    rows = getattr(features, "pooler_output", features)
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)
