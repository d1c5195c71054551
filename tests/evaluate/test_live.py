"""Live answers through the providers' own packages, against servers on loopback that check every request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from headroom_core.errors import InvalidInput
from headroom_core.evaluate import Conversation, Report, evaluate
from headroom_core.evaluate.live import open_model, transcript
from tests.servers.anthropic import AnthropicServer
from tests.servers.loopback import Loopback, Reply
from tests.servers.openai import OpenAIServer

from . import make_samples

Server = tuple[str, Loopback]


@pytest.fixture(params=["openai", "anthropic"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A provider on loopback that the client finds by its environment variables."""
    made = OpenAIServer() if request.param == "openai" else AnthropicServer()
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{made.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", made.url)
    yield request.param, made
    made.close()
    made.clear()


def _run(name: str, conversation: Conversation) -> Report:
    return evaluate([conversation], live=open_model(f"{name}:some-model"))


def _prompt(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def test_accepted_answers_grade_without_a_judge(server: Server) -> None:
    """A question over documents: the whole context in one call, ours in another; answers are compared by value."""
    name, provider = server
    documents = make_samples.documents(7)[0]
    texts = "\n\n".join(f"{each['title']}\n{each['text']}" for each in documents["documents"])
    messages = (
        {"role": "user", "content": documents["question"]},
        {"role": "tool", "name": "documents", "content": texts},
    )
    provider.script = [Reply("It was Maren Tolliver."), Reply("I do not know.")]
    (graded,) = _run(name, Conversation("q1", "documents", messages, answers=("Maren Tolliver",))).live
    assert (graded.without_right, graded.with_us_right) == (True, False)
    assert len(provider.bodies) == 2
    whole, ours = map(_prompt, provider.bodies)
    assert len(ours) < len(whole) / 2
    assert "left out:" in ours
    assert "left out:" not in whole


def test_the_model_may_call_back_what_was_left_out(server: Server) -> None:
    """Ours offers the retrieve tool; its result reaches the model, and each call is counted."""
    name, provider = server
    row = make_samples.orders(1)[make_samples.CLEAN]

    def ask(body: dict[str, Any]) -> Reply:
        ref = _prompt(body).split("headroom_retrieve(ref=", 1)[1].replace("\\", "").lstrip('"').split('"')[0]
        return Reply(calls=[("headroom_retrieve", {"ref": ref, "query": row["customer"]})])

    def read(body: dict[str, Any]) -> Reply:
        return Reply("It is there." if row["tracking"] in json.dumps(body["messages"][-1]) else "It is not there.")

    provider.script = [Reply("TRK1"), ask, read, Reply("no"), Reply("Yes.")]
    report = _run(name, Conversation("one", "openai", tuple(make_samples.openai(1))))
    (graded,) = report.live
    assert graded.with_us == "It is there."
    assert graded.retrievals == 1
    assert (graded.without_right, graded.with_us_right) == (False, True)
    assert graded.expected == make_samples.story(1)[-1][1]
    told = report.as_dict()["live"]
    assert (told["asked"], told["right_without"], told["right_with"]) == (1, 0, 1)
    assert "answers" not in report.as_dict(contents=False)["live"]


def test_a_judge_of_its_own(server: Server) -> None:
    """Where a judge is named, it is asked and not the model."""
    name, provider = server

    class Judge:
        def __call__(self, system: str, prompt: str, tool: Any, /) -> Any:
            from headroom_core.evaluate.live import Said

            return Said("yes" if "Second answer: same" in prompt else "no", 0, 0)

    provider.script = [Reply("same"), Reply("other")]
    talk = Conversation("one", "openai", tuple(make_samples.openai(1)))
    (graded,) = evaluate([talk], live=open_model(f"{name}:m"), judge=Judge()).live
    assert (graded.without_right, graded.with_us_right) == (True, False)
    assert len(provider.bodies) == 2


def test_nothing_to_compare_with_is_not_asked(server: Server) -> None:
    """A conversation whose answer is not recorded, and for which none is accepted, costs nothing."""
    name, provider = server
    assert _run(name, Conversation("one", "openai", ({"role": "user", "content": "Hello"},))).live == ()
    assert provider.bodies == []


def test_names_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that is not known, and one without a key, are refused in a sentence."""
    with pytest.raises(InvalidInput, match="openai:NAME"):
        open_model("gpt-5")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InvalidInput, match="cannot be asked"):
        open_model("openai:some-model")


def test_a_transcript_shows_calls_and_results() -> None:
    """Every role, tool and argument stands in the transcript, in order."""
    told = transcript(make_samples.openai(1))
    places = [
        told.index(piece)
        for piece in (
            "### system",
            "### user",
            "calls query_orders",
            "### tool (query_orders)",
            "ORD-40210",
            "calls read_log",
        )
    ]
    assert places == sorted(places)


def test_a_model_that_only_asks_is_stopped(server: Server) -> None:
    """After four rounds of retrieval without an answer, the answer is empty and wrong."""
    name, provider = server
    again = Reply(calls=[("headroom_retrieve", {"ref": "hr_aaaaaaaaaaaaaaaa"})])
    provider.script = [Reply("Maren Tolliver"), *[again] * 4]
    documents = make_samples.documents(7)[0]
    messages = (
        {"role": "user", "content": documents["question"]},
        {"role": "tool", "content": "Maren Tolliver. " * 99},
    )
    (graded,) = _run(name, Conversation("q", "documents", messages, answers=("Maren Tolliver",))).live
    assert (graded.with_us, graded.retrievals, graded.with_us_right) == ("", 4, False)


def test_a_missing_client_names_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the provider's package the remedy is one line."""
    import sys

    from headroom_core.errors import MissingExtra

    for name in ("openai", "anthropic"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtra, match=r"headroom-integrations\[live\]"):
            open_model(f"{name}:m")
