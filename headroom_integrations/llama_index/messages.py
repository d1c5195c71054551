"""LlamaIndex messages to core messages and back. What did not change comes back as the same object."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import (
    ChatMessage,
    ContentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)

from headroom_core.dialects.content import protection
from headroom_core.outcome import Outcome
from headroom_core.types import Block, Bytes, Image, Message, Opaque, Source, Text, Url

NOTE: Final = "headroom"
"""Our key in ``additional_kwargs`` and in the metadata of nodes."""

_ROLES: Final = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}


class Kept(ChatMessage):
    """A message that is never compressed; in all else a ``ChatMessage``."""


def keep(message: ChatMessage) -> ChatMessage:
    """Opt one message out of compression: ``history.append(keep(ChatMessage(...)))``. Returns a copy."""
    return Kept.model_construct(_fields_set=set(message.model_fields_set), **dict(message))


def to_core(messages: Sequence[ChatMessage]) -> list[Message]:
    """Core messages whose ``raw`` is the LlamaIndex message. Nothing is copied but pictures, decoded from base64."""
    names = tool_names(messages)
    return [_read(message, names) for message in messages]


def from_core(messages: Sequence[ChatMessage], outcome: Outcome) -> list[ChatMessage]:
    """The messages with every change of ``outcome`` written into a copy; an unchanged message is the same object."""
    edits: dict[int, dict[int, Sequence[Block]]] = {}
    for change in () if outcome.audited else outcome.changes:
        m, b = change.part.at
        edits.setdefault(m, {})[b] = change.rewrite.blocks
    return [_written(message, edits[m]) if m in edits else message for m, message in enumerate(messages)]


def blocks_to_core(
    blocks: Sequence[ContentBlock], *, role: str, tool: str | None = None, protected: str | None = None
) -> tuple[Block, ...]:
    """One core block for each block; all but texts and pictures are opaque."""
    own = role if role == "tool" else None
    return tuple(_read_block(raw, at, own, tool, protected) for at, raw in enumerate(blocks))


def blocks_from_core(blocks: Sequence[ContentBlock], edits: Mapping[int, Sequence[Block]]) -> list[ContentBlock]:
    """The blocks with those named in ``edits`` replaced; the others are the same objects."""
    made: list[ContentBlock] = []
    for at, raw in enumerate(blocks):
        made += [_write_block(raw, new) for new in edits[at]] if at in edits else [raw]
    return made


def tool_names(messages: Iterable[ChatMessage]) -> dict[str, str]:
    """The tool behind each call id, from the calls of the conversation."""
    names: dict[str, str] = {}
    for message in messages:
        for block in message.blocks:
            if isinstance(block, ToolCallBlock) and block.tool_call_id:
                names[block.tool_call_id] = block.tool_name
        for call in message.additional_kwargs.get("tool_calls") or ():
            call_id, name = _named(call)
            if call_id and name:
                names[call_id] = name
    return names


def _named(call: Any) -> tuple[str | None, str | None]:
    """Id and tool of a call as providers keep it in ``additional_kwargs``: an object or a mapping."""
    if isinstance(call, Mapping):
        function = call.get("function")
        name = function.get("name") if isinstance(function, Mapping) else call.get("name")
        return call.get("id"), name
    function = getattr(call, "function", None)
    return getattr(call, "id", None), getattr(function, "name", None) or getattr(call, "name", None)


def _read(message: ChatMessage, names: Mapping[str, str]) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        return Message("", (Opaque(message.blocks),), message)
    tool, protected = None, None
    if role == "tool":
        extra = message.additional_kwargs
        tool = names.get(str(extra.get("tool_call_id"))) or extra.get("name")
        protected = protection(tool, False)
    if isinstance(message, Kept):
        protected = "the caller asked to keep it"
    return Message(role, blocks_to_core(message.blocks, role=role, tool=tool, protected=protected), message)


def _read_block(raw: ContentBlock, at: int, role: str | None, tool: str | None, protected: str | None) -> Block:
    if isinstance(raw, TextBlock):
        return Text(raw.text, (at,), role, tool, protected)
    if isinstance(raw, ImageBlock):
        source = _source(raw)
        if source is not None:
            return Image(source, raw.image_mimetype, raw.detail, (at,), role, tool, protected)
    return Opaque(raw, (at,))


def _source(block: ImageBlock) -> Source | None:
    """The picture's bytes where they are at hand. A url is never fetched; a stream is never read."""
    if isinstance(block.image, bytes):
        return _decoded(block.image)
    if block.image is not None:
        return None
    if block.path is not None:
        file = Path(block.path)
        return Bytes(file.read_bytes()) if file.is_file() else None
    url = str(block.url) if block.url else ""
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        return _decoded(data.encode("utf-8")) if head.endswith(";base64") else None
    return Url(url) if url else None


def _decoded(data: bytes) -> Bytes | None:
    try:
        return Bytes(base64.b64decode(data, validate=True))
    except binascii.Error:
        return None


def _write_block(raw: ContentBlock, new: Block) -> ContentBlock:
    if isinstance(new, Text):
        return raw.model_copy(update={"text": new.text}) if isinstance(raw, TextBlock) else TextBlock(text=new.text)
    if isinstance(new, Image) and isinstance(new.source, Bytes) and isinstance(raw, ImageBlock):
        data = base64.b64encode(new.source.data)
        return raw.model_copy(
            update={"image": data, "path": None, "url": None, "image_mimetype": new.mime, "detail": new.detail}
        )
    assert isinstance(new, Opaque)  # rewrites hold texts, pictures at hand and what was there
    block: ContentBlock = new.raw
    return block


def _written(message: ChatMessage, edits: Mapping[int, Sequence[Block]]) -> ChatMessage:
    return message.model_copy(update={"blocks": blocks_from_core(message.blocks, edits)})
