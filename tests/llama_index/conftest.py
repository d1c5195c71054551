"""What every test of the LlamaIndex surfaces starts from: a conversation, a compressor that needs no model, servers."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from headroom_core import Compressor
from headroom_integrations.llama_index.testing import says
from tests.servers.fixtures import provider as provider
from tests.servers.fixtures import server as server
from tests.servers.fixtures import servers as servers
from tests.servers.openai import OpenAIServer
from tests.servers.rows import ROWS as ROWS
from tests.servers.rows import TEXT, make_compressor, ref_in
from tests.servers.rows import FirstRows as FirstRows


@pytest.fixture
def compressor() -> Compressor:
    return make_compressor()


def conversation(text: str = TEXT, tool: str = "users", question: str = "Who is user 77?") -> list[ChatMessage]:
    """A question, a call, and a large result."""
    call = says("", (tool, {"page": 1}))
    call_id = call.blocks[0].tool_call_id  # type: ignore[union-attr]
    result = ChatMessage(role="tool", content=text, additional_kwargs={"tool_call_id": call_id})
    return [ChatMessage(role="user", content=question), call, result]


def asks_back(messages: Any) -> ChatMessage:
    """A step of a script: calls the original of the last marker back."""
    return says("Let me look.", ("headroom_retrieve", {"ref": ref_in(messages), "rows": "77"}))


def client(server: Any) -> Any:
    """LlamaIndex's own class for the server."""
    if isinstance(server, OpenAIServer):
        from llama_index.llms.openai import OpenAI

        return OpenAI(model="gpt-4o", api_key="k", api_base=server.base_url, max_retries=0)
    from llama_index.llms.anthropic import Anthropic

    return Anthropic(model="claude-opus-4-8", api_key="k", base_url=server.url, max_retries=0)
