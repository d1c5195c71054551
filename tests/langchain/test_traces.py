"""A traced run shows what was saved and why: LangChain's own tracers, and LangSmith's client with a server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.base import BaseTracer
from langsmith import Client

from headroom_integrations.langchain import HeadroomChatModel, HeadroomMiddleware
from headroom_integrations.langchain.graph import compress_messages
from headroom_integrations.langchain.messages import note_of
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import TEXT, conversation, make_compressor
from tests.langchain.test_middleware import call, looks_up, run, users


class _Kept(BaseTracer):
    """Keeps every finished run, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        """Runs are kept one by one."""

    def _end_trace(self, run: Any) -> None:
        self.runs.append(run)
        super()._end_trace(run)

    def metadata(self, name: str) -> list[dict[str, Any]]:
        """What of ours stands on the runs of this name."""
        found = [run.metadata for run in self.runs if run.name == name]
        return [{key: value for key, value in each.items() if key.startswith("headroom.")} for each in found]


def _wrapped(*script: Any) -> HeadroomChatModel:
    return HeadroomChatModel(inner=ScriptedChatModel(script=list(script)), compressor=make_compressor())


@pytest.mark.parametrize("path", ["invoke", "ainvoke", "stream", "astream", "events"])
def test_a_wrapped_models_run_says_what_was_saved_and_why(path: str) -> None:
    """The sums of the note, each decision in a line, and what was called back, on the model's own run."""
    tracer, model = _Kept(), _wrapped(looks_up, AIMessage("done"))
    config: Any = {"callbacks": [tracer]}

    async def streamed() -> None:
        async for _ in model.astream(conversation(), config):
            pass

    if path == "invoke":
        model.invoke(conversation(), config)
    elif path == "ainvoke":
        asyncio.run(model.ainvoke(conversation(), config))
    elif path == "stream":
        list(model.stream(conversation(), config))
    elif path == "astream":
        asyncio.run(streamed())
    else:
        list(model.stream_events(conversation(), config, version="v3"))
    (told,) = tracer.metadata("HeadroomChatModel")
    assert told["headroom.saved"] == told["headroom.by_kind.json"] == told["headroom.by_tool.users"] > 1000
    assert told["headroom.original_tokens"] - told["headroom.compressed_tokens"] == told["headroom.saved"]
    assert told["headroom.retrievals"] == 1
    assert told["headroom.retrieved_tokens"] > 10
    (why,) = told["headroom.changes"]
    assert why.startswith("json from users: ")
    assert why.endswith("by first-rows: shortened, its original is stored")
    assert told["headroom.unchanged"] == []


def test_a_short_conversation_says_why_nothing_happened() -> None:
    """The reason of each part that went out as it came."""
    tracer = _Kept()
    _wrapped(AIMessage("done")).invoke(conversation("short"), {"callbacks": [tracer]})
    (told,) = tracer.metadata("HeadroomChatModel")
    assert told["headroom.saved"] == 0
    (why,) = told["headroom.unchanged"]
    assert why.endswith("by size: it has fewer than 200 tokens")


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agents_nodes_say_what_was_saved_and_why(way: str) -> None:
    """Results that arrive add up on the run of the tools, requests are told on the run of the model."""
    tracer = _Kept()
    both = AIMessage("", tool_calls=[*call("users", "c1", page=1).tool_calls, *call("users", "c2", page=2).tool_calls])
    model = ScriptedChatModel(script=[both, AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())])
    state = run(agent, {"messages": [HumanMessage("q")]}, way, {"callbacks": [tracer]})
    saved = sum(note_of(message).get("saved", 0) for message in state["messages"])
    arrived = [each for each in tracer.metadata("tools") if each]
    assert sum(each["headroom.saved"] for each in arrived) == saved > 2000
    assert sum(len(each["headroom.changes"]) for each in arrived) == 2
    first, second = tracer.metadata("model")
    assert first["headroom.saved"] == 0
    assert second["headroom.saved"] == saved
    assert second["headroom.changes"] == []
    assert len(second["headroom.unchanged"]) == 2


def test_two_answers_inside_one_run_add_up() -> None:
    """Two conversations compressed inside one run of the caller's: LangGraph runs parallel tools so."""
    tracer, middleware = _Kept(), HeadroomMiddleware(make_compressor())
    tool_calls = [{"name": "users", "args": {"page": n}, "id": f"c{n}", "type": "tool_call"} for n in (1, 2)]

    def both(_: Any, config: Any) -> None:
        from langchain.agents.middleware.types import ToolCallRequest

        for each in tool_calls:
            runtime: Any = type("Runtime", (), {"config": config})()
            request = ToolCallRequest(tool_call=each, tool=users, state={"messages": []}, runtime=runtime)  # type: ignore[arg-type]
            middleware.wrap_tool_call(request, lambda asked: users.invoke(asked.tool_call))

    RunnableLambda(both, name="both").invoke(None, {"callbacks": [tracer]})
    (told,) = tracer.metadata("both")
    assert len(told["headroom.changes"]) == 2
    assert told["headroom.saved"] == told["headroom.original_tokens"] - told["headroom.compressed_tokens"]
    assert told["headroom.original_tokens"] % 2 == 0


def test_a_refused_request_tells_of_the_second_attempt() -> None:
    """The sums on the run are those of what was sent in the end."""
    tracer, refusals = _Kept(), [ContextOverflowError("too long")]

    def refuses(messages: list[Any]) -> AIMessage:
        if refusals:
            raise refusals.pop()
        return AIMessage("done")

    model = _wrapped(refuses, refuses)
    answer = model.invoke(conversation(), {"callbacks": [tracer]})
    (told,) = tracer.metadata("HeadroomChatModel")
    assert told["headroom.escalations"] == 1
    assert told["headroom.saved"] == note_of(answer)["saved"]


def test_a_step_of_a_chain_has_it_too() -> None:
    """``compress_messages`` writes onto its own run."""
    tracer = _Kept()
    compress_messages(make_compressor(), retrievable=True).invoke(conversation(), {"callbacks": [tracer]})
    (told,) = tracer.metadata("compress_messages")
    assert told["headroom.saved"] > 1000


def test_without_a_tracer_nothing_is_added() -> None:
    """A handler that is no tracer gets no metadata that the caller did not give."""
    seen: list[Any] = []

    class Watches(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: Any, *, metadata: Any = None, **kwargs: Any) -> None:
            seen.append(metadata)

    _wrapped(AIMessage("done")).invoke(conversation(), {"callbacks": [Watches()], "metadata": {"mine": 1}})
    assert seen[0]["mine"] == 1
    assert not [key for key in seen[0] if key.startswith("headroom.")]


class _LangSmith:
    """LangSmith's endpoint on 127.0.0.1: keeps what is posted and patched."""

    def __init__(self) -> None:
        self.patched: list[dict[str, Any]] = []
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.command == "PATCH":
                    kept.patched.append(json.loads(body))
                self.send_response(202)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_PATCH = _take

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def langsmith() -> Iterator[_LangSmith]:
    server = _LangSmith()
    yield server
    server.close()


def test_langsmith_gets_it(langsmith: _LangSmith) -> None:
    """What LangSmith's own client sends when the run ends."""
    client = Client(api_url=langsmith.url, api_key="none", auto_batch_tracing=False, info={})
    tracer = LangChainTracer(client=client)
    _wrapped(AIMessage("done")).invoke(conversation(), {"callbacks": [tracer]})
    tracer.wait_for_futures()
    (sent,) = langsmith.patched
    told = sent["extra"]["metadata"]
    assert told["headroom.saved"] > 1000
    assert told["headroom.changes"][0].startswith("json from users: ")
    lines = json.dumps([told["headroom.changes"], told["headroom.unchanged"]])
    assert not [row for row in json.loads(TEXT)[:50] if row.get("name", "no name") in lines]
