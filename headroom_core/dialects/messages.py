"""Whole message dicts: OpenAI chat and responses items, Anthropic, Gemini and Bedrock turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headroom_core.types import Block, Message, Opaque

from .content import protection, read_content, write_content

_CONTAINERS = ("content", "parts", "output")
_ROLES = {"function": "tool", "model": "assistant", "developer": "system"}
KEPT = "the caller asked to keep it"


class Kept(dict[str, Any]):
    """A message dict that is never compressed. It serialises like the dict that it was made of."""


def keep(message: Mapping[str, Any]) -> Kept:
    """Opt one message dict out of compression: ``messages.append(keep({"role": "tool", ...}))``."""
    return Kept(message)


def read_messages(raws: Sequence[Any]) -> list[Message]:
    """Message dicts, core messages and anything else, as core messages; what is not understood becomes opaque."""
    names = dict(_calls(raws))
    return [raw if isinstance(raw, Message) else read_message(raw, names) for raw in raws]


def read_message(raw: Any, names: Mapping[str, str]) -> Message:
    """One message dict; ``names`` gives the tool behind each call id."""
    if not isinstance(raw, Mapping):
        return Message("", (Opaque(raw),), raw)
    key = next((name for name in _CONTAINERS if name in raw), None)
    role = _role(raw)
    if key is None:
        return Message(role, (Opaque(raw),), raw)
    call = raw.get("tool_call_id") or raw.get("call_id")
    tool = (names.get(str(call)) or raw.get("name")) if role == "tool" else None
    protected = KEPT if isinstance(raw, Kept) else protection(tool, raw.get("status") == "error")
    return Message(role, read_content(raw[key], role=role, tool=tool, protected=protected, names=names), raw)


def write_message(message: Message, after: Sequence[Sequence[Block]]) -> Any:
    """The raw message with new blocks, a copy; the raw message itself where nothing changed."""
    raw = message.raw
    if raw is None:
        blocks = tuple(block for new in after for block in new)
        return message if blocks == message.blocks else Message(message.role, blocks)
    key = next((name for name in _CONTAINERS if name in raw), None) if isinstance(raw, Mapping) else None
    if key is None:
        return raw
    content = write_content(raw[key], message.blocks, after)
    return raw if content is raw[key] else {**raw, key: content}


def _role(raw: Mapping[str, Any]) -> str:
    if raw.get("type") in ("function_call_output", "custom_tool_call_output"):
        return "tool"
    role = str(raw.get("role", ""))
    return _ROLES.get(role, role)


def _calls(raws: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """(call id, tool name) of every tool call in the conversation."""
    for raw in raws:
        if not isinstance(raw, Mapping):
            continue
        if raw.get("type") in ("function_call", "custom_tool_call"):
            yield str(raw.get("call_id")), str(raw.get("name"))
        calls = raw.get("tool_calls")
        for call in calls if isinstance(calls, (list, tuple)) else ():
            if isinstance(call, Mapping):
                function = call.get("function")
                yield str(call.get("id")), str((function if isinstance(function, Mapping) else call).get("name"))
        content = raw.get("content")
        for block in content if isinstance(content, (list, tuple)) else ():
            if not isinstance(block, Mapping):
                continue
            if block.get("type") == "tool_use":
                yield str(block.get("id")), str(block.get("name"))
            elif isinstance(block.get("toolUse"), Mapping):
                yield str(block["toolUse"].get("toolUseId")), str(block["toolUse"].get("name"))
