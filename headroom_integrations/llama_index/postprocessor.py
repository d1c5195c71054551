"""What a retriever finds, cut down to what the question needs; each original stays at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, ImageNode, MediaResource, Node, NodeWithScore, QueryBundle, TextNode
from pydantic import ConfigDict, Field, PrivateAttr

from headroom_core import settings
from headroom_core.pipeline import Compressor
from headroom_integrations._passages import Passage, Passages
from headroom_integrations.llama_index.events import tell
from headroom_integrations.llama_index.messages import NOTE
from headroom_integrations.llama_index.pictures import Pictures, Shown, with_picture


class HeadroomNodePostprocessor(BaseNodePostprocessor):
    """Keeps of retrieved nodes what the query needs, under one budget over all of them.

    Give one of ``target_ratio`` (share of tokens to keep), ``token_budget`` (tokens in total) and ``max_risk`` (accepted
    share of lost evidence); without one, the bundled threshold holds the risk at 5 %. Ids, scores, relationships,
    metadata and offsets stay. ``node.metadata["headroom"]``, which no prompt and no embedding sees, has the reference of
    the original; the last node's lists what was dropped altogether. No marker stands in the text.

    A picture becomes its text, a crop or a smaller one where that keeps what the query asks, else it stays; an
    ``ImageNode`` whose picture became text is a ``TextNode``. ``metadata["headroom"]["picture"]`` has its reference.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    compressor: Compressor | None = Field(default=None, exclude=True, repr=False)
    namespace: str | None = None
    target_ratio: float | None = None
    token_budget: int | None = None
    max_risk: float | None = None
    _passages: Passages = PrivateAttr()
    _pictures: Pictures = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Settle the budget, or say what is wrong with it."""
        super().model_post_init(context)
        self._passages = Passages(
            self.compressor,
            namespace=self.namespace,
            target_ratio=self.target_ratio,
            token_budget=self.token_budget,
            max_risk=self.max_risk,
        )
        self._pictures = Pictures(self._passages.compressor, self.namespace)

    @classmethod
    def class_name(cls) -> str:
        """Name of the component."""
        return "HeadroomNodePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes or settings.disabled():
            return list(nodes)
        query = query_bundle.query_str if query_bundle else None
        passages = self._passages.cut([text_of(scored.node) for scored in nodes], query)
        if not any(passage.text.strip() for passage in passages):
            passages = [self._least(nodes), *passages[1:]]
        kept = _left(nodes, passages)
        shown, stay = self._pictures.cut([scored.node for scored in kept], query)
        tell(_note(passages, shown, stay), "nodes", self.callback_manager)
        return [self._shown(scored, new) if new else scored for scored, new in zip(kept, shown, strict=True)]

    def _shown(self, scored: NodeWithScore, shown: Shown) -> NodeWithScore:
        node = with_picture(scored.node, shown)
        if shown.text:
            self._pictures.remember(text_of(node))
        return scored.model_copy(update={"node": noted(node, {"picture": shown.note})})

    def _least(self, nodes: Sequence[NodeWithScore]) -> Passage:
        """The first node, halved or within the budget, where nothing else is left: no answer comes from nothing."""
        budget: dict[str, Any] = {"token_budget": self.token_budget} if self.token_budget else {"target_ratio": 0.5}
        shorter = Passages(self.compressor, namespace=self.namespace, **budget)
        return shorter.cut([text_of(nodes[0].node)], None)[0]


def _left(nodes: Sequence[NodeWithScore], passages: Sequence[Passage]) -> list[NodeWithScore]:
    """The nodes that are left, in order; one that did not change is the same object."""
    kept: list[NodeWithScore] = []
    dropped: list[dict[str, Any]] = []
    for scored, passage in zip(nodes, passages, strict=True):
        node, text = scored.node, text_of(scored.node)
        if passage.text.strip() or has_media(node):
            kept.append(_with(scored, cut_node(node, passage)))
        elif text:
            dropped.append({"ref": passage.ref, "id": node.node_id, "score": scored.score})
    if dropped and kept:
        last = kept[-1]
        kept[-1] = _with(last, noted(last.node, {"dropped": dropped}))
    return kept


def _with(scored: NodeWithScore, node: BaseNode) -> NodeWithScore:
    return scored if node is scored.node else scored.model_copy(update={"node": node})


def text_of(node: BaseNode) -> str:
    """The node's own text, without metadata."""
    if isinstance(node, TextNode):
        return node.text
    resource = node.text_resource if isinstance(node, Node) else None
    return (resource.text or "") if resource else ""


def has_media(node: BaseNode) -> bool:
    """Does the node hold anything besides text?"""
    if isinstance(node, ImageNode):
        return bool(node.image or node.image_path or node.image_url)
    if isinstance(node, Node):
        return any((node.image_resource, node.audio_resource, node.video_resource))
    return not isinstance(node, TextNode)


def cut_node(node: BaseNode, passage: Passage) -> BaseNode:
    """A copy with the passage's text and our note; the same object where nothing changed."""
    if passage.text == text_of(node):
        return node
    update: dict[str, Any] = {"text": passage.text}
    if isinstance(node, Node):
        resource = node.text_resource or MediaResource()
        update = {"text_resource": resource.model_copy(update={"text": passage.text})}
    return noted(node.model_copy(update=update), passage.as_dict())


def noted(node: BaseNode, note: dict[str, Any]) -> BaseNode:
    """A copy with ``note`` in its metadata, where no prompt and no embedding sees it."""
    own = node.metadata.get(NOTE)
    metadata = {**node.metadata, NOTE: {**(own if isinstance(own, dict) else {}), **note}}
    hidden = {
        name: keys if NOTE in (keys := getattr(node, name)) else [*keys, NOTE]
        for name in ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys")
    }
    return node.model_copy(update={"metadata": metadata, **hidden})


def _note(passages: Sequence[Passage], shown: Sequence[Shown | None], stay: dict[str, int]) -> dict[str, Any]:
    pictures = [each.note for each in shown if each]
    before = sum(each.original_tokens for each in passages) + sum(each["original_tokens"] for each in pictures)
    after = sum(each.tokens for each in passages) + sum(each["tokens"] for each in pictures)
    sums: dict[str, Any] = {
        "requests": 1,
        "original_tokens": before,
        "compressed_tokens": after,
        "saved": before - after,
    }
    return sums | ({"skipped": stay} if stay else {})
