"""A chat without an agent: the wrapped model streams, and goes back for an original by itself when it needs one.

python examples/langchain_streaming_chat.py                             # offline: a scripted model
python examples/langchain_streaming_chat.py --live openai:gpt-5-mini    # a real model (its key in the environment)
"""

from __future__ import annotations

import argparse
import re

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from headroom_integrations.langchain import HeadroomChatModel
from headroom_integrations.langchain.testing import ScriptedChatModel


def log() -> str:
    """What a tool brought: a log of 1,500 lines with one failure in it."""
    lines = [
        f"2026-01-31 12:{n // 60:02d}:{n % 60:02d} INFO worker-{n % 8} request id={n * 7919 % 100003} handled in {n % 40} ms"
        for n in range(1500)
    ]
    lines[1043] = "2026-01-31 12:17:23 ERROR worker-3 request id=60661 failed: connection to db-2 refused"
    return "\n".join(lines)


def scripted() -> BaseChatModel:
    """Says that it looks, asks for lines around the error, answers."""

    def look(messages: list[BaseMessage]) -> AIMessage:
        found = re.search(r'ref="(hr_\w+)"', "".join(str(m.content) for m in messages))
        if found is None:
            return AIMessage("Worker 3 lost db-2.")
        call = {"name": "headroom_retrieve", "args": {"ref": found[1], "query": "db-2 refused"}, "id": "call_2"}
        return AIMessage("Let me look closer.", tool_calls=[call])

    return ScriptedChatModel(script=[look, AIMessage("At 12:17:23 worker 3 lost its connection to db-2.")])


def main(model: BaseChatModel) -> AIMessageChunk:
    """Stream one answer; the caller sees text only, never a call of ours."""
    chat = HeadroomChatModel(inner=model)
    history = [
        HumanMessage("What failed at noon?"),
        AIMessage("", tool_calls=[{"name": "read_log", "args": {}, "id": "call_1"}]),
        ToolMessage(log(), tool_call_id="call_1"),
    ]
    whole: AIMessageChunk | None = None
    for chunk in chat.stream(history):
        print(chunk.text, end="", flush=True)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    print(f"\n{whole.response_metadata['headroom']}")
    return whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a real chat model, for example openai:gpt-5-mini")
    name = parser.parse_args().live
    main(init_chat_model(name) if name else scripted())
