"""The responses API of OpenAI on loopback; requests must fit the client's own parameter types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses import response_create_params as params
from pydantic import TypeAdapter

from .loopback import Asked, Loopback, Reply, check_typed, words

_USAGE = {
    "input_tokens": 15,
    "output_tokens": 5,
    "total_tokens": 20,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}


@cache
def _adapter(streams: bool) -> tuple[TypeAdapter[Any], frozenset[str]]:
    kind = params.ResponseCreateParamsStreaming if streams else params.ResponseCreateParamsNonStreaming
    return TypeAdapter(kind), frozenset(kind.__annotations__) | frozenset(
        params.ResponseCreateParamsBase.__annotations__
    )


def _is_answer(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" and isinstance(item.get("content"), list)


@cache
def _event_adapter() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseStreamEvent)


class ResponsesServer(Loopback):
    """POST /v1/responses, whole and streamed."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def check(self, body: dict[str, Any]) -> None:
        adapter, known = _adapter(bool(body.get("stream")))
        # LangChain leaves out what the API fills in: status and id of answers, the strictness of tools.
        filled = [{"status": "completed", "id": "msg", **item} if _is_answer(item) else item for item in body["input"]]
        tools = [{"strict": None, **tool} if tool["type"] == "function" else tool for tool in body.get("tools", [])]
        check_typed(adapter, {**body, "input": filled, "tools": tools}, known)
        if body.get("previous_response_id"):
            return
        pending: set[str] = set()
        for item in body["input"]:
            if item.get("type") == "function_call":
                pending.add(item["call_id"])
            elif item.get("type") == "function_call_output":
                if item["call_id"] not in pending:
                    raise ValueError(f"output without a call: {item['call_id']}")
                pending.discard(item["call_id"])
            elif pending and item.get("role") == "user":
                raise ValueError(f"calls without outputs: {sorted(pending)}")
        if pending:
            raise ValueError(f"calls without outputs at the end: {sorted(pending)}")

    def asked(self, body: dict[str, Any]) -> Asked:
        last = body["input"][-1]
        content = last.get("content", "")
        text = content if isinstance(content, str) else " ".join(block.get("text", "") for block in content)
        tools = [(tool["name"], tool.get("parameters", {})) for tool in body.get("tools", [])]
        return Asked(text, last.get("role", "tool"), tools, body.get("tool_choice") == "required")

    def _response(self, body: dict[str, Any], output: list[Any], status: str, usage: Any) -> dict[str, Any]:
        made = {
            "id": f"resp_{len(self.bodies)}",
            "object": "response",
            "created_at": 1,
            "model": body["model"],
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "status": status,
            "usage": usage,
        }
        return Response.model_validate(made).model_dump(mode="json")

    def whole(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        return self._response(body, self._items(reply), "completed", _USAGE)

    def _items(self, reply: Reply) -> list[dict[str, Any]]:
        number = len(self.bodies)
        items: list[dict[str, Any]] = []
        if reply.text:
            content = [{"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}]
            items.append(
                {
                    "type": "message",
                    "id": f"msg_{number}",
                    "role": "assistant",
                    "status": "completed",
                    "content": content,
                }
            )
        for at, (name, arguments) in enumerate(reply.calls):
            made = json.dumps(arguments, ensure_ascii=False)
            call = {"type": "function_call", "id": f"fc_{number}_{at}", "call_id": f"call_{number}_{at}", "name": name}
            items.append({**call, "arguments": made, "status": "completed"})
        return items

    def events(self, body: dict[str, Any], reply: Reply) -> Iterator[str]:
        number = iter(range(10_000))

        def event(kind: str, **fields: Any) -> str:
            made = {"type": f"response.{kind}", "sequence_number": next(number), **fields}
            checked = _event_adapter().validate_python(made).model_dump(mode="json")
            return f"event: response.{kind}\ndata: {json.dumps(checked, ensure_ascii=False)}\n\n"

        yield event("created", response=self._response(body, [], "in_progress", None))
        items = self._items(reply)
        for at, item in enumerate(items):
            here = {"output_index": at, "item_id": item["id"]}
            if item["type"] == "message":
                yield event("output_item.added", output_index=at, item={**item, "content": [], "status": "in_progress"})
                (part,) = item["content"]
                yield event("content_part.added", **here, content_index=0, part={**part, "text": ""})
                for word in words(part["text"]):
                    yield event("output_text.delta", **here, content_index=0, delta=word, logprobs=[])
                yield event("output_text.done", **here, content_index=0, text=part["text"], logprobs=[])
                yield event("content_part.done", **here, content_index=0, part=part)
            else:
                yield event(
                    "output_item.added", output_index=at, item={**item, "arguments": "", "status": "in_progress"}
                )
                whole = item["arguments"]
                for piece in (whole[:4], whole[4:]):
                    yield event("function_call_arguments.delta", **here, delta=piece)
                yield event("function_call_arguments.done", **here, arguments=whole, name=item["name"])
            yield event("output_item.done", output_index=at, item=item)
        yield event("completed", response=self._response(body, items, "completed", _USAGE))
