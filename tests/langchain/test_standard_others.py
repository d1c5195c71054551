"""LangChain's standard suites for the tool, the stores and the retriever."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.stores import InMemoryByteStore
from langchain_tests.integration_tests import (
    BaseStoreAsyncTests,
    BaseStoreSyncTests,
    RetrieversIntegrationTests,
    ToolsIntegrationTests,
)
from langchain_tests.unit_tests import ToolsUnitTests
from langgraph.store.memory import InMemoryStore

from headroom_core import Compressor, open_originals
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_integrations.langchain import (
    HeadroomByteStore,
    HeadroomDocumentCompressor,
    HeadroomRetriever,
    HeadroomRetrieveTool,
    originals_in,
)
from tests.langchain.conftest import TEXT, make_compressor


class TestToolUnit(ToolsUnitTests):
    tool_constructor = property(lambda self: HeadroomRetrieveTool)  # type: ignore[assignment]
    tool_constructor_params = property(lambda self: {"compressor": make_compressor()})  # type: ignore[assignment]
    tool_invoke_params_example = property(lambda self: {"ref": "hr_mzxw6ytboi2dgnbv", "lines": "1-3"})  # type: ignore[assignment]
    init_from_env_params = property(  # type: ignore[assignment]
        lambda self: ({"HEADROOM_NAMESPACE": "n"}, {"compressor": make_compressor()}, {"name": "headroom_retrieve"})
    )


class TestToolIntegration(ToolsIntegrationTests):
    tool_constructor = property(lambda self: HeadroomRetrieveTool)  # type: ignore[assignment]
    tool_constructor_params = property(lambda self: {"compressor": make_compressor()})  # type: ignore[assignment]
    tool_invoke_params_example = property(lambda self: {"ref": "hr_mzxw6ytboi2dgnbv", "lines": "1-3"})  # type: ignore[assignment]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[HeadroomByteStore]:
    blobs: Any = MemoryBlobs() if request.param == "memory" else SqliteBlobs(tmp_path / "blobs.db")
    yield HeadroomByteStore(blobs)
    getattr(blobs, "close", lambda: None)()


class TestByteStoreSync(BaseStoreSyncTests[bytes]):
    @pytest.fixture
    def kv_store(self, store: HeadroomByteStore) -> HeadroomByteStore:
        return store

    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return b"foo", b"", b"\x00\xff"


class TestByteStoreAsync(BaseStoreAsyncTests[bytes]):
    @pytest.fixture
    async def kv_store(self, store: HeadroomByteStore) -> HeadroomByteStore:
        return store

    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return b"foo", b"", b"\x00\xff"


def test_byte_store_takes_any_key() -> None:
    """Keys with spaces, slashes, percent signs, wide and lone characters live side by side, under their prefix."""
    store = HeadroomByteStore(MemoryBlobs())
    keys = ["a b", "a/b", "a%20b", "ü\u4f60", "\ud800", "a"]
    store.mset([(key, key.encode("utf-8", "surrogatepass")) for key in keys])
    assert store.mget(keys) == [key.encode("utf-8", "surrogatepass") for key in keys]
    assert set(store.yield_keys()) == set(keys)
    assert set(store.yield_keys(prefix="a/")) == {"a/b"}


@pytest.mark.parametrize("make", [InMemoryByteStore, InMemoryStore])
def test_originals_over_stores_of_langchain_and_langgraph(make: Any) -> None:
    """Originals lie in the caller's own store, and come back byte for byte."""
    compressor = make_compressor(originals=originals_in(make()))
    outcome = compressor([{"role": "tool", "content": TEXT}], retrievable=True, namespace="n")
    (change,) = outcome.changes
    assert compressor.originals.get(change.ref, namespace="n").decode() == TEXT


class _Pages(BaseRetriever):
    """Finds the first ``k`` of some documents."""

    k: int = 3

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any) -> Any:
        return [Document(TEXT.replace("user", f"page {n} user"), id=str(n)) for n in range(kwargs.get("k", self.k))]


class Around(HeadroomRetriever):
    """Takes ``k``, as the suite wants it."""

    def __init__(self, k: int = 3, **parameters: Any) -> None:
        compressor = HeadroomDocumentCompressor(compressor=Compressor(originals=open_originals("memory://")))
        super().__init__(base=_Pages(k=k), document_compressor=compressor, **parameters)


class TestRetriever(RetrieversIntegrationTests):
    retriever_constructor = property(lambda self: Around)  # type: ignore[assignment]
    retriever_constructor_params = property(lambda self: {"k": 2})  # type: ignore[assignment]
    retriever_query_example = property(lambda self: "user 77")  # type: ignore[assignment]
