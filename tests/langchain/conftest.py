"""A compressor that needs no model of ours: JSON lists lose all but their first rows, so every test knows what it sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from headroom_core import Compressor, open_originals
from headroom_core.types import Context, Part, Rewrite
from tests.servers.anthropic import AnthropicServer
from tests.servers.loopback import Loopback
from tests.servers.openai import OpenAIServer
from tests.servers.responses import ResponsesServer

ROWS = [{"id": i, "name": f"user {i}", "status": "completed", "amount": i * 7} for i in range(120)]
TEXT = json.dumps(ROWS, indent=1)


class FirstRows:
    """Keeps two rows of a JSON list; without loss it only minifies."""

    name = "first-rows"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        self.calls += 1
        try:
            rows = json.loads(part.text)
        except ValueError:
            return None
        if not isinstance(rows, list):
            return None
        if context.strength == "lossless" or len(rows) <= 4:
            small = json.dumps(rows, separators=(",", ":"))
            return None if small == part.text else Rewrite.of(small)
        kept = rows[:1] if context.target_ratio and context.target_ratio < 0.1 else rows[:2]
        return Rewrite.of(json.dumps(kept, separators=(",", ":")), f"{len(rows) - len(kept)} of {len(rows)} rows")


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Loopback]]:
    """One server of each kind for all tests: a client's TLS context is dear to make, and it is made once per address."""
    made: dict[str, Loopback] = {
        "openai": OpenAIServer(),
        "anthropic": AnthropicServer(),
        "responses": ResponsesServer(),
    }
    yield made
    for server in made.values():
        server.close()


@pytest.fixture(params=["openai", "anthropic"])
def provider(request: pytest.FixtureRequest) -> str:
    """Each provider in turn."""
    name: str = request.param
    return name


@pytest.fixture
def server(provider: str, servers: dict[str, Loopback]) -> Iterator[Loopback]:
    """The provider's server, with nothing asked yet; every request must have been sound."""
    made = servers[provider]
    made.clear()
    yield made
    vars(made).pop("check", None)
    made.clear()


@pytest.fixture
def first_rows() -> FirstRows:
    return FirstRows()


@pytest.fixture
def compressor(first_rows: FirstRows) -> Compressor:
    return make_compressor(first_rows)


def make_compressor(transform: Any = None, **options: Any) -> Compressor:
    """Every text is a list of rows to it, and originals lie in memory."""
    options.setdefault("originals", open_originals("memory://"))
    return Compressor(kind="json", transforms={"json": transform or FirstRows()}, strict=True, **options)


def conversation(text: str = TEXT, tool: str = "users", question: str = "Who is user 77?") -> list[BaseMessage]:
    """A question, a call, and a large result."""
    return [
        HumanMessage(question),
        AIMessage("", tool_calls=[{"name": tool, "args": {"page": 1}, "id": "call_1"}]),
        ToolMessage(text, tool_call_id="call_1"),
    ]


def ref_in(text: Any) -> str:
    """The reference that a marker names."""
    start = str(text).index('ref="') + 5
    return str(text)[start : start + 19]
