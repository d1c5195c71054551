"""The pipeline's transform for pictures: text, crop or low detail with one readable line; never where nothing may be lost."""

from __future__ import annotations

from base64 import b64encode

import pytest

from headroom_core import Compressor
from headroom_core.image.decision import Technique
from headroom_core.image.plan import Planner, tokens_of
from headroom_core.transforms.picture import Picture
from headroom_core.types import Bytes, Context, FileId, Image, Part, Rewrite, Text, Url
from tests.image.pictures import FakeRouter, picture_bytes, reader

BLOCK = Image(Bytes(picture_bytes(700, 900)), "image/png", "high", role="tool", tool="browser")


def _context(**options: object) -> Context:
    return Context(count=lambda text: len(text) // 4, query="What is the total?", **options)  # type: ignore[arg-type]


def _picture(technique: Technique = Technique.TRANSCODE) -> Picture:
    return Picture(Planner(FakeRouter(technique), reader()))


def _part(block: Image = BLOCK) -> Part:
    return Part((0, 0), "image", block, tokens_of(block, "openai"))


def test_a_screenshot_becomes_the_text_that_is_asked_for() -> None:
    """The rewrite holds the answer, says what is gone in one plain line, and never writes a marker itself."""
    made = _picture()(_part(), _context())
    assert made is not None
    assert "18.40" in made.text
    assert "Thank you" not in made.text
    assert made.left_out is not None
    assert not set("[]\n") & set(made.left_out)
    assert made.index["technique"] == "transcode"


def test_without_a_typed_answer_the_text_goes_through_the_text_transforms() -> None:
    """Text that the question does not narrow is compressed as prose; what that leaves out is told."""

    def nested(text: str, *, kind: object = None, target_ratio: object = None) -> Rewrite:
        assert "Cashier: Mo" in text
        return Rewrite.of("short text", "most of it")

    context = Context(count=lambda text: len(text) // 4, query="xyzzy plugh?", nested=nested)
    made = _picture()(_part(), context)
    assert made is not None
    assert "short text" in made.text
    assert "most of it" in str(made.left_out)


@pytest.mark.parametrize("block", [BLOCK, Image(Url("https://example.org/x.png")), Image(FileId("f1"))])
def test_what_is_left_alone(block: Image) -> None:
    """Nothing is lossless here; pictures that are not at hand stay; PRESERVE stays."""
    assert _picture(Technique.PRESERVE)(_part(block), _context()) is None
    if block is BLOCK:
        assert _picture()(_part(), _context(strength="lossless")) is None
    else:
        assert _picture()(_part(block), _context()) is None


def test_why_a_picture_is_left_is_told() -> None:
    """Damage, and a question that needs the picture as it is, reach the outcome as its reasons; so does the strength."""
    cut = Image(Bytes(picture_bytes(700, 900)[:-200]), "image/png", role="tool")
    message = {"role": "tool", "tool_call_id": "t", "content": [_openai(cut), _openai(BLOCK)]}
    compressor = Compressor(originals=None, strength="lossy", provider="openai")
    reasons = [
        skip.reason for skip in compressor([{"role": "user", "content": "Which tab is selected?"}, message]).skipped
    ]
    assert "truncated" in reasons[0]
    assert "the answer needs the picture as it is" in reasons[1]
    kept = Compressor(originals=None, strength="lossless", provider="openai")([message]).skipped
    assert [skip.reason for skip in kept] == ["a picture has no lossless form"] * 2


def _openai(block: Image) -> dict[str, object]:
    assert isinstance(block.source, Bytes)
    url = "data:image/png;base64," + b64encode(block.source.data).decode()
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


def test_text_parts_are_not_pictures() -> None:
    """A text part is none of this transform's business."""
    assert _picture()(Part((0, 0), "prose", Text("x"), 1), _context()) is None


def test_tokens_of_a_block() -> None:
    """Counted by the provider's formula at the block's level; 0 where the size is not known."""
    assert tokens_of(BLOCK, "openai") == 765
    assert tokens_of(BLOCK, "anthropic") == 25 * 33
    assert tokens_of(Image(Url("https://example.org/x.png")), "openai") == 0
