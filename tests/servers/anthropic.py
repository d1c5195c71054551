"""The messages API of Anthropic on loopback; requests must fit the client's own parameter types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types import message_create_params as params
from pydantic import TypeAdapter

from .loopback import Asked, Loopback, Reply, check_typed, words

_USAGE = {"input_tokens": 15, "output_tokens": 5}


@cache
def _adapter(streams: bool) -> tuple[TypeAdapter[Any], frozenset[str]]:
    kind = params.MessageCreateParamsStreaming if streams else params.MessageCreateParamsNonStreaming
    return TypeAdapter(kind), frozenset(kind.__annotations__) | frozenset(
        params.MessageCreateParamsBase.__annotations__
    )


@cache
def _event_adapter() -> TypeAdapter[Any]:
    return TypeAdapter(RawMessageStreamEvent)


class AnthropicServer(Loopback):
    """POST /v1/messages, whole and streamed."""

    def check(self, body: dict[str, Any]) -> None:
        adapter, known = _adapter(bool(body.get("stream")))
        check_typed(adapter, body, known)
        names = [tool["name"] for tool in body.get("tools", [])]
        if len(names) != len(set(names)):
            raise ValueError(f"tool names must be unique: {names}")
        pending: set[str] = set()
        for message in body["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            if message["role"] == "user":
                given = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
                if given != pending:
                    raise ValueError(f"results {sorted(given)} for calls {sorted(pending)}")
                pending = set()
            elif pending:
                raise ValueError(f"calls without results: {sorted(pending)}")
            else:
                pending = {block["id"] for block in blocks if block["type"] == "tool_use"}
            if not message["content"]:
                raise ValueError("messages must have non-empty content")
        if pending:
            raise ValueError(f"calls without results at the end: {sorted(pending)}")

    def asked(self, body: dict[str, Any]) -> Asked:
        last = body["messages"][-1]
        content = last["content"] if isinstance(last["content"], list) else [{"type": "text", "text": last["content"]}]
        results = any(block["type"] == "tool_result" for block in content)
        prompt = " ".join(block.get("text", "") for block in content)
        tools = [(tool["name"], tool.get("input_schema", {})) for tool in body.get("tools", [])]
        choice = body.get("tool_choice") or {}
        schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
        forced = choice.get("type") in ("any", "tool")
        return Asked(prompt, "tool" if results else last["role"], tools, forced, choice.get("name"), schema)

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        made = self._message(body, _blocks(self, reply), "tool_use" if reply.calls else "end_turn", _USAGE)
        return Message.model_validate(made).model_dump(mode="json")

    def _message(self, body: dict[str, Any], content: list[Any], reason: str | None, usage: Any) -> dict[str, Any]:
        return {
            "id": f"msg_{len(self.bodies)}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": usage,
        }

    def events(self, body: dict[str, Any], reply: Reply) -> Iterator[str]:
        start = self._message(body, [], None, {**_USAGE, "output_tokens": 1})
        yield _event({"type": "message_start", "message": start})
        for at, block in enumerate(_blocks(self, reply)):
            if block["type"] == "text":
                yield _event(
                    {"type": "content_block_start", "index": at, "content_block": {"type": "text", "text": ""}}
                )
                deltas = [{"type": "text_delta", "text": word} for word in words(block["text"])]
            else:
                yield _event({"type": "content_block_start", "index": at, "content_block": {**block, "input": {}}})
                whole = json.dumps(block["input"], ensure_ascii=False)
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", whole[:4], whole[4:])]
            for delta in deltas:
                yield _event({"type": "content_block_delta", "index": at, "delta": delta})
            yield _event({"type": "content_block_stop", "index": at})
        reason = "tool_use" if reply.calls else "end_turn"
        yield _event(
            {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": _USAGE}
        )
        yield _event({"type": "message_stop"})


def _blocks(server: Loopback, reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    for at, (name, arguments) in enumerate(reply.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{len(server.bodies)}_{at}", "name": name, "input": arguments})
    return blocks


def _event(value: dict[str, Any]) -> str:
    checked = _event_adapter().validate_python(value).model_dump(mode="json")
    return f"event: {value['type']}\ndata: {json.dumps(checked, ensure_ascii=False)}\n\n"
