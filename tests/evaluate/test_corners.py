"""Traffic of odd but real shapes: events of older OpenTelemetry, the Responses API, lists among arguments, long sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headroom_core.evaluate import evaluate
from headroom_core.evaluate.conversation import called, calls, leaves
from headroom_core.evaluate.live import _last_answered
from headroom_core.evaluate.plots import lines
from headroom_core.evaluate.read import read_traffic

ROWS = json.dumps([{"id": i, "state": "done" if i != 77 else "failed"} for i in range(200)])


def _event(name: str, body: Any) -> dict[str, Any]:
    return {"traceId": "t", "spanId": "s", "eventName": name, "body": body}


def test_events_of_older_opentelemetry_tell_calls_and_results(tmp_path: Path) -> None:
    """Calls stand in the assistant's message, events of other names and without a body are passed over."""
    call = {"id": "c1", "type": "function", "function": {"name": "orders", "arguments": '{"page": 1}'}}
    events = [
        _event("gen_ai.user.message", {"content": "Which order failed?"}),
        _event("gen_ai.assistant.message", {"content": None, "tool_calls": [call]}),
        _event("gen_ai.tool.message", {"id": "c1", "content": ROWS}),
        _event("gen_ai.evaluation.result", {"score": 1}),
        _event("gen_ai.user.message", "no body of fields"),
        _event("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": "Order 77."}}),
    ]
    records = {"resourceLogs": [{"scopeLogs": [{"logRecords": events}]}]}
    path = tmp_path / "export.json"
    path.write_text(json.dumps(records))
    (found,) = read_traffic(path)
    assert [raw.get("role") for raw in found.messages] == ["user", "assistant", "tool", "assistant"]
    assert [entry for raw in found.messages for entry in called(raw)] == [("orders", {"page": 1})]
    report = evaluate(path).as_dict()
    assert [row["name"] for row in report["by_tool"]] == ["orders"]
    assert report["by_tool"][0]["tokens_after"] < report["by_tool"][0]["tokens_before"] / 5


def test_calls_of_the_responses_api_are_calls() -> None:
    """Function calls and custom tools' calls stand in the list by themselves; arguments that are no JSON stay text."""
    assert list(called({"type": "function_call", "name": "f", "arguments": '{"a": [1, 2]}'})) == [("f", {"a": [1, 2]})]
    assert list(called({"type": "custom_tool_call", "name": "g", "input": "ls -l"})) == [("g", "ls -l")]


def test_values_inside_lists_count_as_used() -> None:
    """What a model hands on in a list was used as well."""
    assert list(leaves({"ids": [77, "x", True], "more": ({"deep": 2.5}, None)})) == ["77", "x", "2.5"]


def test_a_conversation_that_begins_with_the_model_has_no_call_there() -> None:
    """A greeting before the first question was not asked for."""
    messages = [{"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Hi"}]
    assert calls(messages) == [(2, 2)]


def test_a_live_question_is_the_last_that_was_answered_in_words(tmp_path: Path) -> None:
    """A call that only called tools is not graded; where none was answered in words there is nothing to ask."""
    tool = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
    }
    asked = [{"role": "user", "content": "Hi"}, tool, {"role": "tool", "tool_call_id": "1", "content": ROWS}]
    path = tmp_path / "one.json"

    def last(messages: list[dict[str, Any]]) -> int:
        path.write_text(json.dumps({"messages": messages}))
        return _last_answered(read_traffic(path)[0])

    assert last([*asked, {"role": "assistant", "content": "done"}, {"role": "user", "content": "And?"}, tool]) == 3
    assert last(asked) == 3
    assert last([{"role": "user", "content": "Hi"}, tool]) == 0


def test_a_long_session_has_no_dots_and_an_empty_one_no_line() -> None:
    """Forty dots are the most that can be told apart."""
    short, long = lines("t", [10.0] * 40, [5.0] * 40), lines("t", [10.0] * 41, [5.0] * 41)
    assert short.count("<circle") == 80
    assert "<circle" not in long
    assert long.count("<polyline") == 2
    assert "without" not in lines("t", [], [])
