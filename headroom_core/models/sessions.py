"""Inference sessions of ONNX Runtime: threads, memory and errors in one place."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from headroom_core.errors import MissingExtra, ModelError


def session(file: Path, threads: int | None = None, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> Any:
    """A session; ``threads`` None takes up to four cores. Raises ``ModelError`` where the file is missing or damaged."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra("onnxruntime", "all") from error
    if not file.exists():
        raise ModelError(
            f"The model file {file} is missing; install the package again, or pass the folder that holds it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(4, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _share_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=list(providers))
    except Exception as error:  # the errors of ONNX Runtime have no other base in common
        raise ModelError(f"{file} is not a graph that ONNX Runtime can load: {error}") from error


@cache
def _share_arena() -> None:
    """One pool of working memory for all sessions of ``session``: networks that never run at once do with one."""
    import onnxruntime as ort

    kind = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(kind, None)
