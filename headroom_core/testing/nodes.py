"""The contract of every node postprocessor of LlamaIndex, which the framework itself does not check.

Subclass it in a test file, give it your component, and run pytest:

    class TestMine(NodePostprocessorContract):
        def make(self) -> BaseNodePostprocessor:
            return MyPostprocessor()
"""

from __future__ import annotations

import asyncio

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
except ModuleNotFoundError:
    from headroom_core.errors import MissingExtra

    raise MissingExtra("llama-index-core", "llama-index") from None

LONG = (
    "The boiler of the mill was built in 1911. It burns wood and straw. On the fourth of May its valve broke, and the "
    "mill stood still for a week. The miller has two dogs. Bread from the mill is sold on Fridays. "
) * 4
QUESTION = "What broke at the mill?"


class NodePostprocessorContract:
    """What every node postprocessor owes to its callers. ``make`` gives a new one each time."""

    def make(self) -> BaseNodePostprocessor:
        """The postprocessor to be checked."""
        raise NotImplementedError

    def nodes(self) -> list[NodeWithScore]:
        """The nodes that it is given; replace them where yours needs others."""
        return [
            NodeWithScore(node=TextNode(text=LONG, id_="a", metadata={"page": 1}), score=0.8),
            NodeWithScore(node=TextNode(text=LONG.replace("mill", "farm"), id_="b", metadata={"page": 2}), score=0.6),
            NodeWithScore(node=TextNode(text="A few words.", id_="c"), score=None),
            NodeWithScore(node=ImageNode(text="a boiler", image="aGk=", id_="d"), score=0.1),
        ]

    def test_nodes_are_not_mutated(self) -> None:
        """Not the list, not the wrappers, not the nodes, not their metadata."""
        nodes = self.nodes()
        before, same = [scored.model_dump() for scored in nodes], list(nodes)
        self.make().postprocess_nodes(nodes, QueryBundle(QUESTION))
        assert [scored.model_dump() for scored in nodes] == before
        assert all(new is old for new, old in zip(nodes, same, strict=True))

    def test_async_equals_sync(self) -> None:
        """Both paths give the same nodes in the same order."""
        made = self.make().postprocess_nodes(self.nodes(), QueryBundle(QUESTION))
        later = asyncio.run(self.make().apostprocess_nodes(self.nodes(), QueryBundle(QUESTION)))
        assert [scored.model_dump() for scored in made] == [scored.model_dump() for scored in later]

    def test_empty_inputs(self) -> None:
        """No nodes, no query, an empty query, empty texts: no error."""
        made = self.make()
        assert made.postprocess_nodes([]) == []
        assert asyncio.run(self.make().apostprocess_nodes([], QueryBundle(QUESTION))) == []
        for query in (None, QueryBundle(""), QueryBundle("?")):
            assert isinstance(self.make().postprocess_nodes(self.nodes(), query), list)
        for text in ("", " \n", "…"):
            self.make().postprocess_nodes([NodeWithScore(node=TextNode(text=text))], QueryBundle(QUESTION))

    def test_ids_scores_and_metadata_stay(self) -> None:
        """What comes out is a part of what went in, in order, with ids, scores and metadata."""
        given = {scored.node_id: scored for scored in self.nodes()}
        out = self.make().postprocess_nodes(self.nodes(), QueryBundle(QUESTION))
        assert [i for i in given if i in {scored.node_id for scored in out}] == [scored.node_id for scored in out]
        for scored in out:
            assert scored.score == given[scored.node_id].score
            assert given[scored.node_id].metadata.items() <= scored.metadata.items()

    def test_nothing_is_added_to_prompts_or_embeddings(self) -> None:
        """New metadata is excluded from both."""
        given = {scored.node_id: scored.node for scored in self.nodes()}
        for scored in self.make().postprocess_nodes(self.nodes(), QueryBundle(QUESTION)):
            for mode in (MetadataMode.LLM, MetadataMode.EMBED):
                assert scored.node.get_metadata_str(mode) == given[scored.node_id].get_metadata_str(mode)

    def test_twice_gives_the_same(self) -> None:
        """The result depends on nodes and query alone."""
        made = self.make()
        first, second = (made.postprocess_nodes(self.nodes(), QueryBundle(QUESTION)) for _ in range(2))
        assert [scored.model_dump() for scored in first] == [scored.model_dump() for scored in second]

    def test_cancellation(self) -> None:
        """A cancelled call leaves the postprocessor in order."""
        made = self.make()

        async def run() -> list[NodeWithScore]:
            task = asyncio.ensure_future(made.apostprocess_nodes(self.nodes(), QueryBundle(QUESTION)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            return await made.apostprocess_nodes(self.nodes(), QueryBundle(QUESTION))

        assert [scored.model_dump() for scored in asyncio.run(run())] == [
            scored.model_dump() for scored in self.make().postprocess_nodes(self.nodes(), QueryBundle(QUESTION))
        ]
