"""Contracts that LlamaIndex itself does not check.

Subclass one in a test file, give it your component, and run pytest:

    class TestMine(WrappedLLMContract):
        def wrap(self, inner: LLM) -> LLM:
            return MyWrapper(inner)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core.llms import ChatMessage

from headroom_core.testing.nodes import LONG, QUESTION, NodePostprocessorContract
from headroom_integrations.llama_index.testing import ScriptedLLM, says

__all__ = ["NodePostprocessorContract", "WrappedLLMContract"]


class WrappedLLMContract:
    """What an LLM around another one owes to its callers. ``wrap`` puts yours around the given one."""

    def wrap(self, inner: Any) -> Any:
        """The wrapper to be checked."""
        raise NotImplementedError

    def messages(self) -> list[ChatMessage]:
        """The conversation that it is given."""
        call = says("", ("look", {"page": 1}))
        extra = {"tool_call_id": call.blocks[0].tool_call_id}  # type: ignore[union-attr]
        result = ChatMessage(role="tool", content=LONG, additional_kwargs=extra)
        return [ChatMessage(role="user", content=QUESTION), call, result]

    def test_messages_are_not_mutated(self) -> None:
        """Neither the list nor what is in it."""
        for way in ("chat", "stream_chat"):
            messages = self.messages()
            before = [message.model_dump() for message in messages]
            made = getattr(self.wrap(ScriptedLLM(script=[says("Its valve.")])), way)(messages)
            assert way == "chat" or list(made)
            assert [message.model_dump() for message in messages] == before

    def test_all_ways_say_the_same(self) -> None:
        """Whole and streamed, sync and async: one answer and one request each, all requests alike."""
        inner = ScriptedLLM(script=[says("Its valve broke.")])
        wrapped = self.wrap(inner)

        async def later() -> list[str | None]:
            whole = await wrapped.achat(self.messages())
            pieces = [piece async for piece in await wrapped.astream_chat(self.messages())]
            return [whole.message.content, pieces[-1].message.content]

        answers = [wrapped.chat(self.messages()).message.content]
        answers += [list(wrapped.stream_chat(self.messages()))[-1].message.content, *asyncio.run(later())]
        assert answers == ["Its valve broke."] * 4
        requests = [_plain(sent) for sent, _ in inner.requests]
        assert requests == [requests[0]] * 4

    def test_metadata_is_the_inner_models(self) -> None:
        """Window, name and abilities decide how others use a model."""
        inner = ScriptedLLM(script=[says("x")])
        assert self.wrap(inner).metadata == inner.metadata

    def test_empty_conversations(self) -> None:
        """No messages, and messages without content, reach the inner model."""
        inner = ScriptedLLM(script=[says("x")])
        self.wrap(inner).chat([])
        self.wrap(inner).chat([ChatMessage(role="user", blocks=[])])
        assert len(inner.requests) == 2


def _plain(messages: Sequence[ChatMessage]) -> list[Any]:
    return [message.model_dump() for message in messages]
