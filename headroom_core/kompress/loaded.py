"""A model ready for work: scorer, tokenizer, backend, and what its bundle says about fusion and thresholds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headroom_core.errors import InvalidInput, MissingExtra, ModelError
from headroom_core.kompress.calibrate import Curve
from headroom_core.kompress.fuse import Weights
from headroom_core.kompress.phrases import Phrases
from headroom_core.kompress.scorer import Floats, Mask, Scorer, Staged
from headroom_core.kompress.temper import Temper

_HALVES = re.compile("[\ud800-\udfff]")


def _whole(text: str) -> str:
    """The text with a replacement character for each lone surrogate, which tokenizers refuse; offsets stay."""
    return _HALVES.sub("\ufffd", text)


class PieceTokenizer:
    """A ``tokenizers`` tokenizer that can be called the way transformers' are, and gives numpy arrays."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        if not file.is_file():
            raise ModelError(f"The model has no tokenizer at {file}.")
        self.pieces = Tokenizer.from_file(str(file))
        self.pieces.no_truncation()
        self.pieces.no_padding()
        self.pieces.encode_special_tokens = True

    def encode(self, text: str, add_special_tokens: bool = True) -> Any:
        """One text, as ``tokenizers`` gives it."""
        return self.pieces.encode(_whole(text), add_special_tokens=add_special_tokens)

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = True) -> list[Any]:
        """Several texts."""
        return list(self.pieces.encode_batch([_whole(text) for text in texts], add_special_tokens=add_special_tokens))

    def __call__(
        self,
        text: str | Sequence[str],
        pair: str | None = None,
        *,
        is_split_into_words: bool = False,
        return_tensors: str = "np",
        truncation: bool = False,
        max_length: int = 512,
        padding: bool = False,
    ) -> dict[str, Any]:
        """``input_ids`` and ``attention_mask`` (batch, length): numpy arrays, or torch tensors for ``"pt"``.

        A list of words with ``is_split_into_words`` is one text; without it, a list holds several texts.
        """
        if is_split_into_words or isinstance(text, str):
            found = [self.pieces.encode(text, pair, is_pretokenized=is_split_into_words)]
        else:
            found = [self.pieces.encode(t, pair) for t in text]
        rows = [list(f.ids) for f in found]
        if truncation:
            rows = [r if len(r) <= max_length else [*r[: max_length - 1], r[-1]] for r in rows]
        width = max((len(r) for r in rows), default=0)
        if not padding and any(len(r) != width for r in rows):
            raise InvalidInput("Texts of different length make no array; call the tokenizer with padding=True.")
        ids, mask = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.int64)
        for i, r in enumerate(rows):
            ids[i, : len(r)], mask[i, : len(r)] = r, 1
        if return_tensors == "pt":
            try:
                import torch
            except ModuleNotFoundError as error:
                raise MissingExtra("torch", "torch") from error
            return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        return {"input_ids": ids, "attention_mask": mask}


@dataclass(frozen=True, slots=True)
class Model:
    """A scorer with the two calls that its users know. ``staged`` is the bundled network with its early exit."""

    scorer: Scorer
    threshold: float = 0.5
    staged: Staged | None = None

    def get_scores(self, ids: Any, mask: Any) -> Floats:
        """Keep score of every token in (0, 1): (batch, length); 0 where the mask is off."""
        on = np.asarray(mask).astype(bool)
        scores = self.scorer(np.asarray(ids).astype(np.int64), on).tokens
        return np.where(on, scores, 0.0).astype(np.float32)

    def get_keep_mask(self, ids: Any, mask: Any) -> Mask:
        """Scores above the threshold: the same rule in every backend."""
        return np.asarray(self.get_scores(ids, mask) > self.threshold)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What ``KompressCompressor.load`` gives; unpacks into model, tokenizer, backend."""

    model: Model
    tokenizer: PieceTokenizer
    backend: str
    name: str = ""
    weights: Weights = field(default_factory=Weights)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    tempers: Mapping[str, Temper] = field(default_factory=dict)
    phrases: Phrases | None = None

    def __iter__(self) -> Any:
        return iter((self.model, self.tokenizer, self.backend))


def load(folder: Path, backend: str, *, threads: int | None = None, threshold: float = 0.5) -> Loaded:
    """Load a bundle of ours, or a checkpoint of the published layout. ``backend``: auto, onnx or torch."""
    manifest = folder / "model.json"
    if not manifest.is_file():
        from headroom_core.kompress.published import load_published

        return load_published(folder, backend, threads=threads, threshold=threshold)
    stored = json.loads(manifest.read_text(encoding="utf-8"))
    if backend == "torch":
        from headroom_core.kompress.torch import TorchScorer

        scorer: Any = TorchScorer.of_bundle(folder)
    else:
        from headroom_core.kompress.onnx import OnnxScorer

        scorer = OnnxScorer(folder, threads)
    curves = {group: Curve.of(curve) for group, curve in stored["curves"].items()}
    tempers = {group: Temper.of(row) for group, row in stored["tempers"].items()}
    tokenizer = PieceTokenizer(folder / "tokenizer.json")
    weights = Weights.of(stored["fusion"])
    phrases = Phrases.load(folder / "phrases.onnx", stored["phrases"])
    model = Model(scorer, threshold, scorer)
    return Loaded(model, tokenizer, scorer.name, stored["row"]["name"], weights, curves, tempers, phrases)
