"""An agent whose tools say a lot: results reach the model small, and the row that is needed comes back.

python examples/langchain_agent.py                             # offline: a scripted model
python examples/langchain_agent.py --live openai:gpt-5-mini    # a real model (its key in the environment)
"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool

from headroom_integrations.langchain import HeadroomCallbackHandler, HeadroomMiddleware, ToolPolicy
from headroom_integrations.langchain.testing import ScriptedChatModel

QUESTION = "Which orders failed, and what did order 4711 cost?"


@tool
def list_orders(day: str) -> str:
    """List every order of a day as JSON."""
    orders = [
        {
            "order": 4600 + n,
            "customer": f"customer-{n % 23}",
            "status": "failed" if n in (57, 180) else "completed",
            "amount": round(9.5 + (n * 37 % 400) / 3, 2),
            "currency": "EUR",
        }
        for n in range(240)
    ]
    return json.dumps(orders, indent=2)


@tool
def read_policy() -> str:
    """Read the refund policy."""
    return "Refunds are possible within 30 days. " * 60


def scripted() -> BaseChatModel:
    """Plays the agent: list the orders, ask for one row that was left out, answer."""

    def ask_back(messages: list[BaseMessage]) -> AIMessage:
        shown = next(str(m.content) for m in reversed(messages) if isinstance(m, ToolMessage))
        found = re.search(r'ref="(hr_\w+)"', shown)
        arguments = {"ref": found[1] if found else "hr_missing", "query": "4711"}
        return AIMessage("", tool_calls=[{"name": "headroom_retrieve", "args": arguments, "id": "call_2"}])

    def answer(messages: list[BaseMessage]) -> AIMessage:
        row = re.search(r'"order": 4711.*?"amount": ([\d.]+)', str(messages[-1].content), re.DOTALL)
        return AIMessage(f"Orders 4657 and 4780 failed. Order 4711 cost {row[1] if row else '?'} EUR.")

    call = {"name": "list_orders", "args": {"day": "2026-01-31"}, "id": "call_1"}
    return ScriptedChatModel(script=[AIMessage("", tool_calls=[call]), ask_back, answer])


def main(model: BaseChatModel) -> dict[str, Any]:
    """Run the agent and say what was saved."""
    agent = create_agent(
        model,
        [list_orders, read_policy],
        middleware=[HeadroomMiddleware(policies={"read_policy": ToolPolicy(strength="lossless")})],
    )
    seen = HeadroomCallbackHandler()
    config = {"configurable": {"thread_id": "orders"}, "callbacks": [seen]}
    state = agent.invoke({"messages": [{"role": "user", "content": QUESTION}]}, config)
    for message in state["messages"]:
        text = message.text or ", ".join(
            f"{call['name']}({call['args']})" for call in getattr(message, "tool_calls", [])
        )
        print(f"[{message.type}] {text[:600]}")
    print(seen)
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a real chat model, for example openai:gpt-5-mini")
    name = parser.parse_args().live
    main(init_chat_model(name) if name else scripted())
