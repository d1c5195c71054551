"""The public contract of adapters: ours pass it, and a careless one does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from headroom_core.dialects import read_messages, write_message
from headroom_core.outcome import Outcome
from headroom_core.testing.adapters import AdapterContract
from headroom_core.types import Message
from headroom_integrations.langchain import messages as langchain
from headroom_integrations.llama_index import messages as llama_index

ROWS = json.dumps([{"id": i, "state": "open" if i % 9 else "failed", "amount": i * 7} for i in range(200)])


class TestDicts(AdapterContract):
    """Message dicts, which the core reads itself."""

    def messages(self) -> list[Any]:
        call = {"id": "c1", "type": "function", "function": {"name": "orders", "arguments": "{}"}}
        return [
            {"role": "user", "content": "Which orders failed?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": ROWS},
        ]

    def read(self, messages: Sequence[Any]) -> list[Message]:
        return read_messages(messages)

    def write(self, messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
        out, read = list(messages), self.read(messages)
        for change in () if outcome.audited else outcome.changes:
            m, b = change.part.at
            after = [change.rewrite.blocks if at == b else (block,) for at, block in enumerate(read[m].blocks)]
            out[m] = write_message(read[m], after)
        return out


class TestLangChain(AdapterContract):
    """LangChain messages."""

    def messages(self) -> list[Any]:
        return [
            HumanMessage("Which orders failed?", id="1"),
            AIMessage("", tool_calls=[{"name": "orders", "args": {}, "id": "c1"}], id="2"),
            ToolMessage(ROWS, tool_call_id="c1", artifact={"rows": 200}, id="3"),
            ToolMessage("no such table", tool_call_id="c2", status="error", id="4"),
        ]

    def read(self, messages: Sequence[Any]) -> list[Message]:
        return langchain.to_core(messages)

    def write(self, messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
        return langchain.from_core(messages, self.read(messages), outcome)


class TestLlamaIndex(AdapterContract):
    """LlamaIndex chat messages."""

    def messages(self) -> list[Any]:
        return [
            ChatMessage("Which orders failed?", role=MessageRole.USER),
            ChatMessage(ROWS, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c1"}),
        ]

    def read(self, messages: Sequence[Any]) -> list[Message]:
        return llama_index.to_core(messages)

    def write(self, messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
        return llama_index.from_core(messages, outcome)


class _Copies(TestLangChain):
    """Copies every message, changed or not."""

    def write(self, messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
        return [copy.copy(message) for message in super().write(messages, outcome)]


class _Mutates(TestLangChain):
    """Writes into the caller's own messages."""

    def write(self, messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
        for change in outcome.changes:
            messages[change.part.at[0]].content = change.rewrite.text
        return messages


class _Drops(TestLangChain):
    """Forgets the message that it does not know."""

    def read(self, messages: Sequence[Any]) -> list[Message]:
        return langchain.to_core([message for message in messages if message.type != "ai"])


BROKEN = [
    (_Copies, "test_an_outcome_without_changes_gives_the_same_objects"),
    (_Copies, "test_audit_changes_nothing"),
    (_Copies, "test_twice_is_once"),
    (_Mutates, "test_nothing_is_mutated"),
    (_Mutates, "test_audit_changes_nothing"),
    (_Mutates, "test_what_changes_gets_smaller_and_the_rest_is_the_same_object"),
    (_Drops, "test_reading_keeps_order_and_number"),
]


@pytest.mark.parametrize(("adapter", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_the_contract_fails_on_a_careless_adapter(adapter: type[AdapterContract], test: str) -> None:
    """Copies, mutation and lost messages are found."""
    with pytest.raises((AssertionError, ValueError)):
        getattr(adapter(), test)()
