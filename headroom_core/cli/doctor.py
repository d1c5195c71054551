"""Does it work here? Each check tries the thing itself, and names the remedy where it fails."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

from headroom_core.errors import HeadroomError

_FEATURES = (
    ("langchain", "LangChain adapter", ("langchain", "langgraph")),
    ("llama-index", "LlamaIndex adapter", ("llama_index.core",)),
    ("ocr", "OCR", ("rapidocr", "pytesseract")),
    ("code", "code by grammar", ("tree_sitter", "tree_sitter_python")),
    ("redis", "Redis store", ("redis",)),
    ("crypto", "encryption at rest", ("cryptography",)),
    ("hub", "model downloads", ("huggingface_hub",)),
    ("live", "live evaluation", ("openai", "anthropic")),
    ("observe", "Prometheus and OpenTelemetry", ("prometheus_client", "opentelemetry.metrics")),
    ("torch", "torch backend", ("torch", "transformers")),
    ("report", "exact token counts", ("tiktoken", "rich")),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried: ``state`` is "ok", "missing" (optional) or "broken"."""

    name: str
    state: str
    told: str


def checks() -> list[Check]:
    """Everything, needed things first."""
    needed = [
        _tried("python", lambda: sys.version.split()[0]),
        _tried("compression", _compression),
        _tried("originals store", _store),
        _tried("text model", _text_model),
    ]
    optional = [_optional(*feature) for feature in _FEATURES]
    return [*needed, *optional, _tesseract(), _exact_counter()]


def _tried(name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", run())
    except (HeadroomError, ImportError, OSError, ValueError) as error:
        return Check(name, "broken", str(error))


def _compression() -> str:
    from headroom_core import compress

    outcome = compress("[" + ",".join(f'{{"id": {i}, "state": "ok"}}' for i in range(300)) + "]", strict=True)
    if not outcome.changes:
        raise ValueError(f"a plain array did not shrink: {outcome.explain()}")
    return f"an array of 300 rows went to {outcome.ratio:.0%} of its tokens"


def _store() -> str:
    from headroom_core import open_originals, settings

    originals, namespace = open_originals(), f"doctor-{uuid.uuid4()}"
    ref = originals.put(b"probe", namespace=namespace)
    if originals.get(ref, namespace=namespace) != b"probe":
        raise ValueError("the store gave back something else than it was given")
    originals.forget(namespace=namespace)
    return settings.store_place()


def _text_model() -> str:
    from headroom_core.transforms.kompress_compressor import KompressCompressor

    result = KompressCompressor().compress(
        "The invoice was paid on 3 May. The weather was fine. " * 12, query="When was it paid?"
    )
    return f"compressed a text to {result.compression_ratio:.0%}"


def _optional(extra: str, name: str, modules: Sequence[str]) -> Check:
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            return Check(name, "missing", f"{error}; pip install 'headroom-integrations[{extra}]'")
    package = modules[0].replace("_", "-").replace(".", "-")
    try:
        return Check(name, "ok", f"{package} {metadata.version(package)}")
    except metadata.PackageNotFoundError:  # installed without its metadata
        return Check(name, "ok", package)


def _tesseract() -> Check:
    found = shutil.which("tesseract")
    return (
        Check("tesseract", "ok", found)
        if found
        else Check("tesseract", "missing", "optional second OCR engine; apt install tesseract-ocr")
    )


def _exact_counter() -> Check:
    from headroom_core.tokens.text import counter

    try:
        counter("o200k")
    except (HeadroomError, ImportError) as error:
        return Check("exact o200k counter", "missing", str(error))
    return Check("exact o200k counter", "ok", "its file is at hand")


def exit_code(found: Sequence[Check]) -> int:
    """1 where something needed is broken."""
    return int(any(check.state == "broken" for check in found))


def table(found: Sequence[Check]) -> str:
    """One line for each check."""
    signs = {"ok": "✓", "missing": "·", "broken": "✗"}
    return "\n".join(f"{signs[check.state]} {check.name:32} {check.told}" for check in found)
