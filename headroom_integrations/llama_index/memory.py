"""``HeadroomMemoryBlock``: old turns, small and retrievable, for LlamaIndex's ``Memory``."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.memory.memory import BaseMemoryBlock
from pydantic import Field, PrivateAttr

from headroom_core.pipeline import Compressor
from headroom_core.types import Message, Text
from headroom_integrations._bridge import can_mark, namespace_for
from headroom_integrations.llama_index.messages import from_core, to_core

_ALL_ROLES = ("user", "assistant", "tool", "system")


class HeadroomMemoryBlock(BaseMemoryBlock[str]):
    """Takes the turns that leave the short-term memory, keeps them compressed, and gives them back as one text.

    Say ``retrievable=True`` where the agent has the retrieve tool (``HeadroomToolSpec``): then what was left out can be
    called back through markers. Without it nothing is lost, unless the compressor's strength is "lossy". Beyond
    ``token_limit`` the oldest turns are folded into one text of a quarter of their size.
    """

    name: str = "earlier_turns"
    description: str | None = "Earlier turns of this conversation, shortened."
    compressor: Compressor = Field(default_factory=Compressor, exclude=True, repr=False)
    namespace: str | None = None
    retrievable: bool = False
    token_limit: int = Field(default=8000, ge=100)
    turns: list[str] = Field(default_factory=list)
    _lock: asyncio.Lock = PrivateAttr(default_factory=asyncio.Lock)

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        return "\n".join(self.turns)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        async with self._lock:
            self.turns = await asyncio.to_thread(self._with, messages)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """The content made smaller by as many tokens; None where that cannot be done."""
        tokens = self.compressor.count(content)
        if tokens_to_truncate >= tokens:
            return None
        small = await asyncio.to_thread(self._smaller, content, (tokens - tokens_to_truncate) / tokens)
        return small if self.compressor.count(small) <= tokens - tokens_to_truncate else None

    def _with(self, messages: list[ChatMessage]) -> list[str]:
        compressor = self.compressor.with_options(roles=_ALL_ROLES)
        outcome = compressor(to_core(messages), **self._how())
        turns = [*self.turns, *(line for each in from_core(messages, outcome) if (line := _told(each)))]
        while len(turns) > 1 and sum(map(compressor.count, turns)) > self.token_limit:
            half = max(2, len(turns) // 2)
            old = "\n".join(turns[:half])
            folded = self._smaller(old, 0.25)
            if compressor.count(folded) >= compressor.count(old):
                break
            turns = [folded, *turns[half:]]
        return turns

    def _smaller(self, text: str, ratio: float) -> str:
        compressor = self.compressor.with_options(target_ratio=ratio, min_tokens=0, roles=_ALL_ROLES)
        return compressor([Message("tool", (Text(text),))], **self._how()).text

    def _how(self) -> dict[str, Any]:
        marks = self.retrievable and can_mark(self.compressor)
        strength = None if marks or self.compressor.options.strength == "lossy" else "lossless"
        space = namespace_for(self.compressor, self.namespace)
        return {"namespace": space, "strength": strength, "retrievable": marks}


def _told(message: ChatMessage) -> str:
    """One message as text; what is no text is named."""
    parts: list[str] = []
    for block in message.blocks:
        if isinstance(block, TextBlock):
            parts.append(block.text)
        elif isinstance(block, ToolCallBlock):
            parts.append(f"(called {block.tool_name} with {block.tool_kwargs})")
        else:
            parts.append(f"({block.block_type})")
    text = "\n".join(part for part in parts if part)
    return f"{message.role.value}: {text}" if text else ""
