"""Large tool results, a compressor that needs no model, and a conversation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_origin

import pytest
from llama_index.core.llms import ChatMessage

from headroom_core import Compressor, open_originals
from headroom_core.types import Context, Part, Rewrite
from headroom_integrations.llama_index.testing import says
from tests.servers.anthropic import AnthropicServer
from tests.servers.loopback import Loopback
from tests.servers.openai import OpenAIServer

ROWS = [{"id": i, "name": f"user {i}", "status": "completed", "amount": i * 7} for i in range(120)]
TEXT = json.dumps(ROWS, indent=1)


class FirstRows:
    """Keeps two rows of a JSON list; without loss it only minifies."""

    name = "first-rows"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        try:
            rows = json.loads(part.text)
        except ValueError:
            return None
        if not isinstance(rows, list):
            return None
        if context.strength == "lossless" or len(rows) <= 4:
            small = json.dumps(rows, separators=(",", ":"))
            return None if small == part.text else Rewrite.of(small)
        return Rewrite.of(json.dumps(rows[:2], separators=(",", ":")), f"{len(rows) - 2} of {len(rows)} rows")


def make_compressor(transform: Any = None, **options: Any) -> Compressor:
    """Every text is a list of rows to it, and originals lie in memory."""
    options.setdefault("originals", open_originals("memory://"))
    return Compressor(kind="json", transforms={"json": transform or FirstRows()}, strict=True, **options)


def conversation(text: str = TEXT, tool: str = "users", question: str = "Who is user 77?") -> list[ChatMessage]:
    """A question, a call, and a large result."""
    call = says("", (tool, {"page": 1}))
    call_id = call.blocks[0].tool_call_id  # type: ignore[union-attr]
    result = ChatMessage(role="tool", content=text, additional_kwargs={"tool_call_id": call_id})
    return [ChatMessage(role="user", content=question), call, result]


def asks_back(messages: Any) -> ChatMessage:
    """A step of a script: calls the original of the last marker back."""
    return says("Let me look.", ("headroom_retrieve", {"ref": ref_in(messages), "rows": "77"}))


def ref_in(text: Any) -> str:
    """The reference that the last marker names."""
    found = re.findall(r"hr_[a-z2-7]{16}", str(text))
    assert found, str(text)[-500:]
    return str(found[-1])


@pytest.fixture
def compressor() -> Compressor:
    return make_compressor()


@pytest.fixture(params=["openai", "anthropic"])
def server(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    made = OpenAIServer() if request.param == "openai" else AnthropicServer()
    yield made
    made.close()


def client(server: Loopback) -> Any:
    """LlamaIndex's own class for the server."""
    if isinstance(server, OpenAIServer):
        from llama_index.llms.openai import OpenAI

        return OpenAI(model="gpt-4o", api_key="k", api_base=server.base_url, max_retries=0)
    from llama_index.llms.anthropic import Anthropic, utils

    for name in ("MessageParam", "BetaMessageParam"):
        if get_origin(getattr(utils, name)) is not None:
            setattr(utils, name, dict)  # newer clients made it a union, which this class still calls like a type
    return Anthropic(model="claude-opus-4-8", api_key="k", base_url=server.url, max_retries=0)
