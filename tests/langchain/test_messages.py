"""LangChain messages through the core and back."""

from __future__ import annotations

import copy
import json

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from headroom_core import Compressor
from headroom_integrations.langchain import keep
from headroom_integrations.langchain.messages import from_core, to_core
from tests.langchain.conftest import ROWS, TEXT, conversation, make_compressor

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FORMS = [
    "plain text",
    [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}],
    ["a string", {"type": "text", "text": "b"}],
    [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}],
    [{"type": "image_url", "image_url": "https://example.org/a.png"}],
    [{"type": "image_url", "image_url": f"data:image/png;base64,{PNG}"}],
    [{"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"}],
    [{"type": "image", "source_type": "url", "url": "https://example.org/a.png"}],
    [{"type": "image", "source_type": "id", "id": "file-1"}],
    [{"type": "image", "base64": PNG, "mime_type": "image/png", "extras": {"x": 1}}],
    [{"type": "image", "url": "https://example.org/a.png"}],
    [{"type": "image", "file_id": "file-1"}],
    [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}],
    [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}],
    [{"type": "image", "source": {"type": "file", "file_id": "file-1"}}],
    [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}],
    [{"type": "media", "mime_type": "image/png", "data": PNG}],
    [{"inline_data": {"mime_type": "image/png", "data": PNG}}],
    [{"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}],
    [{"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf"}],
    [
        {
            "type": "document",
            "source": {"type": "text", "data": "x", "media_type": "text/plain"},
            "citations": {"enabled": True},
        }
    ],
    [{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "redacted_thinking", "data": "x"}],
    [{"type": "reasoning", "summary": [], "encrypted_content": "x"}],
    [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
    [{"type": "server_tool_use", "id": "c", "name": "f", "input": {}}, {"type": "unheard_of", "x": [1]}],
    [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "short"}]}],
    [],
]
KINDS = [
    HumanMessage,
    AIMessage,
    SystemMessage,
    lambda content, **fields: ToolMessage(content, tool_call_id="c", **fields),
    lambda content, **fields: ToolMessage(content, tool_call_id="c", status="error", **fields),
    lambda content, **fields: ChatMessage(content=content, role="developer", **fields),
    lambda content, **fields: FunctionMessage(content=content, name="f", **fields),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_small_messages_come_back_as_the_same_objects(kind, form, compressor: Compressor) -> None:
    """Whatever the type, role and content form: what was not compressed is the same object, unchanged inside."""
    message = kind(
        copy.deepcopy(form), id="m1", additional_kwargs={"reasoning": "r"}, response_metadata={"id": "resp_1"}
    )
    before = message.model_dump()
    read = to_core([message])
    out = from_core([message], read, compressor(read, retrievable=True))
    assert out[0] is message
    assert message.model_dump() == before


def test_remove_message_is_left_alone(compressor: Compressor) -> None:
    """State directives are no conversation: they pass."""
    message = RemoveMessage(id="m1")
    read = to_core([message])
    assert from_core([message], read, compressor(read))[0] is message


def test_a_compressed_message_keeps_every_other_field(compressor: Compressor) -> None:
    """Only content changes: id, name, artifact, status, additional_kwargs and response_metadata stay."""
    messages = conversation()
    messages[2] = ToolMessage(
        TEXT,
        tool_call_id="call_1",
        id="t1",
        name="users",
        artifact={"raw": ROWS},
        additional_kwargs={"a": 1},
        response_metadata={"b": 2},
    )
    read = to_core(messages)
    out = from_core(messages, read, compressor(read, retrievable=True))
    assert out[0] is messages[0]
    assert out[1] is messages[1]
    assert out[2] is not messages[2]
    assert out[2].model_dump(exclude={"content"}) == messages[2].model_dump(exclude={"content"})
    assert out[2].artifact is messages[2].artifact
    assert "headroom_retrieve" in out[2].content
    assert messages[2].content == TEXT


def test_blocks_keep_their_unknown_keys(compressor: Compressor) -> None:
    """A compressed block stays in its dialect, with its cache mark and ids; its neighbours are the same objects."""
    blocks = [
        {"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral"}, "id": "b1"},
        {"type": "unheard_of", "x": 1},
    ]
    messages = conversation()
    messages[2] = ToolMessage(blocks, tool_call_id="call_1")
    read = to_core(messages)
    out = from_core(messages, read, compressor(read, retrievable=True))[2].content
    assert out[0]["cache_control"] == {"type": "ephemeral"}
    assert out[0]["id"] == "b1"
    assert len(out[0]["text"]) < len(TEXT) / 4
    assert out[1] is messages[2].content[1]


def test_tool_names_come_from_the_calls(compressor: Compressor) -> None:
    """A tool message without a name is known by the call that it answers, so per-tool rules hold."""
    out = compressor.with_options(exclude_tools=("users",))(to_core(conversation()), retrievable=True)
    assert [skip.reason for skip in out.skipped] == ["the tool users is excluded"]


@pytest.mark.parametrize("change", [{"status": "error"}, {"name": "headroom_retrieve"}], ids=str)
def test_errors_and_retrievals_stay(change, compressor: Compressor) -> None:
    """An error message is needed whole, and what was called back must not be compressed again."""
    messages = conversation()
    messages[2] = ToolMessage(TEXT, tool_call_id="call_1", **change)
    read = to_core(messages)
    assert from_core(messages, read, compressor(read, retrievable=True))[2] is messages[2]


def test_a_message_can_opt_out(compressor: Compressor) -> None:
    """``keep`` protects one message, by a note that stays with it."""
    messages = conversation()
    messages[2] = keep(messages[2])
    read = to_core(messages)
    assert from_core(messages, read, compressor(read, retrievable=True))[2] is messages[2]


def test_tool_results_inside_user_messages_are_found(compressor: Compressor) -> None:
    """Anthropic's own form of a tool result is one, wherever it stands."""
    messages = [
        HumanMessage("q"),
        AIMessage(
            [{"type": "tool_use", "id": "c", "name": "users", "input": {}}],
            tool_calls=[{"name": "users", "args": {}, "id": "c"}],
        ),
        HumanMessage([{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": TEXT}]}]),
    ]
    read = to_core(messages)
    out = from_core(messages, read, compressor(read, retrievable=True))
    assert "118 of 120 rows" in out[2].content[0]["content"][0]["text"]
    assert messages[2].content[0]["content"][0]["text"] == TEXT


def test_audit_mode_changes_nothing() -> None:
    """Audit counts only; the messages that come out are the caller's own."""
    messages = conversation()
    read = to_core(messages)
    outcome = make_compressor(mode="audit")(read, retrievable=True)
    assert outcome.saved > 1000
    assert all(new is old for new, old in zip(from_core(messages, read, outcome), messages, strict=True))


def test_lossless_decodes_to_the_same_rows(compressor: Compressor) -> None:
    """Without a tool to call, only the spelling changes."""
    messages = conversation()
    read = to_core(messages)
    out = from_core(messages, read, compressor(read))
    assert json.loads(out[2].content) == ROWS
