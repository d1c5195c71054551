"""The door for message dicts: every form is read, and written back in its own dialect."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from headroom_core.dialects import keep, read_content, read_messages, write_content, write_message
from headroom_core.types import Bytes, FileId, Image, Opaque, Text, Url

DATA = b"\x89PNG not really"
B64 = base64.b64encode(DATA).decode()
ADDRESS = f"data:image/png;base64,{B64}"
MARK = {"cache_control": {"type": "ephemeral"}}

PICTURES: list[tuple[str, dict[str, Any], Any]] = [
    ("openai", {"type": "image_url", "image_url": {"url": ADDRESS, "detail": "high"}}, Bytes(DATA)),
    ("openai str", {"type": "image_url", "image_url": ADDRESS}, Bytes(DATA)),
    (
        "openai url",
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        Url("https://x.example/a.png"),
    ),
    ("responses", {"type": "input_image", "image_url": ADDRESS, "detail": "low"}, Bytes(DATA)),
    ("responses id", {"type": "input_image", "file_id": "file_1"}, FileId("file_1")),
    (
        "anthropic",
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}, **MARK},
        Bytes(DATA),
    ),
    (
        "anthropic url",
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        Url("https://x.example/a.png"),
    ),
    ("anthropic file", {"type": "image", "source": {"type": "file", "file_id": "f1"}}, FileId("f1")),
    ("v0", {"type": "image", "source_type": "base64", "data": B64, "mime_type": "image/png"}, Bytes(DATA)),
    (
        "v0 url",
        {"type": "image", "source_type": "url", "url": "https://x.example/a.png"},
        Url("https://x.example/a.png"),
    ),
    ("v0 id", {"type": "image", "source_type": "id", "id": "f1"}, FileId("f1")),
    ("v1", {"type": "image", "base64": B64, "mime_type": "image/png", "id": "b1", "extras": {"x": 1}}, Bytes(DATA)),
    ("v1 url", {"type": "image", "url": "https://x.example/a.png"}, Url("https://x.example/a.png")),
    ("v1 file", {"type": "image", "file_id": "f1"}, FileId("f1")),
    ("gemini", {"inline_data": {"mime_type": "image/png", "data": B64}}, Bytes(DATA)),
    ("gemini camel", {"inlineData": {"mimeType": "image/png", "data": B64}}, Bytes(DATA)),
    ("media", {"type": "media", "mime_type": "image/png", "data": B64}, Bytes(DATA)),
    ("bedrock", {"image": {"format": "png", "source": {"bytes": DATA}}}, Bytes(DATA)),
]


@pytest.mark.parametrize(("name", "raw", "source"), PICTURES, ids=[row[0] for row in PICTURES])
def test_picture_is_read_and_written_in_its_dialect(name: str, raw: dict[str, Any], source: Any) -> None:
    """A picture of every dialect is read; another picture takes its place and reads back equal; other keys stay."""
    before = copy.deepcopy(raw)
    (image,) = read_content([raw], role="user")
    assert isinstance(image, Image)
    assert image.source == source
    new = replace(image, source=Bytes(b"smaller"), mime="image/jpeg")
    (written,) = write_content([raw], [image], [[new]])
    (again,) = read_content([written], role="user")
    if "url" not in name and "file" not in name and "id" not in name:
        assert isinstance(again, Image)
        assert again.source == Bytes(b"smaller")
    for key in ("type", "cache_control", "id", "extras"):
        if key in raw and name != "v0 id":
            assert written[key] == raw[key]
    assert raw == before


@pytest.mark.parametrize(("name", "raw", "source"), PICTURES, ids=[row[0] for row in PICTURES])
def test_picture_becomes_text_of_its_dialect(name: str, raw: dict[str, Any], source: Any) -> None:
    """A picture replaced by its text becomes a text block that the same dialect reads; a cache mark moves along."""
    blocks = read_content([raw], role="user")
    written = write_content([raw], blocks, [[Text("TOTAL 9.00"), Text("[left out: the picture]")]])
    assert [block.text for block in read_content(written, role="user") if isinstance(block, Text)] == [
        "TOTAL 9.00",
        "[left out: the picture]",
    ]
    assert [raw.get("cache_control") for raw in written] == [None, raw.get("cache_control")]
    json.dumps(written)


@pytest.mark.parametrize(
    "content",
    ["plain", [], None, ["a", {"type": "text", "text": "b"}], [{"type": "mystery"}, 7, None], [p[1] for p in PICTURES]],
    ids=repr,
)
def test_nothing_changed_is_the_same_object(content: Any) -> None:
    """Writing back what was read gives the very same object."""
    blocks = read_content(content, role="user")
    assert write_content(content, blocks, [[block] for block in blocks]) is content


def test_unknown_blocks_are_opaque_and_stay() -> None:
    """A block that nobody knows is opaque; a change beside it leaves it the same object."""
    mystery = {"type": "server_tool_use", "input": {"q": 1}}
    content = [mystery, {"type": "text", "text": "old"}]
    blocks = read_content(content, role="assistant")
    assert isinstance(blocks[0], Opaque)
    written = write_content(content, blocks, [[blocks[0]], [Text("new")]])
    assert written[0] is mystery
    assert written[1] == {"type": "text", "text": "new"}


def test_broken_base64_is_opaque() -> None:
    """A picture whose data does not decode is not touched."""
    raw = {"type": "image_url", "image_url": {"url": "data:image/png;base64,***"}}
    assert isinstance(read_content([raw], role="user")[0], Opaque)


def test_citations_protect_their_text() -> None:
    """Text with citations is protected: they point into it by offset."""
    (block,) = read_content([{"type": "text", "text": "x", "citations": [{"start": 0}]}], role="tool")
    assert isinstance(block, Text)
    assert block.protected


ANTHROPIC = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "grep", "input": {}}]},
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [{"type": "text", "text": "hit"}, PICTURES[5][1]],
                **MARK,
            },
            {"type": "text", "text": "And now?"},
        ],
    },
]


def test_tool_result_inside_a_user_message() -> None:
    """Its blocks have the role tool and the tool's name; the user's own text does not; it is written back in place."""
    message = read_messages(ANTHROPIC)[1]
    hit, picture, asked = message.blocks
    assert isinstance(hit, Text)
    assert isinstance(picture, Image)
    assert isinstance(asked, Text)
    assert (hit.role, hit.tool, picture.role, asked.role) == ("tool", "grep", "tool", None)
    written = write_message(message, [[Text("smaller")], [picture], [asked]])
    assert written["content"][0]["content"][0] == {"type": "text", "text": "smaller"}
    assert written["content"][0]["cache_control"] == MARK["cache_control"]
    assert written["content"][0]["content"][1] is ANTHROPIC[1]["content"][0]["content"][1]  # type: ignore[index]
    assert written["content"][1] is ANTHROPIC[1]["content"][1]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"role": "tool", "name": "headroom_retrieve", "content": "x"}, "headroom_retrieve"),
        (
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": True, "content": "x"}],
            },
            "error",
        ),
        (
            {
                "role": "user",
                "content": [{"toolResult": {"toolUseId": "1", "status": "error", "content": [{"text": "x"}]}}],
            },
            "error",
        ),
        (keep({"role": "tool", "content": "x"}), "caller"),
        (keep({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]}), "caller"),
    ],
)
def test_protected_results(message: dict[str, Any], reason: str) -> None:
    """Errors, retrieved originals and what the caller wants to keep are protected, with the reason."""
    (block,) = read_messages([message])[0].blocks
    assert isinstance(block, Text)
    assert reason in (block.protected or "")


def test_openai_responses_items() -> None:
    """A function_call_output item is a tool result of the function that was called."""
    items = [
        {"type": "function_call", "call_id": "c", "name": "ls"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]
    message = read_messages(items)[1]
    (block,) = message.blocks
    assert isinstance(block, Text)
    assert (message.role, block.tool) == ("tool", "ls")
    assert write_message(message, [[Text("y")]]) == {"type": "function_call_output", "call_id": "c", "output": "y"}


def test_kept_message_serialises_like_its_dict() -> None:
    """Opting out adds nothing to what is sent."""
    assert json.dumps(keep({"role": "tool", "content": "x"})) == json.dumps({"role": "tool", "content": "x"})


@pytest.mark.parametrize("calls", [True, 7, "call", {"id": "1"}, None, [None, 3]])
def test_damaged_tool_calls_are_passed_over(calls: object) -> None:
    """A field of another form than the dialect's breaks nothing: the message is read as it stands."""
    message = {"role": "assistant", "content": "x", "tool_calls": calls}
    (read,) = read_messages([message])
    assert write_message(read, [[block] for block in read.blocks]) == message
