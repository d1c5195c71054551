"""HeadroomChatModel around ChatOpenAI with the responses API, whose messages are lists of items."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

from headroom_integrations.langchain import HeadroomChatModel
from tests.langchain.conftest import conversation, make_compressor, ref_in
from tests.langchain.test_chat_model import PATHS, users
from tests.servers.loopback import Reply
from tests.servers.responses import ResponsesServer


@pytest.fixture
def provider() -> str:
    return "responses"


def model(server: ResponsesServer, **parameters: Any) -> HeadroomChatModel:
    inner = ChatOpenAI(
        model="gpt-5-mini", api_key="k", base_url=server.base_url, use_responses_api=True, max_retries=0, **parameters
    )
    return HeadroomChatModel(inner=inner, compressor=make_compressor())


def flat(body: dict[str, Any]) -> str:
    return json.dumps(body["input"], ensure_ascii=False).replace('\\"', '"')


def wants(body: dict[str, Any]) -> Reply:
    return Reply("Let me look.", [("headroom_retrieve", {"ref": ref_in(flat(body)), "rows": "3"})])


def mixed(body: dict[str, Any]) -> Reply:
    arguments = {"ref": ref_in(flat(body)), "rows": "3"}
    return Reply("Both.", [("users", {"page": 2}), ("headroom_retrieve", arguments)])


VERSIONS = [None, "v0", "responses/v1", "v1"]


@pytest.mark.parametrize("path", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("version", VERSIONS)
def test_retrievals_are_answered_inside(version: str | None, path: str, server: ResponsesServer) -> None:
    """In every output version, streamed or not, the caller gets one sound message, and a next turn is accepted."""
    server.script = [wants, Reply("It is user 3.")]
    chat = model(server, **({"output_version": version} if version else {}))
    out = PATHS[path](chat, conversation(), {})
    assert out.text.endswith("It is user 3.")
    assert out.tool_calls == []
    assert "headroom_retrieve" not in json.dumps(out.content)
    assert out.usage_metadata["total_tokens"] == 40
    assert len(server.bodies) == 2
    assert '"id": 3' in flat(server.bodies[1])
    first = server.bodies[0]["input"]
    assert server.bodies[1]["input"][: len(first)] == first
    server.script = [Reply("fine")]
    assert chat.invoke([*conversation(), out, HumanMessage("thanks")]).text == "fine"


@pytest.mark.parametrize("path", ["invoke", "stream"])
@pytest.mark.parametrize("version", VERSIONS)
def test_mixed_turns(version: str | None, path: str, server: ResponsesServer) -> None:
    """Beside the caller's own call ours is taken out, item and all, and put back for the next request."""
    server.script = [mixed, Reply("done")]
    chat = model(server, **({"output_version": version} if version else {}))
    bound = chat.bind_tools([users])
    out = PATHS[path](bound, conversation(), {})
    assert [call["name"] for call in out.tool_calls] == ["users"]
    assert "headroom_retrieve" not in json.dumps(out.content)
    final = bound.invoke([*conversation(), out, ToolMessage("page two", tool_call_id=out.tool_calls[0]["id"])])
    assert final.text == "done"
    assert '"id": 3' in flat(server.bodies[1])
    assert "page two" in flat(server.bodies[1])


def test_previous_response_ids_are_left_to_the_client(server: ResponsesServer) -> None:
    """With use_previous_response_id only what is new goes out, also in the second round."""
    server.script = [wants, Reply("done")]
    chat = model(server, use_previous_response_id=True)
    assert chat.invoke(conversation()).text == "done"
    assert server.bodies[1]["previous_response_id"] == "resp_1"
    assert [item["type"] for item in server.bodies[1]["input"]] == ["function_call_output"]


def test_reasoning_items_pass(server: ResponsesServer) -> None:
    """Reasoning with its encrypted content is byte-identical on the wire."""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    messages = [
        HumanMessage("hi"),
        AIMessage([reasoning, {"type": "text", "text": "hello", "id": "msg_0"}]),
        *conversation(),
    ]
    chat = model(server)
    chat.inner.invoke(messages)
    chat.invoke(messages)
    assert server.bodies[1]["input"][:-1] == server.bodies[0]["input"][:-1]
    assert "118 of 120" in flat(server.bodies[1])
