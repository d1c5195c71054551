"""What leaves on the wire, through LlamaIndex's own OpenAI and Anthropic classes: byte-identical where nothing changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import AudioBlock, CacheControl, CachePoint, CitableBlock, ThinkingBlock
from llama_index.core.llms import ChatMessage, DocumentBlock, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from headroom_integrations.llama_index import HeadroomLLM, keep
from headroom_integrations.llama_index.testing import says
from tests.llama_index.conftest import TEXT, client, conversation, make_compressor, ref_in
from tests.llama_index.test_messages import png
from tests.servers.loopback import Loopback, Reply
from tests.servers.openai import OpenAIServer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


def users(page: int) -> str:
    """List users."""
    return TEXT


def wrapped(server: Loopback, **options: Any) -> HeadroomLLM:
    return HeadroomLLM(inner=client(server), compressor=make_compressor(), **options)


def pieces(body: dict[str, Any]) -> list[str]:
    """System, and each element of messages, as bytes would have them."""
    return [json.dumps(piece, ensure_ascii=False) for piece in (body.get("system"), *body["messages"])]


def asked_back(body: dict[str, Any]) -> Reply:
    return Reply("Let me look.", [("headroom_retrieve", {"ref": ref_in(json.dumps(body["messages"])), "rows": "77"})])


FORMS: dict[str, Any] = {
    "text": ChatMessage(role="user", content="hi"),
    "system": ChatMessage(role="system", content="Be brief."),
    "two texts": ChatMessage(role="user", blocks=[TextBlock(text="a"), TextBlock(text="b é")]),
    "picture": ChatMessage(role="user", blocks=[TextBlock(text="a"), ImageBlock(image=png(), detail="low")]),
    "document": ChatMessage(role="user", blocks=[DocumentBlock(data=b"JVBERi0=", title="a.pdf", document_mimetype="application/pdf")]),
    "sound": ChatMessage(role="user", blocks=[TextBlock(text="a"), AudioBlock(audio=b"UklGRg==", format="wav")]),
    "cache point": ChatMessage(role="user", blocks=[TextBlock(text="a"), CachePoint(cache_control=CacheControl(type="ephemeral"))]),
    "thinking": ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm", additional_information={"signature": "s"}), TextBlock(text="a")]),
    "citable": ChatMessage(role="user", blocks=[CitableBlock(title="t", source="s", content=[TextBlock(text="a")])]),
    "address": ChatMessage(role="user", blocks=[TextBlock(text="a"), ImageBlock(url="http://127.0.0.1:9/a.png")]),
    "extra": ChatMessage(role="user", content="hi", additional_kwargs={"x": 1}),
    "kept": keep(ChatMessage(role="user", content="hi")),
}  # fmt: skip

REFUSED = ("cache point", "citable", "sound", "address")  # by one of the two clients, with us and without


@pytest.mark.parametrize("name", FORMS)
def test_field_fidelity(name: str, server: Loopback) -> None:
    """Every message form beside a compressed result: all but the result is byte-identical, or refused with one error."""
    server.check = lambda body: None  # type: ignore[method-assign]  # some forms are no valid request: still the same
    messages = [FORMS[name], ChatMessage(role="assistant", content="ok"), *conversation()]
    refused: list[tuple[str, str]] = []
    for llm in (client(server), wrapped(server)):
        try:
            llm.chat(messages)
        except Exception as error:  # noqa: BLE001  whatever the client raises
            refused.append((type(error).__name__, str(error)))
    if refused:
        assert refused == refused[:1] * 2
        assert name in REFUSED
        return
    bare, ours = pieces(server.bodies[0]), pieces(server.bodies[1])
    assert ours[:-1] == bare[:-1]
    assert "118 of 120 rows" in ours[-1]
    assert len(ours[-1]) < len(bare[-1]) / 5


@pytest.mark.parametrize("way", ["chat", "achat", "stream_chat", "astream_chat"])
def test_nothing_to_compress_is_the_same_request(way: str, server: Loopback) -> None:
    """Without compressible parts, and without our tool, the whole body is equal on every path."""
    messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="hi")]
    for llm in (client(server), wrapped(server, retrieval="off")):
        asyncio.run(_drain(llm, way, messages))
    assert server.raw[0] == server.raw[1]


async def _drain(llm: Any, way: str, *args: Any, **kwargs: Any) -> Any:
    made = getattr(llm, way)(*args, **kwargs)
    if way.startswith("a"):
        made = await made
    if "stream" in way:
        return [piece async for piece in made][-1] if way.startswith("a") else list(made)[-1]
    return made


@pytest.mark.parametrize("way", ["chat", "achat", "stream_chat", "astream_chat"])
def test_retrieval_on_the_wire(way: str, server: Loopback) -> None:
    """The provider sees a sound conversation with our call and its answer; the caller sees the last answer."""
    server.script = [asked_back, Reply("It is completed.")]
    last = asyncio.run(_drain(wrapped(server), way, conversation()))
    assert last.message.content.endswith("It is completed.")
    assert len(server.bodies) == 2
    assert "user 77" in json.dumps(server.bodies[1]["messages"][-1])
    assert pieces(server.bodies[1])[: len(pieces(server.bodies[0]))] == pieces(server.bodies[0])
    assert server.bodies[0]["tools"] == server.bodies[1]["tools"]


@pytest.mark.parametrize(
    "way", ["chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools"]
)
def test_tools_on_the_wire(way: str, server: Loopback) -> None:
    """The caller's tools keep their bytes; ours stands before them; forced calls get none of ours."""
    tools = [FunctionTool.from_defaults(fn=users)]
    for llm in (client(server), wrapped(server)):
        for required in (False, True):
            asyncio.run(_drain(llm, way, tools, chat_history=conversation(), tool_required=required))
    bare, forced, ours, ours_forced = server.bodies
    assert json.dumps(ours["tools"][1:]) == json.dumps(bare["tools"])
    assert "headroom_retrieve" in json.dumps(ours["tools"][0])
    assert ours["tool_choice"] == bare["tool_choice"]
    assert json.dumps(ours_forced["tools"]) == json.dumps(forced["tools"])
    assert "left out" not in json.dumps(ours_forced["messages"])


@pytest.mark.parametrize(
    "way",
    ["structured_predict", "astructured_predict", "stream_structured_predict", "astream_structured_predict"],
)
def test_structured_output_in_the_inner_models_own_mode(way: str, server: Loopback) -> None:
    """The request is the bare model's: response_format stays response_format, no tool of ours, braces stay."""
    server.check = lambda body: None  # type: ignore[method-assign]  # the bare class sends tool_choice=None here
    prompt = PromptTemplate("Tell a joke about {topic}. {data}")
    found = [
        asyncio.run(_drain(llm, way, Joke, prompt, topic="'cats'", data='{"a": 1}'))
        for llm in (client(server), wrapped(server))
    ]
    assert type(found[0]).__name__ == type(found[1]).__name__
    assert found[1].setup == found[0].setup
    assert server.raw[0] == server.raw[1]
    assert ("response_format" in server.bodies[1]) == isinstance(server, OpenAIServer)


def test_structured_output_over_tool_results_is_lossless(server: Loopback) -> None:
    """``as_structured_llm`` over a long conversation: smaller, nothing lost, nothing marked."""
    server.check = lambda body: None  # type: ignore[method-assign]
    for llm in (client(server), wrapped(server)):
        more = [ChatMessage(role="assistant", content="ok"), ChatMessage(role="user", content="A joke about that?")]
        llm.as_structured_llm(Joke).chat([*conversation(), *more])
    bare, ours = (json.dumps(body["messages"]) for body in server.bodies)
    assert len(ours) < len(bare)
    assert "left out" not in ours
    assert ours.count("completed") == bare.count("completed")


def test_completion_on_the_wire(server: Loopback) -> None:
    """A prompt leaves as it came, whole and streamed."""
    for llm in (client(server), wrapped(server)):
        llm.complete("hi é")
        list(llm.stream_complete("hi é"))
        asyncio.run(llm.acomplete("hi é"))
    assert server.raw[:3] == server.raw[3:]


def test_our_notes_do_not_leave(server: Loopback) -> None:
    """What we keep on messages for ourselves is in no request, even where a retrieval was taken out."""

    def both(body: dict[str, Any]) -> Reply:
        return Reply("", [*asked_back(body).calls, ("users", {"page": 2})])

    server.script = [both, Reply("done")]
    llm, tools = wrapped(server), [FunctionTool.from_defaults(fn=users)]
    messages = conversation()
    first = llm.chat_with_tools(tools, chat_history=messages, allow_parallel_tool_calls=True)
    (call,) = llm.get_tool_calls_from_response(first)
    result = ChatMessage(role="tool", content="none", additional_kwargs={"tool_call_id": call.tool_id})
    llm.chat_with_tools(tools, chat_history=[*messages, first.message, result], allow_parallel_tool_calls=True)
    body = json.dumps(server.bodies[1]["messages"])
    assert '"held"' not in body
    assert "original_tokens" not in body
    assert "user 77" in body


@pytest.mark.parametrize("streaming", [True, False])
def test_agent_on_the_wire(streaming: bool, server: Loopback) -> None:
    """An agent of five steps: sound requests, and each begins with the one before it."""
    server.script = [Reply(calls=[("users", {"page": n})]) for n in range(3)]
    server.script += [asked_back, Reply("Done.")]
    agent = FunctionAgent(tools=[users], llm=wrapped(server), streaming=streaming, system_prompt="Be careful.")

    async def run() -> str:
        return str(await agent.run(user_msg="Who is user 77?"))

    assert asyncio.run(run()).endswith("Done.")
    assert len(server.bodies) == 5
    for before, after in zip(server.bodies, server.bodies[1:], strict=False):
        assert json.dumps(before["tools"]) == json.dumps(after["tools"])
        assert pieces(after)[: len(pieces(before))] == pieces(before)
    assert says("x").role.value == "assistant"
