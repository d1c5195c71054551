"""For graphs and chains without ``create_agent``: a tool node, a hook before the model, a step of a chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool

from headroom_core.errors import MissingExtra
from headroom_core.pipeline import Compressor
from headroom_integrations._bridge import can_mark
from headroom_integrations.langchain.policy import Rules, ToolPolicy
from headroom_integrations.langchain.retrieve import HeadroomRetrieveTool, Namespace, settled_namespace
from headroom_integrations.langchain.traces import show_in

if TYPE_CHECKING:
    from langgraph.prebuilt import ToolNode


def compress_tool_node(
    tools: Sequence[BaseTool | Callable[..., Any]],
    compressor: Compressor | None = None,
    *,
    namespace: Namespace = None,
    policies: Mapping[str, ToolPolicy] | None = None,
    exclude: Iterable[str] = (),
    **options: Any,
) -> ToolNode:
    """A ``ToolNode`` whose results are compressed when they arrive.

    Give it the tools that the model has. Where ``retrieve_tool()`` is among them results are reversible, otherwise
    they are re-encoded without loss. ``options`` go to the ``ToolNode``.
    """
    for package in ("langgraph", "langchain"):
        if find_spec(package) is None:
            raise MissingExtra(package, "langchain")
    from langgraph.prebuilt import ToolNode

    from headroom_integrations.langchain.middleware import HeadroomMiddleware

    own = next((tool for tool in tools if isinstance(tool, HeadroomRetrieveTool)), None)
    chosen = compressor or (own.compressor if own else Compressor())
    if own is None and chosen.options.strength != "lossy":
        chosen = chosen.with_options(strength="lossless")
    space = namespace if namespace is not None or own is None else own.namespace
    middleware = HeadroomMiddleware(chosen, namespace=space, policies=policies, exclude=exclude)
    return ToolNode(
        list(tools), wrap_tool_call=middleware.wrap_tool_call, awrap_tool_call=middleware.awrap_tool_call, **options
    )


def pre_model_hook(
    compressor: Compressor | None = None,
    *,
    namespace: Namespace = None,
    policies: Mapping[str, ToolPolicy] | None = None,
    retrievable: bool = False,
) -> Runnable[Any, dict[str, list[BaseMessage]]]:
    """A ``pre_model_hook`` for LangGraph's ``create_react_agent``: the request is compressed, the state stays.

    Say ``retrievable=True`` where ``retrieve_tool()`` is among the agent's tools; without it nothing is lost.
    """
    compress = _compressing(compressor, namespace, policies, retrievable)

    def hook(state: Any, config: RunnableConfig) -> dict[str, list[BaseMessage]]:
        messages = state["messages"] if isinstance(state, Mapping) else state.messages
        return {"llm_input_messages": compress(messages, config)}

    async def ahook(state: Any, config: RunnableConfig) -> dict[str, list[BaseMessage]]:
        return await asyncio.to_thread(hook, state, config)

    return RunnableLambda(hook, ahook, name="headroom_pre_model_hook")


def compress_messages(
    compressor: Compressor | None = None,
    *,
    namespace: Namespace = None,
    policies: Mapping[str, ToolPolicy] | None = None,
    retrievable: bool = False,
) -> Runnable[Any, list[BaseMessage]]:
    """Make a step that stands between prompt and model in a chain.

    ``prompt | compress_messages() | model``. Takes a prompt value or messages. Say ``retrievable=True`` where the model is given ``retrieve_tool()`` and somebody
    runs it; without it nothing is lost.
    """
    compress = _compressing(compressor, namespace, policies, retrievable)

    def step(prompt: Any, config: RunnableConfig) -> list[BaseMessage]:
        messages = prompt.to_messages() if isinstance(prompt, PromptValue) else convert_to_messages(prompt)
        return compress(messages, config)

    async def astep(prompt: Any, config: RunnableConfig) -> list[BaseMessage]:
        return await asyncio.to_thread(step, prompt, config)

    return RunnableLambda(step, astep, name="compress_messages")


def _compressing(
    compressor: Compressor | None,
    namespace: Namespace,
    policies: Mapping[str, ToolPolicy] | None,
    retrievable: bool,
) -> Callable[[Sequence[BaseMessage], RunnableConfig], list[BaseMessage]]:
    rules = Rules(compressor or Compressor(), policies or {})
    marks = retrievable and can_mark(rules.compressor)

    def compress(messages: Sequence[BaseMessage], config: RunnableConfig) -> list[BaseMessage]:
        space = settled_namespace(rules.compressor, namespace, config)
        sent, account = rules.apply(messages, namespace=space, marks=marks)
        show_in(config, account)
        return sent

    return compress
