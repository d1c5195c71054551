"""An LLM that plays a script: for the examples, and for tests of what is built on this package."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import Field, PrivateAttr

P = TypeVar("P")
Step: TypeAlias = ChatMessage | Callable[[Sequence[ChatMessage]], ChatMessage]


def says(text: str = "", *calls: tuple[str, dict[str, Any]]) -> ChatMessage:
    """An answer: text, and calls as (tool, arguments)."""
    blocks: list[Any] = [TextBlock(text=text)] if text or not calls else []
    for at, (name, arguments) in enumerate(calls):
        call_id = f"call_{abs(len(json.dumps(arguments)) * 31 + at)}_{name}"
        blocks.append(ToolCallBlock(tool_call_id=call_id, tool_name=name, tool_kwargs=arguments))
    return ChatMessage(role="assistant", blocks=blocks)


def run_example(text: str, main: Callable[[Any], object], scripted: Callable[[], Any]) -> None:
    """Run an example from the command line: with its script, or with ``--live MODEL`` against OpenAI."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a chat model of OpenAI, for example gpt-5-mini")
    name = parser.parse_args().live
    if not name:
        main(scripted())
        return
    from llama_index.llms.openai import OpenAI

    main(OpenAI(model=name))


class ScriptedLLM(FunctionCallingLLM):
    """Answers with the steps of ``script`` in turn, the last one for ever.

    A step is a message, or a function from the request's messages to one. ``requests`` holds what came in, as
    (messages, arguments). ``function_calling=False`` makes it a model without tools.
    """

    script: list[Any] = Field(default_factory=list, exclude=True)
    function_calling: bool = True
    _requests: list[tuple[list[ChatMessage], dict[str, Any]]] = PrivateAttr(default_factory=list)

    @property
    def requests(self) -> list[tuple[list[ChatMessage], dict[str, Any]]]:
        """Every request so far: its messages and the arguments of the call."""
        return self._requests

    @classmethod
    def class_name(cls) -> str:
        """Name of the component."""
        return "ScriptedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """A chat model."""
        return LLMMetadata(
            is_chat_model=True, is_function_calling_model=self.function_calling, model_name="scripted", num_output=256
        )

    def _next(self, messages: Sequence[ChatMessage], arguments: dict[str, Any]) -> ChatMessage:
        step: Step = self.script[min(len(self._requests), len(self.script) - 1)]
        self._requests.append((list(messages), arguments))
        message = step if isinstance(step, ChatMessage) else step(messages)
        return message.model_copy(deep=True)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next step."""
        return ChatResponse(message=self._next(messages, kwargs), raw={})

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next step."""
        return ChatResponse(message=self._next(messages, kwargs), raw={})

    def _pieces(self, message: ChatMessage) -> list[ChatResponse]:
        """Word by word, each with all that was said so far; then the calls, one by one."""
        made, said = [], ""
        for word in (message.content or "").split(" "):
            delta = f" {word}" if said else word
            said += delta
            made.append(_piece([TextBlock(text=said)], delta))
        blocks: list[Any] = [TextBlock(text=said)]
        for block in message.blocks:
            if isinstance(block, ToolCallBlock):
                blocks = [*blocks, block]
                made.append(_piece(blocks, ""))
        return made

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The next step, in pieces."""
        pieces = self._pieces(self._next(messages, kwargs))
        return (piece for piece in pieces)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The next step, in pieces."""
        return _later(self._pieces(self._next(messages, kwargs)))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The next step's text."""
        return CompletionResponse(text=self._next([ChatMessage(content=prompt)], kwargs).content or "")

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The next step's text."""
        return CompletionResponse(text=self._next([ChatMessage(content=prompt)], kwargs).content or "")

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The next step's text, in pieces."""
        return (piece for piece in self._texts(prompt, kwargs))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The next step's text, in pieces."""
        return _later(self._texts(prompt, kwargs))

    def _texts(self, prompt: str, arguments: dict[str, Any]) -> list[CompletionResponse]:
        pieces = self._pieces(self._next([ChatMessage(content=prompt)], arguments))
        return [CompletionResponse(text=piece.message.content or "", delta=piece.delta) for piece in pieces]

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[Any],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        *_: Any,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        kwargs = {name: value for name, value in kwargs.items() if name not in ("verbose", "allow_parallel_tool_calls")}
        asked = ChatMessage(content=user_msg) if isinstance(user_msg, str) else user_msg
        choice = "required" if tool_required else "auto"
        specs = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        messages = [*(chat_history or ()), *([asked] if asked else ())]
        return {"messages": messages, "tools": specs, "tool_choice": choice, **kwargs}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls among the blocks."""
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if error_on_no_tool_call and not calls:
            raise ValueError("Expected at least one tool call, but got none.")
        return [
            ToolSelection(tool_id=call.tool_call_id or "", tool_name=call.tool_name, tool_kwargs=_arguments(call))
            for call in calls
        ]


async def _later(pieces: Sequence[P]) -> AsyncGenerator[P, None]:
    for piece in pieces:
        yield piece


def _piece(blocks: Sequence[Any], delta: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role="assistant", blocks=list(blocks)), delta=delta, raw={})


def _arguments(call: ToolCallBlock) -> dict[str, Any]:
    return call.tool_kwargs if isinstance(call.tool_kwargs, dict) else {}
