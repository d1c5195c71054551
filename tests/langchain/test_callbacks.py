"""HeadroomCallbackHandler: observes, and adds up."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from headroom_integrations.langchain import (
    AsyncHeadroomCallbackHandler,
    HeadroomCallbackHandler,
    HeadroomChatModel,
    HeadroomMiddleware,
)
from headroom_integrations.langchain.callbacks import log_hook, opentelemetry_hook, prometheus_hook
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import conversation, make_compressor
from tests.langchain.test_middleware import call, looks_up, users


@pytest.mark.parametrize("make", [HeadroomCallbackHandler, AsyncHeadroomCallbackHandler])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_is_counted_once(make: Any, way: str) -> None:
    """Each request counts with what it would have been; the retrieval counts against; all under the outermost run."""
    handler = make()
    model = ScriptedChatModel(script=[call("users", page=1), looks_up, AIMessage("done")])
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())])
    config = {"callbacks": [handler]}
    payload = {"messages": [HumanMessage("q")]}
    state = agent.invoke(payload, config) if way == "sync" else asyncio.run(agent.ainvoke(payload, config))
    told = handler.as_dict()
    assert told["requests"] == 3
    assert told["saved"] == state["headroom"]["saved"]
    assert told["by_tool"] == {"users": told["saved"]}
    assert told["by_kind"] == {"json": told["saved"]}
    assert told["retrievals"] == 1
    assert 0 < told["retrieved_tokens"] < 200
    assert told["net_saved"] == told["saved"] - told["retrieved_tokens"]
    (run,) = handler.runs
    assert handler.as_dict(run) == told
    assert json.loads(str(handler).removeprefix("headroom ")) == told


@pytest.mark.parametrize("path", ["invoke", "stream"])
def test_a_wrapped_model_is_counted_once(path: str) -> None:
    """The note on the answer is read when the run ends, streamed or not, with the rounds inside."""
    handler = HeadroomCallbackHandler()
    model = HeadroomChatModel(
        inner=ScriptedChatModel(script=[looks_up, AIMessage("done")]), compressor=make_compressor()
    )
    if path == "invoke":
        model.invoke(conversation(), {"callbacks": [handler]})
    else:
        list(model.stream(conversation(), {"callbacks": [handler]}))
    told = handler.as_dict()
    assert told["requests"] == 1
    assert told["saved"] > 1000
    assert told["original_tokens"] - told["compressed_tokens"] == told["saved"]
    assert told["retrievals"] == 1
    assert told["retrieved_tokens"] > 10


def test_it_changes_nothing() -> None:
    """Messages and answers are the same with and without the handler."""
    answers = []
    for callbacks in ([], [HeadroomCallbackHandler()]):
        model = HeadroomChatModel(inner=ScriptedChatModel(script=[AIMessage("done")]), compressor=make_compressor())
        messages = conversation()
        before = [message.model_dump() for message in messages]
        answers.append(model.invoke(messages, {"callbacks": callbacks}).content)
        assert [message.model_dump() for message in messages] == before
    assert answers[0] == answers[1]


def test_hooks(caplog: pytest.LogCaptureFixture) -> None:
    """Log lines, Prometheus and OpenTelemetry hear of every note."""
    registry, reader = CollectorRegistry(), InMemoryMetricReader()
    prometheus_hook(registry)  # another handler of the same registry
    provider = MeterProvider(metric_readers=[reader])
    hooks = [log_hook(logging.getLogger("t")), prometheus_hook(registry), opentelemetry_hook(provider.get_meter("t"))]
    hooks.append(opentelemetry_hook())  # the global meter, which nobody reads here
    handler = HeadroomCallbackHandler(hooks)
    model = HeadroomChatModel(inner=ScriptedChatModel(script=[AIMessage("done")]), compressor=make_compressor())
    with caplog.at_level(logging.INFO, "t"):
        model.invoke(conversation(), {"callbacks": [handler]})
    saved = handler.as_dict()["saved"]
    assert (
        json.loads(next(m for m in caplog.messages if m.startswith("headroom {")).removeprefix("headroom "))["saved"]
        == saved
    )
    assert registry.get_sample_value("headroom_request_tokens_total", {"direction": "saved"}) == saved
    points = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert {p.attributes["direction"]: p.value for p in points}["saved"] == saved
    provider.shutdown()


def test_runs_are_kept_apart() -> None:
    """Two conversations, two runs; an unknown run has empty sums."""
    handler = HeadroomCallbackHandler()
    model = HeadroomChatModel(inner=ScriptedChatModel(script=[AIMessage("done")]), compressor=make_compressor())
    model.batch([conversation(), conversation(), [HumanMessage("hi")]], {"callbacks": [handler]})
    assert len(handler.runs) == 3
    assert sorted(handler.as_dict(run)["saved"] > 0 for run in handler.runs) == [False, True, True]
    assert handler.as_dict("00000000-0000-0000-0000-000000000000")["saved"] == 0
