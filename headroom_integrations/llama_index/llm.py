"""``HeadroomLLM``: any LLM, sent fewer tokens, with its originals at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM, ToolSelection
from pydantic import Field, PrivateAttr, model_validator

from headroom_core import settings
from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_core.pipeline import Compressor
from headroom_core.types import Message, Strength, Text
from headroom_integrations._bridge import Fitted, can_mark, namespace_for, note
from headroom_integrations.llama_index.events import tell
from headroom_integrations.llama_index.messages import from_core, to_core
from headroom_integrations.llama_index.prompts import compressed_prompt
from headroom_integrations.llama_index.retrieve import HeadroomToolSpec
from headroom_integrations.llama_index.rounds import Round, Turn, with_retrievals

if TYPE_CHECKING:
    from llama_index.core.prompts import BasePromptTemplate
    from llama_index.core.tools.types import BaseTool

_INHERITED: Final = (
    "callback_manager",
    "system_prompt",
    "messages_to_prompt",
    "completion_to_prompt",
    "output_parser",
    "pydantic_program_mode",
    "query_wrapper_prompt",
)
_PROVIDERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "genai": "google",
    "google": "google",
    "bedrock": "bedrock",
    "mistral": "mistral",
}
_FORMATS: Final = ("response_format", "output_format", "output_config", "function_call", "generation_config")
_FREE: Final = (None, "auto", {"type": "auto"})


class HeadroomLLM(FunctionCallingLLM):
    """An LLM that compresses what it sends.

    ``inner`` is any LLM. ``retrieval`` says who answers when the model asks for an original: ``"auto"``, this wrapper
    does, unless the caller gives ``retrieve_tool()`` among the tools; ``"caller"``, the caller gives the tool and runs
    it, as agents do; ``"off"``, nobody, so only lossless forms go out. Where a tool choice or a structured output is
    forced, nothing can be asked for, so nothing is lost there either. ``namespace`` says whose originals these are.
    ``max_rounds`` bounds how often one call may go back for originals.
    """

    inner: LLM = Field(exclude=True)
    compressor: Compressor = Field(default_factory=Compressor, exclude=True, repr=False)
    retrieval: Literal["auto", "caller", "off"] = "auto"
    namespace: str | None = None
    max_rounds: int = Field(default=4, ge=1)

    _offer: dict[str, Any] | None = PrivateAttr(default=None)
    _fitted: Fitted = PrivateAttr()
    _tool_spec: HeadroomToolSpec = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, given: Any) -> Any:
        """Prompts, parser and callback manager are the inner model's, unless the caller gives others."""
        if not isinstance(given, Mapping) or not isinstance(given.get("inner"), LLM):
            return given
        inner = given["inner"]
        taken = {name: getattr(inner, name) for name in _INHERITED if given.get(name) is None}
        made = {**given, **taken}
        if made.get("compressor") is None:
            made.pop("compressor", None)
        return made

    def model_post_init(self, context: Any, /) -> None:
        """Nothing of this is the caller's to set."""
        super().model_post_init(context)
        self._fitted = Fitted(self.compressor)
        self._tool_spec = HeadroomToolSpec(self.compressor, namespace=self.namespace)

    def __setattr__(self, name: str, value: Any) -> None:
        """A callback manager goes to the inner model as well: its events are the only ones."""
        super().__setattr__(name, value)
        if name == "callback_manager":
            self.inner.callback_manager = value

    @classmethod
    def class_name(cls) -> str:
        """Name of the component."""
        return "HeadroomLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """The inner model's."""
        return self.inner.metadata

    def retrieve_tool(self) -> BaseTool:
        """The tool that resolves this model's references; what a caller gives and runs with ``retrieval="caller"``."""
        return self._tool_spec.to_tool_list()[0]

    # ------------------------------------------------------------------ chat
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Chat with the messages compressed."""
        turn = self._turn(messages, kwargs)
        while True:
            done = turn.take(self.inner.chat(turn.messages, **turn.arguments))
            if done is not None:
                return done

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """As ``chat``."""
        turn = await asyncio.to_thread(self._turn, messages, kwargs)
        while True:
            response = await self.inner.achat(turn.messages, **turn.arguments)
            done = await asyncio.to_thread(turn.take, response)
            if done is not None:
                return done

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """As ``chat``, in pieces: text goes straight through, retrievals do not show."""
        turn = self._turn(messages, kwargs)
        first = self.inner.stream_chat(turn.messages, **turn.arguments)

        def pieces() -> ChatResponseGen:
            stream, part = first, Round(turn)
            while True:
                for response in stream:
                    yield from part.feed(response)
                yield from part.close()
                if not part.again:
                    return
                part = Round(turn, part.text)
                stream = self.inner.stream_chat(turn.messages, **turn.arguments)

        return pieces()

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """As ``stream_chat``."""
        turn = await asyncio.to_thread(self._turn, messages, kwargs)
        first = await self.inner.astream_chat(turn.messages, **turn.arguments)

        async def pieces() -> ChatResponseAsyncGen:
            stream, part = first, Round(turn)
            while True:
                async for response in stream:
                    for seen in part.feed(response):
                        yield seen
                for seen in await asyncio.to_thread(list, part.close()):
                    yield seen
                if not part.again:
                    return
                part = Round(turn, part.text)
                stream = await self.inner.astream_chat(turn.messages, **turn.arguments)

        return pieces()

    def _turn(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> Turn:
        """What goes to the provider: the compressed conversation, and the arguments with the retrieve tool in them."""
        marks, offer = self._marks(kwargs)
        answer = self._tool_spec.answer if offer else None
        arguments = _with_offer(kwargs, offer) if offer else dict(kwargs)
        sent, sums = self._compressed(messages, marks=marks)
        tell({"requests": 1, **sums}, "llm", self.callback_manager)
        return Turn(with_retrievals(sent, answer), arguments, sums, answer, self._selections, self.max_rounds)

    def _compressed(self, messages: Sequence[ChatMessage], *, marks: bool) -> tuple[list[ChatMessage], dict[str, Any]]:
        compressor = self._for_provider()
        space, strength = namespace_for(self.compressor, self.namespace), self._strength(marks)
        outcome = compressor(to_core(messages), namespace=space, strength=strength, retrievable=marks)
        return from_core(messages, outcome), note(outcome)

    def _strength(self, marks: bool) -> Strength | None:
        return None if marks or self.compressor.options.strength == "lossy" else "lossless"

    def _for_provider(self) -> Compressor:
        name = self.inner.class_name().lower()
        provider = next((made for part, made in _PROVIDERS.items() if part in name), None)
        return self._fitted(provider, self.metadata.model_name)

    # ------------------------------------------------------------------ who answers for originals
    def _marks(self, kwargs: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
        """May this call carry markers, and the arguments that offer the retrieve tool where we answer it."""
        if self.retrieval == "off" or settings.disabled() or not can_mark(self.compressor) or self._restricted(kwargs):
            return False, {}
        bound = any(_tool_name(tool) == TOOL_NAME for tool in kwargs.get("tools") or ())
        if bound or self.retrieval == "caller":
            return bound, {}  # who gives the tool runs it
        if self.compressor.options.mode == "audit":
            return True, {}
        offer = self._offered()
        return bool(offer), offer

    def _restricted(self, kwargs: Mapping[str, Any]) -> bool:
        """Must the model answer in a given form, so that it cannot call a tool of its own choice?"""
        built_with = getattr(self.inner, "additional_kwargs", None) or {}
        asked = {**built_with, **kwargs}
        choice = asked.get("tool_choice")
        if isinstance(choice, Mapping):
            choice = {"type": choice.get("type")}
        return choice not in _FREE or any(asked.get(name) for name in _FORMATS) or (asked.get("n") or 1) != 1

    def _offered(self) -> dict[str, Any]:
        """The arguments by which the inner model is offered our tool; empty where it takes no tools."""
        inner = self.inner
        if not isinstance(inner, FunctionCallingLLM) or not inner.metadata.is_function_calling_model:
            return {}
        if self._offer is None:
            made = inner._prepare_chat_with_tools_compat([self.retrieve_tool()], chat_history=[])
            self._offer = {key: value for key, value in made.items() if key != "messages"}
        return self._offer if isinstance(self._offer.get("tools"), list) else {}

    def _selections(self, response: ChatResponse) -> Sequence[ToolSelection]:
        return self.get_tool_calls_from_response(response, error_on_no_tool_call=False)

    # ------------------------------------------------------------------ tools: the inner model's own format
    def _calling(self) -> FunctionCallingLLM:
        if not isinstance(self.inner, FunctionCallingLLM):
            raise NotImplementedError(f"{self.inner.class_name()} takes no tools; use a ReActAgent with it.")
        return self.inner

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        return self._calling()._prepare_chat_with_tools_compat(
            tools,
            user_msg=user_msg,
            chat_history=list(chat_history or ()),  # some models append to the list that they are given
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            tool_required=tool_required,
            **kwargs,
        )

    def _validate_chat_with_tools_response(
        self, response: ChatResponse, tools: Sequence[BaseTool], allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponse:
        return self._calling()._validate_chat_with_tools_response(
            response, tools, allow_parallel_tool_calls=allow_parallel_tool_calls, **kwargs
        )

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The inner model's reading of its own response."""
        return self._calling().get_tool_calls_from_response(
            response, error_on_no_tool_call=error_on_no_tool_call, **kwargs
        )

    # ------------------------------------------------------------------ completion: a prompt is text of the user
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete; the prompt counts as text of the user, so it changes only where ``roles`` names the user."""
        return self.inner.complete(self._prompt(prompt), formatted=formatted, **kwargs)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """As ``complete``."""
        return await self.inner.acomplete(await asyncio.to_thread(self._prompt, prompt), formatted=formatted, **kwargs)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """As ``complete``, in pieces."""
        return self.inner.stream_complete(self._prompt(prompt), formatted=formatted, **kwargs)

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """As ``stream_complete``."""
        ready = await asyncio.to_thread(self._prompt, prompt)
        return await self.inner.astream_complete(ready, formatted=formatted, **kwargs)

    def _prompt(self, prompt: str) -> str:
        """No tool can be called from a completion, so nothing is marked."""
        if "user" not in self.compressor.options.roles:
            return prompt
        space = namespace_for(self.compressor, self.namespace)
        read = [Message("user", (Text(prompt),))]
        outcome = self.compressor(read, namespace=space, strength=self._strength(False), retrievable=False)
        tell({"requests": 1, **note(outcome)}, "llm", self.callback_manager)
        return prompt if outcome.audited else outcome.text

    # ------------------------------------------------------------------ structured output: the inner model's own mode
    def structured_predict(
        self, output_cls: Any, prompt: Any, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Any:
        """The inner model's structured output, from messages that were compressed without loss."""
        ready = self._ready(prompt)
        return self.inner.structured_predict(output_cls, ready, llm_kwargs=dict(llm_kwargs or {}), **prompt_args)

    async def astructured_predict(
        self, output_cls: Any, prompt: Any, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Any:
        """As ``structured_predict``."""
        ready, given = self._ready(prompt), dict(llm_kwargs or {})
        return await self.inner.astructured_predict(output_cls, ready, llm_kwargs=given, **prompt_args)

    def stream_structured_predict(
        self, output_cls: Any, prompt: Any, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Any:
        """As ``structured_predict``, in pieces."""
        ready = self._ready(prompt)
        return self.inner.stream_structured_predict(output_cls, ready, llm_kwargs=dict(llm_kwargs or {}), **prompt_args)

    async def astream_structured_predict(
        self, output_cls: Any, prompt: Any, llm_kwargs: dict[str, Any] | None = None, **prompt_args: Any
    ) -> Any:
        """As ``stream_structured_predict``."""
        ready, given = self._ready(prompt), dict(llm_kwargs or {})
        return await self.inner.astream_structured_predict(output_cls, ready, llm_kwargs=given, **prompt_args)

    def _ready(self, prompt: BasePromptTemplate) -> BasePromptTemplate:
        def messages(formatted: list[ChatMessage]) -> list[ChatMessage]:
            sent, sums = self._compressed(formatted, marks=False)
            tell({"requests": 1, **sums}, "llm", self.callback_manager)
            return with_retrievals(sent, None)

        return compressed_prompt(prompt, messages, self._prompt)


def _tool_name(tool: Any) -> Any:
    """The name of a tool in any provider's format, or None."""
    if not isinstance(tool, Mapping):
        return getattr(getattr(tool, "metadata", None), "name", None) or getattr(tool, "name", None)
    inner = tool.get("function")
    return inner.get("name") if isinstance(inner, Mapping) else tool.get("name")


def _with_offer(arguments: Mapping[str, Any], offer: Mapping[str, Any]) -> dict[str, Any]:
    """Our tool before the caller's, so that a cache mark on the caller's last tool stays on the last."""
    tools = arguments.get("tools")
    if tools:
        return {**arguments, "tools": [*offer["tools"], *tools]}
    empty = ("tools", "tool_choice")
    return {**offer, **{key: value for key, value in arguments.items() if key not in empty or value}}
