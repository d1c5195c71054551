"""``HeadroomChatModel``: any chat model, sent fewer tokens, with its originals at hand."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding
from pydantic import Field, PrivateAttr, field_validator

from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_core.pipeline import Compressor
from headroom_core.types import Strength
from headroom_integrations._bridge import Fitted, Note, can_mark, harder, namespace_for
from headroom_integrations.langchain.binding import STRUCTURED, rebind, restricted, tool_name
from headroom_integrations.langchain.delegate import THREAD, DelegatingChatModel
from headroom_integrations.langchain.messages import from_core, to_core
from headroom_integrations.langchain.retrieve import HeadroomRetrieveTool, retrieve_tool
from headroom_integrations.langchain.rounds import Round, Told, Turn, with_retrievals
from headroom_integrations.langchain.saved import compressor_from, data_of, register
from headroom_integrations.langchain.traces import Account, teller

_OWN_ARGUMENTS: Final = (STRUCTURED, THREAD)


class HeadroomChatModel(DelegatingChatModel):
    """A chat model that compresses what it sends.

    ``inner`` is any chat model. ``retrieval`` says who answers when the model asks for an original: ``"auto"``, this
    wrapper does, unless the caller binds ``retrieve_tool()`` (in calls that force a tool or a structured output nothing
    can be asked for, so those are compressed without loss only); ``"caller"``, the caller binds ``retrieve_tool()`` and runs it; ``"off"``, nobody, so only
    lossless forms go out. ``namespace`` says whose originals these are; without one the compressor's own decides,
    then the ``thread_id`` of the config. ``max_rounds`` bounds how often one call may go back for originals.
    """

    compressor: Compressor = Field(default_factory=Compressor, exclude=True, repr=False)
    retrieval: Literal["auto", "caller", "off"] = "auto"
    namespace: str | None = None
    max_rounds: int = Field(default=4, ge=1)

    _offer: dict[str, Any] | None = PrivateAttr(default=None)
    _fitted: Fitted = PrivateAttr()
    _escalated: dict[str, Compressor] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Nothing of this is the caller's to set."""
        super().model_post_init(context)
        self._fitted = Fitted(self.compressor)

    @field_validator("compressor", mode="before")
    @classmethod
    def _or_default(cls, compressor: Any) -> Any:
        if isinstance(compressor, Mapping):
            return compressor_from(compressor)
        return Compressor() if compressor is None else compressor

    # ------------------------------------------------------------------ saved and loaded
    @classmethod
    def is_lc_serializable(cls) -> bool:
        """``dumpd`` writes this model with its inner model, as far as both are plain data."""
        return True

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """The compressor's arguments, where they are not the defaults."""
        data = data_of(self.compressor)
        return {"compressor": data} if data else {}

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """What ``dumpd`` writes; "not implemented" where the compressor is more than plain data."""
        return self.to_json_not_implemented() if data_of(self.compressor) is None else super().to_json()

    @classmethod
    def wrap(cls, chain: Any, **options: Any) -> Any:
        """Wrap every chat model inside a bound model or a chain; what is bound to it stays bound."""
        return rebind(chain, lambda model: cls(inner=model, **options))

    def retrieve_tool(self) -> HeadroomRetrieveTool:
        """The tool that resolves this model's references; what a caller binds and runs with ``retrieval="caller"``."""
        return retrieve_tool(self.compressor, namespace=self.namespace)

    # ------------------------------------------------------------------ one request
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = self._turn(messages, kwargs, run_manager)
        managed = _manager(self.inner._generate, run_manager)
        while True:
            try:
                result = self.inner._generate(turn.messages, stop=stop, **managed, **turn.arguments)
            except ContextOverflowError:
                if not turn.escalate():
                    raise
                continue
            done = turn.take(result)
            if done is not None:
                return self._summed(done, turn)
            if self.rate_limiter:
                self.rate_limiter.acquire(blocking=True)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = await asyncio.to_thread(self._turn, messages, kwargs, run_manager)
        managed = _manager(self.inner._agenerate, run_manager)
        while True:
            try:
                result = await self.inner._agenerate(turn.messages, stop=stop, **managed, **turn.arguments)
            except ContextOverflowError:
                if not await asyncio.to_thread(turn.escalate):
                    raise
                continue
            done = await asyncio.to_thread(turn.take, result)
            if done is not None:
                return self._summed(done, turn)
            if self.rate_limiter:
                await self.rate_limiter.aacquire(blocking=True)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        turn, told = self._turn(messages, kwargs, run_manager), Told()
        while True:
            part = Round(turn, told)
            try:
                for chunk in self.inner._stream(turn.messages, stop=stop, **turn.arguments):
                    for seen in part.feed(chunk):
                        if run_manager:
                            run_manager.on_llm_new_token(seen.text, chunk=seen)
                        yield seen
            except ContextOverflowError:
                if part.begun or not turn.escalate():
                    raise
                continue
            for seen in part.close():
                if run_manager:
                    run_manager.on_llm_new_token(seen.text, chunk=seen)
                yield seen
            if not part.again:
                return
            told.next_round()
            if self.rate_limiter:
                self.rate_limiter.acquire(blocking=True)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn, told = await asyncio.to_thread(self._turn, messages, kwargs, run_manager), Told()
        while True:
            part = Round(turn, told)
            try:
                async for chunk in self.inner._astream(turn.messages, stop=stop, **turn.arguments):
                    for seen in part.feed(chunk):
                        if run_manager:
                            await run_manager.on_llm_new_token(seen.text, chunk=seen)
                        yield seen
            except ContextOverflowError:
                if part.begun or not await asyncio.to_thread(turn.escalate):
                    raise
                continue
            for seen in await asyncio.to_thread(list, part.close()):
                if run_manager:
                    await run_manager.on_llm_new_token(seen.text, chunk=seen)
                yield seen
            if not part.again:
                return
            told.next_round()
            if self.rate_limiter:
                await self.rate_limiter.aacquire(blocking=True)

    def _turn(self, messages: Sequence[BaseMessage], kwargs: Mapping[str, Any], run_manager: Any = None) -> Turn:
        """What goes to the provider: the compressed conversation, and the arguments with the retrieve tool in them."""
        arguments = {key: value for key, value in kwargs.items() if key not in _OWN_ARGUMENTS}
        namespace = namespace_for(self.compressor, self.namespace, kwargs.get(THREAD))
        marks, offer = self._marks(kwargs)
        answer = self.retrieve_tool().answering(namespace) if offer else None
        if offer:
            arguments = _with_offer(arguments, offer)

        def compressed(compressor: Compressor) -> tuple[list[BaseMessage], Account]:
            strength: Strength | None = None if marks or compressor.options.strength == "lossy" else "lossless"
            read = to_core(messages)
            outcome = compressor(read, namespace=namespace, strength=strength, retrievable=marks)
            sent = from_core(messages, read, outcome)
            return (with_retrievals(sent, answer) if answer else sent), Account.of(outcome)

        told = self.inner._get_ls_params(**arguments)
        fitted = self._fitted(told.get("ls_provider"), told.get("ls_model_name"))
        sent, account = compressed(fitted)
        tell = teller(run_manager)
        tell(account)

        def tried_harder() -> tuple[list[BaseMessage], Note] | None:
            tried, escalated = compressed(self._escalated.setdefault(fitted.fingerprint, harder(fitted)))
            if escalated.note["compressed_tokens"] >= account.note["compressed_tokens"]:
                return None
            tell(escalated)
            return tried, escalated.note

        texts_only = bool(offer) and not kwargs.get("tools") and _streams_strings(self.inner, kwargs)
        return Turn(sent, arguments, account.note, answer, self.max_rounds, tried_harder, tell, texts_only)

    def _marks(self, kwargs: Mapping[str, Any]) -> tuple[bool, dict[str, Any] | None]:
        """May this call carry markers, and the arguments that offer the retrieve tool where we answer it."""
        built_with = getattr(self.inner, "model_kwargs", None) or {}
        if self.retrieval == "off" or not can_mark(self.compressor) or restricted({**built_with, **kwargs}):
            return False, None
        bound = any(tool_name(tool) == TOOL_NAME for tool in kwargs.get("tools") or ())
        if bound or self.retrieval == "caller":
            return bound, None  # who binds the tool runs it
        single = (kwargs.get("n") or getattr(self.inner, "n", None) or 1) == 1
        offer = self._offered() if single else {}
        return bool(offer), offer or None

    def _offered(self) -> dict[str, Any]:
        """The arguments by which the inner model is offered our tool; empty where it takes no tools."""
        if self._offer is None:
            try:
                bound = self.inner.bind_tools([self.retrieve_tool()])
            except NotImplementedError:
                bound = None
            arguments = dict(bound.kwargs) if isinstance(bound, RunnableBinding) else {}
            self._offer = arguments if isinstance(arguments.get("tools"), list) else {}
        return self._offer

    def _summed(self, result: ChatResult, turn: Turn) -> ChatResult:
        """The result with the output of all its requests: token usage adds up where the inner model adds it up."""
        if len(turn.outputs) > 1:
            combined = self.inner._combine_llm_outputs(turn.outputs)
            result.llm_output = {**(result.llm_output or {}), **combined}
        return result

    # ------------------------------------------------------------------ binding
    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools in the inner model's own format."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        chain: Runnable[LanguageModelInput, AIMessage] = rebind(self.inner.bind_tools(tools, **kwargs), self._swapped)
        return chain

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Structured output by the inner model's own method."""
        chain = self.inner.with_structured_output(schema, include_raw=include_raw, **kwargs)
        bound: Runnable[LanguageModelInput, Any] = rebind(chain, self._swapped, **{STRUCTURED: True})
        return bound

    def _swapped(self, model: BaseChatModel) -> BaseChatModel:
        """This wrapper in the place of the inner model; around another one, where the inner model made a variant."""
        if model is self.inner:
            return self
        other = self.model_copy(update={"inner": model})
        other._offer = None
        return other

    # ------------------------------------------------------------------ what makes it another model
    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {**self.inner._identifying_params, "headroom": self._fingerprint}

    @property
    def _fingerprint(self) -> str:
        return f"{self.compressor.fingerprint}:{self.retrieval}:{self.max_rounds}:{self.namespace or ''}"

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return {**self.inner._get_invocation_params(stop=stop, **kwargs), "headroom": self._fingerprint}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return f"{self.inner._get_llm_string(stop=stop, **kwargs)}---headroom={self._fingerprint}"

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Tokens of the messages as they would be sent, by the inner model's count."""
        sent = self._turn(messages, {"tools": list(tools)} if tools else {}).messages
        if tools is None:
            return self.inner.get_num_tokens_from_messages(sent, **kwargs)
        return self.inner.get_num_tokens_from_messages(sent, tools=tools, **kwargs)


register(HeadroomChatModel)


def _manager(function: Callable[..., Any], run_manager: Any) -> dict[str, Any]:
    """The run manager, for models whose method takes one."""
    return {"run_manager": run_manager} if "run_manager" in inspect.signature(function).parameters else {}


def _with_offer(arguments: dict[str, Any], offer: Mapping[str, Any]) -> dict[str, Any]:
    """Our tool before the caller's, so that a cache mark on the caller's last tool stays on the last."""
    tools = arguments.get("tools")
    if not tools:
        return {**offer, **{key: value for key, value in arguments.items() if key != "tools"}}
    return {**arguments, "tools": [*offer["tools"], *tools]}


def _streams_strings(inner: BaseChatModel, kwargs: Mapping[str, Any]) -> bool:
    """Would the model stream strings, if our tool were not bound? ChatAnthropic does, and blocks where it has tools."""
    thinking = kwargs.get("thinking") or getattr(inner, "thinking", None) or {}
    edits = kwargs.get("context_management") or getattr(inner, "context_management", None)
    return inner._llm_type == "anthropic-chat" and thinking.get("type") in (None, "disabled") and not edits
