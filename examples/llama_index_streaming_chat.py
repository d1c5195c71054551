"""A chat of many turns around any LLM: text streams, retrievals happen on the way, old turns move into memory.

python examples/llama_index_streaming_chat.py                    # offline: a scripted model
python examples/llama_index_streaming_chat.py --live gpt-5-mini  # a real model of OpenAI (its key in the environment)
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence

from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.memory import Memory

from headroom_core import Compressor
from headroom_integrations.llama_index import HeadroomLLM, HeadroomMemoryBlock
from headroom_integrations.llama_index.testing import ScriptedLLM, run_example, says

LOG = json.dumps(
    [{"job": n, "state": "failed" if n == 77 else "done", "seconds": 12 + n % 9} for n in range(300)], indent=1
)


def scripted() -> LLM:
    """Calls a row back before it answers."""

    def look_closer(messages: Sequence[ChatMessage]) -> ChatMessage:
        ref = re.findall(r"hr_[a-z2-7]{16}", str([m.content for m in messages]))[-1]
        return says("Let me look closer.", ("headroom_retrieve", {"ref": ref, "query": "failed"}))

    return ScriptedLLM(script=[look_closer, says("Job 77 failed.")])


async def run(model: LLM) -> str:
    """One question over a large tool result; then the turns go into a memory that keeps them small."""
    compressor = Compressor()
    llm = HeadroomLLM(inner=model, compressor=compressor)
    call = says("", ("jobs", {}))
    extra = {"tool_call_id": call.blocks[0].tool_call_id}  # type: ignore[union-attr]
    history = [
        ChatMessage(role="user", content="List the jobs. Which one failed?"),
        call,
        ChatMessage(role="tool", content=LOG, additional_kwargs=extra),
    ]
    last = None
    async for last in await llm.astream_chat(history):
        print(last.delta, end="", flush=True)
    assert last is not None
    print("\n", last.additional_kwargs["headroom"])
    block = HeadroomMemoryBlock(compressor=compressor, retrievable=True)
    memory = Memory.from_defaults(
        session_id="jobs", token_limit=800, token_flush_size=200, chat_history_token_ratio=0.5, memory_blocks=[block]
    )
    more = [
        ChatMessage(role="user", content="Thanks. Run it again, please."),
        ChatMessage(role="assistant", content="It runs."),
    ]
    for message in (*history, last.message, *more):
        await memory.aput(message)
    print(f"{len(block.turns)} turns in memory, {compressor.count(await block.aget())} tokens")
    return str(last.message.content)


def main(llm: LLM) -> str:
    """As ``run``."""
    return asyncio.run(run(llm))


if __name__ == "__main__":
    run_example(__doc__ or "", main, scripted)
