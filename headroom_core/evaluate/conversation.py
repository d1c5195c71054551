"""One conversation of the user's, whatever it was exported from: message dicts that the core's readers know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Raw: TypeAlias = Mapping[str, Any]

_MADE = ("function_call", "custom_tool_call", "reasoning")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Message dicts in order, where they came from, and, for a question over documents, what must stay visible.

    ``source`` names the format; ``tools`` is the JSON of the tool definitions that went along, if they were recorded;
    ``model`` the model that answered; ``answers`` accepted answers; ``evidence`` stretches that all must stay.
    """

    id: str
    source: str
    messages: tuple[Raw, ...] = field(repr=False)
    tools: str = field(default="", repr=False)
    model: str | None = None
    answers: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


def as_dict(value: Any) -> Raw:
    """A value that should be a dict: itself, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_dicts(value: Any) -> list[Raw]:
    """The dicts in a value that should be a list of them."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []


def made_by_model(raw: Raw) -> bool:
    """Is this message something that the model said, thought or called?"""
    return raw.get("role") in ("assistant", "model") or raw.get("type") in _MADE


def calls(messages: Sequence[Raw]) -> list[tuple[int, int]]:
    """The calls of the model: (messages sent, end of what it made). The last made nothing where it was not recorded."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(messages):
        if not made_by_model(messages[at]):
            at += 1
            continue
        end = at
        while end < len(messages) and made_by_model(messages[end]):
            end += 1
        if at:
            found.append((at, end))
        at = end
    if messages and not made_by_model(messages[-1]):
        found.append((len(messages), len(messages)))
    return found


def called(raw: Raw) -> Iterator[tuple[str, Any]]:
    """(tool, arguments) of each tool call that stands in a message; arguments as values where they parse."""
    if raw.get("type") in ("function_call", "custom_tool_call"):
        yield str(raw.get("name")), _parsed(raw.get("arguments", raw.get("input")))
    for call in as_dicts(raw.get("tool_calls")):
        inner = as_dict(call.get("function")) or call
        yield str(inner.get("name")), _parsed(inner.get("arguments", inner.get("args")))
    for block in as_dicts(raw.get("content", raw.get("parts"))):
        for key, given in (("toolUse", "input"), ("function_call", "args"), ("functionCall", "args")):
            if inner := as_dict(block.get(key)):
                yield str(inner.get("name")), inner.get(given)
        if block.get("type") == "tool_use":
            yield str(block.get("name")), block.get("input")


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def leaves(value: Any) -> Iterator[str]:
    """The scalar values inside a JSON value, as strings."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)
