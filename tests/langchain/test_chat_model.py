"""HeadroomChatModel on every path, around real clients and scripted models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.exceptions import ContextOverflowError
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableBinding, RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from headroom_integrations.langchain import HeadroomChatModel
from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import ROWS, TEXT, FirstRows, conversation, make_compressor, ref_in
from tests.servers.loopback import Loopback, Reply
from tests.servers.openai import OpenAIServer


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


@tool
def users(page: int) -> str:
    """List users."""
    return TEXT


@tool
def other(page: int) -> str:
    """List others."""
    return TEXT


def client(server: Loopback, **parameters: Any) -> Any:
    """The provider's own client, talking to the loopback server."""
    if isinstance(server, OpenAIServer):
        return ChatOpenAI(
            model="gpt-4o", api_key="k", base_url=server.base_url, stream_usage=True, max_retries=0, **parameters
        )
    return ChatAnthropic(model="claude-sonnet-4-6", api_key="k", base_url=server.url, max_retries=0, **parameters)


def sent_text(server: Loopback, at: int = -1) -> str:
    return json.dumps(server.bodies[at]["messages"], ensure_ascii=False)


_LOOP = asyncio.new_event_loop()


def wait(awaitable: Any) -> Any:
    """One loop for all: clients keep their connections."""
    return _LOOP.run_until_complete(awaitable)


class Starts(BaseCallbackHandler):
    """Counts runs."""

    def __init__(self) -> None:
        self.starts = self.ends = self.tokens = 0

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.starts += 1

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends += 1


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


async def collected(stream: Any) -> list[Any]:
    return [item async for item in stream]


PATHS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "invoke": lambda m, x, c: m.invoke(x, c),
    "ainvoke": lambda m, x, c: wait(m.ainvoke(x, c)),
    "stream": lambda m, x, c: merged(list(m.stream(x, c))),
    "astream": lambda m, x, c: merged(wait(collected(m.astream(x, c)))),
    "batch": lambda m, x, c: m.batch([x], c)[0],
    "abatch": lambda m, x, c: wait(m.abatch([x], c))[0],
    "generate": lambda m, x, c: m.generate([x], callbacks=c["callbacks"]).generations[0][0].message,
    "events v2": lambda m, x, c: next(
        e["data"]["output"]
        for e in wait(collected(m.astream_events(x, c, version="v2")))
        if e["event"] == "on_chat_model_end"
    ),
    "bound tools": lambda m, x, c: m.bind_tools([users, other]).invoke(x, c),
    "bound argument": lambda m, x, c: m.bind(stop=["x"]).invoke(x, c),
    "config": lambda m, x, c: m.with_config(tags=["t"]).invoke(x, c),
    "retry": lambda m, x, c: m.with_retry().invoke(x, c),
    "fallbacks": lambda m, x, c: m.with_fallbacks([m]).invoke(x, c),
    "in a chain": lambda m, x, c: (RunnableLambda(lambda y: y) | m).invoke(x, c),
}


@pytest.mark.parametrize("path", PATHS)
def test_each_path_compresses_once_and_counts_once(path: str, server: Loopback, first_rows: FirstRows) -> None:
    """One request leaves, with the small form; one run is told; usage is the provider's, once."""
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor(first_rows))
    usage, starts = UsageMetadataCallbackHandler(), Starts()
    messages = conversation()
    out = PATHS[path](model, messages, {"callbacks": [usage, starts]})
    assert out.text.strip() == "Hello from the loopback model."
    assert len(server.bodies) == 1
    assert "118 of 120 rows" in sent_text(server)
    assert "headroom_retrieve" in json.dumps(server.bodies[0]["tools"])
    assert first_rows.calls <= 2  # the transform, and the check that its result goes no further
    assert (starts.starts, starts.ends) == (1, 1)
    (counted,) = usage.usage_metadata.values()
    assert counted["total_tokens"] == 20
    assert out.usage_metadata["total_tokens"] == 20
    assert out.response_metadata["headroom"]["saved"] > 1000
    assert messages[2].content == TEXT


@pytest.mark.filterwarnings("ignore:.*beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.parametrize("way", ["sync", "async"])
def test_protocol_streaming_compresses_once(way: str, server: Loopback) -> None:
    """Events of version 3 come from the same request."""
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    starts = Starts()

    async def run() -> Any:
        stream = await model.astream_events(conversation(), {"callbacks": [starts]}, version="v3")
        return await stream

    if way == "sync":
        out = model.stream_events(conversation(), {"callbacks": [starts]}, version="v3").output
    else:
        out = wait(run())
    assert out.text == "Hello from the loopback model."
    assert len(server.bodies) == 1
    assert "118 of 120 rows" in sent_text(server)
    assert (starts.starts, starts.ends) == (1, 1)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_streaming_inner_model(way: str, server: Loopback) -> None:
    """streaming=True on the inner model makes invoke stream inside; the answer is a message all the same."""
    model = HeadroomChatModel(inner=client(server, streaming=True), compressor=make_compressor())
    out = PATHS[way](model, conversation(), {})
    assert isinstance(out, AIMessage)
    assert out.text == "Hello from the loopback model."
    assert server.bodies[0]["stream"] is True
    assert "118 of 120 rows" in sent_text(server)


def test_disabled_streaming_is_honoured(server: Loopback) -> None:
    """disable_streaming on the inner model holds for the wrapper."""
    model = HeadroomChatModel(inner=client(server, disable_streaming=True), compressor=make_compressor())
    assert len(list(model.stream(conversation()))) == 1
    assert not server.bodies[0].get("stream")


def test_streamed_text_has_the_type_that_the_bare_model_streams(server: Loopback) -> None:
    """Offering our tool must not turn ChatAnthropic's text chunks into blocks."""
    bare = [type(chunk.content) for chunk in client(server).stream("hi")]
    ours = [
        type(chunk.content)
        for chunk in HeadroomChatModel(inner=client(server), compressor=make_compressor()).stream("hi")
    ]
    assert set(ours) == set(bare) == {str}


METHODS = [
    ("openai", "function_calling"),
    ("openai", "json_mode"),
    ("openai", "json_schema"),
    ("anthropic", "function_calling"),
    ("anthropic", "json_schema"),
]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("path", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("include_raw", [False, True])
@pytest.mark.parametrize(("provider", "method"), METHODS)
def test_structured_output_is_lossless_and_keeps_its_method(
    provider: str, method: str, include_raw: bool, path: str, server: Loopback
) -> None:
    """Every method sends what the bare model sends, with the tool result re-encoded without loss and no tool of ours."""
    bare = client(server).with_structured_output(Joke, method=method, include_raw=include_raw)
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    ours = model.with_structured_output(Joke, method=method, include_raw=include_raw)
    starts = Starts()
    messages = [*conversation(), HumanMessage("Tell me a joke as JSON.")]
    outs = []
    for chain, callbacks in ((bare, []), (ours, [starts])):
        chunks = {
            "invoke": lambda c, k: [c.invoke(messages, {"callbacks": k})],
            "ainvoke": lambda c, k: [wait(c.ainvoke(messages, {"callbacks": k}))],
            "stream": lambda c, k: list(c.stream(messages, {"callbacks": k})),
            "astream": lambda c, k: wait(collected(c.astream(messages, {"callbacks": k}))),
        }[path](chain, callbacks)
        outs.append([chunk for chunk in chunks if not isinstance(chunk, dict) or chunk.get("parsed")])
    assert [type(each) for each in outs[1]] == [type(each) for each in outs[0]]
    first, second = server.bodies
    assert {k: v for k, v in second.items() if k != "messages"} == {k: v for k, v in first.items() if k != "messages"}
    text = sent_text(server)
    assert "headroom_retrieve" not in text
    assert json.dumps(json.dumps(ROWS, separators=(",", ":")), ensure_ascii=False)[1:-1] in text
    assert starts.starts == 1


def test_forced_tool_choice_is_lossless(server: Loopback) -> None:
    """A model that must call a given tool cannot ask for originals, so it gets no markers and no tool of ours."""
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    for choice in ("any", "users"):
        model.bind_tools([users], tool_choice=choice).invoke(conversation())
        assert "headroom_retrieve" not in json.dumps(server.bodies[-1])
    model.bind_tools([users], tool_choice="auto").invoke(conversation())
    assert "headroom_retrieve(ref=" in sent_text(server).replace("\\", "")


def test_our_tool_stands_first_and_the_callers_keep_their_form(server: Loopback) -> None:
    """The caller's tools are sent as the bare model sends them, after ours; a cache mark stays on the last."""
    client(server).bind_tools([users, other]).invoke("hi")
    HeadroomChatModel(inner=client(server), compressor=make_compressor()).bind_tools([users, other]).invoke("hi")
    bare, ours = (body["tools"] for body in server.bodies)
    assert ours[1:] == bare
    assert "headroom_retrieve" in json.dumps(ours[0])


# ---------------------------------------------------------------------- retrieval
def wants(**arguments: Any) -> Callable[[dict[str, Any]], Reply]:
    """A reply that asks for the original that the request's marker names."""

    def step(body: dict[str, Any]) -> Reply:
        return Reply("Let me look.", [("headroom_retrieve", {"ref": ref_in(_flat(body)), **arguments})])

    return step


def _flat(body: dict[str, Any]) -> str:
    return json.dumps(body["messages"], ensure_ascii=False).replace('\\"', '"')


@pytest.mark.parametrize("path", ["invoke", "ainvoke", "stream", "astream", "batch", "events v2"])
def test_retrievals_are_answered_inside(path: str, server: Loopback) -> None:
    """The caller sees one answer and no call of ours; both requests count in its usage; the run is told once."""
    server.script = [wants(query="user 77"), Reply("It is user 77.")]
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    usage, starts = UsageMetadataCallbackHandler(), Starts()
    out = PATHS[path](model, conversation(), {"callbacks": [usage, starts]})
    assert out.text.endswith("It is user 77.")
    assert out.tool_calls == []
    assert out.invalid_tool_calls == []
    assert len(server.bodies) == 2
    assert "user 77" in _flat(server.bodies[1])
    assert "data, not instructions" in _flat(server.bodies[1])
    assert (starts.starts, starts.ends) == (1, 1)
    assert next(iter(usage.usage_metadata.values()))["total_tokens"] == 40
    assert out.usage_metadata["total_tokens"] == 40
    assert out.response_metadata["headroom"]["retrievals"] == 1
    assert out.response_metadata["model_name"] in ("gpt-4o", "claude-sonnet-4-6")
    reason = out.response_metadata.get("finish_reason") or out.response_metadata.get("stop_reason")
    assert reason in ("stop", "end_turn")
    first = server.bodies[0]["messages"]
    assert server.bodies[1]["messages"][: len(first)] == first
    assert server.bodies[1]["tools"] == server.bodies[0]["tools"]


def test_streamed_rounds_merge_into_a_sound_message(server: Loopback) -> None:
    """With tools bound, blocks of both rounds stand side by side: no index meets another, ids are one."""
    server.script = [wants(lines="1-5"), Reply("Now I know.", [("users", {"page": 2})])]
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor()).bind_tools([users])
    chunks = list(model.stream(conversation()))
    assert len({chunk.id for chunk in chunks}) == 1
    out = merged(chunks)
    assert "Let me look." in out.text
    assert "Now I know." in out.text
    assert [(c["name"], c["args"]) for c in out.tool_calls] == [("users", {"page": 2})]
    follow = [*conversation(), out, ToolMessage("ok", tool_call_id=out.tool_calls[0]["id"])]
    server.script = [Reply("fine")]
    assert model.invoke(follow).text == "fine"


def test_first_text_comes_before_the_request_ends(server: Loopback) -> None:
    """Text is passed on at once, also in a round that will ask for an original."""
    server.script = [wants(lines="1"), Reply("Done.")]
    stream = HeadroomChatModel(inner=client(server), compressor=make_compressor()).stream(conversation())
    for chunk in stream:
        if chunk.text:
            break
    assert len(server.bodies) == 1
    assert "Done." in merged(list(stream)).text
    assert len(server.bodies) == 2


def test_parallel_retrievals(server: Loopback) -> None:
    """Several calls in one turn get one answer each."""

    def both(body: dict[str, Any]) -> Reply:
        ref = ref_in(_flat(body))
        return Reply(
            calls=[("headroom_retrieve", {"ref": ref, "rows": "3"}), ("headroom_retrieve", {"ref": ref, "rows": "4"})]
        )

    server.script = [both, Reply("done")]
    out = HeadroomChatModel(inner=client(server), compressor=make_compressor()).invoke(conversation())
    assert out.text == "done"
    assert out.response_metadata["headroom"]["retrievals"] == 2
    assert '"id": 3' in _flat(server.bodies[1])
    assert '"id": 4' in _flat(server.bodies[1])


def test_rounds_are_bounded(server: Loopback) -> None:
    """A model that asks for ever is told to stop, and then left."""
    server.script = [wants(rows=str(n)) for n in range(20)]
    out = HeadroomChatModel(inner=client(server), compressor=make_compressor(), max_rounds=2).invoke(conversation())
    assert len(server.bodies) == 4
    assert "No more retrievals" in _flat(server.bodies[3])
    assert out.tool_calls == []
    follow = [*conversation(), out, HumanMessage("and now?")]
    server.script = [Reply("fine")]
    assert HeadroomChatModel(inner=client(server), compressor=make_compressor()).invoke(follow).text == "fine"


@pytest.mark.parametrize("path", ["invoke", "astream"])
def test_mixed_turns(path: str, server: Loopback) -> None:
    """A retrieval beside the caller's own call: the caller sees its call only; the provider later sees both, answered."""

    def mixed(body: dict[str, Any]) -> Reply:
        ref = ref_in(_flat(body))
        return Reply("Both.", [("users", {"page": 2}), ("headroom_retrieve", {"ref": ref, "rows": "3"})])

    server.script = [mixed, Reply("done")]
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor()).bind_tools([users])
    out = PATHS[path](model, conversation(), {})
    assert [call["name"] for call in out.tool_calls] == ["users"]
    assert "headroom_retrieve" not in json.dumps(out.content)
    assert "headroom_retrieve" not in json.dumps(out.additional_kwargs)
    final = model.invoke([*conversation(), out, ToolMessage("page two", tool_call_id=out.tool_calls[0]["id"])])
    assert final.text == "done"
    first, second = (body["messages"] for body in server.bodies)
    assert second[: len(first)] == first
    assert '"id": 3' in _flat(server.bodies[1])
    assert "page two" in _flat(server.bodies[1])


def test_unreadable_arguments_are_told_to_the_model(server: Loopback) -> None:
    """A call of ours that lacks its reference gets a sentence, not an exception."""
    server.script = [Reply(calls=[("headroom_retrieve", {"what": "all"})]), Reply("ok")]
    assert HeadroomChatModel(inner=client(server), compressor=make_compressor()).invoke(conversation()).text == "ok"
    assert "headroom_retrieve takes ref" in _flat(server.bodies[1])


def test_caller_mode(server: Loopback) -> None:
    """The caller binds the tool and runs it; without it, nothing is marked."""
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor(), retrieval="caller")
    model.invoke(conversation())
    assert "headroom_retrieve" not in json.dumps(server.bodies[-1])
    retrieve = model.retrieve_tool()
    bound = model.bind_tools([users, retrieve])
    server.script = [wants(rows="77"), Reply("done")]
    out = bound.invoke(conversation())
    (call,) = out.tool_calls
    assert call["name"] == "headroom_retrieve"
    answer = retrieve.invoke(call)
    assert '"id": 77' in answer.content
    assert bound.invoke([*conversation(), out, answer]).text == "done"


def test_off_mode(server: Loopback) -> None:
    """Nobody answers, so only lossless forms go out and no tool is added."""
    HeadroomChatModel(inner=client(server), compressor=make_compressor(), retrieval="off").invoke(conversation())
    assert "tools" not in server.bodies[0]
    assert "left out" not in sent_text(server)
    assert len(sent_text(server)) < len(json.dumps(TEXT))


def test_threads_do_not_meet(server: Loopback) -> None:
    """The thread of the config is the namespace: what one thread stored, another cannot read."""
    compressor = make_compressor()
    model = HeadroomChatModel(inner=client(server), compressor=compressor)
    alice, mallory = ({"configurable": {"thread_id": name}} for name in ("alice", "mallory"))
    server.script = [wants(rows="77"), Reply("done")]
    model.invoke(conversation(), alice)
    assert '"id": 77' in _flat(server.bodies[1])
    ref = ref_in(_flat(server.bodies[0]))
    server.script = [Reply(calls=[("headroom_retrieve", {"ref": ref})]), Reply("done")]
    model.invoke("hi", mallory)
    assert "No original is kept here" in _flat(server.bodies[-1])
    answer = model.retrieve_tool().invoke({"ref": ref, "rows": "77"}, alice)
    assert '"id": 77' in answer


# ---------------------------------------------------------------------- what LangChain asks of a model
def test_models_without_tools_get_lossless_forms() -> None:
    """Where the inner model takes no tools, nothing is marked."""
    from langchain_core.language_models import GenericFakeChatModel

    seen: list[Any] = []

    class Spy(GenericFakeChatModel):
        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
            seen.append((messages, kwargs))
            return super()._generate(messages, *args, **kwargs)

    HeadroomChatModel(inner=Spy(messages=iter(["hi"])), compressor=make_compressor()).invoke(conversation())
    assert json.loads(seen[0][0][2].content) == ROWS
    assert "tools" not in seen[0][1]


class Limiter(BaseRateLimiter):
    def __init__(self) -> None:
        self.acquired = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.acquired += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


def test_rate_limiter_and_callbacks_of_the_inner_model(server: Loopback) -> None:
    """They are taken over: each request asks the limiter once, the inner model's handlers hear of the run."""
    limiter, starts = Limiter(), Starts()
    inner = client(server, rate_limiter=limiter, callbacks=[starts], tags=["t"], metadata={"m": 1})
    model = HeadroomChatModel(inner=inner, compressor=make_compressor())
    server.script = [wants(rows="1"), Reply("done"), wants(rows="2"), Reply("done")]
    model.invoke(conversation())
    assert (limiter.acquired, starts.starts) == (2, 1)
    list(model.stream(conversation()))
    assert (limiter.acquired, starts.starts) == (4, 2)


def test_cache_keys_know_the_compressor(server: Loopback) -> None:
    """A cache answers the same model and compressor, never one with other options; a hit sends nothing."""
    cache = InMemoryCache()
    options = [{}, {"target_ratio": 0.5}]
    models = [
        HeadroomChatModel(inner=client(server, cache=cache), compressor=make_compressor(**each)) for each in options
    ]
    models.append(HeadroomChatModel(inner=client(server, cache=cache), compressor=make_compressor(), retrieval="off"))
    for model in models:
        model.invoke(conversation())
        model.invoke(conversation())
    assert len(server.bodies) == 3
    assert len({model._get_llm_string() for model in models}) == 3
    assert len({json.dumps(model._get_invocation_params(), default=str, sort_keys=True) for model in models}) == 3


def test_it_looks_like_the_inner_model(server: Loopback) -> None:
    """Type, name, profile and tracing parameters are the inner model's: code that asks gets the same answers."""
    inner = client(server)
    model = HeadroomChatModel(inner=inner, compressor=make_compressor())
    assert model._llm_type == inner._llm_type
    assert model.profile == inner.profile
    assert model.profile["max_input_tokens"] > 1000
    assert model._get_ls_params(model="m2") == inner._get_ls_params(model="m2")
    assert model.model_name in ("gpt-4o", "claude-sonnet-4-6")
    assert "headroom" in model._identifying_params
    assert "not_implemented" in dumps(model)
    assert '"k"' not in dumps(model)


def test_v1_output(server: Loopback) -> None:
    """output_version of the inner model holds for the wrapper's answers."""
    model = HeadroomChatModel(inner=client(server, output_version="v1"), compressor=make_compressor())
    assert model.invoke("hi").content[0]["type"] == "text"
    assert merged(list(model.stream("hi"))).content[0]["type"] == "text"


def test_token_counts_are_of_what_is_sent() -> None:
    """get_num_tokens_from_messages counts the compressed conversation, by the inner model's count."""
    inner = ScriptedChatModel(script=[AIMessage("x")], custom_get_token_ids=lambda text: list(range(len(text))))
    model = HeadroomChatModel(inner=inner, compressor=make_compressor())
    assert model.get_num_tokens_from_messages(conversation()) < inner.get_num_tokens_from_messages(conversation()) / 3
    assert model.get_num_tokens("four") == 4


def test_alternatives_and_fields(server: Loopback) -> None:
    """Configurable alternatives and fields keep compressing."""
    from langchain_core.runnables import ConfigurableField

    compressor = make_compressor()
    first = HeadroomChatModel(inner=client(server), compressor=compressor)
    second = HeadroomChatModel(inner=client(server, max_tokens=55), compressor=compressor)
    chosen = first.configurable_alternatives(ConfigurableField(id="llm"), default_key="a", b=second)
    chosen.with_config(configurable={"llm": "b"}).invoke(conversation())
    assert server.bodies[-1].get("max_tokens", server.bodies[-1].get("max_completion_tokens")) == 55
    assert "118 of 120" in sent_text(server)
    fields = first.configurable_fields(retrieval=ConfigurableField(id="retrieval"))
    fields.with_config(configurable={"retrieval": "off"}).invoke(conversation())
    assert "left out" not in sent_text(server)


def test_bindings_are_unwrapped_and_kept(server: Loopback) -> None:
    """``wrap`` puts the wrapper inside a bound model or a chain; the constructor says to use it."""
    bound = client(server).bind(stop=["END"])
    with pytest.raises(ValueError, match=r"HeadroomChatModel\.wrap"):
        HeadroomChatModel(inner=bound)
    wrapped = HeadroomChatModel.wrap(bound, compressor=make_compressor())
    assert isinstance(wrapped, RunnableBinding)
    wrapped.invoke(conversation())
    assert "118 of 120" in sent_text(server)
    assert server.bodies[0].get("stop", server.bodies[0].get("stop_sequences")) == ["END"]
    chain = HeadroomChatModel.wrap(RunnableLambda(lambda x: x) | client(server), compressor=make_compressor())
    chain.invoke(conversation())
    assert "118 of 120" in sent_text(server)


def refusal(provider: str) -> Reply:
    """The error by which the provider says that a request is too long."""
    if provider == "openai":
        return Reply(
            status=400,
            error={"message": "too long", "code": "context_length_exceeded", "type": "invalid_request_error"},
        )
    return Reply(
        status=400,
        error={"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000 maximum"},
    )


@pytest.mark.parametrize("path", ["invoke", "ainvoke", "stream", "astream"])
def test_overflow_escalates_once(path: str, provider: str, server: Loopback) -> None:
    """A request that is too long is compressed harder and sent once more; then the provider's error stands."""
    model = HeadroomChatModel(inner=client(server), compressor=make_compressor())
    server.script = [refusal(provider), Reply("done")]
    out = PATHS[path](model, conversation(), {})
    assert out.text.strip() == "done"
    assert "118 of 120" in sent_text(server, 0)
    assert "119 of 120" in sent_text(server, 1)
    assert out.response_metadata["headroom"]["escalations"] == 1
    server.script = [refusal(provider), refusal(provider), Reply("never")]
    with pytest.raises(ContextOverflowError):
        PATHS[path](model, conversation(), {})
    server.script = [refusal(provider), Reply("never")]
    with pytest.raises(ContextOverflowError):
        PATHS[path](model, [HumanMessage("nothing to compress")], {})


def test_the_callers_messages_are_never_changed(server: Loopback) -> None:
    """Compression works on copies, whatever the content form."""
    messages = conversation()
    messages[2] = ToolMessage([{"type": "text", "text": TEXT, "x": 1}], tool_call_id="call_1")
    before = [message.model_dump() for message in messages]
    HeadroomChatModel(inner=client(server), compressor=make_compressor()).invoke(messages)
    assert [message.model_dump() for message in messages] == before


def test_audit_mode_sends_what_came(server: Loopback) -> None:
    """Audit reports the saving and changes nothing."""
    out = HeadroomChatModel(inner=client(server), compressor=make_compressor(mode="audit")).invoke(conversation())
    assert json.dumps(TEXT)[1:-1] in sent_text(server)
    assert out.response_metadata["headroom"]["saved"] == 0
    assert out.response_metadata["headroom"]["audited_saving"] > 1000


# ---------------------------------------------------------------------- in agents
def test_in_an_agent(server: Loopback) -> None:
    """create_agent takes the wrapper as its model: it answers retrievals itself, the agent sees its own tools only."""
    from langchain.agents import create_agent

    server.script = [Reply(calls=[("users", {"page": 1})]), wants(rows="77"), Reply("done")]
    agent = create_agent(HeadroomChatModel(inner=client(server), compressor=make_compressor()), [users])
    messages = agent.invoke({"messages": [HumanMessage("q")]}, {"configurable": {"thread_id": "t"}})["messages"]
    assert [m.type for m in messages] == ["human", "ai", "tool", "ai"]
    assert messages[-1].text == "done"
    assert messages[2].content == TEXT


def test_with_the_middleware_the_agent_runs_the_tool(server: Loopback) -> None:
    """Where somebody else binds the tool, its calls are theirs: the retrieval stands in the agent's own messages."""
    from langchain.agents import create_agent

    from headroom_integrations.langchain import HeadroomMiddleware

    compressor = make_compressor()
    server.script = [Reply(calls=[("users", {"page": 1})]), wants(rows="77"), Reply("done")]
    model = HeadroomChatModel(inner=client(server), compressor=compressor)
    agent = create_agent(model, [users], middleware=[HeadroomMiddleware(compressor)])
    messages = agent.invoke({"messages": [HumanMessage("q")]}, {"configurable": {"thread_id": "t"}})["messages"]
    assert [m.type for m in messages] == ["human", "ai", "tool", "ai", "tool", "ai"]
    assert '"id": 77' in messages[4].content
    assert len(server.bodies) == 3


@pytest.mark.parametrize("strategy", ["tool", "provider"])
def test_agents_with_a_response_format(strategy: str, server: Loopback) -> None:
    """Both ways of structured output in agents work with the middleware, and the tool can still be called."""
    from langchain.agents import create_agent
    from langchain.agents.structured_output import ProviderStrategy, ToolStrategy

    from headroom_integrations.langchain import HeadroomMiddleware

    form: Any = ToolStrategy(Joke) if strategy == "tool" else ProviderStrategy(Joke)
    last = (
        Reply(calls=[("Joke", {"setup": "a", "punchline": "b"})])
        if strategy == "tool"
        else Reply('{"setup": "a", "punchline": "b"}')
    )
    server.script = [Reply(calls=[("users", {"page": 1})]), wants(rows="77"), last]
    agent = create_agent(
        client(server), [users], middleware=[HeadroomMiddleware(make_compressor())], response_format=form
    )
    state = agent.invoke({"messages": [HumanMessage("q")]})
    assert state["structured_response"] == Joke(setup="a", punchline="b")
    assert '"id": 77' in state["messages"][4].content
    assert "118 of 120" in state["messages"][2].content


def test_a_configurable_model(servers: dict[str, Any]) -> None:
    """init_chat_model's configurable model is no chat model: the wrapper says so, the middleware takes it."""
    from langchain.agents import create_agent
    from langchain.chat_models import init_chat_model

    from headroom_integrations.langchain import HeadroomMiddleware

    server = OpenAIServer()
    model = init_chat_model(
        "openai:gpt-4o", configurable_fields=("temperature",), api_key="k", base_url=server.base_url
    )
    with pytest.raises(ValueError, match="HeadroomMiddleware"):
        HeadroomChatModel(inner=model)
    server.script = [Reply(calls=[("users", {"page": 1})]), Reply("done")]
    state = create_agent(model, [users], middleware=[HeadroomMiddleware(make_compressor())]).invoke(
        {"messages": [HumanMessage("q")]}
    )
    assert "118 of 120" in state["messages"][2].content


def test_traces_see_the_originals(server: Loopback) -> None:
    """on_chat_model_start hears what the caller said; what was saved stands on the answer."""
    heard: list[Any] = []

    class Hears(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
            heard.append(messages[0][2].content)

    HeadroomChatModel(inner=client(server), compressor=make_compressor()).invoke(
        conversation(), {"callbacks": [Hears()]}
    )
    assert heard == [TEXT]


@pytest.mark.parametrize("path", ["invoke", "stream", "astream"])
def test_retrievals_with_v1_output(path: str, server: Loopback) -> None:
    """In the standard block form too, both rounds merge into one message of text blocks."""
    server.script = [wants(query="user 77"), Reply("It is user 77.")]
    model = HeadroomChatModel(inner=client(server, output_version="v1"), compressor=make_compressor())
    out = PATHS[path](model, conversation(), {})
    assert out.text.endswith("It is user 77.")
    assert {block["type"] for block in out.content} == {"text"}
    assert out.tool_calls == []


# ---------------------------------------------------------------------- odd inner models
def test_an_inner_model_that_cannot_stream() -> None:
    """stream() of a model without _stream gives its answer in one piece, compressed."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.outputs import ChatGeneration, ChatResult

    seen: list[Any] = []

    class Plain(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "plain"

        def _generate(
            self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> Any:
            seen.append(messages)
            return ChatResult(generations=[ChatGeneration(message=AIMessage("whole"))])

    model = HeadroomChatModel(inner=Plain(), compressor=make_compressor())
    assert [chunk.content for chunk in model.stream(conversation())] == ["whole"]
    assert [chunk.content for chunk in wait(collected(model.astream(conversation())))] == ["whole"]
    assert all(json.loads(messages[2].content) == ROWS for messages in seen)


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_native_protocol_streams_do_not_bypass_us() -> None:
    """A model class with native event hooks is still asked through _stream, with the compressed conversation."""

    class Native(ScriptedChatModel):
        def _stream_chat_model_events(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("bypassed")

    inner = Native(script=[AIMessage("done")])
    model = HeadroomChatModel(inner=inner, compressor=make_compressor())
    assert model.stream_events(conversation(), version="v3").output.text.strip() == "done"
    assert "118 of 120" in inner.requests[0][0][2].content


def test_many_threads_share_one_model() -> None:
    """A batch of conversations: each gets its own reference, and each reference its own original."""
    compressor = make_compressor()
    inner = ScriptedChatModel(script=[AIMessage("done")])
    model = HeadroomChatModel(inner=inner, compressor=compressor, namespace="n")
    texts = [TEXT.replace("user", f"user {n}") for n in range(24)]
    model.batch([conversation(text) for text in texts])
    kept = {
        compressor.originals.get(ref_in(messages[2].content), namespace="n").decode() for messages, _ in inner.requests
    }
    assert kept == set(texts)


def test_thinking_blocks_go_back_unchanged() -> None:
    """An answer with thinking that asks for an original is sent back whole: signature, order and all."""
    thinking = [{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "text", "text": "Let me look."}]

    def ask(messages: list[BaseMessage]) -> AIMessage:
        calls = [{"name": "headroom_retrieve", "args": {"ref": ref_in(messages[2].content), "rows": "3"}, "id": "r1"}]
        return AIMessage(thinking, tool_calls=calls)

    inner = ScriptedChatModel(script=[ask, AIMessage("done")])
    HeadroomChatModel(inner=inner, compressor=make_compressor()).invoke(conversation())
    assert inner.requests[1][0][3].content == thinking
    assert inner.requests[1][0][4].tool_call_id == "r1"
