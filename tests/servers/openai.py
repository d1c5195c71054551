"""The chat completions API of OpenAI on loopback; requests must fit the client's own parameter types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from openai.types.chat import completion_create_params as params
from openai.types.chat.chat_completion import ChatCompletion
from openai.types.chat.chat_completion_chunk import ChatCompletionChunk
from pydantic import TypeAdapter

from .loopback import Asked, Loopback, Reply, check_typed, words

_USAGE = {"prompt_tokens": 15, "completion_tokens": 5, "total_tokens": 20}


@cache
def _adapter(streams: bool) -> tuple[TypeAdapter[Any], frozenset[str]]:
    kind = params.CompletionCreateParamsStreaming if streams else params.CompletionCreateParamsNonStreaming
    return TypeAdapter(kind), frozenset(kind.__annotations__) | frozenset(
        params.CompletionCreateParamsBase.__annotations__
    )


class OpenAIServer(Loopback):
    """POST /v1/chat/completions, whole and streamed."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def check(self, body: dict[str, Any]) -> None:
        check_typed(*_split(_adapter(bool(body.get("stream"))), body))
        names = [tool["function"]["name"] for tool in body.get("tools", [])]
        if len(names) != len(set(names)):
            raise ValueError(f"tool names must be unique: {names}")
        pending: set[str] = set()
        for message in body["messages"]:
            if message["role"] == "tool":
                if message["tool_call_id"] not in pending:
                    raise ValueError(f"tool message without a call: {message['tool_call_id']}")
                pending.discard(message["tool_call_id"])
                continue
            if pending:
                raise ValueError(f"calls without results: {sorted(pending)}")
            pending = {call["id"] for call in message.get("tool_calls") or []}
        if pending:
            raise ValueError(f"calls without results at the end: {sorted(pending)}")

    def asked(self, body: dict[str, Any]) -> Asked:
        last = body["messages"][-1]
        tools = [(t["function"]["name"], t["function"].get("parameters", {})) for t in body.get("tools", [])]
        choice, form = body.get("tool_choice"), body.get("response_format") or {}
        named = choice["function"]["name"] if isinstance(choice, dict) else None
        schema = form.get("json_schema", {}).get("schema") if form.get("type") == "json_schema" else None
        forced = choice == "required" or named is not None
        return Asked(
            _text(last["content"]), last["role"], tools, forced, named, schema, form.get("type") == "json_object"
        )

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.calls:
            message["tool_calls"] = [_call(self, at, call) for at, call in enumerate(reply.calls)]
        choice = {"index": 0, "message": message, "finish_reason": _reason(reply), "logprobs": None}
        made = {
            "id": f"chatcmpl-{len(self.bodies)}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": _USAGE,
        }
        return ChatCompletion.model_validate(made).model_dump(exclude_none=True) | {"choices": [choice]}

    def events(self, body: dict[str, Any], reply: Reply) -> Iterator[str]:
        number = len(self.bodies)

        def event(delta: dict[str, Any] | None, reason: str | None = None, usage: Any = None) -> str:
            choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
            made = {
                "id": f"chatcmpl-{number}",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": body["model"],
                "choices": choices,
                "usage": usage,
            }
            return f"data: {json.dumps(ChatCompletionChunk.model_validate(made).model_dump(), ensure_ascii=False)}\n\n"

        yield event({"role": "assistant", "content": ""})
        for word in words(reply.text):
            yield event({"content": word})
        for at, call in enumerate(reply.calls):
            whole = _call(self, at, call)
            arguments = whole["function"]["arguments"]
            yield event({"tool_calls": [{**whole, "index": at, "function": {"name": call[0], "arguments": ""}}]})
            for piece in (arguments[:4], arguments[4:]):
                yield event({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
        yield event({}, _reason(reply))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield event(None, usage=_USAGE)
        yield "data: [DONE]\n\n"


def _split(adapter: tuple[TypeAdapter[Any], frozenset[str]], body: dict[str, Any]) -> tuple[Any, Any, Any]:
    return adapter[0], body, adapter[1]


def _reason(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _call(server: Loopback, at: int, call: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    name, arguments = call
    made = json.dumps(arguments, ensure_ascii=False)
    return {"id": f"call_{len(server.bodies)}_{at}", "type": "function", "function": {"name": name, "arguments": made}}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(block.get("text", "") for block in content or [] if isinstance(block, dict))
