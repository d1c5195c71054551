"""Messages as LangChain and LlamaIndex write them to JSON, as plain chat dicts. Needs neither framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .conversation import Raw, as_dict, as_dicts

_ROLES = {
    "human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool", "chat": "user",
    "HumanMessage": "user", "AIMessage": "assistant", "SystemMessage": "system", "ToolMessage": "tool",
    "FunctionMessage": "tool", "HumanMessageChunk": "user", "AIMessageChunk": "assistant", "ToolMessageChunk": "tool",
    "SystemMessageChunk": "system", "ChatMessage": "user",
}  # fmt: skip


def is_langchain(raw: Any) -> bool:
    """A message as ``messages_to_dict``, ``dumpd`` or ``model_dump`` writes it."""
    if not isinstance(raw, Mapping):
        return False
    if raw.get("lc") and raw.get("type") == "constructor" and isinstance(raw.get("kwargs"), Mapping):
        return _class_of(raw) in _ROLES
    return str(raw.get("type")) in _ROLES and (
        isinstance(raw.get("data"), Mapping) or ("content" in raw and "role" not in raw)
    )


def _class_of(raw: Raw) -> str:
    """The last step of the path that names a serialised object's class."""
    path = raw.get("id")
    return str(path[-1]) if isinstance(path, list) and path else ""


def from_langchain(raw: Raw) -> Raw:
    """A chat dict with the same content, calls, tool and status."""
    if raw.get("lc"):
        kind, body = _class_of(raw), raw["kwargs"]
    else:
        kind, body = str(raw["type"]), raw["data"] if isinstance(raw.get("data"), Mapping) else raw
    made: dict[str, Any] = {"role": str(body.get("role") or _ROLES[kind]), "content": body.get("content")}
    calls = as_dicts(body.get("tool_calls")) or as_dicts(as_dict(body.get("additional_kwargs")).get("tool_calls"))
    if calls:
        made["tool_calls"] = [_call(call) for call in calls]
        made["content"] = _without_calls(made["content"])
    for key in ("tool_call_id", "name", "status"):
        if body.get(key):
            made[key] = body[key]
    return made


def _without_calls(content: Any) -> Any:
    """LangChain repeats Anthropic's tool_use blocks in ``tool_calls``: they are counted once."""
    if not isinstance(content, list):
        return content
    return [block for block in content if not (isinstance(block, Mapping) and block.get("type") == "tool_use")]


def _call(call: Raw) -> dict[str, Any]:
    """OpenAI's form of a tool call of either form."""
    if isinstance(call.get("function"), Mapping):
        return dict(call)
    given = call.get("args", call.get("arguments", {}))
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {"id": call.get("id"), "type": "function", "function": {"name": call.get("name"), "arguments": arguments}}


def is_llama_index(raw: Any) -> bool:
    """A ``ChatMessage`` as ``model_dump`` writes it."""
    return isinstance(raw, Mapping) and "role" in raw and isinstance(raw.get("blocks"), list) and "content" not in raw


def from_llama_index(raw: Raw) -> Raw:
    """A chat dict with the same blocks, calls and tool."""
    more = as_dict(raw.get("additional_kwargs"))
    role = str(raw["role"]).rsplit(".", 1)[-1].lower()
    blocks = as_dicts(raw["blocks"])
    made: dict[str, Any] = {"role": {"chatbot": "assistant", "model": "assistant"}.get(role, role)}
    made["content"] = _content([block for block in blocks if block.get("block_type") != "tool_call"])
    calls = [_call(call) for call in as_dicts(more.get("tool_calls"))]
    if not calls:
        calls = [
            _call({"id": b.get("tool_call_id"), "name": b.get("tool_name"), "args": b.get("tool_kwargs")})
            for b in blocks
            if b.get("block_type") == "tool_call"
        ]
    if calls:
        made["tool_calls"] = calls
    for key in ("tool_call_id", "name"):
        if more.get(key):
            made[key] = more[key]
    return made


def _content(blocks: Sequence[Raw]) -> Any:
    """A string where there is one text alone, else block dicts."""
    if len(blocks) == 1 and blocks[0].get("block_type") == "text":
        return blocks[0].get("text", "")
    return [_block(block) for block in blocks]


def _block(block: Raw) -> Raw:
    kind = block.get("block_type")
    if kind == "text":
        return {"type": "text", "text": block.get("text", "")}
    if kind == "image" and isinstance(block.get("image"), str):
        mime = block.get("image_mimetype") or "image/png"
        return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": block["image"]}}
    return block
