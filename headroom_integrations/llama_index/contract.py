"""Contracts that LlamaIndex itself does not check. Subclass one in a test file, give it your component, run pytest.

class TestMine(NodePostprocessorContract):
def make(self) -> BaseNodePostprocessor:
return MyPostprocessor()
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode

from headroom_integrations.llama_index.testing import ScriptedLLM, says

_LONG = (
    "The boiler of the mill was built in 1911. It burns wood and straw. On the fourth of May its valve broke, and the "
    "mill stood still for a week. The miller has two dogs. Bread from the mill is sold on Fridays. "
) * 4
_QUESTION = "What broke at the mill?"


class NodePostprocessorContract:
    """What every node postprocessor owes to its callers. ``make`` gives a new one each time."""

    def make(self) -> BaseNodePostprocessor:
        """The postprocessor to be checked."""
        raise NotImplementedError

    def nodes(self) -> list[NodeWithScore]:
        """The nodes that it is given; replace them where yours needs others."""
        return [
            NodeWithScore(node=TextNode(text=_LONG, id_="a", metadata={"page": 1}), score=0.8),
            NodeWithScore(node=TextNode(text=_LONG.replace("mill", "farm"), id_="b", metadata={"page": 2}), score=0.6),
            NodeWithScore(node=TextNode(text="A few words.", id_="c"), score=None),
            NodeWithScore(node=ImageNode(text="a boiler", image="aGk=", id_="d"), score=0.1),
        ]

    def test_nodes_are_not_mutated(self) -> None:
        """Not the list, not the wrappers, not the nodes, not their metadata."""
        nodes = self.nodes()
        before, same = [scored.model_dump() for scored in nodes], list(nodes)
        self.make().postprocess_nodes(nodes, QueryBundle(_QUESTION))
        assert [scored.model_dump() for scored in nodes] == before
        assert all(new is old for new, old in zip(nodes, same, strict=True))

    def test_async_equals_sync(self) -> None:
        """Both paths give the same nodes in the same order."""
        made = self.make().postprocess_nodes(self.nodes(), QueryBundle(_QUESTION))
        later = asyncio.run(self.make().apostprocess_nodes(self.nodes(), QueryBundle(_QUESTION)))
        assert [scored.model_dump() for scored in made] == [scored.model_dump() for scored in later]

    def test_empty_inputs(self) -> None:
        """No nodes, no query, an empty query, empty texts: no error."""
        made = self.make()
        assert made.postprocess_nodes([]) == []
        assert asyncio.run(self.make().apostprocess_nodes([], QueryBundle(_QUESTION))) == []
        for query in (None, QueryBundle(""), QueryBundle("?")):
            assert isinstance(self.make().postprocess_nodes(self.nodes(), query), list)
        for text in ("", " \n", "…"):
            self.make().postprocess_nodes([NodeWithScore(node=TextNode(text=text))], QueryBundle(_QUESTION))

    def test_ids_scores_and_metadata_stay(self) -> None:
        """What comes out is a part of what went in, in order, with ids, scores and metadata."""
        given = {scored.node_id: scored for scored in self.nodes()}
        out = self.make().postprocess_nodes(self.nodes(), QueryBundle(_QUESTION))
        assert [i for i in given if i in {scored.node_id for scored in out}] == [scored.node_id for scored in out]
        for scored in out:
            assert scored.score == given[scored.node_id].score
            assert given[scored.node_id].metadata.items() <= scored.metadata.items()

    def test_nothing_is_added_to_prompts_or_embeddings(self) -> None:
        """New metadata is excluded from both."""
        given = {scored.node_id: scored.node for scored in self.nodes()}
        for scored in self.make().postprocess_nodes(self.nodes(), QueryBundle(_QUESTION)):
            for mode in (MetadataMode.LLM, MetadataMode.EMBED):
                assert scored.node.get_metadata_str(mode) == given[scored.node_id].get_metadata_str(mode)

    def test_twice_gives_the_same(self) -> None:
        """The result depends on nodes and query alone."""
        made = self.make()
        first, second = (made.postprocess_nodes(self.nodes(), QueryBundle(_QUESTION)) for _ in range(2))
        assert [scored.model_dump() for scored in first] == [scored.model_dump() for scored in second]

    def test_cancellation(self) -> None:
        """A cancelled call leaves the postprocessor in order."""
        made = self.make()

        async def run() -> list[NodeWithScore]:
            task = asyncio.ensure_future(made.apostprocess_nodes(self.nodes(), QueryBundle(_QUESTION)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            return await made.apostprocess_nodes(self.nodes(), QueryBundle(_QUESTION))

        assert [scored.model_dump() for scored in asyncio.run(run())] == [
            scored.model_dump() for scored in self.make().postprocess_nodes(self.nodes(), QueryBundle(_QUESTION))
        ]


class WrappedLLMContract:
    """What an LLM around another one owes to its callers. ``wrap`` puts yours around the given one."""

    def wrap(self, inner: Any) -> Any:
        """The wrapper to be checked."""
        raise NotImplementedError

    def messages(self) -> list[ChatMessage]:
        """The conversation that it is given."""
        call = says("", ("look", {"page": 1}))
        extra = {"tool_call_id": call.blocks[0].tool_call_id}  # type: ignore[union-attr]
        result = ChatMessage(role="tool", content=_LONG, additional_kwargs=extra)
        return [ChatMessage(role="user", content=_QUESTION), call, result]

    def test_messages_are_not_mutated(self) -> None:
        """Neither the list nor what is in it."""
        for way in ("chat", "stream_chat"):
            messages = self.messages()
            before = [message.model_dump() for message in messages]
            made = getattr(self.wrap(ScriptedLLM(script=[says("Its valve.")])), way)(messages)
            assert way == "chat" or list(made)
            assert [message.model_dump() for message in messages] == before

    def test_all_ways_say_the_same(self) -> None:
        """Whole and streamed, sync and async: one answer and one request each, all requests alike."""
        inner = ScriptedLLM(script=[says("Its valve broke.")])
        wrapped = self.wrap(inner)

        async def later() -> list[str | None]:
            whole = await wrapped.achat(self.messages())
            pieces = [piece async for piece in await wrapped.astream_chat(self.messages())]
            return [whole.message.content, pieces[-1].message.content]

        answers = [wrapped.chat(self.messages()).message.content]
        answers += [list(wrapped.stream_chat(self.messages()))[-1].message.content, *asyncio.run(later())]
        assert answers == ["Its valve broke."] * 4
        requests = [_plain(sent) for sent, _ in inner.requests]
        assert requests == [requests[0]] * 4

    def test_metadata_is_the_inner_models(self) -> None:
        """Window, name and abilities decide how others use a model."""
        inner = ScriptedLLM(script=[says("x")])
        assert self.wrap(inner).metadata == inner.metadata

    def test_empty_conversations(self) -> None:
        """No messages, and messages without content, reach the inner model."""
        inner = ScriptedLLM(script=[says("x")])
        self.wrap(inner).chat([])
        self.wrap(inner).chat([ChatMessage(role="user", blocks=[])])
        assert len(inner.requests) == 2


def _plain(messages: Sequence[ChatMessage]) -> list[Any]:
    return [message.model_dump() for message in messages]
