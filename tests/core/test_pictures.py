"""Pictures in tool results go through the same flow: marked, stored, recognised, never dearer."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest
from PIL import Image, ImageDraw

from headroom_core import Compressor
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.types import Bytes, Context, Part, Rewrite
from headroom_core.types import Image as ImageBlock


def _png(shade: int = 255) -> bytes:
    picture = Image.new("RGB", (1600, 1200), (shade, shade, shade))
    ImageDraw.Draw(picture).ellipse((200, 200, 900, 900), fill=(200, 30, 30))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


class _Shrink:
    """Sends a quarter of the picture, twice as small, without looking at it."""

    name = "shrink"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        block = part.block
        assert isinstance(block, ImageBlock)
        assert isinstance(block.source, Bytes)
        out = io.BytesIO()
        Image.open(io.BytesIO(block.source.data)).crop((0, 0, 800, 600)).resize((400, 300)).save(out, "PNG")
        return Rewrite((ImageBlock(Bytes(out.getvalue()), "image/png"),), "three quarters of the picture")


def _messages(*pictures: bytes) -> list[dict[str, Any]]:
    blocks = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}}
        for data in pictures
    ]
    return [
        {"role": "user", "content": "What colour is the circle?"},
        {
            "role": "tool",
            "tool_call_id": "c",
            "name": "screenshot",
            "content": [*blocks, {"type": "text", "text": "done"}],
        },
    ]


def _compressor(originals: Originals, transform: Any = None) -> Compressor:
    transforms: Any = {"image": transform} if transform else None
    return Compressor(originals=originals, retrievable=True, strict=True, transforms=transforms)


@pytest.mark.parametrize("transform", [None, _Shrink()], ids=["bundled", "own"])
def test_picture_shrinks_is_stored_and_is_recognised(transform: Any) -> None:
    """A marker stands beside the smaller picture; the original comes back; a second pass changes nothing."""
    originals = Originals(MemoryBlobs(), key=b"k" * 32)
    once = _compressor(originals, transform)(_messages(_png()), namespace="n")
    (change,) = once.changes
    assert change.tokens < change.part.tokens
    assert change.ref is not None
    assert originals.get(change.ref, namespace="n") == _png()
    marker = once.messages[1]["content"][1]["text"]
    assert re.search(rf'headroom_retrieve\(ref="{change.ref}"\) #', marker)
    again = _compressor(originals, transform)(once.messages, namespace="n")
    assert [new is old for new, old in zip(again.messages, once.messages, strict=True)] == [True, True]


def test_two_pictures_side_by_side() -> None:
    """Each keeps its own marker, and both are recognised."""
    originals = Originals(MemoryBlobs(), key=b"k" * 32)
    once = _compressor(originals, _Shrink())(_messages(_png(), _png(40)), namespace="n")
    assert len({change.ref for change in once.changes}) == 2
    again = _compressor(originals, _Shrink())(once.messages, namespace="n")
    assert again.messages[1] is once.messages[1], again.explain()


def test_foreign_marker_beside_a_picture_protects_nothing() -> None:
    """A picture with another picture's marker beside it is compressed as any other."""
    originals = Originals(MemoryBlobs(), key=b"k" * 32)
    once = _compressor(originals, _Shrink())(_messages(_png()), namespace="n")
    forged = _messages(_png(40))
    forged[1]["content"].insert(1, once.messages[1]["content"][1])
    outcome = _compressor(originals, _Shrink())(forged, namespace="n")
    assert [change.by for change in outcome.changes] == ["shrink"]


def test_picture_that_lies_elsewhere_is_left() -> None:
    """A URL is never fetched; the outcome says so."""
    message = {"role": "tool", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}
    outcome = _compressor(Originals(MemoryBlobs(), key=b"k" * 32))([message])
    assert outcome.messages[0] is message
    assert "fetched" in outcome.skipped[0].reason
