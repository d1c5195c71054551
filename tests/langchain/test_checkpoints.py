"""Threads that are resumed after a restart, and other middleware around ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
)
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from headroom_core import open_originals
from headroom_integrations.langchain import HeadroomMiddleware
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import TEXT, make_compressor
from tests.langchain.test_middleware import call, last_ref, looks_up, users
from tests.servers.loopback import Reply

THREAD = {"configurable": {"thread_id": "t"}}


@pytest.mark.parametrize("persist", [True, False])
def test_a_thread_resumes_after_a_restart(persist: bool, tmp_path: Path) -> None:
    """New process, new objects, same files: the old marker is still recognised, and its reference still resolves."""

    def agent(model: ScriptedChatModel, saver: Any) -> Any:
        originals = open_originals(f"sqlite:///{tmp_path}/originals.db")
        return create_agent(
            model,
            [users],
            middleware=[HeadroomMiddleware(make_compressor(originals=originals), persist=persist)],
            checkpointer=saver,
        )

    with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
        first = ScriptedChatModel(script=[call("users", page=1), AIMessage("a")])
        agent(first, saver).invoke({"messages": [HumanMessage("Who is user 77?")]}, THREAD)
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
        second = ScriptedChatModel(script=[looks_up, AIMessage("b")])
        state = agent(second, saver).invoke({"messages": [HumanMessage("And again?")]}, THREAD)
    assert second.requests[0][0][2].content == first.requests[1][0][2].content
    assert '"user 77"' in state["messages"][-2].content
    assert state["headroom"]["requests"] == 4


def test_metrics_are_in_the_state() -> None:
    """The sums of a thread grow with each request, and a caller cannot set them."""
    model = ScriptedChatModel(script=[call("users", page=1), AIMessage("a"), AIMessage("b")])
    agent = create_agent(
        model, [users], middleware=[HeadroomMiddleware(make_compressor())], checkpointer=InMemorySaver()
    )
    first = agent.invoke({"messages": [HumanMessage("q")]}, THREAD)["headroom"]
    second = agent.invoke({"messages": [HumanMessage("q2")], "headroom": {"saved": 10**9}}, THREAD)["headroom"]
    assert first["saved"] == first["by_tool"]["users"] == first["by_kind"]["json"]
    assert second["saved"] == 2 * first["saved"]
    assert second["original_tokens"] - second["compressed_tokens"] == second["saved"]


def test_with_summarization() -> None:
    """Summarization outside ours sees the small results in the state, so it fires later, and pairs stay whole."""
    summary = ScriptedChatModel(script=[AIMessage("a summary")])
    steps = [call("users", f"c{n}", page=n) for n in range(4)] + [AIMessage("done")]
    outer = SummarizationMiddleware(summary, trigger=("tokens", 4000), keep=("messages", 4))
    bare, ours = ScriptedChatModel(script=steps), ScriptedChatModel(script=steps)
    create_agent(bare, [users], middleware=[outer]).invoke({"messages": [HumanMessage("q")]})
    fired = len(summary.requests)
    create_agent(ours, [users], middleware=[outer, HeadroomMiddleware(make_compressor())]).invoke(
        {"messages": [HumanMessage("q")]}
    )
    assert fired > 0
    assert len(summary.requests) == fired


def test_with_context_editing() -> None:
    """Results that another middleware cleared stay cleared; the others are small; order does not break either."""
    for order in (0, 1):
        steps = [call("users", f"c{n}", page=n) for n in range(5)] + [AIMessage("done")]
        model = ScriptedChatModel(script=steps)
        ours = HeadroomMiddleware(make_compressor(), persist=False)
        edit = ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=150, keep=1)])
        create_agent(model, [users], middleware=[ours, edit][:: 1 if order else -1]).invoke(
            {"messages": [HumanMessage("q")]}
        )
        results = [m.content for m in model.requests[-1][0] if isinstance(m, ToolMessage)]
        assert results[:-1] == ["[cleared]"] * 4
        assert "118 of 120" in results[-1] or "same as the earlier output" in results[-1]


def test_with_pii() -> None:
    """PII outside ours redacts before we see a request; with persist=False what is stored is redacted too."""

    @tool
    def people() -> str:
        """List people."""
        return TEXT.replace("user 0", "ann@example.org").replace("user 77", "bob@example.org")

    compressor = make_compressor()
    model = ScriptedChatModel(script=[call("people"), AIMessage("done")])
    redact = PIIMiddleware("email", strategy="redact", apply_to_tool_results=True)
    ours = HeadroomMiddleware(compressor, namespace="n", persist=False)
    state = create_agent(model, [people], middleware=[redact, ours]).invoke({"messages": [HumanMessage("q")]})
    sent = model.requests[1][0][-1].content
    assert "ann@example.org" not in sent
    assert "118 of 120" in sent
    stored = compressor.originals.get(last_ref(model.requests[1][0]), namespace="n").decode()
    assert "bob@example.org" not in stored
    assert "bob@example.org" not in state["messages"][2].content


def test_with_human_in_the_loop() -> None:
    """A tool that waits for approval is compressed when it has run; the retrieve tool waits for nobody."""
    model = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    middleware = [HumanInTheLoopMiddleware(interrupt_on={"users": True}), HeadroomMiddleware(make_compressor())]
    agent = create_agent(model, [users], middleware=middleware, checkpointer=InMemorySaver())
    waiting = agent.invoke({"messages": [HumanMessage("q")]}, THREAD)
    assert "__interrupt__" in waiting
    state = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
    assert "118 of 120" in state["messages"][2].content
    assert '"user 77"' in state["messages"][4].content


def test_with_retries_each_attempt_is_sent_the_same() -> None:
    """Retry middleware outside ours repeats our work from memory, with the same bytes."""
    attempts = [ValueError("busy"), None]

    def flaky(messages: list[Any]) -> AIMessage:
        error = attempts.pop(0)
        if error:
            raise error
        return AIMessage("done")

    model = ScriptedChatModel(script=[call("users", page=1), flaky])
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    ours = HeadroomMiddleware(make_compressor(), persist=False)
    create_agent(model, [users], middleware=[retry, ours]).invoke({"messages": [HumanMessage("q")]})
    assert model.requests[1][0][-1].content == model.requests[2][0][-1].content


def test_with_a_tool_selector() -> None:
    """LangChain's own selector asks a model which tools to offer; ours is offered whatever it says."""

    @tool
    def spare() -> str:
        """Not needed."""
        return "x"

    class Selects(ScriptedChatModel):
        def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
            from langchain_core.runnables import RunnableLambda

            return RunnableLambda(lambda _: {"tools": ["users"]})

    model = ScriptedChatModel(script=[AIMessage("done")])
    selector = LLMToolSelectorMiddleware(model=Selects(script=[AIMessage("")]), max_tools=1)
    agent = create_agent(model, [users, spare], middleware=[selector, HeadroomMiddleware(make_compressor())])
    agent.invoke({"messages": [HumanMessage("q")]})
    assert [t["function"]["name"] for t in model.requests[0][1]["tools"]] == ["headroom_retrieve", "users"]


def test_with_anthropic_prompt_caching(servers: dict[str, Any]) -> None:
    """Cache marks set inside ours stand on the caller's last tool and the system prompt, in every request alike."""
    server = servers["anthropic"]
    server.clear()
    server.script = [Reply(calls=[("users", {"page": 1})]), Reply("done")]
    model = ChatAnthropic(model="claude-sonnet-4-6", api_key="k", base_url=server.url)
    middleware = [HeadroomMiddleware(make_compressor()), AnthropicPromptCachingMiddleware()]
    agent = create_agent(model, [users], system_prompt="Be brief.", middleware=middleware)
    agent.invoke({"messages": [HumanMessage("q")]})
    first, second = server.bodies
    assert [tool["name"] for tool in first["tools"]] == ["headroom_retrieve", "users"]
    assert first["tools"] == second["tools"]
    assert first["system"] == second["system"]
    assert "cache_control" in first["tools"][-1]
    assert "cache_control" in first["system"][-1]
