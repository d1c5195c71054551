"""The query classifier: a small MiniLM (int8 ONNX) that reads a question and names the technique that keeps its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from headroom_core.errors import ModelError
from headroom_core.models.registry import BUNDLED
from headroom_core.models.sessions import session

from .decision import Technique
from .hints import hinted

MAX_TOKENS = 64
ORDER = (Technique.TRANSCODE, Technique.CROP, Technique.FULL_LOW, Technique.PRESERVE)
NAME = "technique_router"
_QUESTION = re.compile(r"[^.!?\n]*\?")


class QueryClassifier:
    """Probabilities of the four techniques, calibrated. Loads its model when first asked; safe between threads.

    ``folder`` holds a folder ``technique_router`` with model.onnx and tokenizer.json; default: the bundled one.
    """

    def __init__(self, folder: Path | None = None, *, threads: int = 1) -> None:
        self._folder = (folder or BUNDLED) / NAME
        self._threads = threads
        self._loaded: tuple[Any, Any, float] | None = None
        self._lock = Lock()

    def __call__(self, query: str) -> Mapping[Technique, float]:
        """Technique → probability; the sum is 1. Only 64 tokens are read: the last question of a long text."""
        return calibrated(query, self.net(query), self._load()[2])

    def net(self, query: str) -> Mapping[Technique, float]:
        """What the net alone says, before its sureness is corrected and the hints weigh in."""
        import numpy as np

        tokenizer, session, _ = self._load()
        ids = tokenizer.encode(_core(query)).ids[:MAX_TOKENS]
        row = np.asarray([ids], dtype=np.int64)
        found = session.run(None, {"ids": row, "mask": np.ones_like(row)})[0][0]
        return dict(zip(ORDER, (float(value) for value in found), strict=True))

    def _load(self) -> tuple[Any, Any, float]:
        with self._lock:
            if self._loaded is None:
                net = session(self._folder / "model.onnx", self._threads)
                self._loaded = (_tokenizer(self._folder), net, _temperature(self._folder))
            return self._loaded


def calibrated(query: str, said: Mapping[Technique, float], temperature: float) -> Mapping[Technique, float]:
    """The net's shares at this temperature (above 1: less sure), then the hints that the words give."""
    cooled = {technique: share ** (1 / temperature) for technique, share in said.items()}
    total = sum(cooled.values())
    return hinted(query, {technique: share / total for technique, share in cooled.items()})


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.exists():
        raise ModelError(
            f"The tokenizer {file} is missing; install the package again, or pass the folder that holds it."
        )
    return Tokenizer.from_file(str(file))


def _temperature(folder: Path) -> float:
    """What ``training.router_calibrate`` wrote beside the weights; 1 where it did not."""
    file = folder / "model.json"
    try:
        return float(json.loads(file.read_text("utf-8")).get("temperature", 1.0)) if file.exists() else 1.0
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelError(f"{file} cannot be read; install the package again.") from error


def _core(query: str) -> str:
    """A short query as it is; of a long one its last question, else its last 300 characters."""
    text = " ".join(query.split())
    if len(text) <= 300:
        return text
    questions = _QUESTION.findall(text)
    return questions[-1].strip()[-300:] if questions else text[-300:]
