"""Message content, a string or a list of block dicts, into core blocks and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headroom_core.types import Block, Image, Opaque, Path, Text

from .images import read_image, text_like, write_image

_TEXT_TYPES = ("text", "input_text", "output_text")


def read_content(
    content: object,
    *,
    role: str,
    tool: str | None = None,
    protected: str | None = None,
    names: Mapping[str, str] | None = None,
    path: Path = (),
) -> tuple[Block, ...]:
    """The blocks of one message's content.

    ``role`` is the message's role ("tool" for a tool result), ``tool`` the tool that produced it, ``protected`` the
    reason why nothing here may change, ``names`` the tool behind each call id (for tool results among the blocks),
    ``path`` where ``content`` stands in the raw message. An unknown block becomes ``Opaque``.
    """
    own = role if role == "tool" else None
    if isinstance(content, str):
        return (Text(content, path, own, tool, protected),)
    if not isinstance(content, (list, tuple)):
        return () if content is None else (Opaque(content, path),)
    blocks: list[Block] = []
    for at, raw in enumerate(content):
        blocks += _read_block(raw, (*path, at), own, tool, protected, names or {})
    return tuple(blocks)


def _read_block(
    raw: Any, path: Path, role: str | None, tool: str | None, protected: str | None, names: Mapping[str, str]
) -> tuple[Block, ...]:
    if isinstance(raw, str):
        return (Text(raw, path, role, tool, protected),)
    if not isinstance(raw, Mapping):
        return (Opaque(raw, path),)
    text = raw.get("text")
    if isinstance(text, str) and ("type" not in raw or raw["type"] in _TEXT_TYPES):
        return (Text(text, path, role, tool, protected or _citations(raw)),)
    if raw.get("type") == "tool_result":
        reason = protected or protection(names.get(str(raw.get("tool_use_id"))), bool(raw.get("is_error")))
        return _read_result(raw, raw.get("tool_use_id"), reason, path, names)
    if isinstance(raw.get("toolResult"), Mapping):
        inner = raw["toolResult"]
        reason = protected or protection(names.get(str(inner.get("toolUseId"))), inner.get("status") == "error")
        return _read_result(inner, inner.get("toolUseId"), reason, (*path, "toolResult"), names)
    image = read_image(raw)
    if image is None:
        return (Opaque(raw, path),)
    return (replace(image, path=path, role=role, tool=tool, protected=protected),)


def _citations(raw: Mapping[str, Any]) -> str | None:
    """Citations and annotations point into the text by offset: it must stay."""
    return "the text carries citations" if raw.get("citations") or raw.get("annotations") else None


def _read_result(
    raw: Mapping[str, Any], call: object, protected: str | None, path: Path, names: Mapping[str, str]
) -> tuple[Block, ...]:
    tool, inside = names.get(str(call)), (*path, "content")
    return read_content(raw.get("content"), role="tool", tool=tool, protected=protected, names=names, path=inside)


def protection(tool: str | None, failed: bool) -> str | None:
    """Why a tool result must stay as it is, or None."""
    if tool == "headroom_retrieve":
        return "it is the output of headroom_retrieve"
    return "the tool reported an error" if failed else None


def write_content(content: Any, before: Sequence[Block], after: Sequence[Sequence[Block]]) -> Any:
    """``content`` with each block of ``before`` replaced by the blocks of ``after`` at the same place.

    A replacement that holds the same object alone means "unchanged"; where nothing changed, ``content`` itself is
    returned. Keys that are not ours (cache marks, ids) stay on the first block that replaces another.
    """
    edits = {old.path: tuple(new) for old, new in zip(before, after, strict=True) if not _same(old, new)}
    return _rebuild(content, edits, ()) if edits else content


def _same(old: Block, new: Sequence[Block]) -> bool:
    return len(new) == 1 and new[0] is old


def _rebuild(node: Any, edits: Mapping[Path, tuple[Block, ...]], path: Path) -> Any:
    if path in edits:
        return _render_alone(node, edits[path])
    if not any(at[: len(path)] == path for at in edits):
        return node
    if isinstance(node, Mapping):
        return {key: _rebuild(value, edits, (*path, key)) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        built: list[Any] = []
        for at, item in enumerate(node):
            here = (*path, at)
            built += _render(item, edits[here]) if here in edits else [_rebuild(item, edits, here)]
        return built
    return node


def _render_alone(node: Any, blocks: Sequence[Block]) -> Any:
    """The replacement of a whole content: a string stays a string while only text is in it."""
    if isinstance(node, str) and all(isinstance(block, Text) for block in blocks):
        return "\n".join(block.text for block in blocks if isinstance(block, Text))
    return _render({"type": "text", "text": ""} if isinstance(node, str) else node, blocks)


def _render(raw: Any, blocks: Sequence[Block]) -> list[Any]:
    """Block dicts in the dialect of ``raw``, the block that they replace."""
    written: list[Any] = []
    for block in blocks:
        if isinstance(block, Opaque):
            written.append(block.raw)
        elif isinstance(block, Image):
            written.append(write_image(raw if isinstance(raw, Mapping) else {}, block))
        elif isinstance(raw, str):
            written.append(block.text)
        elif "text" in raw:
            written.append({**raw, "text": block.text})
        else:
            written.append(text_like(raw, block.text))
    return _mark_last(written)


def _mark_last(written: list[Any]) -> list[Any]:
    """A cache mark stands once, on the last block, so that the provider caches the same prefix as before."""
    for at, raw in enumerate(written[:-1]):
        if isinstance(raw, dict) and "cache_control" in raw:
            written[at] = {key: value for key, value in raw.items() if key != "cache_control"}
    return written
