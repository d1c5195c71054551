"""Documents: cut under a budget, with all that belongs to them, and each original at hand."""

from __future__ import annotations

import asyncio
import json
import textwrap
from typing import Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import DocumentCompressorPipeline
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore

from headroom_core import Compressor, open_originals
from headroom_core.types import Context, Part, Rewrite
from headroom_integrations.langchain import (
    HeadroomDocumentCompressor,
    HeadroomDocumentTransformer,
    HeadroomRetriever,
    retrieve_tool,
)
from tests.kompress.texts import DOCUMENTS
from tests.langchain.conftest import ROWS, TEXT, make_compressor
from tests.language.test_tables import LAYOUTS
from tests.language.test_wrapped import PROSE as HARBOUR

QUERY = "What is the status of user 77?"


def documents() -> list[Document]:
    return [
        Document(TEXT, id="a", metadata={"source": "a.json", "score": 0.9, "start_index": 120}),
        Document("short and plain", id="b", metadata={"source": "b.txt"}),
        Document(TEXT.replace("user", "guest"), id="c", metadata={"source": "c.json", "relevance_score": 0.5}),
    ]


def cut(**options: Any) -> HeadroomDocumentCompressor:
    return HeadroomDocumentCompressor(compressor=make_compressor(), **options)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_everything_that_belongs_to_a_document_stays(way: str) -> None:
    """Ids, metadata, scores and offsets stay; the text carries no marker; unchanged documents are the same objects."""
    found = documents()
    before = [document.model_dump() for document in found]
    compressor = cut()
    out = (
        compressor.compress_documents(found, QUERY)
        if way == "sync"
        else asyncio.run(compressor.acompress_documents(found, QUERY))
    )
    assert [d.id for d in out] == ["a", "b", "c"]
    assert out[1] is found[1]
    for old, new in ((found[0], out[0]), (found[2], out[2])):
        assert {k: v for k, v in new.metadata.items() if k != "headroom"} == old.metadata
        assert len(new.page_content) < len(old.page_content) / 10
        assert "left out" not in new.page_content
        assert "hr_" not in new.page_content
        assert new.metadata["headroom"]["tokens"] < new.metadata["headroom"]["original_tokens"] / 10
    assert [document.model_dump() for document in found] == before


def test_originals_come_back() -> None:
    """The reference in the metadata gives the original, byte for byte and by rows."""
    compressor = make_compressor()
    out = HeadroomDocumentCompressor(compressor=compressor, namespace="n").compress_documents(documents(), QUERY)
    ref = out[0].metadata["headroom"]["ref"]
    assert compressor.originals.get(ref, namespace="n").decode() == TEXT
    assert '"user 77"' in retrieve_tool(compressor, namespace="n").invoke({"ref": ref, "rows": "77"})


class Wanted:
    """Keeps documents that answer the query, and drops the others to nothing."""

    name = "wanted"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return Rewrite.of("" if "guest" in part.text else part.text[:50], "the rest")


def test_dropped_documents_can_be_called_back() -> None:
    """A document of which nothing is left is listed, with its reference, on the last one that stays."""
    compressor = make_compressor(Wanted())
    out = HeadroomDocumentCompressor(compressor=compressor, namespace="n").compress_documents(documents(), QUERY)
    assert [d.id for d in out] == ["a", "b"]
    (dropped,) = out[-1].metadata["headroom"]["dropped"]
    assert dropped["id"] == "c"
    assert dropped["metadata"]["source"] == "c.json"
    assert compressor.originals.get(dropped["ref"], namespace="n").decode() == TEXT.replace("user", "guest")


def test_one_budget_at_a_time() -> None:
    """Two budgets would contradict each other; a typo is no option."""
    with pytest.raises(ValueError, match="Give one of"):
        cut(target_ratio=0.5, token_budget=100)
    with pytest.raises(ValueError, match="token_budget is 0"):
        cut(token_budget=0)
    with pytest.raises(ValueError, match="ratio"):
        HeadroomDocumentCompressor(ratio=0.5)


def test_a_token_budget_is_kept() -> None:
    """Real rows under a budget over all documents; what fits already stays as it is."""
    compressor = Compressor(originals=open_originals("memory://"))
    found = [Document(json.dumps(ROWS).replace("user", name)) for name in ("user", "guest", "host")]
    out = HeadroomDocumentCompressor(compressor=compressor, token_budget=1500).compress_documents(found, QUERY)
    assert sum(compressor.count(d.page_content) for d in out) <= 1500
    assert any("77" in d.page_content for d in out)
    same = HeadroomDocumentCompressor(compressor=compressor, token_budget=10**6).compress_documents(found, QUERY)
    assert all(new is old for new, old in zip(same, found, strict=True))


def test_documents_do_not_refer_to_each_other() -> None:
    """The same text twice is cut twice: a document must stand by itself."""
    out = cut().compress_documents([Document(TEXT), Document(TEXT)], QUERY)
    assert out[0].page_content == out[1].page_content


class Finds(BaseRetriever):
    """Finds the documents above."""

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return documents()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_retriever_in_one_line(way: str) -> None:
    """HeadroomRetriever(base=…) is all that a chain needs; LangChain's own composition works alike."""
    ours = HeadroomRetriever(base=Finds(), document_compressor=cut())
    theirs = ContextualCompressionRetriever(
        base_retriever=Finds(), base_compressor=DocumentCompressorPipeline(transformers=[cut()])
    )
    for retriever in (ours, theirs):
        out = retriever.invoke(QUERY) if way == "sync" else asyncio.run(retriever.ainvoke(QUERY))
        assert [d.id for d in out] == ["a", "b", "c"]
        assert len(out[0].page_content) < len(TEXT) / 10


def test_ingestion() -> None:
    """What is embedded and stored is smaller, without a query; ids and metadata stay; nothing is dropped."""
    compressor = make_compressor(Wanted())
    transformer = HeadroomDocumentTransformer(compressor, namespace="n")
    small = transformer.transform_documents(documents())
    assert [d.id for d in small] == ["a", "b", "c"]
    assert len(small[0].page_content) <= 50
    assert [d.page_content for d in asyncio.run(transformer.atransform_documents(documents()))] == [
        d.page_content for d in small
    ]
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(list(small))
    assert store.similarity_search("user", k=1)[0].metadata["source"]


PUMP = "Maintenance of the pump costs 1,200 euros per year. The director is called Ann. She likes tea and long walks. "
ROSES = "The gardens are open on Sundays. Visitors like the roses. A shop sells books and cards near the gate. "
MAY = "The weather in May was mild. Rain fell on twelve days. Many birds came back early that year. "
COST = "What does maintenance of the pump cost per year?"


def prose() -> list[Document]:
    return [
        Document(text * 2, id=name, metadata={"start_index": 7})
        for name, text in (("pump", PUMP), ("roses", ROSES), ("may", MAY))
    ]


def test_prose_is_weighed_together() -> None:
    """One budget over all documents: what answers stays, what does not goes, and offsets point into the originals."""
    compressor = Compressor(originals=open_originals("memory://"))
    out = HeadroomDocumentCompressor(compressor=compressor, namespace="n", token_budget=40).compress_documents(
        prose(), COST
    )
    assert sum(compressor.count(d.page_content) for d in out) <= 40
    (first, *_) = out
    assert "1,200 euros" in first.page_content
    assert first.metadata["start_index"] == 7
    original = compressor.originals.get(first.metadata["headroom"]["ref"], namespace="n").decode()
    assert original == PUMP * 2
    pieces = [original[start:end] for start, end in first.metadata["headroom"]["spans"]]
    assert " ".join("".join(pieces).split()) in " ".join(first.page_content.split()) or all(
        p.strip() in first.page_content for p in pieces
    )
    gone = {entry["id"]: entry["ref"] for entry in out[-1].metadata["headroom"].get("dropped", [])}
    for name, ref in gone.items():
        assert compressor.originals.get(ref, namespace="n").decode() == next(
            d.page_content for d in prose() if d.id == name
        )


def test_pages_of_a_pdf_are_weighed_as_sentences_and_rows() -> None:
    """Wrapped lines and a table between them: the sentence that answers stays whole, and so does the row, under its header."""
    wrapped = textwrap.fill(HARBOUR, 70)
    page = f"{wrapped}\n\n" + "\n".join(LAYOUTS["numbers"]) + f"\n\n{wrapped}"
    pages = [Document(page), Document(textwrap.fill(" ".join(DOCUMENTS * 3), 70))]
    for question, answers in (
        ("Who built the harbour of Lenvik?", ["The harbour of Lenvik was built in 1891 by the engineer Ada Moen"]),
        ("How many ships came to Torsken?", ["port built depth of water ships a year", "Torsken 1877 6.1 340"]),
    ):
        compressor = HeadroomDocumentCompressor(
            compressor=Compressor(originals=open_originals("memory://")), target_ratio=0.25
        )
        kept = " ".join(page.page_content for page in compressor.compress_documents(pages, question))
        assert len(kept) < 0.35 * sum(len(page.page_content) for page in pages)
        assert all(answer in " ".join(kept.split()) for answer in answers)


def test_twice_is_once() -> None:
    """What was cut once is not cut again."""
    compressor = HeadroomDocumentCompressor(compressor=Compressor(originals=open_originals("memory://")), max_risk=0.2)
    once = compressor.compress_documents(prose(), COST)
    twice = compressor.compress_documents(once, COST)
    assert [d.page_content for d in twice] == [d.page_content for d in once]
    assert all(new is old for new, old in zip(twice, once, strict=True))


def test_a_store_that_is_away_leaves_documents_whole() -> None:
    """No original kept, nothing cut."""
    from headroom_core.ccr.memory import MemoryBlobs
    from headroom_core.ccr.originals import Originals
    from headroom_core.errors import StoreError

    class Away(MemoryBlobs):
        def get(self, key: str, /) -> bytes | None:
            raise StoreError("away")

        def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
            raise StoreError("away")

        def put_many(self, items: Any, /) -> None:
            raise StoreError("away")

        def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
            raise StoreError("away")

    found = [*prose(), *documents()]
    out = HeadroomDocumentCompressor(compressor=Compressor(originals=Originals(Away()))).compress_documents(found, COST)
    assert [d.page_content for d in out] == [d.page_content for d in found]


def test_a_missing_model_leaves_prose_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts go on as they came, other kinds are cut all the same; strict mode raises."""
    from headroom_core.errors import HeadroomError, ModelError
    from headroom_core.kompress.compressor import KompressCompressor

    def gone(self: Any) -> Any:
        raise ModelError("The model file is missing.")

    monkeypatch.setattr(KompressCompressor, "load", gone)
    from headroom_integrations import _passages

    _passages._kompress.cache_clear()
    found = [prose()[0], Document(TEXT, id="rows")]
    options: dict[str, Any] = {"originals": open_originals("memory://")}
    out = HeadroomDocumentCompressor(compressor=Compressor(**options)).compress_documents(found, COST)
    assert out[0] is found[0]
    assert len(out[1].page_content) < len(TEXT) / 2
    with pytest.raises(HeadroomError):
        HeadroomDocumentCompressor(compressor=Compressor(strict=True, **options)).compress_documents(found, COST)


def test_something_is_always_left() -> None:
    """A question that no document answers still gets a sentence, and every reference."""
    compressor = HeadroomDocumentCompressor(compressor=Compressor(originals=open_originals("memory://")), max_risk=0.5)
    out = compressor.compress_documents(prose(), "How do submarines dive?")
    assert out
    assert out[0].page_content.strip()
    assert len(out) + len(out[-1].metadata["headroom"].get("dropped", [])) == 3
