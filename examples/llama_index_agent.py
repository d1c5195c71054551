"""An agent whose tool outputs go in small, and who calls back what it needs.

python examples/llama_index_agent.py                         # offline: a scripted model
python examples/llama_index_agent.py --live gpt-5-mini       # a real model of OpenAI (its key in the environment)
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.llms import LLM, ChatMessage

from headroom_integrations.llama_index import HeadroomEventHandler, HeadroomToolSpec
from headroom_integrations.llama_index.testing import ScriptedLLM, run_example, says

QUESTION = "What did order 4711 cost?"


def orders(month: str) -> str:
    """List all orders of a month."""
    return json.dumps(
        [{"order": 4600 + n, "month": month, "status": "shipped", "cents": 1300 + n * 29} for n in range(240)], indent=1
    )


def scripted() -> LLM:
    """Lists the orders, calls one row back, and answers."""

    def look_closer(messages: Sequence[ChatMessage]) -> ChatMessage:
        ref = re.findall(r"hr_[a-z2-7]{16}", str(messages[-1].content))[-1]
        return says("", ("headroom_retrieve", {"ref": ref, "rows": "111"}))

    def answer(messages: Sequence[ChatMessage]) -> ChatMessage:
        cents = re.findall(r'"cents": (\d+)', str(messages[-1].content))[0]
        return says(f"Order 4711 cost {int(cents) / 100:.2f} EUR.")

    return ScriptedLLM(script=[says("", ("orders", {"month": "2026-01"})), look_closer, answer])


async def run(llm: LLM) -> str:
    """Ask once; print what the agent saw of each tool."""
    savings = HeadroomEventHandler().attach()
    agent = FunctionAgent(llm=llm, tools=HeadroomToolSpec().wrap([orders]))
    handler = agent.run(user_msg=QUESTION)
    async for event in handler.stream_events():
        if isinstance(event, ToolCallResult):
            print(event.tool_name, "→", event.tool_output.content[-300:])
    answer = str(await handler)
    savings.detach()
    print(savings)
    print(answer)
    return answer


def main(llm: LLM) -> str:
    """As ``run``."""
    return asyncio.run(run(llm))


if __name__ == "__main__":
    run_example(__doc__ or "", main, scripted)
