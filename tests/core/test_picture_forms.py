"""Each dialect's picture block takes a picture of another kind of source and gives it back; odd blocks stay data."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from headroom_core import Compressor, Image, Message, Text
from headroom_core.dialects import read_content, read_messages, write_content
from headroom_core.dialects.images import read_image, write_image
from headroom_core.types import Bytes, FileId, Opaque, Url

DATA = b"\x89PNG picture"
B64 = base64.b64encode(DATA).decode()
BYTES, URL, FILE = Bytes(DATA), Url("https://example.org/a.png"), FileId("file-7")

FORMS: dict[str, dict[str, Any]] = {
    "openai": {"type": "image_url", "image_url": {"url": "https://example.org/old.png"}},
    "openai-responses": {"type": "input_image", "image_url": "https://example.org/old.png"},
    "anthropic": {"type": "image", "source": {"type": "url", "url": "https://example.org/old.png"}},
    "langchain-v0": {"type": "image", "source_type": "url", "url": "https://example.org/old.png"},
    "langchain-v1": {"type": "image", "url": "https://example.org/old.png"},
    "gemini": {"inline_data": {"mime_type": "image/png", "data": B64}},
    "gemini-camel": {"inlineData": {"mimeType": "image/png", "data": B64}},
    "langchain-google": {"type": "media", "mime_type": "image/png", "data": B64},
    "bedrock": {"image": {"format": "png", "source": {"bytes": DATA}}},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_new_picture_is_read_back_from_its_form(form: str) -> None:
    """What is written into a block of each dialect is what reading the block gives."""
    written = write_image(FORMS[form], Image(BYTES, "image/png"))
    found = read_image(written)
    assert found is not None
    assert found.source == BYTES
    assert found.mime == "image/png"


@pytest.mark.parametrize("form", ["openai", "openai-responses", "anthropic", "langchain-v0", "langchain-v1"])
def test_a_picture_that_lies_elsewhere_is_written_as_an_address(form: str) -> None:
    """Where a dialect knows addresses, one is read back as the same address; ids, where it knows ids."""
    found = read_image(write_image(FORMS[form], Image(URL)))
    assert found is not None
    assert found.source == URL
    kept = read_image(write_image(FORMS[form], Image(FILE)))
    assert kept is not None
    assert kept.source == (FILE if form != "openai" else Url("file-7"))


@pytest.mark.parametrize("form", ["gemini", "gemini-camel", "langchain-google", "bedrock"])
def test_dialects_without_addresses_keep_their_own_picture(form: str) -> None:
    """An address cannot stand in an inline block: the block stays as it was, as a copy."""
    written = write_image(FORMS[form], Image(URL))
    assert written == FORMS[form]
    assert written is not FORMS[form]


def test_a_detail_level_is_written_where_the_dialect_has_one() -> None:
    """``low`` stands beside the address in OpenAI's forms, turns a bare address into a mapping, and is a level for Gemini."""
    bare = {"type": "image_url", "image_url": "https://example.org/old.png"}
    assert write_image(bare, Image(URL, None, "low"))["image_url"] == {"url": URL.url, "detail": "low"}
    assert write_image(bare, Image(URL))["image_url"] == URL.url
    assert write_image(FORMS["openai-responses"], Image(URL, None, "low"))["detail"] == "low"
    gemini = write_image(FORMS["gemini"], Image(BYTES, "image/png", "low"))
    assert gemini["media_resolution"] == {"level": "MEDIA_RESOLUTION_LOW"}
    again = read_image(gemini)
    assert again is not None
    assert again.detail == "low"
    assert "media_resolution" not in write_image(FORMS["gemini"], Image(BYTES, "image/png", "auto"))
    camel = write_image(FORMS["gemini-camel"], Image(BYTES, "image/png", "high"))
    assert camel["mediaResolution"] == {"level": "MEDIA_RESOLUTION_HIGH"}


def test_a_picture_in_place_of_a_text_takes_anthropics_form() -> None:
    """A block without a form of its own gets one."""
    written = write_image({"whatever": 1}, Image(BYTES, "image/jpeg"))
    assert written["source"] == {"type": "base64", "media_type": "image/jpeg", "data": B64}


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "image", "source": {"type": "base64", "data": 7}},
        {"type": "image", "source": {"type": "base64", "data": "no base64!"}},
        {"type": "image", "source": {"type": "url", "url": 7}},
        {"type": "image", "source": {"type": "file"}},
        {"type": "image", "source": {"type": "new kind"}},
        {"type": "image", "source_type": "id"},
        {"type": "image", "source_type": "new kind"},
        {"type": "image", "base64": None},
        {"type": "image"},
        {"type": "image_url", "image_url": {"url": None}},
        {"type": "image_url"},
        {"type": "image_url", "image_url": {"url": "data:image/png,plain"}},
        {"type": "input_image", "image_url": 7},
        {"inline_data": "text"},
        {"inline_data": {"mime_type": "audio/wav", "data": B64}},
        {"type": "media", "mime_type": "video/mp4", "data": B64},
        {"image": {"format": "png", "source": "s3"}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b"}}}},
    ],
    ids=str,
)
def test_a_block_that_holds_no_readable_picture_is_opaque(raw: dict[str, Any]) -> None:
    """It is read as data that nobody touches, and comes out as the same object."""
    content = [raw, {"type": "text", "text": "beside it"}]
    blocks = read_content(content, role="user")
    assert isinstance(blocks[0], Opaque)
    assert blocks[0].raw is raw
    assert write_content(content, blocks, [(block,) for block in blocks]) is content


def test_a_text_that_becomes_a_picture_makes_a_list_of_the_content() -> None:
    """A string content holds text only: with a picture beside it, it becomes a list of blocks."""
    blocks = read_content("a page of text", role="user")
    written = write_content("a page of text", blocks, [(Image(BYTES, "image/png"), Text("page 1"))])
    assert written[0]["source"]["data"] == B64
    assert written[1] == {"type": "text", "text": "page 1"}


def test_blocks_of_other_kinds_may_stand_in_a_replacement() -> None:
    """An opaque block is written as it is, and a string in a list stays a string."""
    cited = {"type": "citation", "at": 3}
    blocks = read_content(["one", "two"], role="user")
    written = write_content(["one", "two"], blocks, [(Text("1"), Opaque(cited)), (blocks[1],)])
    assert written == ["1", cited, "two"]
    assert written[1] is cited


def test_calls_of_bedrock_name_their_results() -> None:
    """A result of Bedrock's form is of the tool behind its call, also where odd blocks stand beside the call."""
    rows = "\n".join(f"12:00:{i % 60:02d} INFO step {i} done" for i in range(300))
    messages = [
        {
            "role": "assistant",
            "content": ["thinking", {"toolUse": {"toolUseId": "t1", "name": "run_job", "input": {}}}],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": rows}]}}]},
        "not a message at all",
    ]
    read = read_messages(messages)
    assert isinstance(read[2].blocks[0], Opaque)
    block = read[1].blocks[0]
    assert isinstance(block, Text)
    assert (block.tool, block.role) == ("run_job", "tool")
    outcome = Compressor(exclude_tools=("run_job",))(messages)
    assert [skip.reason for skip in outcome.skipped] == ["the tool run_job is excluded"]
    assert outcome.messages[2] is messages[2]


def test_core_messages_are_taken_as_they_are() -> None:
    """A core message without a framework's message behind it comes out with its new blocks."""
    rows = "\n".join(f"12:00:{i % 60:02d} INFO step {i} done" for i in range(300))
    message = Message("tool", (Text(rows), Opaque({"x": 1})))
    outcome = Compressor(strength="lossy", originals=None)([message])
    out = outcome.messages[0]
    assert len(out.blocks[0].text) < len(rows)
    assert out.blocks[1] is message.blocks[1]
    assert Compressor(strength="lossless")([message]).messages[0] is message
