"""A LangGraph of your own with a checkpointer on disk: compressing tool node, retrieve tool, a thread that resumes.

python examples/langchain_graph.py                             # offline: a scripted model
python examples/langchain_graph.py --live openai:gpt-5-mini    # a real model (its key in the environment)
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition

from headroom_core import Compressor, open_originals
from headroom_integrations.langchain import compress_tool_node, retrieve_tool
from headroom_integrations.langchain.testing import ScriptedChatModel


@tool
def grep(pattern: str) -> str:
    """Search the code base."""
    return "\n".join(
        f"src/module_{n % 30}/file_{n}.py:{n * 3 + 1}:    raise TimeoutError('waited {n} s for {pattern}')"
        for n in range(200)
    )


def build(model: BaseChatModel, folder: Path, saver: Any) -> Any:
    """The graph: model, tools, and back."""
    compressor = Compressor(originals=open_originals(f"sqlite:///{folder}/originals.db"))
    tools = [retrieve_tool(compressor), grep]
    bound = model.bind_tools(tools)
    builder = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    builder.add_node("tools", compress_tool_node(tools, compressor))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver)


def scripted() -> BaseChatModel:
    """Searches; in the next session it calls one left-out line back."""

    def ask_back(messages: list[BaseMessage]) -> AIMessage:
        found = re.search(r'ref="(hr_\w+)"', "".join(str(m.content) for m in messages))
        arguments = {"ref": found[1] if found else "hr_missing", "lines": "150-151"}
        return AIMessage("", tool_calls=[{"name": "headroom_retrieve", "args": arguments, "id": "call_2"}])

    call = {"name": "grep", "args": {"pattern": "lock"}, "id": "call_1"}
    return ScriptedChatModel(
        script=[
            AIMessage("", tool_calls=[call]),
            AIMessage("Many places wait for it."),
            ask_back,
            AIMessage("Line 150 it is."),
        ]
    )


def main(model: BaseChatModel) -> list[BaseMessage]:
    """Two sessions of one thread; the second opens everything anew."""
    config = {"configurable": {"thread_id": "search"}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        messages: list[BaseMessage] = []
        for question in ("Where do we wait for the lock?", "What stands on line 150 of that result?"):
            with SqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
                graph = build(model, folder, saver)
                messages = graph.invoke({"messages": [{"role": "user", "content": question}]}, config)["messages"]
    for message in messages:
        print(f"[{message.type}] {str(message.content)[:400]}")
    return messages


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a real chat model, for example openai:gpt-5-mini")
    chosen = parser.parse_args().live
    main(init_chat_model(chosen) if chosen else scripted())
