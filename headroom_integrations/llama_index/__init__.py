"""Headroom for LlamaIndex.

HeadroomNodePostprocessor   keeps of retrieved nodes what the query needs
HeadroomLLM                 around any LLM
compress_tool               around any tool, so that its output goes in small
HeadroomToolSpec            the tool by which a model reads what was left out
HeadroomEventHandler        counts what was saved
HeadroomTransform           compresses nodes when they are ingested
HeadroomMemoryBlock         keeps old turns small and retrievable
HeadroomKVStore             our stores as a ``BaseKVStore``; ``originals_in`` is the other way round
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from headroom_core.errors import MissingExtra


def _present(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if not _present("llama_index.core"):
    raise MissingExtra("llama-index-core", "llama-index")

if TYPE_CHECKING:
    from .events import HeadroomCallbackHandler as HeadroomCallbackHandler
    from .events import HeadroomEvent as HeadroomEvent
    from .events import HeadroomEventHandler as HeadroomEventHandler
    from .ingestion import HeadroomTransform as HeadroomTransform
    from .llm import HeadroomLLM as HeadroomLLM
    from .memory import HeadroomMemoryBlock as HeadroomMemoryBlock
    from .messages import keep as keep
    from .postprocessor import HeadroomNodePostprocessor as HeadroomNodePostprocessor
    from .retrieve import HeadroomToolSpec as HeadroomToolSpec
    from .retrieve import retrieve_tool as retrieve_tool
    from .store import HeadroomKVStore as HeadroomKVStore
    from .store import originals_in as originals_in
    from .tools import compress_tool as compress_tool

_HOMES = {
    "HeadroomCallbackHandler": "events",
    "HeadroomEvent": "events",
    "HeadroomEventHandler": "events",
    "HeadroomKVStore": "store",
    "HeadroomLLM": "llm",
    "HeadroomMemoryBlock": "memory",
    "HeadroomNodePostprocessor": "postprocessor",
    "HeadroomToolSpec": "retrieve",
    "HeadroomTransform": "ingestion",
    "compress_tool": "tools",
    "keep": "messages",
    "originals_in": "store",
    "retrieve_tool": "retrieve",
}

__all__ = [
    "HeadroomCallbackHandler",
    "HeadroomEvent",
    "HeadroomEventHandler",
    "HeadroomKVStore",
    "HeadroomLLM",
    "HeadroomMemoryBlock",
    "HeadroomNodePostprocessor",
    "HeadroomToolSpec",
    "HeadroomTransform",
    "compress_tool",
    "keep",
    "originals_in",
    "retrieve_tool",
]


def __getattr__(name: str) -> Any:
    """Each name loads its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"headroom_integrations.llama_index has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
