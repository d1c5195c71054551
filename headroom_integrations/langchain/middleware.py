"""``HeadroomMiddleware``: agents whose tool results reach the model several times smaller, originals at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    OmitFromInput,
    ToolCallRequest,
)
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langgraph.types import Command
from typing_extensions import NotRequired

from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_core.errors import InvalidInput
from headroom_core.pipeline import Compressor
from headroom_integrations._bridge import EVENT, Note, add_notes, can_mark
from headroom_integrations.langchain.binding import tool_name
from headroom_integrations.langchain.messages import annotated, note_of
from headroom_integrations.langchain.policy import Rules, ToolPolicy
from headroom_integrations.langchain.retrieve import (
    HeadroomRetrieveTool,
    Namespace,
    retrieve_tool,
    settled_namespace,
    thread_of,
)
from headroom_integrations.langchain.traces import Account, show_in

ToolResult = ToolMessage | Command[Any]
Response = ModelResponse[Any] | AIMessage | ExtendedModelResponse[Any]


def _added(total: Note | None, more: Note | None) -> Note:
    return add_notes(total, more)


class HeadroomState(AgentState[Any]):
    """State of an agent with this middleware: ``headroom`` adds up what was saved over the requests of a thread."""

    headroom: NotRequired[Annotated[Note, OmitFromInput, _added]]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Where a tool result arrives: the questions so far, the tool, whose originals these are, and the rules."""

    asked: Sequence[BaseMessage]
    tool: str
    namespace: str
    rules: Rules
    config: RunnableConfig


class HeadroomMiddleware(AgentMiddleware[HeadroomState, Any, Any]):
    """Compresses tool results when they arrive, and the rest of a request when it leaves.

    A tool result enters the state compressed (``persist=False`` leaves the state alone and compresses only what is
    sent). ``policies`` says per tool what may happen to its results, ``exclude`` names tools whose results stay.
    ``namespace`` is a name or a function of the config; by default the ``thread_id`` of the config decides.

    Order: after middleware that redacts or summarises, before middleware that marks provider caches.
    """

    state_schema = HeadroomState

    def __init__(
        self,
        compressor: Compressor | None = None,
        *,
        namespace: Namespace = None,
        policies: Mapping[str, ToolPolicy] | None = None,
        exclude: Iterable[str] = (),
        persist: bool = True,
        name: str = "HeadroomMiddleware",
    ) -> None:
        super().__init__()
        if isinstance(exclude, str):
            raise InvalidInput(f"exclude is a list of tool names, not the text {exclude!r}")
        compressor = compressor or Compressor()
        self._rules = Rules(compressor, {**(policies or {}), **{tool: ToolPolicy(compress=False) for tool in exclude}})
        self._namespace = namespace
        self._persist = persist
        self._name = name
        self._marks = can_mark(compressor)
        self.retrieve_tool: HeadroomRetrieveTool = retrieve_tool(compressor, namespace=namespace)
        self.tools: Sequence[BaseTool] = [self.retrieve_tool] if self._marks else []

    @property
    def name(self) -> str:
        """Name of this instance in the agent."""
        return self._name

    # ------------------------------------------------------------------ tool results
    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        """The tool's result, compressed before it enters the state."""
        arrived: ToolResult = self._arrived(request, handler(request))
        return arrived

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """As ``wrap_tool_call``."""
        arrived: ToolResult = await asyncio.to_thread(self._arrived, request, await handler(request))
        return arrived

    def _arrived(self, request: ToolCallRequest, result: Any) -> Any:
        if not self._persist or request.tool_call["name"] == TOOL_NAME:
            return result
        messages = _messages(request.state)
        arrival = _Arrival(
            asked=[message for message in messages if isinstance(message, HumanMessage)],
            tool=request.tool_call["name"],
            namespace=self._space(request.runtime),
            rules=self._rules.fitted(*_answered_by(messages)),
            config=_config_of(request.runtime),
        )
        return self._compressed_result(result, arrival)

    def _compressed_result(self, result: Any, arrival: _Arrival) -> Any:
        """A tool message, a command that holds some, or a list of both, each compressed; else the same object."""
        if isinstance(result, ToolMessage):
            return self._compressed_message(result, arrival)
        if isinstance(result, list):
            made = [self._compressed_result(each, arrival) for each in result]
            return made if any(new is not old for new, old in zip(made, result, strict=True)) else result
        if isinstance(result, tuple):
            return tuple(self._compressed_result(each, arrival) for each in result)
        if isinstance(result, Command) and result.update:
            update = self._compressed_update(result.update, arrival)
            if update is not result.update:
                return Command(graph=result.graph, update=update, resume=result.resume, goto=result.goto)
        return result

    def _compressed_update(self, update: Any, arrival: _Arrival) -> Any:
        if not isinstance(update, Mapping):
            return self._compressed_result(update, arrival)
        made = {key: self._compressed_result(value, arrival) for key, value in update.items()}
        return made if any(made[key] is not update[key] for key in made) else update

    def _compressed_message(self, message: ToolMessage, arrival: _Arrival) -> ToolMessage:
        named = message if message.name else message.model_copy(update={"name": arrival.tool})
        sent, account = arrival.rules.apply(
            [*arrival.asked, named], namespace=arrival.namespace, marks=self._marks, last_only=True
        )
        show_in(arrival.config, account, more=True)
        made = sent[-1]
        if made is named or not isinstance(made, ToolMessage):
            return message
        return annotated(message.model_copy(update={"content": made.content}), account.note)

    # ------------------------------------------------------------------ model requests
    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Response]) -> Any:
        """The request with a compressed conversation; the state keeps what it has."""
        sent, account = self._leaving(request, self._rules)
        show_in(_config_of(request.runtime), account)
        try:
            response = handler(sent)
        except ContextOverflowError:
            escalated = self._escalated(request, account)
            if escalated is None:
                raise
            sent, account = escalated
            response = handler(sent)
        if _inside_a_run():
            dispatch_custom_event(EVENT, account.note)
        return _with_sums(response, account.note)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Response]]
    ) -> Any:
        """As ``wrap_model_call``."""
        sent, account = await asyncio.to_thread(self._leaving, request, self._rules)
        show_in(_config_of(request.runtime), account)
        try:
            response = await handler(sent)
        except ContextOverflowError:
            escalated = await asyncio.to_thread(self._escalated, request, account)
            if escalated is None:
                raise
            sent, account = escalated
            response = await handler(sent)
        if _inside_a_run():
            await adispatch_custom_event(EVENT, account.note)
        return _with_sums(response, account.note)

    def _leaving(self, request: ModelRequest[Any], rules: Rules) -> tuple[ModelRequest[Any], Account]:
        tools = self._with_tool(request.tools)
        callable_now = _free(request.tool_choice)
        namespace = self._space(request.runtime)
        rules = rules.fitted(*_asked_of(request.model))
        messages, account = rules.apply(request.messages, namespace=namespace, marks=self._marks and callable_now)
        account = replace(account, note=add_notes({"requests": 1}, account.note, _persisted(request.messages)))
        changes: dict[str, Any] = {} if tools is request.tools else {"tools": tools}
        if any(new is not old for new, old in zip(messages, request.messages, strict=True)):
            changes["messages"] = messages
        return (request.override(**changes) if changes else request), account

    def _escalated(self, request: ModelRequest[Any], account: Account) -> tuple[ModelRequest[Any], Account] | None:
        """The request compressed harder; None where that makes it no smaller."""
        sent, tried = self._leaving(request, self._rules.harder)
        if tried.note["compressed_tokens"] >= account.note["compressed_tokens"]:
            return None
        tried = replace(tried, note=tried.note | {"escalations": 1})
        show_in(_config_of(request.runtime), tried)
        return sent, tried

    def _with_tool(self, tools: list[Any]) -> list[Any]:
        """The tools with ours among them once: a tool selector may have dropped it, the caller may have added it."""
        if not self._marks:
            return tools
        named = [tool for tool in tools if tool_name(tool) == TOOL_NAME]
        if any(not isinstance(tool, HeadroomRetrieveTool) for tool in named):
            raise InvalidInput(f"A tool of the agent is named {TOOL_NAME}, as this middleware's own; rename it")
        if len(named) == 1:
            return tools
        return [self.retrieve_tool, *(tool for tool in tools if tool_name(tool) != TOOL_NAME)]

    def _space(self, runtime: Any) -> str:
        return settled_namespace(self._rules.compressor, self._namespace, _config_of(runtime))


def _config_of(runtime: Any) -> RunnableConfig:
    """The config of this run. In async nodes of Python 3.10 only the runtime still knows the thread."""
    config: RunnableConfig = getattr(runtime, "config", None) or ensure_config()
    thread = getattr(getattr(runtime, "execution_info", None), "thread_id", None)
    if thread and not thread_of(config):
        return {**config, "configurable": {**(config.get("configurable") or {}), "thread_id": thread}}
    return config


def _inside_a_run() -> bool:
    """Is there a run that a custom event can belong to?"""
    return getattr(ensure_config().get("callbacks"), "parent_run_id", None) is not None


def _messages(state: Any) -> list[BaseMessage]:
    """The conversation in a graph's state, which is a mapping, a list or an object."""
    if isinstance(state, list):
        return state
    found = state.get("messages") if isinstance(state, Mapping) else getattr(state, "messages", None)
    return list(found or ())


def _asked_of(model: Any) -> tuple[str | None, str | None]:
    """Provider and model that a request goes to."""
    told = model._get_ls_params() if isinstance(model, BaseChatModel) else {}
    return told.get("ls_provider"), told.get("ls_model_name")


def _answered_by(messages: Sequence[BaseMessage]) -> tuple[str | None, str | None]:
    """Provider and model of the last answer: a tool result goes back to whoever asked for it."""
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            told = message.response_metadata
            return told.get("model_provider"), told.get("model_name")
    return None, None


def _persisted(messages: Sequence[BaseMessage]) -> Note:
    """What was saved when results that are in this request entered the state."""
    sums = add_notes(*(note_of(message) for message in messages if isinstance(message, ToolMessage)))
    saved = sums.pop("saved", 0)
    grouped: Note = {key: sums[key] for key in ("by_kind", "by_tool") if key in sums}
    return grouped | {"original_tokens": saved, "saved": saved} if saved else {}


def _free(tool_choice: Any) -> bool:
    """Can the model call a tool of its own choice?"""
    kind = tool_choice.get("type") if isinstance(tool_choice, Mapping) else tool_choice
    return kind in (None, "auto")


def _with_sums(response: Response, sums: Note) -> ExtendedModelResponse[Any]:
    """The response, and the sums for the state."""
    update = {"headroom": sums}
    if isinstance(response, ExtendedModelResponse):
        inner = response.command
        if inner is not None and isinstance(inner.update, Mapping):
            update = {**inner.update, **update}
        return ExtendedModelResponse(model_response=response.model_response, command=Command(update=update))
    made = ModelResponse(result=[response]) if isinstance(response, AIMessage) else response
    return ExtendedModelResponse(model_response=made, command=Command(update=update))
