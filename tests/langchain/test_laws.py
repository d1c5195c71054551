"""The laws that an adapter can break, over generated conversations of LangChain messages."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from headroom_integrations.langchain.messages import from_core, to_core
from tests.langchain.conftest import TEXT, make_compressor
from tests.langchain.test_messages import FORMS

COMPRESSOR = make_compressor(namespace="laws")
WORDS = st.text(max_size=40)
ROWS = st.integers(0, 9).map(
    lambda n: json.dumps([{"n": n, "row": i, "state": "done"} for i in range(90 + n)], indent=1)
)
LARGE = st.one_of(ROWS, st.just(TEXT), ROWS.map(lambda text: text + "\n[left out: 3 rows]"))
CONTENT = st.one_of(
    WORDS,
    LARGE,
    st.sampled_from(FORMS).map(copy.deepcopy),
    LARGE.map(lambda text: [{"type": "text", "text": text, "x": 1}]),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    """Questions, calls of one to three tools with their results, answers."""
    messages: list[BaseMessage] = [SystemMessage(draw(WORDS))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 4))):
        messages.append(HumanMessage(draw(CONTENT)))
        names = draw(st.lists(st.sampled_from(["users", "search", "headroom_retrieve"]), max_size=3))
        calls = [{"name": name, "args": {}, "id": f"c{turn}-{n}"} for n, name in enumerate(names)]
        messages.append(AIMessage(draw(WORDS), tool_calls=calls))
        for call in calls:
            status: Any = draw(st.sampled_from(["success", "success", "error"]))
            messages.append(ToolMessage(draw(CONTENT), tool_call_id=call["id"], status=status, artifact={"a": 1}))
    return messages


def sent(messages: list[BaseMessage]) -> list[BaseMessage]:
    read = to_core(messages)
    return from_core(messages, read, COMPRESSOR(read, retrievable=True))


@given(conversations())
def test_laws_of_the_adapter(messages: list[BaseMessage]) -> None:
    """Same object where nothing changed, only content changes elsewhere, nothing is mutated, twice is once, prefixes stay."""
    before = [message.model_dump() for message in messages]
    out = sent(messages)
    assert [message.model_dump() for message in messages] == before
    for old, new in zip(messages, out, strict=True):
        if new is old:
            continue
        assert isinstance(new, ToolMessage)
        assert old.status != "error"
        assert new.model_dump(exclude={"content"}) == old.model_dump(exclude={"content"})
        assert len(json.dumps(new.content)) < len(json.dumps(old.content))
    assert all(new is old for new, old in zip(sent(out), out, strict=True))
    cut = len(messages) // 2
    assert [m.content for m in sent(messages[:cut])] == [m.content for m in out[:cut]]
