"""What a retriever finds, cut down to what the question needs; each original stays at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
    Callbacks,
)
from langchain_core.documents import BaseDocumentCompressor, BaseDocumentTransformer, Document
from langchain_core.retrievers import BaseRetriever, RetrieverLike
from langchain_core.runnables.config import run_in_executor
from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from typing_extensions import Self

from headroom_core.pipeline import Compressor
from headroom_integrations._passages import Passage, Passages

NOTE = "headroom"
"""Our key in a document's metadata."""


def _cut(passages: Passages, documents: Sequence[Document], query: str | None) -> list[Document]:
    """The documents that are left, in order; one that did not change is the same object."""
    cut = passages.cut([document.page_content for document in documents], query)
    kept = [_made(document, passage) for document, passage in zip(documents, cut, strict=True) if passage.text]
    dropped = [
        {"ref": passage.ref, "id": document.id, "metadata": document.metadata}
        for document, passage in zip(documents, cut, strict=True)
        if not passage.text and document.page_content
    ]
    if dropped and kept:
        last = kept[-1]
        note = {**last.metadata.get(NOTE, {}), "dropped": dropped}
        kept[-1] = last.model_copy(update={"metadata": {**last.metadata, NOTE: note}})
    return kept


def _made(document: Document, passage: Passage) -> Document:
    if passage.text == document.page_content:
        return document
    metadata = {**document.metadata, NOTE: passage.as_dict()}
    return document.model_copy(update={"page_content": passage.text, "metadata": metadata})


class HeadroomDocumentCompressor(BaseDocumentCompressor):
    """Keeps of retrieved documents what the query needs, under one budget over all of them.

    Give one of ``target_ratio`` (share of tokens to keep), ``token_budget`` (tokens in total) and ``max_risk`` (accepted
    share of lost evidence); without one, the bundled threshold holds the risk at 5 %. Ids, metadata and scores stay;
    ``metadata["headroom"]`` has the reference of the original, and the last document's lists what was dropped
    altogether. No marker stands in the text.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    compressor: Compressor | None = Field(default=None, exclude=True, repr=False)
    namespace: str | None = None
    target_ratio: float | None = None
    token_budget: int | None = None
    max_risk: float | None = None
    _passages: Passages = PrivateAttr()

    @model_validator(mode="after")
    def _settle(self) -> Self:
        self._passages = Passages(
            self.compressor,
            namespace=self.namespace,
            target_ratio=self.target_ratio,
            token_budget=self.token_budget,
            max_risk=self.max_risk,
        )
        return self

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The documents, cut to what the query needs; the caller's own are never changed."""
        return _cut(self._passages, documents, query)


class HeadroomDocumentTransformer(BaseDocumentTransformer):
    """Cuts documents down when they are ingested, without a query: what is embedded and stored is smaller.

    Takes the settings of ``HeadroomDocumentCompressor``, each document for itself.
    """

    def __init__(
        self,
        compressor: Compressor | None = None,
        *,
        namespace: str | None = None,
        target_ratio: float | None = None,
        max_risk: float | None = None,
    ) -> None:
        self._passages = Passages(compressor, namespace=namespace, target_ratio=target_ratio, max_risk=max_risk)

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        """The documents, cut down; the caller's own are never changed."""
        return [cut for document in documents for cut in _cut(self._passages, [document], None) or [document]]

    async def atransform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        """As ``transform_documents``."""
        return await run_in_executor(None, self.transform_documents, documents)


class HeadroomRetriever(BaseRetriever):
    """A retriever whose documents come compressed: ``HeadroomRetriever(base=retriever)``."""

    base: RetrieverLike
    document_compressor: BaseDocumentCompressor = Field(default_factory=HeadroomDocumentCompressor)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        found = self.base.invoke(query, {"callbacks": run_manager.get_child()}, **kwargs)
        return list(self.document_compressor.compress_documents(found, query, run_manager.get_child()))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        found = await self.base.ainvoke(query, {"callbacks": run_manager.get_child()}, **kwargs)
        return list(await self.document_compressor.acompress_documents(found, query, run_manager.get_child()))
