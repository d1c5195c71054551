"""Headroom for LangChain and LangGraph.

HeadroomMiddleware           for agents made by ``create_agent``
HeadroomChatModel            around any chat model
HeadroomDocumentCompressor   for what a retriever finds
HeadroomCallbackHandler      counts what was saved
retrieve_tool                the tool by which a model reads what was left out
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from headroom_core.errors import MissingExtra

if find_spec("langchain_core") is None:
    raise MissingExtra("langchain-core", "langchain")

if TYPE_CHECKING:
    from .callbacks import AsyncHeadroomCallbackHandler as AsyncHeadroomCallbackHandler
    from .callbacks import HeadroomCallbackHandler as HeadroomCallbackHandler
    from .chat_model import HeadroomChatModel as HeadroomChatModel
    from .documents import HeadroomDocumentCompressor as HeadroomDocumentCompressor
    from .documents import HeadroomDocumentTransformer as HeadroomDocumentTransformer
    from .documents import HeadroomRetriever as HeadroomRetriever
    from .graph import compress_messages as compress_messages
    from .graph import compress_tool_node as compress_tool_node
    from .graph import pre_model_hook as pre_model_hook
    from .messages import keep as keep
    from .middleware import HeadroomMiddleware as HeadroomMiddleware
    from .policy import ToolPolicy as ToolPolicy
    from .retrieve import HeadroomRetrieveTool as HeadroomRetrieveTool
    from .retrieve import retrieve_tool as retrieve_tool
    from .store import HeadroomByteStore as HeadroomByteStore
    from .store import originals_in as originals_in

_HOMES = {
    "AsyncHeadroomCallbackHandler": "callbacks",
    "HeadroomByteStore": "store",
    "HeadroomCallbackHandler": "callbacks",
    "HeadroomChatModel": "chat_model",
    "HeadroomDocumentCompressor": "documents",
    "HeadroomDocumentTransformer": "documents",
    "HeadroomMiddleware": "middleware",
    "HeadroomRetrieveTool": "retrieve",
    "HeadroomRetriever": "documents",
    "ToolPolicy": "policy",
    "compress_messages": "graph",
    "compress_tool_node": "graph",
    "keep": "messages",
    "originals_in": "store",
    "pre_model_hook": "graph",
    "retrieve_tool": "retrieve",
}

__all__ = [
    "AsyncHeadroomCallbackHandler",
    "HeadroomByteStore",
    "HeadroomCallbackHandler",
    "HeadroomChatModel",
    "HeadroomDocumentCompressor",
    "HeadroomDocumentTransformer",
    "HeadroomMiddleware",
    "HeadroomRetrieveTool",
    "HeadroomRetriever",
    "ToolPolicy",
    "compress_messages",
    "compress_tool_node",
    "keep",
    "originals_in",
    "pre_model_hook",
    "retrieve_tool",
]


def __getattr__(name: str) -> Any:
    """Each name loads its module when it is first used: the middleware needs langchain, the others langchain-core."""
    if name not in _HOMES:
        raise AttributeError(f"headroom_integrations.langchain has no attribute {name!r}")
    if _HOMES[name] == "middleware" and find_spec("langchain") is None:
        raise MissingExtra("langchain", "langchain")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
