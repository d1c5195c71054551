"""Any tool, with its output compressed before it goes in; ``raw_output`` keeps what the tool gave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.tools import AsyncBaseTool, BaseTool, FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.tools.types import adapt_to_async_tool

from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_core.pipeline import Compressor
from headroom_core.types import Block, Message
from headroom_integrations._bridge import can_mark, namespace_for, note
from headroom_integrations.llama_index.events import tell
from headroom_integrations.llama_index.messages import blocks_from_core, blocks_to_core

_QUESTIONS: Final = ("query", "question", "query_str", "q", "search", "input")
"""Arguments of a tool that hold a question."""


class Shrinking:
    """Compresses tool outputs by the settings of ``compress_tool``."""

    def __init__(self, compressor: Compressor | None, namespace: str | None, retrievable: bool) -> None:
        self._compressor = compressor or Compressor()
        self._namespace = namespace
        self._retrievable = retrievable

    def __call__(self, output: ToolOutput, metadata: ToolMetadata) -> ToolOutput:
        """The output with smaller blocks; the same object for errors, for what the user reads, and for nothing to gain."""
        if output.is_error or metadata.return_direct or metadata.name == TOOL_NAME:
            return output
        compressor = self._compressor
        marks = self._retrievable and can_mark(compressor)
        read = Message("tool", blocks_to_core(output.blocks, role="tool", tool=metadata.name))
        outcome = compressor(
            [read],
            query=_question(output.raw_input),
            namespace=namespace_for(compressor, self._namespace),
            strength=None if marks or compressor.options.strength == "lossy" else "lossless",
            retrievable=marks,
        )
        tell({"requests": 1, **note(outcome)}, "tool")
        if outcome.audited or not outcome.changes:
            return output
        edits: dict[int, Sequence[Block]] = {change.part.at[1]: change.rewrite.blocks for change in outcome.changes}
        return output.model_copy(update={"blocks": blocks_from_core(output.blocks, edits)})


class _CompressedTool(AsyncBaseTool):
    """Any tool behind its own metadata."""

    def __init__(self, inner: AsyncBaseTool, shrink: Shrinking) -> None:
        self._inner = inner
        self._shrink = shrink

    @property
    def metadata(self) -> ToolMetadata:
        return self._inner.metadata

    def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
        return self._shrink(self._inner.call(*args, **kwargs), self.metadata)

    async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
        output = await self._inner.acall(*args, **kwargs)
        return await asyncio.to_thread(self._shrink, output, self.metadata)


class _CompressedFunction(FunctionTool):
    """A function tool stays one: agents hand their context only to function tools."""

    def __init__(self, inner: FunctionTool, shrink: Shrinking) -> None:
        self.__dict__.update(inner.__dict__)
        self._shrink = shrink

    def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
        return self._shrink(super().call(*args, **kwargs), self.metadata)

    async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
        output = await super().acall(*args, **kwargs)
        return await asyncio.to_thread(self._shrink, output, self.metadata)


def compress_tool(
    tool: BaseTool, compressor: Compressor | None = None, *, namespace: str | None = None, retrievable: bool = False
) -> AsyncBaseTool:
    """The tool with compressed output; ``ToolOutput.raw_output`` keeps what the tool gave.

    Say ``retrievable=True`` where the agent has the retrieve tool as well (``HeadroomToolSpec.wrap`` does both);
    without it nothing is lost. Errors, ``return_direct`` tools and the retrieve tool itself are left alone.
    """
    shrink = Shrinking(compressor, namespace, retrievable)
    if isinstance(tool, FunctionTool):
        return tool if tool.metadata.name == TOOL_NAME else _CompressedFunction(tool, shrink)
    return _CompressedTool(adapt_to_async_tool(tool), shrink)


def _question(given: Any) -> str | None:
    """The question among a tool's arguments, where it has one."""
    arguments = given.get("kwargs", given) if isinstance(given, Mapping) else {}
    if isinstance(arguments, Mapping):
        for name in _QUESTIONS:
            value = arguments.get(name)
            if isinstance(value, str) and value.strip():
                return value
    return None
