"""The query classifier: a small MiniLM (int8 ONNX) that reads a question and names the technique that keeps its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from headroom_core.errors import MissingExtra, ModelError
from headroom_core.models.registry import BUNDLED

from .decision import Technique

MAX_TOKENS = 64
ORDER = (Technique.TRANSCODE, Technique.CROP, Technique.FULL_LOW, Technique.PRESERVE)
NAME = "technique_router"
_WEIGHT = 12.0
_LONGEST = 300
_SIDE = r"(?:top|bottom|upper|lower|left|right|leftmost|rightmost|outer|inner)"
_HINTS = (
    (
        Technique.CROP,
        re.compile(
            rf"\b(?:in|for|on|of) the (?:{_SIDE} ){{1,2}}(?:sub)?(?:plot|panel|chart|graph|figure|corner)\b", re.I
        ),
    ),
    (
        Technique.PRESERVE,
        re.compile(
            r"^(?!.*\b(?:says?|read|written|label)\b).*\b(?:this|these|a|the) (?:can|bottle|box|jar|package|packet|bag|carton|tube)s?\b"
            r"(?: of\b|\W*$)|\b(?:number|licen[cs]e) ?plate\b|\bhow many \w+ (?:have|are) (?:a |an )?\w+ (?:icon|next to)",
            re.I,
        ),
    ),
)
_QUESTION = re.compile(r"[^.!?\n]*\?")


class QueryClassifier:
    """Probabilities of the four techniques, calibrated. Loads its model when first asked; safe between threads.

    ``folder`` holds a folder ``technique_router`` with model.onnx and tokenizer.json; default: the bundled one.
    """

    def __init__(self, folder: Path | None = None, *, threads: int = 1) -> None:
        self._folder = (folder or BUNDLED) / NAME
        self._threads = threads
        self._loaded: tuple[Any, Any] | None = None
        self._lock = Lock()

    def __call__(self, query: str) -> Mapping[Technique, float]:
        """Technique → probability; the sum is 1. Only 64 tokens are read: the last question of a long text."""
        import numpy as np

        tokenizer, session = self._load()
        ids = tokenizer.encode(_core(query)).ids[:MAX_TOKENS]
        row = np.asarray([ids], dtype=np.int64)
        found = session.run(None, {"ids": row, "mask": np.ones_like(row)})[0][0]
        return _hinted(query, dict(zip(ORDER, (float(value) for value in found), strict=True)))

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = (_tokenizer(self._folder), session(self._folder / "model.onnx", self._threads))
            return self._loaded


def _hinted(query: str, shares: dict[Technique, float]) -> dict[Technique, float]:
    """Words that leave little doubt weigh as much as several like them in training: they are rare there."""
    if len(query) <= _LONGEST:
        for technique, pattern in _HINTS:
            if pattern.search(query):
                shares[technique] = min(1.0, shares[technique] * _WEIGHT + 0.02)
                break
    total = sum(shares.values())
    return {technique: share / total for technique, share in shares.items()}


def session(file: Path, threads: int) -> Any:
    """An onnxruntime session on the CPU; raises ``ModelError`` where the file is missing or damaged."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra("onnxruntime", "all") from error
    if not file.exists():
        raise ModelError(
            f"The model file {file} is missing; install the package again, or pass the folder that holds it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"The model file {file} cannot be loaded: {type(error).__name__}.") from error


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.exists():
        raise ModelError(
            f"The tokenizer {file} is missing; install the package again, or pass the folder that holds it."
        )
    return Tokenizer.from_file(str(file))


def _core(query: str) -> str:
    """A short query as it is; of a long one its last question, else its last 300 characters."""
    text = " ".join(query.split())
    if len(text) <= 300:
        return text
    questions = _QUESTION.findall(text)
    return questions[-1].strip()[-300:] if questions else text[-300:]
