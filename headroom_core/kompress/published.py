"""Checkpoints of the published layout: ModernBERT encoder, token head Linear(h, 2), span head of two convolutions.

They are not query-aware and carry no thresholds; with a query, word overlap joins their scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headroom_core.errors import MissingExtra, ModelError
from headroom_core.kompress.chunks import windows
from headroom_core.kompress.loaded import Loaded, Model, PieceTokenizer
from headroom_core.kompress.scorer import Floats, Ints, Mask, Scores
from headroom_core.kompress.select import Words
from headroom_core.kompress.signals import Vector
from headroom_core.kompress.torch import torch_or_raise
from headroom_core.language.lexical import Bm25, content, stems
from headroom_core.language.sentences import sentences
from headroom_core.models.sessions import session

LONGEST = 512


@dataclass(slots=True)
class PublishedTorch:
    """Encoder and heads in torch. Rows run alone and unpadded, so their scores do not depend on a batch."""

    encoder: Any
    token: Any
    first: Any
    second: Any
    name: str = "torch"

    def __call__(self, ids: Ints, mask: Mask, /) -> Scores:
        """Scores of a padded batch."""
        torch = torch_or_raise()
        keep, span = np.zeros(ids.shape, np.float32), np.full(ids.shape, -20.0, np.float32)
        for i, (row, on) in enumerate(zip(ids, mask, strict=True)):
            with torch.inference_mode():
                hidden = self.encoder(input_ids=torch.from_numpy(row[on][None, :])).last_hidden_state
                logits = self.token(hidden)[0]
                inner = torch.nn.functional.gelu(self.first(hidden.transpose(1, 2)))
                keep[i, on] = (logits[:, 1] - logits[:, 0]).numpy()
                span[i, on] = self.second(inner)[0, 0].numpy()
        return Scores(keep, span)


@dataclass(slots=True)
class PublishedOnnx:
    """An exported graph: logits (batch, length, 2) with or without a span probability, or finished scores."""

    run: Any
    name: str = "onnx"

    def __call__(self, ids: Ints, mask: Mask, /) -> Scores:
        """Scores of a padded batch."""
        keep, span = np.full(ids.shape, -20.0, np.float32), np.full(ids.shape, 20.0, np.float32)
        names = {entry.name for entry in self.run.get_inputs()}
        for i, (row, on) in enumerate(zip(ids, mask, strict=True)):
            alone = {"input_ids": row[on][None, :], "attention_mask": np.ones((1, int(on.sum())), np.int64)}
            for array in self.run.run(None, {k: v for k, v in alone.items() if k in names}):
                if array.ndim == 3 and array.shape[-1] == 2:
                    keep[i, on] = array[0, :, 1] - array[0, :, 0]
                elif keep[i, on].max() <= -20.0:
                    keep[i, on] = _logit(array.reshape(-1))
                else:
                    span[i, on] = _logit(array.reshape(-1))
        return Scores(keep, span)


def _logit(p: Floats) -> Floats:
    clipped = np.clip(p.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def load_published(folder: Path, backend: str, *, threads: int | None, threshold: float) -> Loaded:
    """A folder with ``model.safetensors`` or ``onnx/*.onnx``, ``config.json`` and ``tokenizer.json``."""
    graphs = sorted(folder.glob("onnx/*.onnx"))
    weights = folder / "model.safetensors"
    tokenizer = PieceTokenizer(folder / "tokenizer.json")
    scorer: Any
    if graphs and backend != "torch":
        scorer = PublishedOnnx(session(next((g for g in graphs if "int8" in g.name), graphs[0]), threads))
    elif weights.is_file() and backend != "onnx":
        scorer = _torch(folder, weights)
    else:
        wanted = {"onnx": "onnx/*.onnx", "torch": "model.safetensors"}.get(backend, "model.safetensors or onnx/*.onnx")
        raise ModelError(f"{folder} holds no {wanted}; a model folder has model.json, or the published layout.")
    return Loaded(Model(scorer, threshold), tokenizer, scorer.name, folder.name)


def _torch(folder: Path, weights: Path) -> PublishedTorch:
    """Find the heads by their shapes and load the rest into the encoder."""
    torch = torch_or_raise()
    try:
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "transformers", "torch") from error
    state = load_file(str(weights))
    config = AutoConfig.from_pretrained(str(folder))
    size = config.hidden_size
    shapes = {"token": (2, size), "first": (256, size, 5), "second": (1, 256, 3)}
    heads: dict[str, Any] = {}
    for what, shape in shapes.items():
        name = next((k for k, v in state.items() if tuple(v.shape) == shape), None)
        if name is None:
            raise ModelError(f"{weights} has no tensor of shape {shape} for the {what} head of the published layout.")
        bias = state.pop(name.removesuffix("weight") + "bias", None)
        heads[what] = (state.pop(name), bias)
    encoder = AutoModel.from_config(config).eval()
    known = encoder.state_dict()
    prefix = next((p for p in ("", "encoder.", "model.", "backbone.") if any(p + k in state for k in known)), None)
    missing = [k for k in known if prefix is None or prefix + k not in state]
    if missing:
        raise ModelError(f"{weights} lacks the encoder's {missing[0]} (and {len(missing) - 1} more).")
    encoder.load_state_dict({k: state[f"{prefix}{k}"] for k in known})
    token = torch.nn.Linear(size, 2)
    first, second = torch.nn.Conv1d(size, 256, 5, padding=2), torch.nn.Conv1d(256, 1, 3, padding=1)
    for module, what in ((token, "token"), (first, "first"), (second, "second")):
        weight, bias = heads[what]
        module.load_state_dict({"weight": weight, "bias": torch.zeros(len(weight)) if bias is None else bias})
    return PublishedTorch(encoder, token.eval(), first.eval(), second.eval())


def read_published(
    model: Loaded, texts: Sequence[str], query: str | None, words: int
) -> tuple[list[Words], list[Vector]]:
    """Words and sentence scores; a sentence's score is its words' mean, with a query the overlap with it on top."""
    parts, scores = [], []
    for text in texts:
        units = sentences(text)
        encoding = model.tokenizer.encode(text, add_special_tokens=False)
        starts = np.array([s for s, _ in encoding.offsets], np.int64)
        part = Words.of(
            text, units, starts, _token_scores(model, np.array(encoding.ids, np.int64), starts, units, text, words)
        )
        parts.append(part)
        total = np.zeros(len(units))
        np.add.at(total, part.sentence, part.score)
        scores.append(total / np.maximum(np.bincount(part.sentence, minlength=len(units)), 1))
    if query:
        all_units = [stems(p.text[s:e]) for p in parts for s, e in sentences(p.text)]
        overlap = Bm25(all_units).coverage(content(query))
        cuts = np.cumsum([0, *(len(s) for s in scores)])
        scores = [s + 2 * overlap[a:b] - 0.5 for s, a, b in zip(scores, cuts[:-1], cuts[1:], strict=True)]
    return parts, scores


def _token_scores(
    model: Loaded, ids: Ints, starts: Ints, units: Sequence[tuple[int, int]], text: str, words: int
) -> Vector:
    """Token scores of a text, window by window."""
    cuts = np.append(np.searchsorted(starts, np.array([s for s, _ in units], np.int64)), len(ids))
    sizes = np.diff(cuts).tolist()
    counts = [text[s:e].count(" ") + 1 for s, e in units]
    empty = model.tokenizer.encode("", add_special_tokens=True).ids
    head, tail = (empty[:1], empty[1:]) if len(empty) > 1 else ([], [])
    room = LONGEST - len(empty)
    found = np.zeros(len(ids))
    for first, last in windows(sizes, counts, max_tokens=room, max_words=words):
        for at in range(int(cuts[first]), int(cuts[last]), room):
            stop = min(int(cuts[last]), at + room)
            row = np.array([*head, *ids[at:stop].tolist(), *tail], np.int64)[None, :]
            scores = model.model.scorer(row, np.ones_like(row, np.bool_))
            found[at:stop] = scores.tokens[0, len(head) : len(head) + stop - at]
    return found
