"""LlamaIndex blocks to core blocks and back: everything that is not text or picture passes as the same object."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from PIL import Image as Picture

from headroom_core import Compressor, open_originals
from headroom_core.outcome import Outcome
from headroom_core.types import Bytes, Change, Image, Opaque, Part, Rewrite, Text, Url
from headroom_integrations.llama_index.messages import from_core, keep, to_core
from tests.llama_index.conftest import TEXT, conversation, make_compressor


def png(side: int = 64) -> bytes:
    data = io.BytesIO()
    Picture.effect_noise((side, side), 60).save(data, "PNG")
    return data.getvalue()


def blocks() -> list[object]:
    return [
        TextBlock(text="hello"),
        ImageBlock(image=png()),
        ImageBlock(url="https://example.com/a.png", detail="low"),
        DocumentBlock(data=b"aGk=", title="a.pdf"),
        AudioBlock(audio=b"aGk=", format="wav"),
        CachePoint(cache_control={"type": "ephemeral"}),
        CitableBlock(title="t", source="s", content=[TextBlock(text="c")]),
        ThinkingBlock(content="hm", additional_information={"signature": "x"}),
        ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"a": 1}),
    ]


@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer", "tool", "function", "model", "chatbot"])
def test_unchanged_is_the_same_object(role: str) -> None:
    """Reading and writing without a change gives the same message, whatever is in it."""
    message = ChatMessage(role=role, blocks=blocks(), additional_kwargs={"tool_call_id": "1", "x": [1]})
    (read,) = to_core([message])
    assert from_core([message], Outcome([message]))[0] is message
    kinds = [type(block) for block in read.blocks]
    assert kinds == [Text, Image, Image, *[Opaque] * 6]


def test_a_change_touches_its_block_alone() -> None:
    """New blocks stand where the old one stood; all other blocks are the same objects; no key is lost."""
    message = ChatMessage(role="tool", blocks=blocks(), additional_kwargs={"tool_call_id": "1"})
    (read,) = to_core([message])
    part = Part((0, 0), "prose", read.blocks[0], 9)
    outcome = Outcome([message], (Change(part, Rewrite((Text("a"), Text("b"))), 2, "test"),))
    (made,) = from_core([message], outcome)
    assert [block.text for block in made.blocks[:2]] == ["a", "b"]
    assert all(new is old for new, old in zip(made.blocks[2:], message.blocks[1:], strict=True))
    assert made.additional_kwargs == message.additional_kwargs
    assert message.blocks[0].text == "hello"
    assert from_core([message], Outcome([message], outcome.changes, audited=True))[0] is message


def test_pictures(tmp_path: Path) -> None:
    """Bytes, files and data urls are at hand; other urls are never fetched; streams and broken data pass."""
    data = png()
    file = tmp_path / "a.png"
    file.write_bytes(data)
    inline = "data:image/png;base64," + base64.b64encode(data).decode()
    gone = ImageBlock(path=file).model_copy(update={"path": tmp_path / "none.png"})
    given = [ImageBlock(image=data), ImageBlock(path=file), ImageBlock(url=inline), ImageBlock(url="https://x.y/a.png")]
    given += [ImageBlock(image=io.BytesIO(data), image_mimetype="image/png"), gone]
    (read,) = to_core([ChatMessage(role="user", blocks=given)])
    assert [block.source for block in read.blocks[:3]] == [Bytes(data)] * 3  # type: ignore[union-attr]
    assert read.blocks[3].source == Url("https://x.y/a.png")  # type: ignore[union-attr]
    assert all(isinstance(block, Opaque) for block in read.blocks[4:])


def test_a_smaller_picture_is_a_sound_block() -> None:
    """What replaces a picture resolves, has the new type, and no path or url of the old one."""
    small = png(16)
    message = ChatMessage(role="tool", blocks=[ImageBlock(image=png(), detail="high")])
    (read,) = to_core([message])
    new = Image(Bytes(small), "image/png", "high")
    change = Change(Part((0, 0), "image", read.blocks[0], 9), Rewrite((new, Text("note")), "detail"), 1, "t")
    (made,) = from_core([message], Outcome([message], (change,)))
    assert made.blocks[0].resolve_image().read() == small
    assert made.blocks[0].detail == "high"
    assert made.blocks[1].text == "note"


def test_tools_are_named() -> None:
    """The tool of a result comes from the call, in blocks or as providers keep it beside them."""
    messages = conversation()
    assert to_core(messages)[2].blocks[0].tool == "users"  # type: ignore[union-attr]
    raw = {"tool_calls": [{"id": "9", "function": {"name": "old", "arguments": "{}"}}]}
    called = ChatMessage(role="assistant", content="", additional_kwargs=raw)
    result = ChatMessage(role="tool", content="x", additional_kwargs={"tool_call_id": "9"})
    assert to_core([called, result])[1].blocks[0].tool == "old"  # type: ignore[union-attr]
    compressor = make_compressor(exclude_tools=("users",))
    assert not compressor(to_core(messages), retrievable=True).changes


def test_keep_gives_a_message_that_stays() -> None:
    """It is equal in all it says, is a ChatMessage, and survives copies."""
    message = conversation()[2]
    kept = keep(message)
    assert kept.model_dump() == message.model_dump()
    assert isinstance(kept, ChatMessage)
    assert not make_compressor()(to_core([kept.model_copy()]), retrievable=True).changes
    assert not isinstance(message, type(kept))


def test_lone_surrogates_and_huge_lines() -> None:
    """Text that JSON cannot hold, and a line of a megabyte, go through and come back."""
    compressor = Compressor(originals=open_originals("memory://"))
    for text in ("\ud83d" * 3000, "x" * 1_000_000, TEXT + "\ud83d"):
        messages = conversation(text)
        outcome = compressor(to_core(messages), retrievable=True)
        for change in outcome.changes:
            assert compressor.originals is not None
            data = compressor.originals.get(str(change.ref), namespace=_space())
            assert data.decode("utf-8", "surrogatepass") == text
        from_core(messages, outcome)


def _space() -> str:
    from headroom_core import settings

    return settings.namespace()
