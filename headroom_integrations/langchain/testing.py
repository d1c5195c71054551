"""A chat model that plays a script: for the examples, and for tests of what is built on this package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

Step = AIMessage | Callable[[list[BaseMessage]], AIMessage]


class ScriptedChatModel(BaseChatModel):
    """Answers with the steps of ``script`` in turn, the last one for ever.

    A step is a message, or a function from the request's messages to one. ``requests`` holds what came in, as
    (messages, arguments).
    """

    script: Sequence[Any]
    _requests: list[tuple[list[BaseMessage], dict[str, Any]]] = PrivateAttr(default_factory=list)

    @property
    def requests(self) -> list[tuple[list[BaseMessage], dict[str, Any]]]:
        """Every request so far: its messages and the arguments of the call."""
        return self._requests

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _next(self, messages: list[BaseMessage], arguments: dict[str, Any]) -> AIMessage:
        step: Step = self.script[min(len(self._requests), len(self.script) - 1)]
        self._requests.append((list(messages), arguments))
        message = step if isinstance(step, AIMessage) else step(messages)
        return message.model_copy(deep=True)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._next(messages, kwargs)
        for word in message.text.split(" "):
            if word:
                yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
        for index, call in enumerate(message.tool_calls):
            arguments = json.dumps(call["args"])
            yield _call_chunk(tool_call_chunk(name=call["name"], args=arguments[:3], id=call["id"], index=index))
            yield _call_chunk(tool_call_chunk(args=arguments[3:], index=index))
        last = AIMessageChunk(content="", usage_metadata=message.usage_metadata, chunk_position="last")
        yield ChatGenerationChunk(message=last, generation_info={"finish_reason": "stop"})

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools in the format of the OpenAI API."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)


def _call_chunk(call: ToolCallChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))
