"""Pictures in nodes: sent as what the question needs of them, the original at hand, the node otherwise as it was."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import QueryBundle
from llama_index.core.schema import (
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)

from headroom_core import Compressor, open_originals
from headroom_core.ccr import MemoryBlobs, Originals
from headroom_core.errors import MissingExtra, StoreError
from headroom_core.testing.nodes import NodePostprocessorContract
from headroom_core.testing.stores import FaultyBlobs
from headroom_core.types import Context, Part, Rewrite
from headroom_integrations.llama_index import HeadroomEventHandler, HeadroomNodePostprocessor, retrieve_tool

READ = "Read the error message in the screenshot."
LOOK = "What colour is the bar?"
LINES = ("Backup of volume data-7", "Error 28: no space left on device", "Free at least 12 GB and try again")


@lru_cache(1)
def window() -> bytes:
    """A window with an error in it, as PNG."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (1280, 800), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 40), fill="#335577")
    for n, line in enumerate(LINES):
        draw.text((60, 120 + 60 * n), line, fill="black", font=ImageFont.load_default(28))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pictured(**fields: Any) -> ImageNode:
    parent = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc")}
    place = fields or {"image": base64.b64encode(window()).decode("ascii"), "image_mimetype": "image/png"}
    return ImageNode(text="A screen.", id_="i", metadata={"page": 7}, relationships=parent, **place)


def made(compressor: Compressor | None = None, **options: Any) -> HeadroomNodePostprocessor:
    return HeadroomNodePostprocessor(
        compressor=compressor or Compressor(originals=open_originals("memory://"), min_tokens=0), **options
    )


@pytest.fixture
def heard() -> Iterator[HeadroomEventHandler]:
    """Hears what is told during a test."""
    handler = HeadroomEventHandler().attach()
    yield handler
    handler.detach()


def only(out: list[NodeWithScore]) -> Any:
    (scored,) = out
    return scored.node


class TestContract(NodePostprocessorContract):
    """The published contract, with pictures among the nodes."""

    def make(self) -> Any:
        return made()

    def nodes(self) -> list[NodeWithScore]:
        return [NodeWithScore(node=pictured(), score=0.5), *super().nodes()]


@pytest.mark.parametrize("of", ["bytes", "file", "resource"])
def test_a_question_for_words_gets_the_words(of: str, tmp_path: Path, heard: HeadroomEventHandler) -> None:
    """The text stands for the picture; id, score, metadata and relations stay; the picture comes back byte for byte."""
    pytest.importorskip("rapidocr")
    file = tmp_path / "window.png"
    file.write_bytes(window())
    node: Any = {
        "bytes": pictured,
        "file": lambda: pictured(image_path=str(file)),
        "resource": lambda: Node(
            text_resource=MediaResource(text="A screen."), image_resource=MediaResource(data=window()), id_="i"
        ),
    }[of]()
    before = node.model_dump()
    post = made(namespace="tenant")
    out = post.postprocess_nodes([NodeWithScore(node=node, score=0.5)], query_str=READ)
    new = only(out)
    assert node.model_dump() == before
    assert (new.node_id, out[0].score, new.relationships) == ("i", 0.5, node.relationships)
    assert type(new) is (Node if of == "resource" else TextNode)
    shown = new.get_content(MetadataMode.LLM)
    assert shown.startswith(node.get_content(MetadataMode.LLM))
    assert "no space left on device" in shown
    assert "headroom" not in shown
    assert "headroom" not in new.get_content(MetadataMode.EMBED)
    assert [type(block).__name__ for block in new.get_content_blocks()] == ["TextBlock"]
    note = new.metadata["headroom"]["picture"]
    assert note["tokens"] < note["original_tokens"] / 10
    compressor: Any = post.compressor
    assert compressor.originals.get(note["ref"], namespace="tenant") == window()
    called = retrieve_tool(compressor, namespace="tenant").call(ref=note["ref"])
    assert any(type(block).__name__ == "ImageBlock" for block in called.blocks)
    assert heard.as_dict()["saved"] == note["original_tokens"] - note["tokens"]


@pytest.mark.parametrize("of", ["image", "resource"])
def test_a_question_for_the_look_gets_a_smaller_picture(of: str) -> None:
    """Fewer pixels, still a picture of the same view, in a copy of the node that names no other place."""
    from PIL import Image

    node: Any = pictured() if of == "image" else Node(image_resource=MediaResource(data=window()), id_="i")
    post = made()
    new = only(post.postprocess_nodes([NodeWithScore(node=node)], query_str=LOOK))
    assert new is not node
    assert type(new) is type(node)
    (data,) = [block.image for block in new.get_content_blocks() if type(block).__name__ == "ImageBlock"]
    small = Image.open(io.BytesIO(base64.b64decode(data)))
    assert small.size == (512, 320)
    assert small.convert("RGB").getpixel((256, 5))[2] > 100  # the bar is blue
    note = new.metadata["headroom"]["picture"]
    assert note["tokens"] < note["original_tokens"]
    assert post.compressor is not None
    assert post.compressor.originals is not None
    from headroom_core import settings

    assert post.compressor.originals.get(note["ref"], namespace=settings.namespace()) == window()


@pytest.mark.parametrize("question", [READ, LOOK])
def test_what_we_made_stays(question: str) -> None:
    """A second postprocessor over our result changes nothing."""
    post = made()
    first = post.postprocess_nodes([NodeWithScore(node=pictured())], query_str=question)
    again = post.postprocess_nodes(first, query_str=question)
    assert only(again) is only(first)


def test_no_question_no_change() -> None:
    """Who asks nothing may need anything of a picture."""
    node = pictured()
    assert only(made().postprocess_nodes([NodeWithScore(node=node)])) is node


class NoEngine:
    """As where the extra is not installed."""

    name = "picture"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        raise MissingExtra("rapidocr", "ocr")


def test_without_the_extra_the_node_stays_and_the_reason_is_told(heard: HeadroomEventHandler) -> None:
    """The same object goes on; the event names what is missing."""
    node = pictured()
    compressor = Compressor(originals=open_originals("memory://"), transforms={"image": NoEngine()}, min_tokens=0)
    assert only(made(compressor).postprocess_nodes([NodeWithScore(node=node)], query_str=READ)) is node
    ((reason, count),) = heard.as_dict()["skipped"].items()
    assert count == 1
    assert "headroom-integrations[ocr]" in reason


def test_a_store_that_fails_leaves_the_picture(heard: HeadroomEventHandler) -> None:
    """No original, no cut."""
    blobs = FaultyBlobs(MemoryBlobs())
    blobs.fault = StoreError("away")
    node = pictured()
    post = made(Compressor(originals=Originals(blobs), min_tokens=0))
    assert only(post.postprocess_nodes([NodeWithScore(node=node)], query_str=LOOK)) is node
    assert "could not be stored" in next(iter(heard.as_dict()["skipped"]))


@pytest.mark.parametrize(
    "place",
    [
        {"image": "no base64!"},
        {"image": "aGk="},
        {"image_url": "https://example.org/window.png"},
        {"image_url": "no address"},
        {"image_path": "/no/such/file.png"},
    ],
    ids=lambda place: "-".join(place.values())[:12],
)
def test_what_is_not_at_hand_or_no_picture_stays(place: dict[str, str]) -> None:
    """Nothing is fetched, nothing fails, and the node is the same object."""
    node = pictured(**place)
    assert only(made().postprocess_nodes([NodeWithScore(node=node)], query_str=LOOK)) is node


def test_audit_and_the_kill_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both leave pictures alone."""
    found = [NodeWithScore(node=pictured())]
    audit = Compressor(originals=open_originals("memory://"), mode="audit", min_tokens=0)
    assert made(audit).postprocess_nodes(found, query_str=LOOK)[0] is found[0]
    monkeypatch.setenv("HEADROOM_DISABLE", "1")
    assert made().postprocess_nodes(found, QueryBundle(LOOK))[0] is found[0]
