"""Nodes: everything that belongs to them stays, the text goes in small, the original comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core import QueryBundle, VectorStoreIndex, get_response_synthesizer
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.node_parser import SentenceWindowNodeParser
from llama_index.core.postprocessor import MetadataReplacementPostProcessor
from llama_index.core.query_engine import CitationQueryEngine, RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)

from headroom_core import Compressor, open_originals
from headroom_core.testing.nodes import NodePostprocessorContract
from headroom_integrations.llama_index import HeadroomNodePostprocessor
from headroom_integrations.llama_index.testing import ScriptedLLM, says
from tests.llama_index.conftest import TEXT, make_compressor

QUESTION = "Which pump ran too hot?"
PUMPS = (
    "Hall B holds ninety pumps of three makers. The pump B-88 ran too hot on Tuesday, at 97 degrees. It was painted green "
    "in the spring of 1990, which nobody liked. The floor of the hall is made of oak. Visitors may enter on Sundays. "
) * 3
CATS = (
    "Cats sleep most of the day. They are fed at noon. Nobody knows where they go at night. They like warm places. " * 4
)


def nodes() -> list[NodeWithScore]:
    parent = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="doc")}
    return [
        NodeWithScore(node=TextNode(text=PUMPS, id_="p", metadata={"page": 7}, start_char_idx=40, end_char_idx=700,
                                    relationships=parent, excluded_llm_metadata_keys=["page"]), score=0.9),
        NodeWithScore(node=TextNode(text="Short and plain.", id_="s"), score=None),
        NodeWithScore(node=TextNode(text=CATS, id_="c", metadata={"page": 9}), score=0.4),
    ]  # fmt: skip


def real(**options: Any) -> HeadroomNodePostprocessor:
    return HeadroomNodePostprocessor(compressor=Compressor(originals=open_originals("memory://")), **options)


def rows(**options: Any) -> HeadroomNodePostprocessor:
    return HeadroomNodePostprocessor(compressor=make_compressor(), **options)


class TestContract(NodePostprocessorContract):
    """The contract that we publish, on our own postprocessor."""

    def make(self) -> Any:
        return real()


class TestContractWithBudget(NodePostprocessorContract):
    """The same under a budget."""

    def make(self) -> Any:
        return real(token_budget=60)


def test_everything_that_belongs_to_a_node_stays() -> None:
    """Ids, scores, relationships, offsets and metadata stay; the answer's sentence is still there."""
    found = nodes()
    out = real().postprocess_nodes(found, query_str=QUESTION)
    first = out[0]
    assert first.node_id == "p"
    assert first.score == 0.9
    assert first.node.relationships == found[0].node.relationships
    assert (first.node.start_char_idx, first.node.end_char_idx) == (40, 700)
    assert first.node.metadata["page"] == 7
    assert "97 degrees" in first.text
    assert len(first.text) < len(PUMPS) / 2
    for start, end in first.node.metadata["headroom"]["spans"]:
        assert "".join(PUMPS[start:end].split()) in "".join(first.text.split())


def test_nothing_of_ours_reaches_a_prompt_or_an_embedding() -> None:
    """The note is excluded for both; the caller's own exclusions stay."""
    for scored in real().postprocess_nodes(nodes(), query_str=QUESTION):
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            assert "headroom" not in scored.node.get_content(metadata_mode=mode)
            assert "hr_" not in scored.node.get_content(metadata_mode=mode)
    assert "page" in real().postprocess_nodes(nodes(), query_str=QUESTION)[0].node.excluded_llm_metadata_keys


def test_the_metadata_does_not_become_text() -> None:
    """Other postprocessors write the metadata into the text; ours cuts the text alone."""
    out = real().postprocess_nodes([NodeWithScore(node=TextNode(text=PUMPS, metadata={"page": 7}))], query_str=QUESTION)
    assert "page" not in out[0].text


def test_what_was_cut_comes_back() -> None:
    """The reference on a cut node, and that of a dropped one, give the original byte for byte."""
    compressor = Compressor(originals=open_originals("memory://"))
    post = HeadroomNodePostprocessor(compressor=compressor, namespace="n", token_budget=60)
    out = post.postprocess_nodes(nodes(), query_str=QUESTION)
    originals = compressor.originals
    assert originals is not None
    assert originals.get(out[0].node.metadata["headroom"]["ref"], namespace="n").decode() == PUMPS
    dropped = {each["id"]: each for each in out[-1].node.metadata["headroom"]["dropped"]}
    assert originals.get(dropped["c"]["ref"], namespace="n").decode() == CATS
    assert dropped["c"]["score"] == 0.4


def test_one_budget_over_all_nodes() -> None:
    """The tokens go to the node that answers, not to each node alike."""
    out = real(token_budget=60).postprocess_nodes(nodes(), query_str=QUESTION)
    count = Compressor(originals=None, strength="lossy").count
    assert sum(count(scored.text) for scored in out) <= 60
    assert "97 degrees" in out[0].text
    assert "c" not in [scored.node_id for scored in out]


def test_one_budget_at_a_time() -> None:
    """Two budgets contradict each other; a typo is no option."""
    with pytest.raises(ValueError, match="Give one of"):
        rows(target_ratio=0.5, token_budget=100)
    with pytest.raises(ValueError, match="ratio"):
        HeadroomNodePostprocessor(ratio=0.5)


def test_no_query_and_other_kinds() -> None:
    """Without a query each node is cut by its own kind; JSON loses rows, not sentences."""
    found = [NodeWithScore(node=TextNode(text=TEXT), score=0.3)]
    for out in (rows().postprocess_nodes(found), rows().postprocess_nodes(found, QueryBundle(QUESTION))):
        assert out[0].text.startswith('[{"id":0')
        assert "left out" not in out[0].text
        assert len(out[0].text) < len(TEXT) / 10
    assert found[0].text == TEXT


def test_other_nodes() -> None:
    """Multimodal, image and index nodes keep what they are; pictures are never dropped with their text."""
    image = ImageNode(text=TEXT, image="aGk=", id_="i")
    several = Node(
        text_resource=MediaResource(text=TEXT, mimetype="text/plain"), image_resource=MediaResource(data=b"hi"), id_="m"
    )
    bare = ImageNode(image="aGk=", id_="bare")
    found = [
        NodeWithScore(node=n) for n in (image, several, IndexNode(text=TEXT, index_id="x"), bare, Document(text=TEXT))
    ]
    out = rows().postprocess_nodes(found, query_str=QUESTION)
    assert [type(scored.node) for scored in out] == [type(scored.node) for scored in found]
    assert out[0].node.image == "aGk="
    assert out[1].node.image_resource == several.image_resource
    assert out[1].node.text_resource.mimetype == "text/plain"
    assert len(out[1].node.get_content()) < len(TEXT) / 10
    assert out[2].node.index_id == "x"
    assert out[3].node is bare


def test_node_windows() -> None:
    """After the window took the place of the sentence, the window is cut; before it, the window stays whole."""
    windows = SentenceWindowNodeParser.from_defaults(window_size=6).get_nodes_from_documents([Document(text=PUMPS)])
    found = [NodeWithScore(node=windows[1], score=0.5)]
    replaced = MetadataReplacementPostProcessor(target_metadata_key="window").postprocess_nodes(
        [NodeWithScore(node=windows[1].model_copy(deep=True), score=0.5)]
    )
    out = real().postprocess_nodes(replaced, query_str=QUESTION)
    assert "97 degrees" in out[0].text
    assert len(out[0].text) < len(replaced[0].text)
    assert out[0].node.metadata["window"] == windows[1].metadata["window"]
    assert (
        real().postprocess_nodes(found, query_str=QUESTION)[0].node.metadata["window"] == windows[1].metadata["window"]
    )


class Finds(BaseRetriever):
    """Finds the nodes above."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_query_engine(way: str) -> None:
    """Retriever, postprocessor, synthesizer: the prompt is small, and the sources carry the references."""
    llm = ScriptedLLM(script=[says("Pump B-88.")])
    engine = RetrieverQueryEngine.from_args(
        Finds(),
        llm=llm,
        response_synthesizer=get_response_synthesizer(llm=llm),
        node_postprocessors=[real(token_budget=60)],
    )
    response = engine.query(QUESTION) if way == "sync" else asyncio.run(engine.aquery(QUESTION))
    assert str(response) == "Pump B-88."
    prompt = llm.requests[0][0][-1].content
    assert "97 degrees" in prompt
    assert "Cats" not in prompt
    assert "headroom" not in prompt
    assert response.source_nodes[0].node.metadata["headroom"]["ref"].startswith("hr_")


def test_chat_engine() -> None:
    """The same behind a chat engine, streaming."""
    llm = ScriptedLLM(script=[says("Pump B-88.")])
    engine = ContextChatEngine.from_defaults(retriever=Finds(), llm=llm, node_postprocessors=[real(token_budget=60)])
    assert "".join(engine.stream_chat(QUESTION).response_gen) == "Pump B-88."
    assert "97 degrees" in llm.requests[0][0][0].content
    assert "Cats" not in llm.requests[0][0][0].content


def test_a_chat_engine_that_condenses() -> None:
    """The question is condensed and answered over small nodes."""
    llm = ScriptedLLM(script=[says("Pump B-88.")])
    made = CondensePlusContextChatEngine.from_defaults(
        retriever=Finds(), llm=llm, node_postprocessors=[real(token_budget=60)]
    )
    assert str(made.chat(QUESTION)) == "Pump B-88."
    sent = " ".join(str(message.content) for message in llm.requests[-1][0])
    assert "97 degrees" in sent
    assert "Cats" not in sent


def test_citations() -> None:
    """A citing engine numbers what is left of the nodes, and its sources carry the references."""
    llm = ScriptedLLM(script=[says("Pump B-88 [1].")])
    engine = CitationQueryEngine.from_args(
        index=VectorStoreIndex(nodes=[], embed_model=MockEmbedding(8)),
        retriever=Finds(),
        llm=llm,
        node_postprocessors=[real()],
    )
    response = engine.query(QUESTION)
    assert str(response) == "Pump B-88 [1]."
    sent = " ".join(str(message.content) for message in llm.requests[-1][0])
    assert "Source 1:" in sent
    assert "97 degrees" in sent
    assert "headroom" not in sent


def test_the_index_is_not_changed() -> None:
    """A second query over the same index finds the whole texts again."""
    index = VectorStoreIndex(nodes=[scored.node for scored in nodes()], embed_model=MockEmbedding(8))
    llm = ScriptedLLM(script=[says("x")])
    engine = index.as_query_engine(llm=llm, node_postprocessors=[real()], similarity_top_k=3)
    engine.query(QUESTION)
    found = index.as_retriever(similarity_top_k=3).retrieve("cats")
    assert {scored.node_id: scored.text for scored in found}["c"] == CATS
    assert all("headroom" not in scored.metadata for scored in found)


def test_a_store_that_fails_leaves_the_nodes_alone() -> None:
    """No original, no cut."""
    from headroom_core.ccr.memory import MemoryBlobs
    from headroom_core.ccr.originals import Originals
    from headroom_core.errors import StoreError
    from headroom_core.testing.stores import FaultyBlobs

    blobs = FaultyBlobs(MemoryBlobs())
    blobs.fault = StoreError("away")
    compressor = Compressor(originals=Originals(blobs))
    out = HeadroomNodePostprocessor(compressor=compressor).postprocess_nodes(nodes(), query_str=QUESTION)
    assert [scored.text for scored in out] == [PUMPS, "Short and plain.", CATS]


def test_the_kill_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEADROOM_DISABLE leaves the nodes as they are."""
    monkeypatch.setenv("HEADROOM_DISABLE", "1")
    found = nodes()
    out = real().postprocess_nodes(found, query_str=QUESTION)
    assert all(new is old for new, old in zip(out, found, strict=True))
