"""Graphs and chains without create_agent: tool node, pre-model hook, chain step, and the tool anywhere."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition

from headroom_integrations.langchain import (
    ToolPolicy,
    compress_messages,
    compress_tool_node,
    pre_model_hook,
    retrieve_tool,
)
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import ROWS, TEXT, conversation, make_compressor, ref_in
from tests.langchain.test_middleware import call, looks_up, users


def graph(model: Any, node: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", node)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    builder.add_edge("tools", "model")
    return builder.compile()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_tool_node_compresses_and_retrieves(way: str) -> None:
    """Results enter the state small; the same node answers retrievals, whole."""
    compressor = make_compressor()
    tools = [retrieve_tool(compressor), users]
    model = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    app = graph(model.bind_tools(tools), compress_tool_node(tools, compressor))
    payload = {"messages": [HumanMessage("Who is user 77?")]}
    messages = (app.invoke(payload) if way == "sync" else asyncio.run(app.ainvoke(payload)))["messages"]
    assert "118 of 120" in messages[2].content
    assert '"user 77"' in messages[4].content


def test_a_tool_node_without_the_tool_loses_nothing() -> None:
    """No retrieve tool among the tools, no marker: results are re-encoded only."""
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("done")])
    app = graph(model, compress_tool_node([users], make_compressor()))
    content = app.invoke({"messages": [HumanMessage("q")]})["messages"][2].content
    assert json.loads(content) == ROWS
    assert len(content) < len(TEXT)


def test_a_tool_node_takes_policies() -> None:
    """The rules of the middleware hold here too, and a node shares the compressor of the tool that it is given."""
    compressor = make_compressor()
    node = compress_tool_node([retrieve_tool(compressor), users], policies={"users": ToolPolicy(compress=False)})
    app = graph(ScriptedChatModel(script=[call("users", page=1), AIMessage("done")]), node)
    assert app.invoke({"messages": [HumanMessage("q")]})["messages"][2].content == TEXT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("retrievable", [True, False])
def test_pre_model_hook(way: str, retrievable: bool) -> None:
    """Older agents: the request is compressed, the state stays; without the tool nothing is lost."""
    compressor = make_compressor()
    tools = [retrieve_tool(compressor), users] if retrievable else [users]
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("done")])
    agent = create_react_agent(model, tools, pre_model_hook=pre_model_hook(compressor, retrievable=retrievable))
    payload = {"messages": [HumanMessage("q")]}
    state = agent.invoke(payload) if way == "sync" else asyncio.run(agent.ainvoke(payload))
    assert state["messages"][2].content == TEXT
    sent = model.requests[1][0][-1].content
    assert ("118 of 120" in sent) is retrievable
    assert len(sent) < len(TEXT)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_step_of_a_chain(way: str) -> None:
    """prompt | compress_messages() | model: tool calls and ids stay, the model sees less."""
    model = ScriptedChatModel(script=[AIMessage("done")])
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("placeholder", "{history}")])
    chain = prompt | compress_messages(make_compressor(), retrievable=True) | model
    history = conversation()
    payload = {"history": history}
    answer = chain.invoke(payload) if way == "sync" else asyncio.run(chain.ainvoke(payload))
    assert answer.content == "done"
    sent = model.requests[0][0]
    assert [type(m).__name__ for m in sent] == ["SystemMessage", "HumanMessage", "AIMessage", "ToolMessage"]
    assert sent[2].tool_calls == history[1].tool_calls
    assert "118 of 120" in sent[3].content
    assert history[2].content == TEXT


def test_a_step_takes_whatever_a_model_takes() -> None:
    """Dicts and tuples are messages too."""
    step = compress_messages(make_compressor())
    out = step.invoke([("user", "hi"), {"role": "user", "content": "there"}])
    assert [m.content for m in out] == ["hi", "there"]


def test_the_tool_answers_anywhere() -> None:
    """Called by itself, by a tool call, async: rows, lines, queries and errors are answered in words."""
    compressor = make_compressor()
    sent = compress_messages(compressor, retrievable=True).invoke(conversation())
    ref = ref_in(sent[2].content)
    tool = retrieve_tool(compressor)
    assert '"id": 3' in tool.invoke({"ref": ref, "rows": "3"})
    assert '"user 77"' in asyncio.run(tool.ainvoke({"ref": ref, "query": "user 77"}))
    answer = tool.invoke(
        {"type": "tool_call", "id": "c", "name": tool.name, "args": {"ref": ref, "lines": "1-3", "rows": None}}
    )
    assert isinstance(answer, ToolMessage)
    assert answer.name == "headroom_retrieve"
    assert "No original is kept here" in tool.invoke({"ref": "hr_aaaaaaaaaaaaaaaa"})
    assert "takes ref" in tool.invoke({"reference": ref})
    assert "not retrieved" in tool.invoke({"ref": ref, "lines": "a-b"}).lower()


def test_a_picture_comes_back_as_a_picture() -> None:
    """An original that is an image is handed to the model as one."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    compressor = make_compressor()
    ref = compressor.originals.put(buffer.getvalue(), namespace="n", kind="image")
    content = retrieve_tool(compressor, namespace="n").invoke({"ref": ref})
    assert content[0]["type"] == "text"
    assert base64.b64decode(content[1]["base64"]) == buffer.getvalue()
    assert content[1]["mime_type"] == "image/png"


def test_a_plain_tool_node_runs_it() -> None:
    """LangGraph's own ToolNode hands it the config, so the thread decides."""
    compressor = make_compressor()
    sent = compress_messages(compressor, retrievable=True).invoke(conversation(), {"configurable": {"thread_id": "a"}})
    ref = ref_in(sent[2].content)
    app = graph(
        ScriptedChatModel(script=[call("headroom_retrieve", ref=ref, rows="3"), AIMessage("done")]),
        ToolNode([retrieve_tool(compressor)]),
    )
    for thread, found in (("a", True), ("b", False)):
        config = {"configurable": {"thread_id": thread}}
        app = graph(
            ScriptedChatModel(script=[call("headroom_retrieve", ref=ref, rows="3"), AIMessage("done")]),
            ToolNode([retrieve_tool(compressor)]),
        )
        assert ('"id": 3' in app.invoke({"messages": [HumanMessage("q")]}, config)["messages"][2].content) is found


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_wrapped_model_in_a_node_knows_the_thread(way: str) -> None:
    """A node that passes no config on: model and tool still agree on the thread, and other threads stay out."""
    from headroom_integrations.langchain import HeadroomChatModel

    compressor = make_compressor()
    inner = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    chat = HeadroomChatModel(inner=inner, compressor=compressor, retrieval="caller")
    tools = [chat.retrieve_tool(), users]
    app = graph(chat.bind_tools(tools), ToolNode(tools))
    payload, config = {"messages": [HumanMessage("Who is user 77?")]}, {"configurable": {"thread_id": "a"}}
    messages = (app.invoke(payload, config) if way == "sync" else asyncio.run(app.ainvoke(payload, config)))["messages"]
    assert messages[2].content == TEXT
    assert "118 of 120" in inner.requests[1][0][2].content
    assert '"user 77"' in messages[4].content
    ref = ref_in(inner.requests[1][0][2].content)
    assert "No original is kept here" in tools[0].invoke({"ref": ref}, {"configurable": {"thread_id": "b"}})
