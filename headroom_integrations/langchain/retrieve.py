"""The ``headroom_retrieve`` tool: what a model calls to read what was left out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from langchain_core.callbacks import CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.tools.base import ArgsSchema
from pydantic import Field

from headroom_core.ccr.retrieve import TOOL_NAME, tool_schema
from headroom_core.pipeline import Compressor
from headroom_integrations._bridge import namespace_for, resolve

Content: TypeAlias = str | list[str | dict[str, Any]]
Namespace: TypeAlias = str | Callable[[RunnableConfig], str] | None
"""Whose originals: a name, a function of the config, or None for the ``thread_id`` of the config."""


def thread_of(config: RunnableConfig | Mapping[str, Any] | None) -> str | None:
    """The thread of the conversation, where the config names one."""
    thread = ((config or {}).get("configurable") or {}).get("thread_id")
    return str(thread) if thread else None


def settled_namespace(compressor: Compressor, chosen: Namespace, config: RunnableConfig | None) -> str:
    """The namespace of a call with this config."""
    named = chosen(config or {}) if callable(chosen) else chosen
    return namespace_for(compressor, named, thread_of(config))


class HeadroomRetrieveTool(BaseTool):
    """Gives a model an original, or the piece of it that it asks for.

    Works with any agent and in any ``ToolNode``: the namespace comes from the config that the tool runs under.
    """

    name: str = TOOL_NAME
    description: str = tool_schema()["description"]
    args_schema: ArgsSchema | None = Field(
        default_factory=lambda: {
            key: value for key, value in tool_schema().items() if key not in ("title", "description")
        }
    )
    response_format: Literal["content", "content_and_artifact"] = "content"
    compressor: Compressor = Field(default_factory=Compressor, exclude=True, repr=False)
    namespace: Any = Field(default=None, exclude=True)

    def _run(
        self, config: RunnableConfig, run_manager: CallbackManagerForToolRun | None = None, **arguments: Any
    ) -> Content:
        return self.answering(settled_namespace(self.compressor, self.namespace, config))(arguments)

    def answering(self, namespace: str) -> Callable[[Mapping[str, Any]], Content]:
        """A function from a call's arguments to what the model reads."""
        originals = self.compressor.originals

        def answer(arguments: Mapping[str, Any]) -> Content:
            found = resolve(arguments, originals=originals, namespace=namespace)
            if isinstance(found, str):
                return found
            picture = base64.b64encode(found.image or b"").decode("ascii")
            block = {"type": "image", "base64": picture, "mime_type": found.mime or "image/png"}
            return [{"type": "text", "text": found.heading}, block]

        return answer


def retrieve_tool(compressor: Compressor | None = None, *, namespace: Namespace = None) -> HeadroomRetrieveTool:
    """The tool for the originals of ``compressor``; without one, for those of the default store."""
    return HeadroomRetrieveTool(compressor=compressor or Compressor(), namespace=namespace)
