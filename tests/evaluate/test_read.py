"""Every format is recognised by its own shape and says the same story."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from headroom_core.errors import InvalidInput
from headroom_core.evaluate.conversation import called, calls
from headroom_core.evaluate.read import read_traffic

from . import make_samples

SAMPLES = make_samples.FOLDER
ONE_STORY = ("openai", "anthropic", "langchain", "llama_index", "langsmith", "otlp")


def _file(name: str) -> Path:
    return next(SAMPLES.glob(f"{name}.*"))


def _write(folder: Path, value: Any, name: str = "traffic.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.mark.parametrize("name", ONE_STORY)
def test_each_format_tells_the_same_story(name: str) -> None:
    """Four model calls, two tools with their names, and the system text, whichever format it was exported in."""
    (found,) = read_traffic(_file(name))
    assert found.source.replace("-", "_").replace("opentelemetry", "otlp") == name
    assert [given for given, _ in calls(found.messages)] == [2, 4, 6, 8]
    assert [tool for raw in found.messages for tool, _ in called(raw)] == ["query_orders", "read_log"]
    assert found.messages[0] == {"role": "system", "content": make_samples.SYSTEM}
    assert any(arguments == {"service": "payments"} for raw in found.messages for _, arguments in called(raw))


@pytest.mark.parametrize("name", ONE_STORY)
def test_tool_outputs_come_through_whole(name: str) -> None:
    """The core finds both tool outputs under their tools' names, byte for byte as the story has them."""
    from headroom_core.dialects import read_messages
    from headroom_core.types import Text

    (found,) = read_traffic(_file(name))
    outputs = {
        block.tool: block.text
        for message in read_messages(found.messages)
        for block in message.blocks
        if isinstance(block, Text) and (block.role or message.role) == "tool"
    }
    story = make_samples.story(1 + ONE_STORY.index(name))
    assert outputs == {what[1]: what[2] for who, what in story if who == "result"}


def test_samples_are_what_the_script_makes() -> None:
    """The committed OpenAI and document samples are those of the generator, so nobody edits them by hand."""
    assert json.loads(_file("openai").read_text()) == make_samples.openai(1)
    assert [json.loads(line) for line in _file("documents").read_text().splitlines()] == make_samples.documents(7)


def test_traces_count_a_conversation_once() -> None:
    """The calls of one trace repeat each other: the longest stays, and one that took another turn stays too."""
    from headroom_core.evaluate.traces import Call, longest

    a, b, c = ({"role": "user", "content": text} for text in "abc")
    told = [
        Call("t", "1", (a,), (b,)),
        Call("t", "2", (a, b), (c,)),
        Call("t", "3", (a, c), ()),
        Call("u", "4", (a,), ()),
    ]
    assert [found.id for found in longest(told, "x")] == ["2", "3", "4"]


def test_langchain_in_three_spellings(tmp_path: Path) -> None:
    """``messages_to_dict``, ``dumpd`` and ``model_dump`` are the same conversation."""
    from langchain_core.load import dumpd
    from langchain_core.messages import messages_to_dict

    messages = make_samples.langchain(3)
    spellings = [messages_to_dict(messages), [dumpd(m) for m in messages], [m.model_dump() for m in messages]]
    read = [read_traffic(_write(tmp_path, spelling))[0].messages for spelling in spellings]
    assert read[0] == read[1] == read[2]


def test_opentelemetry_events_and_printed_spans(tmp_path: Path) -> None:
    """The older events of a span, log records, and spans with plain attributes are read as well."""
    events = [
        {"name": "gen_ai.user.message", "attributes": {"content": "How many?"}},
        {"name": "gen_ai.tool.message", "attributes": {"id": "c1", "content": "[1, 2]"}},
        {"name": "gen_ai.choice", "attributes": {"message": {"content": "Two."}}},
    ]
    span = {"context": {"trace_id": "t", "span_id": "s"}, "attributes": {"gen_ai.system": "x"}, "events": events}
    (found,) = read_traffic(_write(tmp_path, span))
    assert [raw["role"] for raw in found.messages] == ["user", "tool", "assistant"]
    body = {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "How many?"}}]}}
    record = {"traceId": "t", "spanId": "s", "eventName": "gen_ai.user.message", "body": body}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    (found,) = read_traffic(_write(tmp_path, logs))
    assert found.messages == ({"role": "user", "content": "How many?"},)


def test_requests_with_their_responses(tmp_path: Path) -> None:
    """A recorded request carries its system text, tools and model, and the response is the last turn."""
    request = make_samples.anthropic(2) | {"messages": make_samples.anthropic(2)["messages"][:-1]}
    response = {"role": "assistant", "content": [{"type": "text", "text": "Done."}]}
    (found,) = read_traffic(_write(tmp_path, {"request": request, "response": response}))
    assert found.model == "claude-sonnet-4-5"
    assert "query_orders" in found.tools
    assert found.messages[-1] == response
    responses = {"input": [{"role": "user", "content": "Hi"}, {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                           {"type": "function_call_output", "call_id": "1", "output": "x"}]}  # fmt: skip
    (found,) = read_traffic(_write(tmp_path, responses))
    assert [given for given, _ in calls(found.messages)] == [1, 3]


def test_a_folder_in_the_order_of_names() -> None:
    """Files of a folder are read in the order of their names; each question over documents is a conversation."""
    sources = [found.source for found in read_traffic(SAMPLES)]
    assert sources[:4] == ["anthropic", "documents", "documents", "documents"]
    assert len(sources) == 9


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"hello": 1}, "no known shape"),
        ([1, 2], "no known shape"),
        ({"role": "user", "content": "x"}, "single message"),
        ([{"role": "user", "content": "x"}, 1], "no message"),
        ({"question": "x", "documents": [{"nothing": 1}]}, "without text"),
        ("{", "no JSON"),
        ('{"question": "x", "text": "y"}\n{', "line 2"),
        ({"run_type": "llm", "inputs": {"prompt": "x"}}, "none with the messages"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, value: Any, told: str) -> None:
    """A file of another shape is refused with its name and what is understood."""
    with pytest.raises(InvalidInput, match=told):
        read_traffic(_write(tmp_path, value, "traffic.jsonl" if "\n" in str(value) else "traffic.json"))


def test_nothing_there(tmp_path: Path) -> None:
    """A missing path and an empty folder say so."""
    with pytest.raises(InvalidInput, match="no file or folder"):
        read_traffic(tmp_path / "none")
    with pytest.raises(InvalidInput, match="holds no file"):
        read_traffic(tmp_path)


def test_bedrock_and_gemini(tmp_path: Path) -> None:
    """Their calls are found, and the format is named."""
    bedrock = [
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "x"}]}}]},
    ]
    gemini = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
        ]
    }
    for value, name in ((bedrock, "bedrock"), (gemini, "gemini")):
        (found,) = read_traffic(_write(tmp_path, value))
        assert found.source == name
        assert [one for raw in found.messages for one in called(raw)] == [("f", {"a": 1})]


def test_llama_index_in_other_spellings(tmp_path: Path) -> None:
    """Calls in additional_kwargs, pictures, several texts, blocks that nobody knows, and arguments that are no JSON."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "no json"}}
    blocks = [{"block_type": "text", "text": "a"}, {"block_type": "image", "image": "aGk="}, {"block_type": "audio"}]
    messages = [
        {"role": "user", "blocks": blocks, "additional_kwargs": {}},
        {"role": "MessageRole.ASSISTANT", "blocks": [], "additional_kwargs": {"tool_calls": [call]}},
    ]
    (found,) = read_traffic(_write(tmp_path, messages))
    text, image, audio = found.messages[0]["content"]
    assert (text["text"], image["source"]["data"], audio) == ("a", "aGk=", {"block_type": "audio"})
    assert list(called(found.messages[1])) == [("f", "no json")]
    assert found.messages[1]["role"] == "assistant"


def test_responses_in_three_forms(tmp_path: Path) -> None:
    """The answer recorded beside a request: chat completions, the responses API, and none at all."""
    request = {"messages": [{"role": "user", "content": "Hi"}]}
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
    forms = {"choices": [{"message": {"role": "assistant", "content": "x"}}]}, {"output": [item]}, None
    made = [read_traffic(_write(tmp_path, {"request": request, "response": form}))[0].messages for form in forms]
    assert [len(messages) for messages in made] == [2, 2, 1]


def test_langsmith_outputs_in_other_forms(tmp_path: Path) -> None:
    """Inputs and outputs as JSON text, plain chat messages, a list of messages, one message, and a thread's id."""
    given = {"messages": [{"role": "user", "content": "Hi"}]}
    said = {"role": "assistant", "content": "x"}
    outputs = [json.dumps({"choices": [{"message": said}]}), {"messages": [said]}, {"output": said}, "no json", None]
    runs = [
        {
            "id": str(at),
            "run_type": "llm",
            "inputs": json.dumps(given),
            "outputs": output,
            "extra": {"metadata": {"thread_id": at}},
        }
        for at, output in enumerate(outputs)
    ]
    found = read_traffic(_write(tmp_path, {"runs": runs}))
    assert [len(one.messages) for one in found] == [2, 2, 2, 1, 1]


def test_bulk_exports_of_langsmith(tmp_path: Path) -> None:
    """Parquet, with inputs, outputs and extra as JSON text: the same conversation as the JSON lines; damage is named."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [json.loads(line) for line in _file("langsmith").read_text().splitlines()]
    flat = [
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()} for row in rows[1:]
    ]
    parquet.write_table(pyarrow.Table.from_pylist(flat), tmp_path / "runs.parquet")
    (found,) = read_traffic(tmp_path)
    (plain,) = read_traffic(_file("langsmith"))
    assert found.messages == plain.messages
    assert found.model == "gpt-5-mini"
    (tmp_path / "runs.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InvalidInput, match="no Parquet"):
        read_traffic(tmp_path)


def test_values_of_opentelemetry(tmp_path: Path) -> None:
    """Structured attributes are read as what they stand for."""
    part = {
        "kvlistValue": {
            "values": [
                {"key": "type", "value": {"stringValue": "text"}},
                {"key": "content", "value": {"stringValue": "Hi"}},
            ]
        }
    }
    message = {
        "kvlistValue": {
            "values": [
                {"key": "role", "value": {"stringValue": "user"}},
                {"key": "parts", "value": {"arrayValue": {"values": [part]}}},
            ]
        }
    }
    attributes = [
        {"key": "gen_ai.input.messages", "value": {"arrayValue": {"values": [message]}}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
        {"key": "gen_ai.tool.definitions", "value": {"arrayValue": {"values": [{"stringValue": "f"}]}}},
    ]
    (found,) = read_traffic(_write(tmp_path, {"traceId": "t", "spanId": "s", "attributes": attributes}))
    assert found.messages == ({"role": "user", "content": "Hi"},)
    assert found.tools == '["f"]'


JUNK = (None, 1, "", [], {}, "x", ["a", None, {"type": "text"}], {"type": "text", "text": None}, [[]])


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, below in inner for each in _paths(below, (*path, key)))]


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("name", [*ONE_STORY, "documents"])
def test_damaged_exports_are_read_or_refused(name: str, tmp_path: Path) -> None:
    """Whatever stands where something else should: it is measured, or refused in a sentence; nothing else is raised."""
    from headroom_core.dialects import read_messages

    text = _file(name).read_text()
    whole = json.loads(text) if name not in ("langsmith", "documents") else [json.loads(x) for x in text.splitlines()]
    r = random.Random(name)
    paths = _paths(whole)
    refused = 0
    for _ in range(60):
        damaged = _with(whole, r.choice(paths), r.choice(JUNK))
        try:
            for found in read_traffic(_write(tmp_path, damaged)):
                calls(found.messages)
                [list(called(raw)) for raw in found.messages]
                if not any(raw.get("tool_calls") and not isinstance(raw["tool_calls"], list) for raw in found.messages):
                    read_messages(found.messages)
        except InvalidInput:
            refused += 1
    assert refused < 60, "every damaged export was refused, so none was read"
