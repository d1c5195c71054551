"""Pictures in retrieved nodes: as text, as a crop, or small, where that keeps what the question needs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from llama_index.core.llms import ImageBlock
from llama_index.core.schema import BaseNode, ImageNode, MediaResource, Node, TextNode
from pydantic import ValidationError

from headroom_core.pipeline import Compressor
from headroom_core.types import Bytes, Change, Image, Message, Text
from headroom_integrations._bridge import namespace_for
from headroom_integrations._passages import known, remember, without_caption
from headroom_integrations.llama_index.messages import blocks_to_core

_NO_SMALLER: Final = "it would not be smaller"


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands for a node's picture: a smaller one, text, or both. ``note`` is for the node's metadata."""

    image: Bytes | None
    mime: str | None
    text: str
    note: dict[str, Any]


class Pictures:
    """Cuts the pictures of nodes, each for itself, with the question. Asking for this is asking for lossy results.

    A node names no detail level, so a picture counts, and goes on, at the provider's default.
    """

    def __init__(self, compressor: Compressor, namespace: str | None) -> None:
        options = compressor.options
        self._compressor = compressor if options.kind in (None, "image") else compressor.with_options(kind=None)
        self._namespace = namespace

    def cut(self, nodes: Sequence[BaseNode], query: str | None) -> tuple[list[Shown | None], dict[str, int]]:
        """What stands for each node's picture, None where it stays; and for which reason how many stay."""
        shown: list[Shown | None] = [None] * len(nodes)
        reasons: dict[str, int] = {}
        found = {n: image for n, node in enumerate(nodes) if (image := picture_of(node))}
        fresh = [n for n, image in found.items() if not known(self._compressor, _name(image.source), self._space)]
        if not fresh:
            return shown, reasons
        messages = [Message("tool", (found[n],)) for n in fresh]
        outcome = self._compressor(messages, query=query or "", namespace=self._space)
        changes = () if outcome.audited else outcome.changes
        for change in changes:
            shown[fresh[change.part.at[0]]] = self._shown(change)
        stay = [skip.reason for skip in outcome.skipped]
        stay += [_NO_SMALLER for change in changes if shown[fresh[change.part.at[0]]] is None]
        return shown, {reason: stay.count(reason) for reason in dict.fromkeys(stay)}

    def remember(self, text: str) -> None:
        """Note a text with a picture's words in it, so that it stays as it is when it comes again."""
        remember(self._compressor, text, self._space)

    @property
    def _space(self) -> str:
        return namespace_for(self._compressor, self._namespace)

    def _shown(self, change: Change) -> Shown | None:
        """None where nothing is gained without the detail level, which a node cannot carry."""
        from headroom_core.image.plan import tokens_of

        options, blocks = self._compressor.options, change.rewrite.blocks
        image = next((replace(block, detail=None) for block in blocks if isinstance(block, Image)), None)
        text = without_caption("\n" + "\n".join(block.text for block in blocks if isinstance(block, Text))).strip("\n")
        tokens = self._compressor.count(text) if text else 0
        tokens += tokens_of(image, options.provider, options.model) if image else 0
        if tokens >= change.part.tokens:
            return None
        source = image.source if image and isinstance(image.source, Bytes) else None
        remember(self._compressor, _name(source), self._space)
        note = {"ref": change.ref, "original_tokens": change.part.tokens, "tokens": tokens}
        return Shown(source, image.mime if image else None, text, note)


def picture_of(node: BaseNode) -> Image | None:
    """The node's picture, where it has one: its bytes if they are at hand, else where it lies."""
    fields = _fields(node)
    if not any(fields.get(name) for name in ("image", "path", "url")):
        return None
    try:
        (block,) = blocks_to_core([ImageBlock(**fields)], role="tool")
    except (ValidationError, ValueError, OSError):
        return None  # what is no base64, no address and no readable file is not understood, and stays
    return block if isinstance(block, Image) else None


def with_picture(node: BaseNode, shown: Shown) -> BaseNode:
    """A copy with what stands for the picture; an image node without a picture becomes a text node."""
    data = base64.b64encode(shown.image.data) if shown.image else None
    if isinstance(node, Node):
        text = _joined((node.text_resource.text if node.text_resource else None) or "", shown.text)
        update: dict[str, Any] = {"image_resource": MediaResource(data=data, mimetype=shown.mime) if data else None}
        if shown.text:
            update["text_resource"] = (node.text_resource or MediaResource()).model_copy(update={"text": text})
        return node.model_copy(update=update)
    assert isinstance(node, ImageNode)
    text = _joined(node.text, shown.text)
    if data is None:
        kept = {name: getattr(node, name) for name in TextNode.model_fields}
        return TextNode(**{**kept, "text": text})
    place = {"image": data.decode("ascii"), "image_path": None, "image_url": None, "image_mimetype": shown.mime}
    return node.model_copy(update={"text": text, **place})


def _fields(node: BaseNode) -> dict[str, Any]:
    """What an ``ImageBlock`` takes of the node."""
    if isinstance(node, ImageNode):
        data = node.image.encode("utf-8", "surrogatepass") if node.image else None
        return {"image": data, "path": node.image_path, "url": node.image_url, "image_mimetype": node.image_mimetype}
    resource = node.image_resource if isinstance(node, Node) else None
    if resource is None:
        return {}
    return {"image": resource.data, "path": resource.path, "url": resource.url, "image_mimetype": resource.mimetype}


def _joined(own: str, text: str) -> str:
    return "\n".join(each for each in (own, text) if each)


def _name(source: Any) -> str:
    """What stands for a picture among the remembered results."""
    return f"picture:{hashlib.sha256(source.data).hexdigest()}" if isinstance(source, Bytes) else ""
