"""What every test of the LangChain surfaces starts from: a conversation, a compressor that needs no model, servers."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from headroom_core import Compressor
from tests.servers.fixtures import provider as provider
from tests.servers.fixtures import server as server
from tests.servers.fixtures import servers as servers
from tests.servers.rows import ROWS as ROWS
from tests.servers.rows import TEXT, FirstRows, make_compressor
from tests.servers.rows import ref_in as ref_in


@pytest.fixture
def first_rows() -> FirstRows:
    return FirstRows()


@pytest.fixture
def compressor(first_rows: FirstRows) -> Compressor:
    return make_compressor(first_rows)


def conversation(text: str = TEXT, tool: str = "users", question: str = "Who is user 77?") -> list[BaseMessage]:
    """A question, a call, and a large result."""
    return [
        HumanMessage(question),
        AIMessage("", tool_calls=[{"name": tool, "args": {"page": 1}, "id": "call_1"}]),
        ToolMessage(text, tool_call_id="call_1"),
    ]
