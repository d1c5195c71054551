"""The ``headroom_retrieve`` tool: what a model calls to read what was left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from llama_index.core.base.llms.types import ContentBlock, ImageBlock, TextBlock
from llama_index.core.tools import AsyncBaseTool, BaseTool, FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import BaseToolSpec
from pydantic import BaseModel

from headroom_core.ccr.retrieve import TOOL_NAME, tool_schema
from headroom_core.pipeline import Compressor
from headroom_integrations._bridge import namespace_for, resolve, retrieval_note
from headroom_integrations.llama_index.events import tell
from headroom_integrations.llama_index.tools import compress_tool

Answer: TypeAlias = Callable[[Mapping[str, Any]], list[ContentBlock]]
"""From the arguments of a call to what the model reads."""


class RetrieveArguments(BaseModel):
    """What the tool takes; its JSON schema is the core's own."""

    ref: str
    query: str | None = None
    lines: str | None = None
    rows: str | None = None
    pointer: str | None = None
    symbol: str | None = None
    region: str | None = None
    page: int | None = None
    max_tokens: int | None = None

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The schema that every surface of this library gives to a model."""
        return tool_schema()


class HeadroomToolSpec(BaseToolSpec):
    """Gives a model an original, or the piece of it that it asks for.

    ``to_tool_list()`` is the tool alone; ``wrap(tools)`` is the tool and the given ones, whose results go in small.
    """

    spec_functions: list[Any] = [TOOL_NAME]  # noqa: RUF012  the base class declares it so

    def __init__(self, compressor: Compressor | None = None, *, namespace: str | None = None) -> None:
        self.compressor = compressor or Compressor()
        self.namespace = namespace

    def headroom_retrieve(
        self,
        ref: str,
        query: str | None = None,
        lines: str | None = None,
        rows: str | None = None,
        pointer: str | None = None,
        symbol: str | None = None,
        region: str | None = None,
        page: int | None = None,
        max_tokens: int | None = None,
    ) -> list[ContentBlock]:
        """Read an original, whole or in part; see the tool's own description."""
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        return self.answer(given)

    def answer(self, arguments: Mapping[str, Any]) -> list[ContentBlock]:
        """What the model reads: a text, or a heading and the picture. What goes wrong is said, never raised."""
        space = namespace_for(self.compressor, self.namespace)
        found = resolve(arguments, originals=self.compressor.originals, namespace=space)
        if isinstance(found, str):
            blocks: list[ContentBlock] = [TextBlock(text=found)]
        else:
            picture = ImageBlock(image=found.image, image_mimetype=found.mime or "image/png")
            blocks = [TextBlock(text=found.heading), picture]
        tell(retrieval_note([block.text for block in blocks if isinstance(block, TextBlock)]), "retrieve")
        return blocks

    def to_tool_list(self, *args: Any, **kwargs: Any) -> list[FunctionTool]:
        """The tool, as a list of one."""
        about = tool_schema()["description"]
        metadata = ToolMetadata(description=about, name=TOOL_NAME, fn_schema=RetrieveArguments)

        def run(**arguments: Any) -> list[ContentBlock]:
            return self.answer(arguments)

        return [FunctionTool(fn=run, metadata=metadata)]

    def wrap(self, tools: Sequence[BaseTool | Callable[..., Any]]) -> list[AsyncBaseTool]:
        """The retrieve tool, and the tools with results that can be called back through it: all that an agent needs."""
        made = [tool if isinstance(tool, BaseTool) else FunctionTool.from_defaults(fn=tool) for tool in tools]
        small = [compress_tool(t, self.compressor, namespace=self.namespace, retrievable=True) for t in made]
        return [*self.to_tool_list(), *small]


def retrieve_tool(compressor: Compressor | None = None, *, namespace: str | None = None) -> FunctionTool:
    """The tool for the originals of ``compressor``; without one, for those of the default store."""
    return HeadroomToolSpec(compressor, namespace=namespace).to_tool_list()[0]
