"""The closest peer as a program: a request a line in, what each way of calling it makes of it a line out.

Its text runs in the peer's own virtual environment (``python -c``), so nothing of ours is imported here::

    python -m venv peer && peer/bin/pip install "headroom-ai[code,ml,relevance]==0.42.*"
    HEADROOM_PEER_PYTHON=peer/bin/python headroom-core bench

Three ways: ``default``, its ``compress()`` on the result of a tool; ``max``, the same with every protection of tool
results off; ``direct``, its compressor for the kind, without its router. Its text model's weights are not in its
package, so offline its prose goes through the compressor that it has for that.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HEADROOM_TELEMETRY": "off",
    "HEADROOM_CCR_BACKEND": "memory",
}
_MODEL = "gpt-4o"
_UNPROTECTED = {"protect_recent": 0, "protect_analysis_context": False, "min_tokens_to_compress": 50}
_TOOLS = {
    "json": "query_orders",
    "log": "run_ci",
    "search": "search_repo",
    "diff": "git_diff",
    "code": "open_file",
    "prose": "fetch_page",
}
_DIRECT: dict[str, tuple[str, str, Callable[[Any, str, str], Any]]] = {
    "json": ("smart_crusher", "SmartCrusher", lambda made, text, query: made.crush(text, query=query)),
    "log": ("log_compressor", "LogCompressor", lambda made, text, query: made.compress(text, context=query)),
    "search": ("search_compressor", "SearchCompressor", lambda made, text, query: made.compress(text, context=query)),
    "diff": ("diff_compressor", "DiffCompressor", lambda made, text, query: made.compress(text, context=query)),
    "code": (
        "code_compressor",
        "CodeAwareCompressor",
        lambda made, text, query: made.compress(text, language="python", context=query),
    ),
    "prose": ("text_crusher", "TextCrusher", lambda made, text, query: made.compress(text, context=query)),
}
"""By kind: its module, its class, and how it is called."""


def prepare() -> None:
    """Offline, quiet, its state in a folder of its own; the tokenizer files that one of its packages ships."""
    for name, value in _OFFLINE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("HEADROOM_WORKSPACE_DIR", tempfile.mkdtemp(prefix="peer-"))
    shipped = os.path.join(sysconfig.get_paths()["purelib"], "litellm", "litellm_core_utils", "tokenizers")
    if os.path.isdir(shipped):
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", shipped)
    warnings.filterwarnings("ignore")
    for name in ("numpy", "onnxruntime", "transformers"):  # before its threads import them at the same time
        importlib.import_module(name)


def routed(kind: str, text: str, query: str, **settings: Any) -> str:
    """A conversation with one tool result through its public ``compress``."""
    tool = _TOOLS.get(kind.partition("_")[0], "tool")
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": query or "What did the tool return?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
    ]
    made = importlib.import_module("headroom").compress(messages, model=_MODEL, **settings)
    return str(next(message["content"] for message in made.messages if message.get("role") == "tool"))


def direct(kind: str, text: str, query: str) -> str:
    """Its compressor for this kind."""
    module, name, call = _DIRECT[kind.partition("_")[0]]
    compressor = getattr(importlib.import_module(f"headroom.transforms.{module}"), name)()
    return str(call(compressor, text, query).compressed)


def answer(kind: str, text: str, query: str) -> dict[str, dict[str, Any]]:
    """What each way makes of a text, in how many milliseconds; where it fails, the text and the error."""
    ways: dict[str, Callable[[], str]] = {
        "default": lambda: routed(kind, text, query),
        "max": lambda: routed(kind, text, query, **_UNPROTECTED),
    }
    if kind.partition("_")[0] in _DIRECT:
        ways["direct"] = lambda: direct(kind, text, query)
    told: dict[str, dict[str, Any]] = {}
    for name, run in ways.items():
        start, error = time.perf_counter(), None
        try:
            made = run()
        except Exception as failure:  # noqa: BLE001  its failures are results
            made, error = text, repr(failure)[:200]
        told[name] = {"text": made, "ms": (time.perf_counter() - start) * 1000, "error": error}
    return told


if __name__ == "__main__":
    prepare()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"variants": answer(request["kind"], request["text"], request["query"] or "")}), flush=True)
