"""Nodes compressed when they are ingested: what is embedded and stored is smaller, the original stays at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from llama_index.core.schema import BaseNode, TransformComponent
from pydantic import ConfigDict, Field, PrivateAttr

from headroom_core.pipeline import Compressor
from headroom_integrations._passages import Passage, Passages
from headroom_integrations.llama_index.events import tell
from headroom_integrations.llama_index.postprocessor import cut_node, text_of

REF: Final = "headroom_ref"
"""Key of the reference in a node's metadata: a string, since many vector stores take flat metadata only."""


class HeadroomTransform(TransformComponent):
    """A step of an ``IngestionPipeline`` that cuts each node down, without a query. Nothing is dropped.

    ``metadata["headroom_ref"]``, which no prompt and no embedding sees, names the original. ``settings_digest`` is what
    the pipeline's cache sees of the compressor: change its options, and nodes are made anew.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    compressor: Compressor | None = Field(default=None, exclude=True, repr=False)
    namespace: str | None = None
    target_ratio: float | None = None
    max_risk: float | None = None
    settings_digest: str = ""
    _passages: Passages = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Settle the options."""
        super().model_post_init(context)
        compressor = self.compressor or Compressor()
        self.settings_digest = compressor.fingerprint
        self._passages = Passages(
            self.compressor, namespace=self.namespace, target_ratio=self.target_ratio, max_risk=self.max_risk
        )

    @classmethod
    def class_name(cls) -> str:
        """Name of the component."""
        return "HeadroomTransform"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """The nodes, cut down; the caller's own are never changed."""
        cut = [self._passages.cut([text_of(node)], None)[0] for node in nodes]
        before, after = (sum(getattr(passage, name) for passage in cut) for name in ("original_tokens", "tokens"))
        sums = {"original_tokens": before, "compressed_tokens": after, "saved": before - after}
        tell({"requests": 1, **sums}, "ingestion")
        return [_made(node, passage) for node, passage in zip(nodes, cut, strict=True)]

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """As the call itself."""
        return await asyncio.to_thread(self, nodes, **kwargs)


def _made(node: BaseNode, passage: Passage) -> BaseNode:
    if not passage.text.strip():
        return node
    made = cut_node(node, passage)
    if made is node:
        return node
    hidden = {
        name: [*getattr(node, name), *([] if REF in getattr(node, name) else [REF])]
        for name in ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys")
    }
    return made.model_copy(update={"metadata": {**node.metadata, REF: passage.ref}, **hidden})
