"""Events, ingestion, memory and stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import Memory
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
from llama_index.core.storage.kvstore import SimpleKVStore

from headroom_core import Compressor, open_originals
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.types import Blobs
from headroom_integrations.llama_index import (
    HeadroomCallbackHandler,
    HeadroomEventHandler,
    HeadroomKVStore,
    HeadroomLLM,
    HeadroomMemoryBlock,
    HeadroomNodePostprocessor,
    HeadroomToolSpec,
    HeadroomTransform,
    originals_in,
    retrieve_tool,
)
from headroom_integrations.llama_index.testing import ScriptedLLM, says
from tests.llama_index.conftest import TEXT, asks_back, conversation, make_compressor, ref_in
from tests.llama_index.test_postprocessor import PUMPS, QUESTION, nodes


@pytest.fixture
def observed() -> Iterator[HeadroomEventHandler]:
    handler = HeadroomEventHandler().attach()
    yield handler
    handler.detach()


def test_savings_by_query(observed: HeadroomEventHandler, compressor: Compressor) -> None:
    """Each call is a query of its own; what was called back counts against the savings."""
    llm = HeadroomLLM(inner=ScriptedLLM(script=[asks_back, says("x")]), compressor=compressor)
    llm.chat(conversation())
    llm.chat(conversation())
    total = observed.as_dict()
    assert total["requests"] == 2
    assert total["retrievals"] == 1
    assert 0 < total["net_saved"] < total["saved"]
    assert total["by_tool"] == {"users": total["saved"]}
    assert len(observed.queries) == 2
    assert sum(observed.as_dict(query)["saved"] for query in observed.queries) == total["saved"]
    assert str(observed).startswith("headroom {")


def test_nodes_and_tools_are_counted_and_content_is_not_told(compressor: Compressor) -> None:
    """Every surface tells sums, by name; no event of ours holds any text."""
    heard: list[Any] = []
    handler = HeadroomEventHandler(hooks=[heard.append]).attach()
    try:
        HeadroomNodePostprocessor(compressor=Compressor(originals=open_originals("memory://"))).postprocess_nodes(
            nodes(), query_str=QUESTION
        )
        HeadroomToolSpec(compressor).wrap([lambda page: TEXT])[1].call(page=1)
    finally:
        handler.detach()
    assert len(heard) == 2
    assert all(note["saved"] > 100 for note in heard)
    assert "pump" not in str(heard)
    assert "user 0" not in str(heard)


def test_a_handler_that_is_not_attached(compressor: Compressor) -> None:
    """It counts nothing, and the answer is the same."""
    handler = HeadroomEventHandler()
    llm = HeadroomLLM(inner=ScriptedLLM(script=[says("x")]), compressor=compressor)
    assert llm.chat(conversation()).message.content == "x"
    assert handler.as_dict()["requests"] == 0


def test_the_legacy_callback_manager(compressor: Compressor) -> None:
    """The same sums by trace, for those who still use it."""
    handler = HeadroomCallbackHandler()
    manager = CallbackManager([handler])
    llm = HeadroomLLM(inner=ScriptedLLM(script=[says("x")], callback_manager=manager), compressor=compressor)
    with manager.as_trace("query"):
        llm.chat(conversation())
    assert handler.as_dict()["saved"] > 1000
    assert handler.as_dict("query") == handler.as_dict()


# ---------------------------------------------------------------------- ingestion


def test_ingestion(compressor: Compressor) -> None:
    """Nodes go in small; the reference is a flat string that no prompt or embedding sees; nothing is mutated or dropped."""
    found = [
        TextNode(text=TEXT, id_="a", metadata={"p": 1}),
        TextNode(text="", id_="b"),
        TextNode(text="short", id_="c"),
    ]
    before = [node.model_dump() for node in found]
    step = HeadroomTransform(compressor=compressor, namespace="n")
    out = IngestionPipeline(transformations=[step]).run(nodes=found, in_place=False)
    assert [node.node_id for node in out] == ["a", "b", "c"]
    assert len(out[0].get_content()) < len(TEXT) / 10
    assert out[1] is found[1]
    assert out[2] is found[2]
    assert set(out[0].metadata) == {"p", "headroom_ref"}
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert "hr_" not in out[0].get_content(metadata_mode=mode)
    assert (
        "user 77"
        in retrieve_tool(compressor, namespace="n").call(ref=out[0].metadata["headroom_ref"], rows="77").content
    )
    assert [node.model_dump() for node in found] == before
    later = asyncio.run(IngestionPipeline(transformations=[step]).arun(nodes=found))
    assert [node.model_dump() for node in later] == [node.model_dump() for node in out]


def test_the_cache_of_a_pipeline() -> None:
    """The same settings hit the cache; other settings of the transform or of its compressor do not."""

    def key(step: HeadroomTransform) -> str:
        return str(step.to_dict())

    one, two = (HeadroomTransform(compressor=make_compressor()) for _ in range(2))
    assert key(one) == key(two)
    others = [
        HeadroomTransform(compressor=make_compressor(), target_ratio=0.3),
        HeadroomTransform(compressor=make_compressor(min_tokens=7)),
        HeadroomTransform(compressor=make_compressor(), namespace="n"),
    ]
    assert len({key(step) for step in (one, *others)}) == 4
    assert " at 0x" not in key(one)


# ---------------------------------------------------------------------- memory


def test_memory_block(compressor: Compressor) -> None:
    """Turns that leave the short-term memory are small in what the model sees, and come back by their marker."""
    block = HeadroomMemoryBlock(compressor=compressor, retrievable=True)
    memory = Memory.from_defaults(
        session_id="s", token_limit=400, token_flush_size=100, chat_history_token_ratio=0.5, memory_blocks=[block]
    )

    async def run() -> list[ChatMessage]:
        for number in range(6):
            await memory.aput(ChatMessage(role="user", content=f"Question {number} about {'words ' * 40}"))
            await memory.aput(ChatMessage(role="assistant", content=TEXT.replace("user", f"user{number}")))
        return await memory.aget()

    seen = asyncio.run(run())
    text = "\n".join(message.content or "" for message in seen)
    assert "118 of 120 rows" in block.turns[1]
    assert "Question 0" in text
    assert "user0 77" in retrieve_tool(compressor).call(ref=ref_in(block.turns[1]), rows="77").content


def test_memory_block_without_the_tool_loses_nothing() -> None:
    """No marker where nobody resolves it."""
    block = HeadroomMemoryBlock(compressor=make_compressor())
    asyncio.run(block.aput([ChatMessage(role="assistant", content=TEXT)]))
    assert "left out" not in asyncio.run(block.aget())
    assert '"name":"user 119"' in asyncio.run(block.aget()).replace('": "', '":"')


def test_memory_block_is_bounded() -> None:
    """Beyond its limit the oldest turns are folded; truncation gives what was asked for, or nothing."""
    compressor = Compressor(originals=open_originals("memory://"))
    block = HeadroomMemoryBlock(compressor=compressor, retrievable=True, token_limit=600)
    for _ in range(8):
        asyncio.run(
            block.aput([ChatMessage(role="user", content=PUMPS), ChatMessage(role="user", content="and more?")])
        )
    content = asyncio.run(block.aget())
    assert compressor.count(content) <= 700
    small = asyncio.run(block.atruncate(content, 100))
    assert small is None or compressor.count(small) <= compressor.count(content) - 100
    assert asyncio.run(block.atruncate(content, 10**6)) is None


# ---------------------------------------------------------------------- stores


def test_originals_in_a_kv_store(tmp_path: Path) -> None:
    """Originals lie in LlamaIndex's own store, survive its file, and come back."""
    store = SimpleKVStore()
    compressor = make_compressor(originals=originals_in(store))
    inner = ScriptedLLM(script=[says("x")])
    HeadroomLLM(inner=inner, compressor=compressor, namespace="n").chat(conversation())
    ref = ref_in(inner.requests[0][0][2].content)
    store.persist(str(tmp_path / "kv.json"))
    again = originals_in(SimpleKVStore.from_persist_path(str(tmp_path / "kv.json")))
    assert again.get(ref, namespace="n").decode() == TEXT


@pytest.fixture(params=["memory", "sqlite"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return MemoryBlobs() if request.param == "memory" else SqliteBlobs(tmp_path / "b.sqlite3")


def test_our_stores_as_kv_stores(blobs: Blobs) -> None:
    """Keys, collections and values of all sorts; sync and async see the same; the framework's docstore works on it."""
    store = HeadroomKVStore(blobs)
    odd = ["a", "a:b", "ü / %41", "\ud800", "k" * 60]
    for collection in ("data", "a:b", "x/y"):
        for key in odd:
            store.put(key, {"key": key, "in": collection}, collection)
        assert store.get_all(collection) == {key: {"key": key, "in": collection} for key in odd}
    assert store.get("a", "a") is None

    async def later() -> None:
        await store.aput_all([("p", {"v": 1}), ("q", {"v": [None, 1.5, "é"]})], "late", 2)
        assert await store.aget("q", "late") == {"v": [None, 1.5, "é"]}
        assert set(await store.aget_all("late")) == {"p", "q"}
        assert await store.adelete("p", "late")
        assert not await store.adelete("p", "late")
        await store.aput("p", {}, "late")

    asyncio.run(later())
    assert store.get("p", "late") == {}
    docs = KVDocumentStore(HeadroomKVStore(blobs, namespace="docs"))
    docs.add_documents([TextNode(text="hello", id_="t")])
    assert docs.get_document("t").get_content() == "hello"  # type: ignore[union-attr]
    assert store.get_all("docstore/data") == {}
