"""HeadroomMiddleware in agents made by create_agent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, wrap_model_call
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from headroom_core.errors import InvalidInput
from headroom_integrations.langchain import HeadroomMiddleware, ToolPolicy, retrieve_tool
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import ROWS, TEXT, FirstRows, make_compressor, ref_in


@tool
def users(page: int) -> str:
    """List users."""
    return TEXT


@tool
def fails() -> str:
    """Fail with a long report."""
    return TEXT


def call(name: str, call_id: str = "c1", **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": call_id}])


def last_ref(messages: list[Any]) -> str:
    return ref_in(
        next(m.content for m in reversed(messages) if isinstance(m, ToolMessage) and 'ref="' in str(m.content))
    )


def looks_up(messages: list[Any]) -> AIMessage:
    """Ask for the row that was left out."""
    return call("headroom_retrieve", "r1", ref=last_ref(messages), query="user 77")


def run(agent: Any, payload: Any, way: str, config: Any = None) -> Any:
    if way == "sync":
        return agent.invoke(payload, config)
    return asyncio.run(agent.ainvoke(payload, config))


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_sees_less_and_gets_it_back(way: str) -> None:
    """The result enters the state small; the model calls the original back, and that answer stays whole."""
    model = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())])
    state = run(agent, {"messages": [HumanMessage("Who is user 77?")]}, way)
    seen = model.requests[1][0][-1]
    assert "118 of 120 rows" in seen.content
    assert state["messages"][2].content == seen.content
    retrieved = state["messages"][4]
    assert retrieved.name == "headroom_retrieve"
    assert '"user 77"' in retrieved.content
    assert model.requests[2][0][-1].content == retrieved.content
    assert state["headroom"]["requests"] == 3
    assert state["headroom"]["saved"] > 2 * 1000
    assert state["headroom"]["by_tool"].keys() == {"users"}


def test_the_tool_is_there_from_the_first_request_on_and_first() -> None:
    """Providers cache tools as a prefix: the list never changes, and the caller's last tool stays the last."""
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())])
    agent.invoke({"messages": [HumanMessage("q")]})
    tools = [[t["function"]["name"] for t in arguments["tools"]] for _, arguments in model.requests]
    assert tools == [["headroom_retrieve", "users"]] * 2


def test_requests_are_compressed_without_touching_the_state() -> None:
    """With persist=False the state keeps the original and every request carries the small form."""
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor(), persist=False)])
    state = agent.invoke({"messages": [HumanMessage("q")]})
    assert state["messages"][2].content == TEXT
    assert "118 of 120 rows" in model.requests[1][0][-1].content


def test_request_work_is_remembered(first_rows: FirstRows) -> None:
    """The same conversation again costs no transform: decisions are memoised by content."""
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("a"), AIMessage("b"), AIMessage("c")])
    agent = create_agent(
        model,
        [users],
        middleware=[HeadroomMiddleware(make_compressor(first_rows), persist=False)],
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "t"}}
    agent.invoke({"messages": [HumanMessage("q")]}, config)
    calls = first_rows.calls
    agent.invoke({"messages": [HumanMessage("next")]}, config)
    agent.invoke({"messages": [HumanMessage("and next")]}, config)
    assert first_rows.calls == calls


def test_parallel_calls_each_keep_their_own_original() -> None:
    """Tool calls run in threads: each result gets its own reference, and each resolves to its own original."""

    @tool
    def part(n: int) -> str:
        """One part."""
        return json.dumps([{"part": n, "row": i} for i in range(100)], indent=1)

    calls = [{"name": "part", "args": {"n": n}, "id": f"c{n}"} for n in range(8)]
    model = ScriptedChatModel(script=[AIMessage("", tool_calls=calls), AIMessage("done")])
    compressor = make_compressor()
    agent = create_agent(model, [part], middleware=[HeadroomMiddleware(compressor, namespace="n")])
    results = agent.invoke({"messages": [HumanMessage("q")]})["messages"][2:10]
    assert [m.tool_call_id for m in results] == [f"c{n}" for n in range(8)]
    for n, message in enumerate(results):
        original = compressor.originals.get(ref_in(message.content), namespace="n")
        assert json.loads(original)[5] == {"part": n, "row": 5}


def test_commands_are_compressed_inside() -> None:
    """A tool that updates the state by itself: the tool message in its command shrinks, all else stays."""

    @tool
    def update(tool_call_id: Any = None) -> Any:
        """Update."""
        return None

    middleware = HeadroomMiddleware(make_compressor())
    message = ToolMessage(TEXT, tool_call_id="c1", artifact=ROWS, id="m")
    command = Command(update={"messages": [message], "other": 1}, goto="x")
    request = _Request(call("update").tool_calls[0], {"messages": [HumanMessage("q")]})
    out = middleware.wrap_tool_call(request, lambda r: command)
    assert out.goto == "x"
    assert out.update["other"] == 1
    assert "118 of 120 rows" in out.update["messages"][0].content
    assert out.update["messages"][0].artifact is message.artifact
    assert command.update["messages"][0].content == TEXT
    nothing = Command(update={"messages": [ToolMessage("ok", tool_call_id="c1")]})
    assert middleware.wrap_tool_call(request, lambda r: nothing) is nothing
    both = [command, ToolMessage("ok", tool_call_id="c1")]
    assert middleware.wrap_tool_call(request, lambda r: both)[1] is both[1]
    pairs = Command(update=[("messages", [message]), ("other", 1)])
    assert "118 of 120 rows" in middleware.wrap_tool_call(request, lambda r: pairs).update[0][1][0].content


class _Request:
    """What a tool node hands over, outside a graph."""

    def __init__(self, tool_call: Any, state: Any) -> None:
        self.tool_call, self.tool, self.state, self.runtime = tool_call, None, state, None


@pytest.mark.parametrize("state", [[HumanMessage("q")], {"messages": [HumanMessage("q")]}, {}, None], ids=str)
def test_any_form_of_state_will_do(state: Any) -> None:
    """A graph's state is a list, a mapping or an object, with or without messages."""
    message = ToolMessage(TEXT, tool_call_id="c1")
    out = HeadroomMiddleware(make_compressor()).wrap_tool_call(
        _Request(call("users").tool_calls[0], state), lambda r: message
    )
    assert "118 of 120 rows" in out.content


def test_error_results_and_artifacts_stay() -> None:
    """What a failing tool reports is the same object."""
    message = ToolMessage(TEXT, tool_call_id="c1", status="error")
    middleware = HeadroomMiddleware(make_compressor())
    assert middleware.wrap_tool_call(_Request(call("users").tool_calls[0], []), lambda r: message) is message


def test_multimodal_results_keep_their_pictures() -> None:
    """In a result of text and pictures only the text that was compressed changes."""
    picture = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    message = ToolMessage([{"type": "text", "text": TEXT}, picture], tool_call_id="c1")
    middleware = HeadroomMiddleware(make_compressor())
    out = middleware.wrap_tool_call(_Request(call("users").tool_calls[0], []), lambda r: message)
    assert "118 of 120 rows" in out.content[0]["text"]
    assert out.content[1] == picture


def test_policies_per_tool() -> None:
    """Each tool has its own rule: left alone, lossless only, a threshold, a transform of the caller's own."""

    class Shout:
        name = "shout"

        def __call__(self, part: Any, context: Any, /) -> Any:
            from headroom_core.types import Rewrite

            return Rewrite.of("SHORT", "everything else")

    policies = {
        "plain": ToolPolicy(compress=False),
        "lossless": ToolPolicy(strength="lossless"),
        "large": ToolPolicy(min_tokens=10**6),
        "own": ToolPolicy(transform=Shout()),
    }
    middleware = HeadroomMiddleware(make_compressor(), policies=policies, exclude=["other"])

    def text(name: str) -> str:
        return TEXT.replace("user", name)

    def result(name: str) -> Any:
        message = ToolMessage(text(name), tool_call_id="c1")
        return middleware.wrap_tool_call(_Request(call(name).tool_calls[0], []), lambda r: message)

    for name in ("plain", "other", "large"):
        assert result(name).content == text(name)
    assert json.loads(result("lossless").content) == json.loads(text("lossless"))
    assert len(result("lossless").content) < len(TEXT)
    assert result("own").content.startswith("SHORT\n[left out: everything else")
    assert "118 of 120 rows" in result("users").content
    names = ["plain", "lossless", "own", "users"]
    calls = [{"name": name, "args": {}, "id": name} for name in names]
    results = [ToolMessage(text(name), tool_call_id=name) for name in names]
    sent: list[Any] = []
    request = ModelRequest(
        model=ScriptedChatModel(script=[AIMessage("x")]),
        messages=[HumanMessage("q"), AIMessage("", tool_calls=calls), *results],
        tools=[],
    )
    middleware.wrap_model_call(request, lambda r: sent.append(r) or AIMessage("done"))
    assert [m.content for m in sent[0].messages[2:]] == [result(name).content for name in names]


def test_a_wrong_exclude_says_so() -> None:
    """One name given as a string would exclude its letters."""
    with pytest.raises(InvalidInput, match="list of tool names"):
        HeadroomMiddleware(exclude="users")


def test_what_entered_the_state_is_not_compressed_again() -> None:
    """The request carries the very message objects of the state: compressing twice is compressing once."""
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())])
    state = agent.invoke({"messages": [HumanMessage("q")]})
    assert model.requests[1][0][-1].content == state["messages"][2].content
    assert model.requests[1][0][-1].content.count("left out") == 1


def test_a_foreign_tool_of_the_same_name_is_refused() -> None:
    """Two tools with one name would shadow each other in silence."""

    @tool
    def headroom_retrieve(ref: str) -> str:
        """Not ours."""
        return ref

    model = ScriptedChatModel(script=[AIMessage("done")])
    agent = create_agent(model, [headroom_retrieve], middleware=[HeadroomMiddleware(make_compressor())])
    with pytest.raises(InvalidInput, match="rename"):
        agent.invoke({"messages": [HumanMessage("q")]})


def test_our_tool_bound_twice_is_sent_once() -> None:
    """A caller who also passes retrieve_tool() does no harm."""
    compressor = make_compressor()
    model = ScriptedChatModel(script=[AIMessage("done")])
    agent = create_agent(model, [retrieve_tool(compressor), users], middleware=[HeadroomMiddleware(compressor)])
    agent.invoke({"messages": [HumanMessage("q")]})
    assert [t["function"]["name"] for t in model.requests[0][1]["tools"]] == ["headroom_retrieve", "users"]


def test_a_tool_selector_cannot_lose_the_retrieve_tool() -> None:
    """Middleware outside ours that narrows the tools: ours is put back, or its markers would be dead."""

    @wrap_model_call
    def only_users(request: Any, handler: Any) -> Any:
        return handler(request.override(tools=[t for t in request.tools if t.name == "users"]))

    model = ScriptedChatModel(script=[AIMessage("done")])
    agent = create_agent(model, [users], middleware=[only_users, HeadroomMiddleware(make_compressor())])
    agent.invoke({"messages": [HumanMessage("q")]})
    assert [t["function"]["name"] for t in model.requests[0][1]["tools"]] == ["headroom_retrieve", "users"]


def test_a_forced_tool_choice_gets_no_markers() -> None:
    """Where the model cannot call the retrieve tool, only lossless forms go out."""
    middleware = HeadroomMiddleware(make_compressor(), persist=False)
    model = ScriptedChatModel(script=[AIMessage("x")])
    sent: list[Any] = []
    messages = [HumanMessage("q"), call("users", page=1), ToolMessage(TEXT, tool_call_id="c1")]
    for choice, lossy in [(None, True), ("auto", True), ("users", False), ("any", False), ({"type": "auto"}, True)]:
        request = ModelRequest(model=model, messages=messages, tools=[users], tool_choice=choice)
        middleware.wrap_model_call(request, lambda r: sent.append(r) or AIMessage("done"))
        assert ("headroom_retrieve" in sent[-1].messages[-1].content) is lossy, choice


@pytest.mark.parametrize("strength", ["lossless", "lossy"])
def test_without_markers_there_is_no_tool(strength: str) -> None:
    """A compressor that never leaves a marker needs no retrieve tool, and its results name none."""
    middleware = HeadroomMiddleware(make_compressor(strength=strength))
    assert list(middleware.tools) == []
    message = ToolMessage(TEXT, tool_call_id="c1")
    out = middleware.wrap_tool_call(_Request(call("users").tool_calls[0], []), lambda r: message)
    assert len(out.content) < len(TEXT)
    assert "headroom_retrieve" not in out.content


def test_threads_do_not_meet() -> None:
    """A reference of one thread means nothing in another, whatever the model writes."""
    compressor = make_compressor()
    model = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(compressor)], checkpointer=InMemorySaver())
    state = agent.invoke({"messages": [HumanMessage("q")]}, {"configurable": {"thread_id": "alice"}})
    ref = last_ref(state["messages"])
    assert '"user 77"' in state["messages"][4].content
    spy = ScriptedChatModel(script=[call("headroom_retrieve", "r", ref=ref), AIMessage("done")])
    other = create_agent(spy, [users], middleware=[HeadroomMiddleware(compressor)], checkpointer=InMemorySaver())
    state = other.invoke({"messages": [HumanMessage("q")]}, {"configurable": {"thread_id": "mallory"}})
    assert "No original is kept here" in state["messages"][2].content


def test_the_namespace_can_come_from_the_config() -> None:
    """A function of the config decides whose originals these are, for results and retrievals alike."""
    compressor = make_compressor()
    model = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    middleware = HeadroomMiddleware(compressor, namespace=lambda config: f"tenant-{config['configurable']['tenant']}")
    agent = create_agent(model, [users], middleware=[middleware])
    state = agent.invoke({"messages": [HumanMessage("q")]}, {"configurable": {"tenant": 7}})
    assert '"user 77"' in state["messages"][4].content
    assert compressor.originals.get(last_ref(state["messages"]), namespace="tenant-7").decode() == TEXT


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_refused_request_is_sent_once_more_smaller(way: str) -> None:
    """A request that is too long for the model is compressed harder, once; if that is no help the error stands."""
    refusals = [ContextOverflowError("too long"), None]

    def refuse(messages: list[Any]) -> AIMessage:
        error = refusals.pop(0)
        if error:
            raise error
        return AIMessage("done")

    middleware = HeadroomMiddleware(make_compressor(), persist=False)
    model = ScriptedChatModel(script=[call("users", page=1), refuse])
    state = run(create_agent(model, [users], middleware=[middleware]), {"messages": [HumanMessage("q")]}, way)
    assert "118 of 120" in model.requests[1][0][-1].content
    assert "119 of 120" in model.requests[2][0][-1].content
    assert state["headroom"]["escalations"] == 1
    refusals[:] = [ContextOverflowError("too long")]
    hopeless = ScriptedChatModel(script=[refuse])
    with pytest.raises(ContextOverflowError):
        run(create_agent(hopeless, [users], middleware=[middleware]), {"messages": [HumanMessage("q")]}, way)


def test_the_kill_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEADROOM_DISABLE=1: everything goes out as it came."""
    monkeypatch.setenv("HEADROOM_DISABLE", "1")
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())])
    assert agent.invoke({"messages": [HumanMessage("q")]})["messages"][2].content == TEXT


def test_no_messages_no_trouble() -> None:
    """An empty conversation passes."""
    middleware = HeadroomMiddleware(make_compressor())
    request = ModelRequest(
        model=ScriptedChatModel(script=[AIMessage("x")]), messages=[], tools=[middleware.retrieve_tool]
    )
    sent: list[Any] = []
    middleware.wrap_model_call(request, lambda r: sent.append(r) or AIMessage("done"))
    assert sent == [request]


def test_two_instances_need_two_names() -> None:
    """LangChain refuses duplicates; a name of its own lets a second instance in."""
    model = ScriptedChatModel(script=[AIMessage("done")])
    first, second = (HeadroomMiddleware(make_compressor(), namespace="n", name=name) for name in ("a", "b"))
    agent = create_agent(model, [users], middleware=[first, second])
    agent.invoke({"messages": [HumanMessage("q")]})
    assert [t["function"]["name"] for t in model.requests[0][1]["tools"]] == ["headroom_retrieve", "users"]


def test_a_result_counts_its_own_savings_only() -> None:
    """Where user messages may be compressed too, what a result saved is noted without theirs."""
    compressor = make_compressor(roles=("tool", "user"))
    middleware = HeadroomMiddleware(compressor)
    message = ToolMessage(TEXT, tool_call_id="c1")
    alone = middleware.wrap_tool_call(_Request(call("users").tool_calls[0], []), lambda r: message)
    state = [HumanMessage(TEXT.replace("user", "guest"))]
    beside = middleware.wrap_tool_call(_Request(call("users").tool_calls[0], state), lambda r: message)
    assert beside.response_metadata["headroom"]["saved"] == alone.response_metadata["headroom"]["saved"]
