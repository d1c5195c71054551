"""LangChain messages to core messages and back. What did not change comes back as the same object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, FunctionMessage, ToolMessage

from headroom_core.dialects import read_content, write_content
from headroom_core.dialects.content import protection
from headroom_core.outcome import Outcome
from headroom_core.types import Block, Message, Opaque

NOTE: Final = "headroom"
"""Our key in ``response_metadata``, which no provider client sends."""

_KEEP: Final = "keep"
_ROLES: Final = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}

M = TypeVar("M", bound=BaseMessage)


def keep(message: M) -> M:
    """Opt one message out of compression: ``messages.append(keep(ToolMessage(...)))``. Returns a copy."""
    return annotated(message, {_KEEP: True})


def annotated(message: M, note: Mapping[str, Any]) -> M:
    """A copy with ``note`` merged into our entry of its ``response_metadata``."""
    metadata = {**message.response_metadata, NOTE: {**note_of(message), **note}}
    return message.model_copy(update={"response_metadata": metadata})


def note_of(message: BaseMessage) -> Mapping[str, Any]:
    """Our entry in a message's ``response_metadata``; empty where there is none."""
    note = message.response_metadata.get(NOTE)
    return note if isinstance(note, Mapping) else {}


def to_core(messages: Sequence[BaseMessage]) -> list[Message]:
    """Core messages whose ``raw`` is the LangChain message. Nothing is copied."""
    names = tool_names(messages)
    return [_read(message, names) for message in messages]


def from_core(messages: Sequence[M], read: Sequence[Message], outcome: Outcome) -> list[M]:
    """The messages with every change of ``outcome`` written into a copy, in the dialect of the block that it replaces.

    ``read`` is ``to_core(messages)``, the conversation that the outcome belongs to. An unchanged message is the same
    object; in audit mode all are.
    """
    edits: dict[int, dict[int, Sequence[Block]]] = {}
    for change in () if outcome.audited else outcome.changes:
        m, b = change.part.at
        edits.setdefault(m, {})[b] = change.rewrite.blocks
    return [_written(message, read[m], edits[m]) if m in edits else message for m, message in enumerate(messages)]


def _written(message: M, read: Message, edits: Mapping[int, Sequence[Block]]) -> M:
    after = [edits.get(b, (block,)) for b, block in enumerate(read.blocks)]
    return message.model_copy(update={"content": write_content(message.content, read.blocks, after)})


def tool_names(messages: Iterable[BaseMessage]) -> dict[str, str]:
    """The tool behind each call id, from the calls of the conversation."""
    names: dict[str, str] = {}
    for message in messages:
        if isinstance(message, AIMessage):
            for call in (*message.tool_calls, *message.invalid_tool_calls):
                if call["id"] and call["name"]:
                    names[call["id"]] = call["name"]
    return names


def _read(message: BaseMessage, names: Mapping[str, str]) -> Message:
    role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type)
    if role is None:
        return Message("", (Opaque(message.content),), message)
    tool = _tool(message, names)
    protected = _protected(message, tool)
    blocks = read_content(message.content, role=role, tool=tool, protected=protected, names=names)
    return Message(role, blocks, message)


def _tool(message: BaseMessage, names: Mapping[str, str]) -> str | None:
    if isinstance(message, ToolMessage):
        return message.name or names.get(message.tool_call_id)
    return message.name if isinstance(message, FunctionMessage) else None


def _protected(message: BaseMessage, tool: str | None) -> str | None:
    """Why a message must stay as it is, or None."""
    if note_of(message).get(_KEEP):
        return "the caller asked to keep it"
    return protection(tool, getattr(message, "status", None) == "error")
