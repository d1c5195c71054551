"""Writes the samples of every format: ``python -m tests.evaluate.make_samples``. Invented, seeded, no real data.

One story in each format: an agent looks for a failed order, reads the worker's log, and answers a follow-up whose value
stands in a plain row that compression leaves out.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "samples"
SYSTEM = "You are the operations assistant of a shop. Answer from tool outputs."
CLEAN = 23
"""The index of the plain order that the follow-up asks for."""


def orders(seed: int) -> list[dict[str, Any]]:
    """Orders of which one failed."""
    r = random.Random(seed)
    rows = [
        {
            "order_id": f"ORD-{40210 + 7 * i}",
            "customer": f"cust_{r.randint(100, 999)}",
            "status": "completed",
            "amount": round(r.uniform(9, 240), 2),
            "carrier": r.choice(["Northline", "Postino", "Velo"]),
            "tracking": f"TRK{r.randint(10**7, 10**8 - 1)}",
        }
        for i in range(90)
    ]
    rows[61] |= {"status": "failed", "amount": 1249.0, "note": "payment provider declined: code PX-118"}
    return rows


def log(seed: int) -> str:
    """A worker's log with one failure."""
    r = random.Random(seed)
    lines = [
        f"2026-05-04T12:{i // 60:02d}:{i % 60:02d}Z INFO worker-{r.randint(1, 4)} job={r.randint(10**5, 10**6)} settled in {r.randint(3, 90)} ms"
        for i in range(240)
    ]
    lines[171] = (
        "2026-05-04T12:02:51Z ERROR worker-3 job=553120 payment gateway 10.4.7.31:8443 refused: certificate expired 2026-05-04"
    )
    return "\n".join(lines)


def story(seed: int) -> list[tuple[str, Any]]:
    """(who, what): texts of the user and the assistant, calls, and results."""
    rows = orders(seed)
    plain = rows[CLEAN]
    return [
        ("user", "Which order failed yesterday, and why?"),
        ("call", ("c1", "query_orders", {"day": "2026-05-03"})),
        ("result", ("c1", "query_orders", json.dumps(rows, indent=1))),
        ("call", ("c2", "read_log", {"service": "payments"})),
        ("result", ("c2", "read_log", log(seed))),
        ("assistant", f"Order {rows[61]['order_id']} over 1,249.00 failed: the provider declined with PX-118. The gateway 10.4.7.31:8443 refused because its certificate expired."),
        ("user", f"Thanks. And where is the parcel of {plain['customer']}?"),
        ("assistant", f"It went out as {plain['order_id']}; its tracking number is {plain['tracking']}."),
    ]  # fmt: skip


def openai(seed: int) -> list[dict[str, Any]]:
    """OpenAI's chat form."""
    made: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    for who, what in story(seed):
        if who == "call":
            id_, name, arguments = what
            call = {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            made.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif who == "result":
            made.append({"role": "tool", "tool_call_id": what[0], "content": what[2]})
        else:
            made.append({"role": who, "content": what})
    return made


def anthropic(seed: int) -> dict[str, Any]:
    """A request of Anthropic's messages form, with its system text and tools."""
    made: list[dict[str, Any]] = []
    for who, what in story(seed):
        if who == "call":
            block = {"type": "tool_use", "id": what[0], "name": what[1], "input": what[2]}
            made.append({"role": "assistant", "content": [block]})
        elif who == "result":
            made.append(
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": what[0], "content": what[2]}]}
            )
        else:
            made.append({"role": who, "content": what})
    tools = [
        {"name": name, "description": "", "input_schema": {"type": "object"}} for name in ("query_orders", "read_log")
    ]
    return {"model": "claude-sonnet-4-5", "system": SYSTEM, "tools": tools, "messages": made}


def langchain(seed: int) -> list[Any]:
    """LangChain messages."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    made: list[Any] = [SystemMessage(SYSTEM)]
    for who, what in story(seed):
        if who == "call":
            made.append(AIMessage("", tool_calls=[{"id": what[0], "name": what[1], "args": what[2]}]))
        elif who == "result":
            made.append(ToolMessage(what[2], tool_call_id=what[0], name=what[1]))
        else:
            made.append({"user": HumanMessage, "assistant": AIMessage}[who](what))
    return made


def llama_index(seed: int) -> list[Any]:
    """LlamaIndex messages."""
    from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock

    made: list[Any] = [ChatMessage(role="system", content=SYSTEM)]
    for who, what in story(seed):
        if who == "call":
            block = ToolCallBlock(tool_call_id=what[0], tool_name=what[1], tool_kwargs=what[2])
            made.append(ChatMessage(role="assistant", blocks=[block]))
        elif who == "result":
            more = {"tool_call_id": what[0], "name": what[1]}
            made.append(ChatMessage(role="tool", blocks=[TextBlock(text=what[2])], additional_kwargs=more))
        else:
            made.append(ChatMessage(role=who, content=what))
    return made


def langsmith(seed: int) -> list[dict[str, Any]]:
    """Runs as LangChain's tracer writes them: one for each model call, under a chain."""
    from langchain_core.load import dumpd

    messages = langchain(seed)
    runs: list[dict[str, Any]] = [{"id": "root", "trace_id": "t1", "run_type": "chain", "inputs": {}, "outputs": {}}]
    for at, message in enumerate(messages):
        if message.type == "ai":
            runs.append({
                "id": f"run-{at}", "trace_id": "t1", "run_type": "llm", "name": "ChatOpenAI",
                "inputs": {"messages": [[dumpd(each) for each in messages[:at]]]},
                "outputs": {"generations": [[{"text": "", "message": dumpd(message)}]]},
                "extra": {"invocation_params": {"model": "gpt-5-mini"}},
            })  # fmt: skip
    return runs


def otlp(seed: int) -> dict[str, Any]:
    """OTLP JSON by the GenAI conventions: one span for each model call."""
    made: list[dict[str, Any]] = []
    for who, what in story(seed):
        if who == "call":
            part: dict[str, Any] = {"type": "tool_call", "id": what[0], "name": what[1], "arguments": what[2]}
            made.append({"role": "assistant", "parts": [part]})
        elif who == "result":
            made.append({"role": "tool", "parts": [{"type": "tool_call_response", "id": what[0], "response": what[2]}]})
        else:
            made.append({"role": who, "parts": [{"type": "text", "content": what}]})

    def attribute(key: str, value: Any) -> dict[str, Any]:
        return {"key": key, "value": {"stringValue": value if isinstance(value, str) else json.dumps(value)}}

    spans = [
        {
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": f"eee19b7ec3c1b1{at:02x}", "name": "chat gpt-5-mini",
            "attributes": [
                attribute("gen_ai.operation.name", "chat"), attribute("gen_ai.request.model", "gpt-5-mini"),
                attribute("gen_ai.system_instructions", [{"type": "text", "content": SYSTEM}]),
                attribute("gen_ai.input.messages", made[:at]), attribute("gen_ai.output.messages", [message]),
            ],
        }
        for at, message in enumerate(made)
        if message["role"] == "assistant"
    ]  # fmt: skip
    return {
        "resourceSpans": [
            {"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "agent"}, "spans": spans}]}
        ]
    }


def documents(seed: int) -> list[dict[str, Any]]:
    """Questions over documents, one of whose answers is planted among plain paragraphs."""
    r = random.Random(seed)
    places = ["Arvika", "Brenna", "Corvo", "Deloro", "Elmswick", "Farrow", "Gantry", "Holm"]
    plain = [
        f"The station at {r.choice(places)} keeps a store of {r.randint(20, 90)} sleepers and {r.randint(3, 9)} lamps. "
        f"Its stove was last swept in {r.choice(['March', 'April', 'June'])}. Trains stop there twice a day."
        for _ in range(24)
    ]
    facts = [
        ("Who repaired the signal at Corvo?", "The signal at Corvo was repaired by Maren Tolliver after the storm.", "Maren Tolliver"),
        ("Which number does the tunnel gauge carry?", "The gauge in the tunnel carries the number QX-4471.", "QX-4471"),
        ("When does the bridge at Holm close?", "From 14 October the bridge at Holm is closed.", "14 October"),
    ]  # fmt: skip
    made = []
    for at, (question, sentence, answer) in enumerate(facts):
        texts = plain[at * 8 : at * 8 + 8]
        texts.insert(5, sentence)
        found = [{"title": f"Note {i + 1}", "text": "\n\n".join(texts[i::3])} for i in range(3)]
        made.append(
            {"id": f"q{at + 1}", "question": question, "documents": found, "answers": [answer], "evidence": [sentence]}
        )
    return made


def main() -> None:
    """Write them all."""
    from langchain_core.messages import messages_to_dict

    def write(name: str, value: Any) -> None:
        (FOLDER / name).write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")

    def write_lines(name: str, values: list[Any]) -> None:
        text = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
        (FOLDER / name).write_text(text, encoding="utf-8")

    write("openai.json", openai(1))
    write("anthropic.json", anthropic(2))
    write("langchain.json", messages_to_dict(langchain(3)))
    write("llama_index.json", [message.model_dump(mode="json") for message in llama_index(4)])
    write_lines("langsmith.jsonl", langsmith(5))
    write("otlp.json", otlp(6))
    write_lines("documents.jsonl", documents(7))


if __name__ == "__main__":
    main()
