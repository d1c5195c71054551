"""Corners of the LangChain surfaces: raw calls, rate limits, fallbacks, other people's events and responses, bounds."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain.agents.middleware.types import ExtendedModelResponse
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableLambda
from langgraph.types import Command

from headroom_core.errors import UnknownReference
from headroom_integrations._bridge import namespace_for
from headroom_integrations.langchain import HeadroomCallbackHandler, HeadroomChatModel, HeadroomMiddleware, callbacks
from headroom_integrations.langchain.binding import rebind, restricted
from headroom_integrations.langchain.rounds import Told
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import TEXT, conversation, make_compressor, ref_in
from tests.langchain.test_middleware import call, looks_up, users


def _raw(message: AIMessage) -> AIMessage:
    """The message with its calls in the provider's own form as well, as older clients keep them."""
    calls = [
        {
            "id": each["id"],
            "type": "function",
            "function": {"name": each["name"], "arguments": json.dumps(each["args"])},
        }
        for each in message.tool_calls
    ]
    return message.model_copy(update={"additional_kwargs": {"tool_calls": calls, "refusal": None}})


def _both(messages: list[Any]) -> AIMessage:
    """A retrieval beside a call of the caller's own tool."""
    mine = looks_up(messages).tool_calls
    return _raw(AIMessage("", tool_calls=[*mine, *call("users", "u1", page=2).tool_calls]))


def test_raw_calls_part_and_come_together_again() -> None:
    """The caller sees its own call alone, in both forms; the provider sees both, with the answer to ours."""
    inner = ScriptedChatModel(script=[_both, AIMessage("done")])
    model = HeadroomChatModel(inner=inner, compressor=make_compressor()).bind_tools([users])
    messages = conversation()
    answer = model.invoke(messages)
    assert [each["name"] for each in answer.tool_calls] == ["users"]
    assert [each["id"] for each in answer.additional_kwargs["tool_calls"]] == ["u1"]
    assert answer.additional_kwargs["refusal"] is None
    model.invoke([*messages, answer, ToolMessage("none", tool_call_id="u1")])
    sent = inner.requests[-1][0]
    again = next(message for message in reversed(sent) if isinstance(message, AIMessage))
    assert [each["id"] for each in again.tool_calls] == ["r1", "u1"]
    assert [each["id"] for each in again.additional_kwargs["tool_calls"]] == ["r1", "u1"]
    assert {message.tool_call_id for message in sent if isinstance(message, ToolMessage)} == {"call_1", "r1", "u1"}


class _Counted(BaseRateLimiter):
    def __init__(self) -> None:
        self.count = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.count += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


@pytest.mark.parametrize("path", ["invoke", "ainvoke", "stream", "astream"])
def test_each_request_of_a_call_waits_for_the_rate_limiter(path: str) -> None:
    """A retrieval makes a second request, which waits like the first."""
    limiter = _Counted()
    inner = ScriptedChatModel(script=[looks_up, AIMessage("done")], rate_limiter=limiter)
    model = HeadroomChatModel(inner=inner, compressor=make_compressor())

    async def streamed() -> None:
        async for _ in model.astream(conversation()):
            pass

    if path == "invoke":
        model.invoke(conversation())
    elif path == "ainvoke":
        asyncio.run(model.ainvoke(conversation()))
    elif path == "stream":
        list(model.stream(conversation()))
    else:
        asyncio.run(streamed())
    assert limiter.count == len(inner.requests) == 2


def test_models_inside_fallbacks_are_wrapped() -> None:
    """The first model and those that stand in for it, bound or in a chain; what holds no model stays."""

    def fails(messages: list[Any]) -> AIMessage:
        raise ValueError("down")

    first, second = ScriptedChatModel(script=[fails]), ScriptedChatModel(script=[AIMessage("done")])
    chain = first.bind(stop=["x"]).with_fallbacks([RunnableLambda(lambda x: x) | second])
    wrapped = HeadroomChatModel.wrap(chain, compressor=make_compressor())
    assert wrapped.invoke(conversation()).content == "done"
    assert ref_in(first.requests[0][0]) == ref_in(second.requests[0][0])
    plain = RunnableLambda(lambda x: x).with_fallbacks([RunnableLambda(lambda x: x)])
    assert rebind(plain, lambda model: model) is plain


def test_a_variant_that_the_inner_model_makes_is_wrapped_too() -> None:
    """``bind_tools`` of some models binds another model than themselves."""
    other = ScriptedChatModel(script=[AIMessage("done")])

    class Switches(ScriptedChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return other.bind_tools(tools, **kwargs)

    model = HeadroomChatModel(inner=Switches(script=[AIMessage("no")]), compressor=make_compressor())
    assert model.bind_tools([users]).invoke(conversation()).content == "done"
    assert ref_in(other.requests[0][0])
    assert model.inner is not other


def test_tokens_with_tools_are_the_inner_models() -> None:
    """Tools count where the inner model counts them."""
    counted: list[Any] = []

    class Counts(ScriptedChatModel):
        def get_num_tokens_from_messages(self, messages: Any, tools: Any = None, **kwargs: Any) -> int:
            counted.append((sum(len(message.text) for message in messages), tools))
            return 1

    model = HeadroomChatModel(inner=Counts(script=[AIMessage("")]), compressor=make_compressor())
    assert model.get_num_tokens_from_messages(conversation(), tools=[users]) == 1
    ((length, tools),) = counted
    assert tools == [users]
    assert length < len(conversation()[-1].text) / 5


@pytest.mark.parametrize(
    ("arguments", "held"),
    [
        ({"output_config": {"format": {"type": "json_schema"}}}, True),
        ({"text": {"format": {"type": "json_object"}}}, True),
        ({"output_config": {"effort": "low"}}, False),
        ({"text": {"verbosity": "low"}}, False),
    ],
)
def test_formats_inside_other_arguments_restrict_an_answer(arguments: dict[str, Any], held: bool) -> None:
    """Where the answer has a form, the model cannot call a tool of its own choice."""
    assert restricted(arguments) is held


def test_later_rounds_do_not_merge_into_earlier_blocks() -> None:
    """Block indices of a second request go on behind the first's, numbers and names alike; what is no block stays."""
    told = Told()

    def out(*content: Any) -> Any:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=list(content)))
        return told.out(chunk, {}, texts_only=True).message.content

    assert out({"type": "thinking", "thinking": "a", "index": 0}, {"type": "text", "text": "b", "index": "lc_1"})
    told.next_round()
    second = out({"type": "text", "text": "c", "index": 0, "id": "x"}, {"type": "text", "text": "d", "index": "lc_1"})
    assert [block["index"] for block in second] == [1, "lc_1.1"]


def test_events_of_others_are_not_counted() -> None:
    """A handler hears of every custom event, and counts its own."""
    sync, later = HeadroomCallbackHandler(), callbacks.AsyncHeadroomCallbackHandler()
    sync.on_custom_event("progress", {"saved": 5}, run_id=uuid4())
    asyncio.run(later.on_custom_event("progress", {"saved": 5}, run_id=uuid4()))
    assert sync.runs == later.runs == []


def test_a_handler_forgets_the_oldest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the total goes on."""
    monkeypatch.setattr(callbacks, "_RUNS_KEPT", 2)
    ledger, runs = callbacks.Ledger(), [uuid4() for _ in range(300)]
    for run in runs:
        ledger.begins(run, None)
        ledger.add(run, {"saved": 1})
    assert ledger.runs == runs[-2:]
    assert len(ledger._roots) == 200
    assert ledger.as_dict()["saved"] == 300


@pytest.mark.parametrize("update", [{"mine": 1}, None])
def test_what_another_middleware_adds_to_the_state_stays(update: Any) -> None:
    """A handler that answers with a command keeps what it says, beside our sums."""
    middleware = HeadroomMiddleware(make_compressor())
    request = ModelRequest(model=ScriptedChatModel(script=[AIMessage("done")]), messages=conversation(), tools=[])
    command = Command(update=update) if update else None
    made = ExtendedModelResponse(model_response=ModelResponse(result=[AIMessage("done")]), command=command)
    answer = middleware.wrap_model_call(request, lambda asked: made)
    assert answer.model_response is made.model_response
    assert answer.command.update["headroom"]["saved"] > 1000
    assert answer.command.update.get("mine") == (1 if update else None)


def test_an_agent_without_markers_keeps_its_own_tools() -> None:
    """Lossless agents are given no tool of ours, and their tools stay the same list."""
    model = ScriptedChatModel(script=[AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor(strength="lossless"))])
    agent.invoke({"messages": [HumanMessage("q")]})
    assert [tool["function"]["name"] for tool in model.requests[0][1]["tools"]] == ["users"]


def test_the_thread_of_the_runtime_names_the_originals() -> None:
    """In async nodes of Python 3.10 only the runtime knows the thread; outside of any run nothing is told."""
    compressor = make_compressor()
    middleware = HeadroomMiddleware(compressor)
    runtime: Any = SimpleNamespace(config=None, execution_info=SimpleNamespace(thread_id="t-7"))
    request = ModelRequest(
        model=ScriptedChatModel(script=[AIMessage("done")]), messages=conversation(), tools=[], runtime=runtime
    )
    sent: list[Any] = []

    async def answers(asked: Any) -> ModelResponse[Any]:
        sent.extend(asked.messages)
        return ModelResponse(result=[AIMessage("done")])

    asyncio.run(middleware.awrap_model_call(request, answers))
    ref, originals = ref_in(sent), compressor.originals
    assert originals is not None
    assert originals.get(ref, namespace=namespace_for(compressor, thread="t-7")) == TEXT.encode()
    with pytest.raises(UnknownReference):
        originals.get(ref, namespace=namespace_for(compressor, thread="t-8"))
