"""The ONNX Runtime backend of the bundled network: two graphs, the early exit and the rest."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from headroom_core.errors import MissingExtra, ModelError
from headroom_core.kompress.scorer import Floats, Ints, Mask, Scores, score_rows


def session(path: Path, threads: int | None = None, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> Any:
    """An inference session; ``threads`` None takes up to four cores."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra("onnxruntime", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(4, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _share_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{path} is not a graph that ONNX Runtime can load: {error}") from error


@cache
def _share_arena() -> None:
    """One pool of working memory for all sessions of ``session``: networks that never run at once do with one."""
    import onnxruntime as ort

    kind = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(kind, None)


class OnnxScorer:
    """The bundled network on the CPU. Every row runs alone and unpadded: a batch gains nothing there."""

    name = "onnx"

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._early = session(folder / "early.onnx", threads)
        self._late = session(folder / "late.onnx", threads)

    def early(self, ids: Ints, kinds: Ints, /) -> tuple[Scores, object]:
        """Scores of the early exit, and the hidden states (batch, length, size)."""
        tokens, relevance, hidden = self._early.run(None, {"ids": ids, "kinds": kinds})
        return Scores.of_columns(tokens, relevance.reshape(-1)), hidden

    def late(self, hidden: object, /) -> Scores:
        """Scores of the last layer."""
        tokens, relevance = self._late.run(None, {"hidden": hidden})
        return Scores.of_columns(tokens, relevance.reshape(-1))

    def states(self, hidden: object, /) -> Floats:
        """What ``early`` gave."""
        assert isinstance(hidden, np.ndarray)
        return hidden

    def __call__(self, ids: Ints, mask: Mask, /) -> Scores:
        """Scores of a padded batch."""
        return score_rows(self, ids, mask)
