"""Agents, with a model that plays a script: what they see is small, and what was left out comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool, QueryEngineTool, ToolMetadata, ToolOutput
from llama_index.core.tools.types import AsyncBaseTool, BaseTool
from llama_index.core.workflow import Context

from headroom_core import Compressor
from headroom_integrations.llama_index import HeadroomLLM, HeadroomToolSpec, compress_tool, retrieve_tool
from headroom_integrations.llama_index.testing import ScriptedLLM, says
from tests.llama_index.conftest import TEXT, asks_back, make_compressor, ref_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the framework's own


def users(page: int) -> str:
    """List users."""
    return TEXT


async def run(agent: Any, question: str = "Who is user 77?") -> tuple[str, list[Any]]:
    handler = agent.run(user_msg=question)
    events = [event async for event in handler.stream_events()]
    return str(await handler), events


@pytest.mark.parametrize("streaming", [True, False])
def test_function_agent_around_the_llm(streaming: bool, compressor: Compressor) -> None:
    """The wrapper compresses the tool's result and answers the retrieval by itself; the agent sees neither."""
    inner = ScriptedLLM(script=[says("", ("users", {"page": 1})), asks_back, says("User 77 is done.")])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    answer, events = asyncio.run(run(FunctionAgent(tools=[users], llm=llm, streaming=streaming)))
    assert answer.endswith("User 77 is done.")
    assert "118 of 120 rows" in inner.requests[1][0][-1].content
    assert '"user 77"' in inner.requests[2][0][-1].content
    assert [event.tool_name for event in events if isinstance(event, ToolCallResult)] == ["users"]
    for event in events:
        if isinstance(event, AgentStream):
            assert all(call.tool_name != "headroom_retrieve" for call in event.tool_calls)


@pytest.mark.parametrize("streaming", [True, False])
def test_function_agent_with_wrapped_tools(streaming: bool, compressor: Compressor) -> None:
    """Tools by ``HeadroomToolSpec.wrap``: no wrapper around the model; the agent runs the retrieve tool itself."""
    llm = ScriptedLLM(script=[says("", ("users", {"page": 1})), asks_back, says("User 77 is done.")])
    agent = FunctionAgent(tools=HeadroomToolSpec(compressor).wrap([users]), llm=llm, streaming=streaming)
    answer, events = asyncio.run(run(agent))
    assert answer == "User 77 is done."
    first, second = [event for event in events if isinstance(event, ToolCallResult)]
    assert "118 of 120 rows" in first.tool_output.content
    assert first.tool_output.raw_output == TEXT
    assert '"user 77"' in second.tool_output.content
    assert "left out" not in second.tool_output.content


def test_the_two_together(compressor: Compressor) -> None:
    """Wrapped tools and a wrapped model with the tool given: nothing is compressed twice, one tool is offered."""
    inner = ScriptedLLM(script=[says("", ("users", {"page": 1})), asks_back, says("Done.")])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    asyncio.run(run(FunctionAgent(tools=HeadroomToolSpec(compressor).wrap([users]), llm=llm)))
    names = [tool["function"]["name"] for tool in inner.requests[0][1]["tools"]]
    assert names == ["headroom_retrieve", "users"]
    assert inner.requests[1][0][-1].content.count("left out") == 1
    assert '"user 77"' in inner.requests[2][0][-1].content


@pytest.mark.parametrize("streaming", [True, False])
def test_react_agent(streaming: bool, compressor: Compressor) -> None:
    """A model without function calling reasons in text: observations are small, the retrieve tool works."""

    def acts(messages: Any) -> ChatMessage:
        ref = ref_in(messages[-1].content)
        return says(
            f'Thought: I need row 77.\nAction: headroom_retrieve\nAction Input: {{"ref": "{ref}", "rows": "77"}}'
        )

    llm = ScriptedLLM(
        script=[
            says('Thought: I need a tool.\nAction: users\nAction Input: {"page": 1}'),
            acts,
            says("Thought: I can answer without using any more tools.\nAnswer: It is done."),
        ],
        function_calling=False,
    )
    agent = ReActAgent(tools=HeadroomToolSpec(compressor).wrap([users]), llm=llm, streaming=streaming)
    answer, _ = asyncio.run(run(agent))
    assert answer == "It is done."
    assert "118 of 120 rows" in llm.requests[1][0][-1].content
    assert '"user 77"' in llm.requests[2][0][-1].content


@pytest.mark.parametrize("streaming", [True, False])
def test_agent_workflow(streaming: bool, compressor: Compressor) -> None:
    """The workflow takes the wrapper for a function calling model; a handoff between agents works."""
    inner = ScriptedLLM(
        script=[
            says("", ("handoff", {"to_agent": "reader", "reason": "rows"})),
            says("", ("users", {"page": 1})),
            asks_back,
            says("Done."),
        ]
    )
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    boss = FunctionAgent(
        name="boss", description="asks", llm=llm, tools=[], can_handoff_to=["reader"], streaming=streaming
    )
    reader = FunctionAgent(name="reader", description="reads", llm=llm, tools=[users], streaming=streaming)
    answer, _ = asyncio.run(run(AgentWorkflow(agents=[boss, reader], root_agent="boss")))
    assert answer.endswith("Done.")
    assert '"user 77"' in inner.requests[-1][0][-1].content
    simple = AgentWorkflow.from_tools_or_functions([users], llm=HeadroomLLM(inner=ScriptedLLM(script=[says("x")])))
    assert isinstance(next(iter(simple.agents.values())), FunctionAgent)


def test_prefix_of_an_agent_is_stable(compressor: Compressor) -> None:
    """Over twelve steps each request begins with the one before it, tools included."""
    steps = [says("", ("users", {"page": n})) for n in range(12)]
    inner = ScriptedLLM(script=[*steps, says("Done.")])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    asyncio.run(run(FunctionAgent(tools=[users], llm=llm)))
    assert len(inner.requests) == 13
    for (before, a), (after, b) in zip(inner.requests, inner.requests[1:], strict=False):
        assert a["tools"] == b["tools"]
        assert [m.model_dump() for m in after[: len(before)]] == [m.model_dump() for m in before]


# ---------------------------------------------------------------------- compress_tool alone


def test_without_the_retrieve_tool_nothing_is_lost(compressor: Compressor) -> None:
    """No marker where nobody can resolve it; the output is still smaller."""
    output = compress_tool(FunctionTool.from_defaults(fn=users), compressor).call(page=1)
    assert "left out" not in output.content
    assert len(output.content) < len(TEXT)
    assert output.raw_output == TEXT
    assert output.raw_input == {"args": (), "kwargs": {"page": 1}}


def test_async_equals_sync(compressor: Compressor) -> None:
    """Both calls give the same output."""
    tool = compress_tool(FunctionTool.from_defaults(fn=users), compressor, retrievable=True)
    assert asyncio.run(tool.acall(page=1)).model_dump() == tool.call(page=1).model_dump() == tool(page=1).model_dump()


def test_context_callbacks_and_defaults_of_a_function_stay(compressor: Compressor) -> None:
    """A function that takes the agent's context still gets it; its callback still runs."""

    async def noted(ctx: Context, page: int) -> str:
        """Note a page."""
        await ctx.store.set("page", page)
        return TEXT

    noted.__annotations__ = {"ctx": Context, "page": int}  # the framework reads types, not their names
    inner = ScriptedLLM(script=[says("", ("noted", {"page": 5})), says("ok")])
    spec = HeadroomToolSpec(compressor)
    agent = FunctionAgent(tools=spec.wrap([noted]), llm=inner)

    async def go() -> Any:
        context = Context(agent)
        await agent.run(user_msg="go", ctx=context)
        return await context.store.get("page")

    assert asyncio.run(go()) == 5
    assert "118 of 120" in inner.requests[1][0][-1].content
    called = FunctionTool.from_defaults(fn=users, callback=lambda raw: raw.replace("user", "guest"))
    assert "guest 0" in compress_tool(called, compressor, retrievable=True).call(page=1).content


def test_what_stays_as_it_is(compressor: Compressor) -> None:
    """Errors, tools whose output the user reads, small outputs and the retrieve tool itself."""

    class Fails(AsyncBaseTool):
        metadata = ToolMetadata("fails", name="fails")

        def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
            return ToolOutput(content=TEXT, tool_name="fails", raw_input={}, raw_output=TEXT, is_error=True)

        async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
            return self.call()

    assert compress_tool(Fails(), compressor, retrievable=True).call().content == TEXT
    direct = FunctionTool.from_defaults(fn=users, return_direct=True)
    assert compress_tool(direct, compressor, retrievable=True).call(page=1).content == TEXT
    own = retrieve_tool(compressor)
    assert compress_tool(own, compressor, retrievable=True) is own


def test_any_tool(compressor: Compressor) -> None:
    """Query engine tools and tools without async work too; exceptions pass."""

    class Plain(BaseTool):
        metadata = ToolMetadata("plain", name="plain")

        def __call__(self, input: Any = None) -> ToolOutput:  # noqa: A002  the framework's name
            if input == "bad":
                raise KeyError("no")
            return ToolOutput(content=TEXT, tool_name="plain", raw_input={"input": input}, raw_output=1)

    tool = compress_tool(Plain(), compressor, retrievable=True)
    assert tool.metadata.name == "plain"
    assert "118 of 120 rows" in asyncio.run(tool.acall(input="x")).content
    with pytest.raises(KeyError):
        tool.call(input="bad")
    from llama_index.core import SummaryIndex
    from llama_index.core.schema import TextNode

    engine = SummaryIndex(nodes=[TextNode(text="x")]).as_query_engine(llm=ScriptedLLM(script=[says(TEXT)]))
    asked = compress_tool(QueryEngineTool.from_defaults(engine, name="ask"), compressor, retrievable=True)
    assert "118 of 120 rows" in asked.call(input="who?").content


def test_retrieve_tool() -> None:
    """The schema is the core's; what goes wrong is said; pictures come as pictures."""
    from llama_index.core.llms import ImageBlock

    from headroom_core.ccr.retrieve import tool_schema

    compressor = make_compressor()
    spec = HeadroomToolSpec(compressor, namespace="n")
    (tool,) = spec.to_tool_list()
    assert (
        tool.metadata.to_openai_tool(skip_length_check=True)["function"]["parameters"]["properties"]
        == tool_schema()["properties"]
    )
    assert "No original is kept" in tool.call(ref="hr_aaaaaaaaaaaaaaaa").content
    assert "The argument ref is missing" in tool.call().content
    originals = compressor.originals
    assert originals is not None
    ref = originals.put(TEXT.encode(), namespace="n", kind="json")
    assert '"user 77"' in asyncio.run(tool.acall(ref=ref, rows="77")).content
    assert '"user 77"' in spec.headroom_retrieve(ref, rows="77")[0].text  # type: ignore[union-attr]
    picture = b"\x89PNG\r\n\x1a\n" + bytes(50)
    blocks = tool.call(ref=originals.put(picture, namespace="n", kind="image")).blocks
    assert isinstance(blocks[1], ImageBlock)
    assert blocks[1].resolve_image().read() == picture
