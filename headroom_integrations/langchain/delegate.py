"""A chat model that stands around another one and is taken for it: settings, tracing, streaming, threads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from pydantic import field_validator, model_validator

from headroom_core.errors import InvalidInput
from headroom_integrations.langchain.traces import belonging_to, known_run

THREAD: Final = "headroom_thread"
"""Call argument that carries the thread of the config to where the request is made."""

_INHERITED: Final = (
    "cache",
    "callbacks",
    "custom_get_token_ids",
    "disable_streaming",
    "metadata",
    "output_version",
    "profile",
    "rate_limiter",
    "tags",
    "verbose",
)


class DelegatingChatModel(BaseChatModel):
    """Answers like ``inner`` whatever LangChain asks a model about itself. How requests are made is left to subclasses."""

    inner: BaseChatModel

    @field_validator("inner", mode="before")
    @classmethod
    def _is_model(cls, inner: Any) -> Any:
        if isinstance(inner, Runnable) and not isinstance(inner, BaseChatModel):
            raise InvalidInput(
                f"inner is a {type(inner).__name__}, not a chat model; use HeadroomChatModel.wrap(...), which keeps what "
                "is bound to the model in it, or HeadroomMiddleware, which works with any model of an agent"
            )
        return inner

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        """Settings of the inner model that LangChain reads from the model that is called, which is now this one."""
        inner = values.get("inner") if isinstance(values, dict) else None
        if not isinstance(inner, BaseChatModel):
            return values
        return {**{name: getattr(inner, name) for name in _INHERITED}, **values}

    # ------------------------------------------------------------------ the thread of the conversation
    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain calls it so
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """One answer."""
        return super().invoke(input, config, stop=stop, **self._threaded(config, kwargs))

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain calls it so
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """One answer."""
        return await super().ainvoke(input, config, stop=stop, **self._threaded(config, kwargs))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain calls it so
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """An answer in chunks."""
        begun, manager, run_id = known_run(CallbackManager, config, self.callbacks)
        chunks = super().stream(input, begun, stop=stop, **self._threaded(config, kwargs))
        with belonging_to(manager, run_id):
            first = next(chunks, None)
        if first is not None:
            yield first
            yield from chunks

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain calls it so
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """An answer in chunks."""
        begun, manager, run_id = known_run(AsyncCallbackManager, config, self.callbacks)
        chunks = super().astream(input, begun, stop=stop, **self._threaded(config, kwargs))
        with belonging_to(manager, run_id):
            first = await anext(chunks, None)
        if first is not None:
            yield first
            async for chunk in chunks:
                yield chunk

    def _generate_with_cache(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with belonging_to(run_manager, getattr(run_manager, "run_id", None)):
            return super()._generate_with_cache(messages, stop, run_manager, **kwargs)

    async def _agenerate_with_cache(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with belonging_to(run_manager, getattr(run_manager, "run_id", None)):
            return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)

    def _chat_model_stream_v3(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain calls it so
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        return super()._chat_model_stream_v3(input, config, **self._threaded(config, kwargs))

    async def _achat_model_stream_v3(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain calls it so
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        return await super()._achat_model_stream_v3(input, config, **self._threaded(config, kwargs))

    def _threaded(self, config: RunnableConfig | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the thread of the config, which LangChain does not hand down to the request."""
        thread = (ensure_config(config).get("configurable") or {}).get("thread_id")
        return kwargs if not thread else {THREAD: str(thread), **kwargs}

    # ------------------------------------------------------------------ what LangChain asks of a model
    def _should_stream(self, *, async_api: bool, run_manager: Any = None, **kwargs: Any) -> bool:
        asked = self.inner._should_stream(async_api=async_api, run_manager=run_manager, **kwargs)
        return asked and not self._streaming_disabled(**kwargs)

    def _should_use_protocol_streaming(self, *, async_api: bool, run_manager: Any = None, **kwargs: Any) -> bool:
        asked = self.inner._should_use_protocol_streaming(async_api=async_api, run_manager=run_manager, **kwargs)
        return asked and not self._streaming_disabled(**kwargs)

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return self.inner._get_ls_params(stop=stop, **kwargs)

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None], /) -> dict[str, Any]:
        return self.inner._combine_llm_outputs(llm_outputs)

    def get_token_ids(self, text: str) -> list[int]:
        """Token ids by the inner model's tokenizer."""
        return self.inner.get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """Tokens of a text by the inner model's count."""
        return self.inner.get_num_tokens(text)

    @property
    def model_name(self) -> str | None:
        """The inner model's name, where code looks at it to see what the model can do."""
        return getattr(self.inner, "model_name", None) or getattr(self.inner, "model", None)
