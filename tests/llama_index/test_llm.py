"""The wrapper on every path, with a scripted model."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatStartEvent
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from headroom_core import Compressor, open_originals
from headroom_integrations.llama_index import HeadroomLLM, keep, retrieve_tool
from headroom_integrations.llama_index.contract import WrappedLLMContract
from headroom_integrations.llama_index.testing import ScriptedLLM, says
from tests.llama_index.conftest import TEXT, asks_back, conversation, make_compressor

WAYS = ["chat", "achat", "stream_chat", "astream_chat"]


def ask(llm: Any, way: str, messages: list[ChatMessage], **kwargs: Any) -> list[Any]:
    """Every response of one call, whichever way it is made."""

    async def later() -> list[Any]:
        if way == "achat":
            return [await llm.achat(messages, **kwargs)]
        return [piece async for piece in await llm.astream_chat(messages, **kwargs)]

    if way == "chat":
        return [llm.chat(messages, **kwargs)]
    if way == "stream_chat":
        return list(llm.stream_chat(messages, **kwargs))
    return asyncio.run(later())


def users(page: int) -> str:
    """List users."""
    return TEXT


@pytest.mark.parametrize("way", WAYS)
def test_the_request_is_small_and_the_caller_keeps_his(way: str, compressor: Compressor) -> None:
    """What goes out is compressed; the caller's messages stay as they are."""
    inner = ScriptedLLM(script=[says("fine")])
    messages = conversation()
    before = copy.deepcopy(messages)
    out = ask(HeadroomLLM(inner=inner, compressor=compressor), way, messages)
    assert out[-1].message.content == "fine"
    assert messages == before
    ((sent, _),) = inner.requests
    assert sent[0] is messages[0]
    assert sent[1] is messages[1]
    assert "118 of 120 rows · headroom_retrieve" in sent[2].content
    assert out[-1].additional_kwargs["headroom"]["saved"] > 1000


@pytest.mark.parametrize("way", WAYS)
def test_originals_are_called_back_on_the_way(way: str, compressor: Compressor) -> None:
    """The model asks for a row and gets it; the caller sees the answer, and no call of ours."""
    inner = ScriptedLLM(script=[asks_back, says("It is completed.")])
    out = ask(HeadroomLLM(inner=inner, compressor=compressor), way, conversation())
    assert len(inner.requests) == 2
    assert '"user 77"' in inner.requests[1][0][-1].content
    assert out[-1].message.content.endswith("It is completed.")
    for piece in out:
        assert "headroom_retrieve" not in piece.message.model_dump_json()
    assert out[-1].additional_kwargs["headroom"]["retrievals"] == 1
    if "stream" in way:
        assert "".join(piece.delta for piece in out) == out[-1].message.content


@pytest.mark.parametrize("way", WAYS)
def test_rounds_end(way: str, compressor: Compressor) -> None:
    """A model that never stops asking is told to stop, and then stopped."""
    inner = ScriptedLLM(script=[asks_back])
    out = ask(HeadroomLLM(inner=inner, compressor=compressor, max_rounds=2), way, conversation())
    assert len(inner.requests) == 4
    assert "No more retrievals" in inner.requests[3][0][-1].content
    assert "headroom_retrieve" not in str(out[-1].message.blocks)


def test_a_retrieval_beside_other_calls_is_answered_in_the_next_request(compressor: Compressor) -> None:
    """The caller sees only his own call; the next request holds both calls and both results."""

    def both(messages: Any) -> ChatMessage:
        mine = asks_back(messages).blocks[-1]
        message = says("", ("users", {"page": 2}))
        return ChatMessage(role="assistant", blocks=[mine, *message.blocks])

    inner = ScriptedLLM(script=[both, says("done")])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    tools = [FunctionTool.from_defaults(fn=users)]
    messages = conversation()
    first = llm.chat_with_tools(tools, chat_history=messages)
    (call,) = llm.get_tool_calls_from_response(first)
    assert call.tool_name == "users"
    stored = ChatMessage.model_validate_json(first.message.model_dump_json())
    result = ChatMessage(role="tool", content="none", additional_kwargs={"tool_call_id": call.tool_id})
    llm.chat_with_tools(tools, chat_history=[*messages, stored, result])
    sent = inner.requests[1][0]
    assert [message.role.value for message in sent[3:]] == ["assistant", "tool", "tool"]
    assert [block.tool_name for block in sent[3].blocks] == ["headroom_retrieve", "users"]
    assert "headroom" not in sent[3].additional_kwargs
    assert '"user 77"' in sent[4].content


def test_who_gives_the_tool_runs_it(compressor: Compressor) -> None:
    """With the retrieve tool among the caller's tools, our call comes out to him; it is offered once."""
    inner = ScriptedLLM(script=[asks_back])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    response = llm.chat_with_tools([retrieve_tool(compressor)], chat_history=conversation())
    (call,) = llm.get_tool_calls_from_response(response)
    assert call.tool_name == "headroom_retrieve"
    assert len(inner.requests[0][1]["tools"]) == 1


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"retrieval": "off"}, {}),
        ({"retrieval": "caller"}, {}),
        ({}, {"tool_choice": "required"}),
        ({}, {"tool_choice": {"type": "tool", "name": "users"}}),
        ({}, {"response_format": {"type": "json_object"}}),
        ({}, {"n": 2}),
    ],
)
def test_no_dead_markers(options: dict[str, Any], arguments: dict[str, Any], compressor: Compressor) -> None:
    """Where nobody can ask for an original, only lossless forms go out."""
    inner = ScriptedLLM(script=[says("x")])
    HeadroomLLM(inner=inner, compressor=compressor, **options).chat(conversation(), **arguments)
    sent, given = inner.requests[0]
    assert sent[2].content == TEXT.replace("\n", "").replace(" ", "").replace('"user', '"user ')
    assert "tools" not in given


def test_a_model_without_tools_gets_lossless_forms(compressor: Compressor) -> None:
    """An LLM that calls no functions is never offered one."""
    inner = ScriptedLLM(script=[says("x")], function_calling=False)
    HeadroomLLM(inner=inner, compressor=compressor).chat(conversation())
    assert "headroom_retrieve" not in inner.requests[0][0][2].content
    assert len(inner.requests[0][0][2].content) < len(TEXT)


def test_chat_with_tools_family(compressor: Compressor) -> None:
    """All four forms compress once, keep the caller's history, and hand back his call."""
    tools = [FunctionTool.from_defaults(fn=users)]
    for way in ("chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools"):
        inner = ScriptedLLM(script=[says("", ("users", {"page": 2}))])
        llm = HeadroomLLM(inner=inner, compressor=compressor)
        history = conversation()

        async def call(llm: Any = llm, way: str = way, history: Any = history) -> Any:
            made = getattr(llm, way)(tools, user_msg="more", chat_history=history)
            if way.startswith("a"):
                made = await made
            if "stream" not in way:
                return made
            return [piece async for piece in made][-1] if way.startswith("a") else list(made)[-1]

        response = asyncio.run(call())
        assert [c.tool_name for c in llm.get_tool_calls_from_response(response)] == ["users"]
        ((sent, given),) = inner.requests
        assert len(history) == 3
        assert "118 of 120 rows" in sent[2].content
        assert sent[3].content == "more"
        assert [tool["function"]["name"] for tool in given["tools"]] == ["headroom_retrieve", "users"]


def test_predict_and_call(compressor: Compressor) -> None:
    """The tool is called with the model's arguments, sync and async."""
    inner = ScriptedLLM(script=[says("", ("users", {"page": 2}))])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    tools = [FunctionTool.from_defaults(fn=users)]
    assert str(llm.predict_and_call(tools, chat_history=conversation())) == TEXT
    assert str(asyncio.run(llm.apredict_and_call(tools, chat_history=conversation()))) == TEXT
    assert all("118 of 120" in sent[2].content for sent, _ in inner.requests)


def test_predict_and_stream(compressor: Compressor) -> None:
    """Prompts of templates go through, whole and in pieces, sync and async."""
    inner = ScriptedLLM(script=[says("one two")])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    prompt = PromptTemplate("Say {what}.")

    async def later() -> str:
        return "".join([piece async for piece in await llm.astream(prompt, what="it")])

    assert llm.predict(prompt, what="it") == "one two"
    assert "".join(llm.stream(prompt, what="it")) == "one two"
    assert asyncio.run(llm.apredict(prompt, what="it")) == "one two"
    assert asyncio.run(later()) == "one two"
    assert [sent[0].content for sent, _ in inner.requests] == ["Say it."] * 4


def test_completion(compressor: Compressor) -> None:
    """A prompt is the user's text: it stays, unless ``roles`` names the user; then nothing is marked."""
    inner = ScriptedLLM(script=[says("x")])
    HeadroomLLM(inner=inner, compressor=compressor).complete(TEXT)
    llm = HeadroomLLM(inner=inner, compressor=make_compressor(roles=("user", "tool")))
    llm.complete(TEXT)
    list(llm.stream_complete(TEXT))
    asyncio.run(llm.acomplete(TEXT))

    async def later() -> list[Any]:
        return [piece async for piece in await llm.astream_complete(TEXT)]

    asyncio.run(later())
    prompts = [sent[0].content for sent, _ in inner.requests]
    assert prompts[0] == TEXT
    assert len(set(prompts[1:])) == 1
    assert len(prompts[1]) < len(TEXT)
    assert "left out" not in prompts[1]


def test_events_once(compressor: Compressor) -> None:
    """One request is one start and one end event with what was sent, and one legacy count of tokens."""
    seen: list[Any] = []

    class Sees(BaseEventHandler):
        def handle(self, event: Any, **kwargs: Any) -> None:
            if isinstance(event, (LLMChatStartEvent, LLMChatEndEvent)):
                seen.append(event)

    counts = TokenCountingHandler()
    handler = Sees()
    get_dispatcher().add_event_handler(handler)
    try:
        inner = ScriptedLLM(script=[says("x")], callback_manager=CallbackManager([counts]))
        HeadroomLLM(inner=inner, compressor=compressor).chat(conversation())
    finally:
        get_dispatcher().event_handlers.remove(handler)
    assert [type(event) for event in seen] == [LLMChatStartEvent, LLMChatEndEvent]
    assert "118 of 120 rows" in seen[0].messages[2].content
    assert len(counts.llm_token_counts) == 1
    assert counts.llm_token_counts[0].prompt_token_count < 400


def test_what_is_inherited(compressor: Compressor) -> None:
    """Metadata, prompts and callback manager are the inner model's; a new manager reaches it."""
    inner = ScriptedLLM(script=[says("x")], system_prompt="Be brief.", callback_manager=CallbackManager([]))
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    assert isinstance(llm, FunctionCallingLLM)
    assert llm.metadata == inner.metadata
    assert llm.system_prompt == "Be brief."
    assert llm.callback_manager is inner.callback_manager
    manager = CallbackManager([])
    llm.callback_manager = manager
    assert inner.callback_manager is manager
    llm.predict(PromptTemplate("Hi"))
    assert [message.role.value for message in inner.requests[-1][0]] == ["system", "user"]


def test_kept_messages_and_the_kill_switch(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    """``keep`` opts a message out; HEADROOM_DISABLE sends everything as it came, without our tool."""
    inner = ScriptedLLM(script=[says("x")])
    llm = HeadroomLLM(inner=inner, compressor=compressor)
    messages = conversation()
    llm.chat([*messages[:2], keep(messages[2])])
    assert inner.requests[-1][0][2].content == TEXT
    monkeypatch.setenv("HEADROOM_DISABLE", "1")
    llm.chat(messages)
    assert inner.requests[-1][0][2] is messages[2]
    assert "tools" not in inner.requests[-1][1]


def test_tenants_do_not_meet() -> None:
    """The same store, another namespace: the reference of one resolves to nothing for the other."""
    originals = open_originals("memory://")
    inner = ScriptedLLM(script=[says("x")])
    HeadroomLLM(inner=inner, compressor=make_compressor(originals=originals), namespace="a").chat(conversation())
    small = inner.requests[0][0][2]
    inner = ScriptedLLM(script=[asks_back, says("y")])
    other = HeadroomLLM(inner=inner, compressor=make_compressor(originals=originals), namespace="b")
    other.chat([*conversation()[:2], small])
    assert "No original is kept here" in inner.requests[1][0][-1].content


def test_cancellation(compressor: Compressor) -> None:
    """A cancelled call ends at once and leaves the wrapper in order."""

    async def run() -> None:
        never = asyncio.Event()

        class Slow(ScriptedLLM):
            async def achat(self, messages: Any, **kwargs: Any) -> Any:
                await never.wait()

        llm = HeadroomLLM(inner=Slow(script=[says("x")]), compressor=compressor)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(llm.achat(conversation()), 0.3)
        assert [piece async for piece in await llm.astream_chat(conversation())]

    asyncio.run(run())


def test_twice_is_once(compressor: Compressor) -> None:
    """What was compressed goes through a second wrapper as the same object."""
    inner = ScriptedLLM(script=[says("x")])
    HeadroomLLM(inner=inner, compressor=compressor).chat(conversation())
    small = inner.requests[0][0]
    HeadroomLLM(inner=inner, compressor=compressor).chat(small)
    assert all(new is old for new, old in zip(inner.requests[1][0], small, strict=True))


class TestContract(WrappedLLMContract):
    """The contract that we publish, on our own wrapper."""

    def wrap(self, inner: Any) -> Any:
        return HeadroomLLM(inner=inner, compressor=Compressor(originals=open_originals("memory://")))
