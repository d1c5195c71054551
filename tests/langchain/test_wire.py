"""What leaves on the wire: byte-identical where nothing was compressed, and a prefix that never changes."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

from headroom_core import Compressor, open_originals
from headroom_integrations.langchain import HeadroomChatModel, HeadroomMiddleware, keep
from tests.langchain.conftest import conversation, make_compressor
from tests.langchain.test_messages import FORMS
from tests.servers.anthropic import AnthropicServer
from tests.servers.loopback import Loopback, Reply
from tests.servers.openai import OpenAIServer


def client(server: Loopback) -> Any:
    if isinstance(server, OpenAIServer):
        return ChatOpenAI(model="gpt-4o", api_key="k", base_url=server.base_url, max_retries=0)
    return ChatAnthropic(model="claude-sonnet-4-6", api_key="k", base_url=server.url, max_retries=0)


def called(call_id: str, name: str = "look") -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": {"q": "é"}, "id": call_id}])


def around(message: BaseMessage) -> list[BaseMessage]:
    """The message in a conversation that both providers accept, before a result that will be compressed."""
    if isinstance(message, ToolMessage):
        return [HumanMessage("hi"), called(message.tool_call_id), message, *conversation()]
    if isinstance(message, SystemMessage):
        return [message, *conversation()]
    if isinstance(message, HumanMessage):
        return [message, AIMessage("ok"), *conversation()]
    return [HumanMessage("hi"), message, *conversation()]


FIELDS = {"id": "m1", "additional_kwargs": {"x": "y"}, "response_metadata": {"id": "resp_1", "model_provider": "other"}}
MAKERS: dict[str, Any] = {
    "human": lambda form: HumanMessage(form, name="ann", **FIELDS),
    "ai": lambda form: AIMessage(form, **FIELDS),
    "system": lambda form: SystemMessage(form, **FIELDS),
    "tool": lambda form: ToolMessage(form, tool_call_id="t1", artifact={"a": 1}, **FIELDS),
    "tool error": lambda form: ToolMessage(form, tool_call_id="t1", status="error", **FIELDS),
    "kept": lambda form: keep(ToolMessage(form, tool_call_id="t1")),
    "developer": lambda form: ChatMessage(content=form, role="developer", **FIELDS),
}
MORE = [
    [{"type": "text", "text": "see [1]", "citations": [{"type": "char_location", "cited_text": "x", "document_index": 0}]}],
    [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}],
    [{"type": "tool_result", "tool_use_id": "z", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]}],
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MAKERS)
def test_field_fidelity(kind: str, server: Loopback) -> None:
    """For every message type and content form: what was not compressed is byte-identical, or refused with the same error."""
    server.check = lambda body: None  # type: ignore[method-assign]  # several forms are no valid request: still the same
    bare, ours = client(server), HeadroomChatModel(inner=client(server), compressor=make_compressor())
    compared = 0
    for form in (*FORMS, *MORE):
        messages = around(MAKERS[kind](copy.deepcopy(form)))
        sent: list[Any] = []
        for model in (bare, ours):
            try:
                model.invoke(messages)
                sent.append(_pieces(server.bodies[-1]))
            except Exception as error:  # noqa: BLE001  whatever the client raises
                sent.append((type(error).__name__, str(error)))
        if isinstance(sent[0], tuple):
            assert sent[1] == sent[0], form
            continue
        *rest, big = sent[0]
        *our_rest, small = sent[1]
        assert our_rest == rest, form
        assert "118 of 120 rows" in small
        assert len(small) < len(big) / 5
        compared += 1
    assert compared >= 10 or (kind, type(server)) == ("developer", AnthropicServer)  # a role that it does not know


def _pieces(body: dict[str, Any]) -> list[str]:
    """System, and each element of messages, as bytes would have them."""
    return [json.dumps(piece, ensure_ascii=False) for piece in (body.get("system"), *body["messages"])]


def test_our_notes_do_not_leave(server: Loopback) -> None:
    """What we note on messages for ourselves is in no request."""
    messages = conversation()
    messages[2] = keep(messages[2])
    first = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    answer = first.invoke(messages)
    first.invoke([*messages, answer, HumanMessage("more")])
    assert "headroom" in answer.response_metadata
    for body in server.bodies:
        assert "response_metadata" not in json.dumps(body["messages"])
        assert '"keep"' not in json.dumps(body["messages"])
        assert "original_tokens" not in json.dumps(body["messages"])


@tool
def rows(page: int) -> str:
    """List rows."""
    return json.dumps([{"page": page, "row": n, "state": "done"} for n in range(100)])


@tool
def log(page: int) -> str:
    """Read a log."""
    lines = [f"2026-01-01 00:{page:02d}:{n % 60:02d} INFO worker-{n % 7} finished job {n}" for n in range(200)]
    return "\n".join([*lines, f"2026-01-01 00:{page:02d}:59 ERROR disk {page} is full"])


def _step(number: int) -> Reply:
    if number % 5 == 4:
        return Reply(f"Answer {number}.")
    return Reply(calls=[("rows" if number % 2 else "log", {"page": number})])


@pytest.mark.parametrize("persist", [True, False])
def test_stable_prefix_of_an_agent(persist: bool, server: Loopback) -> None:
    """30 turns, changing questions: tools, system and every earlier message are byte-equal in the next request."""
    compressor = Compressor(originals=open_originals("memory://"), strict=True)
    agent = create_agent(
        client(server),
        [rows, log],
        system_prompt="You are careful.",
        middleware=[HeadroomMiddleware(compressor, persist=persist)],
        checkpointer=InMemorySaver(),
    )
    server.script = [_step(number) for number in range(30)]
    for question in range(6):
        config = {"configurable": {"thread_id": "t"}}
        agent.invoke(
            {"messages": [HumanMessage(f"Question {question}: which disk is full on page {question}?")]}, config
        )
    _assert_prefixes(server)
    assert sum("headroom_retrieve(ref=" in json.dumps(m) for m in server.bodies[-1]["messages"]) >= 10


def test_stable_prefix_of_the_wrapper(server: Loopback) -> None:
    """The same for a conversation of 30 turns that the caller keeps, over three processes' worth of compressors."""
    originals = open_originals("memory://")
    messages: list[BaseMessage] = [SystemMessage("You are careful.")]
    for number in range(30):
        if number % 10 == 0:
            model = HeadroomChatModel(inner=client(server), compressor=Compressor(originals=originals, strict=True))
        if number % 5 == 0:
            messages.append(HumanMessage(f"Question {number}?"))
        server.script = [_step(number)]
        answer = model.bind_tools([rows, log]).invoke(messages)
        messages.append(answer)
        for call in answer.tool_calls:
            messages.append((rows if call["name"] == "rows" else log).invoke(call))
    _assert_prefixes(server)


def _assert_prefixes(server: Loopback) -> None:
    assert len(server.bodies) == 30
    for before, after in zip(server.bodies, server.bodies[1:], strict=False):
        for name in ("tools", "system", "model"):
            assert json.dumps(before.get(name)) == json.dumps(after.get(name))
        earlier = [json.dumps(message) for message in before["messages"]]
        later = [json.dumps(message) for message in after["messages"]]
        assert later[: len(earlier)] == earlier


def test_overhead_with_everything_remembered() -> None:
    """50 messages that were seen before: the wrapper's own work takes milliseconds (p50 ≤ 5, p99 ≤ 50, with slack here)."""
    from headroom_integrations.langchain.testing import ScriptedChatModel

    messages = [message for n in range(16) for message in (HumanMessage(f"q {n}"), called(f"c{n}"), ToolMessage(rows.invoke({"page": n}), tool_call_id=f"c{n}"))]  # fmt: skip
    messages += [AIMessage("a"), HumanMessage("b")]
    assert len(messages) == 50
    model = HeadroomChatModel(
        inner=ScriptedChatModel(script=[AIMessage("x")]), compressor=Compressor(originals=open_originals("memory://"))
    )
    model._turn(messages, {})
    taken = []
    for _ in range(60):
        start = time.perf_counter()
        model._turn(messages, {})
        taken.append((time.perf_counter() - start) * 1000)
    taken.sort()
    print(f"overhead, 50 messages remembered: p50 {taken[30]:.2f} ms, p99 {taken[-1]:.2f} ms")
    assert taken[30] < 25


def test_first_token_is_not_held_back(server: Loopback) -> None:
    """The first chunk of a stream comes when the inner model's comes, not when its request ends."""
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    server.script = [Reply("word " * 50)]
    stream = model.stream(conversation())
    seen = [next(stream) for _ in range(4)]
    assert any(chunk.text for chunk in seen)
    assert len(seen) < len(list(stream))
