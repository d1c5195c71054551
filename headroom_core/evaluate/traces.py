"""Conversations out of traces: LangSmith runs, and OpenTelemetry spans and logs by the GenAI conventions.

A trace holds one record for each call of the model, and each call repeats the conversation so far: a call whose input is
the beginning of another's in the same trace is left out, so every conversation counts once, at its longest.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .conversation import Conversation, Raw, as_dict, as_dicts
from .frameworks import from_langchain, is_langchain

_INPUT, _OUTPUT, _SYSTEM = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"
_EVENT_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool", "choice": "assistant"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model: the trace that it belongs to, what it was given and what it made."""

    group: str
    id: str
    given: tuple[Raw, ...]
    made: tuple[Raw, ...]
    tools: str = ""
    model: str | None = None


def longest(calls: Iterable[Call], source: str) -> Iterator[Conversation]:
    """One conversation for each call that no later call of its trace continues, in the order of the export."""
    groups: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        groups[call.group].append(call)
    for group in groups.values():
        seen: set[tuple[str, ...]] = set()
        ends: list[Call] = []
        for call in sorted(group, key=lambda call: -len(call.given)):
            keys = tuple(_identity(raw) for raw in call.given)
            if keys not in seen:
                ends.append(call)
            seen.update(keys[:end] for end in range(len(keys) + 1))
        for call in sorted(ends, key=group.index):
            yield Conversation(call.id, source, (*call.given, *call.made), call.tools, call.model)


def _identity(raw: Raw) -> str:
    return json.dumps([raw.get("role"), raw.get("content"), raw.get("tool_call_id")], sort_keys=True, default=str)


# --- LangSmith
def is_run(raw: Any) -> bool:
    """A run of LangSmith."""
    return isinstance(raw, Mapping) and "run_type" in raw and "inputs" in raw


def from_run(raw: Raw) -> Call | None:
    """The call in a run of type llm; None for other runs and for inputs that are no messages."""
    inputs, outputs = _loaded(raw.get("inputs")), _loaded(raw.get("outputs"))
    if raw.get("run_type") != "llm" or not isinstance(inputs, Mapping):
        return None
    given = _messages(inputs.get("messages"))
    if not given:
        return None
    extra = as_dict(_loaded(raw.get("extra")))
    asked, labels = as_dict(extra.get("invocation_params")), as_dict(extra.get("metadata"))
    thread = next((labels[name] for name in ("thread_id", "session_id", "conversation_id") if labels.get(name)), None)
    tools = inputs.get("tools") or asked.get("tools")
    model = asked.get("model") or asked.get("model_name")
    id_ = str(raw.get("id") or raw.get("run_id") or raw.get("name") or "run")
    group = str(thread or raw.get("trace_id") or id_)
    return Call(group, id_, given, _generated(outputs), json.dumps(tools) if tools else "", _name(model))


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _loaded(value: Any) -> Any:
    """Bulk exports hold inputs and outputs as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _messages(value: Any) -> tuple[Raw, ...]:
    """Messages of a run: a list, or a list of one list as LangChain's tracer writes it."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list):
        return ()
    return tuple(from_langchain(raw) if is_langchain(raw) else raw for raw in value if isinstance(raw, Mapping))


def _generated(outputs: Any) -> tuple[Raw, ...]:
    if not isinstance(outputs, Mapping):
        return ()
    for key in ("generations", "choices"):
        value = outputs.get(key)
        while isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, Mapping) and isinstance(value.get("message"), Mapping):
            return _messages([value["message"]])
    if isinstance(outputs.get("messages"), list):
        return _messages(outputs["messages"])
    return _messages([outputs["output"]]) if isinstance(outputs.get("output"), Mapping) else ()


# --- OpenTelemetry
def is_otlp(raw: Any) -> bool:
    """OTLP JSON: spans or logs with their resources around them, or a span or log record by itself."""
    if not isinstance(raw, Mapping):
        return False
    if "resourceSpans" in raw or "resourceLogs" in raw:
        return True
    names = _attributes(raw)
    return any(str(name).startswith("gen_ai.") for name in names)


def from_otlp(raw: Raw) -> Iterator[Call]:
    """The calls in an export: span attributes, events of spans, and log records."""
    events: dict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)
    for record in _records(raw):
        names = _attributes(record)
        trace = str(record.get("traceId") or as_dict(record.get("context")).get("trace_id") or "")
        span = str(record.get("spanId") or as_dict(record.get("context")).get("span_id") or "")
        group = str(names.get("gen_ai.conversation.id") or trace or span)
        model = names.get("gen_ai.request.model") or names.get("gen_ai.response.model")
        for inner in [names, *(_attributes(event) for event in as_dicts(record.get("events")))]:
            if _INPUT in inner:
                yield replace(_call(inner, group, span or group), model=_name(model))
        for event in [record, *(as_dicts(record.get("events")))]:
            name = str(event.get("eventName") or event.get("name") or _attributes(event).get("event.name") or "")
            if name.startswith("gen_ai."):
                body = event.get("body")
                events[group, span].append((name, _value(body) if body is not None else _attributes(event)))
    for (group, span), told in events.items():
        messages = [made for name, body in told if (made := _from_event(name, body))]
        if messages:
            end = len(messages) - (told[-1][0] == "gen_ai.choice")
            yield Call(group or span, span or group, tuple(messages[:end]), tuple(messages[end:]))


def _records(raw: Raw) -> Iterator[Raw]:
    """Spans and log records, however deep they lie."""
    nested = [
        record
        for outer, middle, inner in (
            ("resourceSpans", "scopeSpans", "spans"),
            ("resourceLogs", "scopeLogs", "logRecords"),
        )
        for resource in as_dicts(raw.get(outer))
        for scope in as_dicts(resource.get(middle))
        for record in as_dicts(scope.get(inner))
    ]
    yield from nested or [raw]


def _attributes(record: Any) -> dict[str, Any]:
    """Attributes by name: OTLP's list of key and value, or the plain dict that SDK exporters print."""
    found = record.get("attributes") if isinstance(record, Mapping) else None
    if isinstance(found, Mapping):
        return dict(found)
    if not isinstance(found, Sequence) or isinstance(found, str):
        return {}
    return {str(pair.get("key")): _value(pair.get("value")) for pair in found if isinstance(pair, Mapping)}


def _value(value: Any) -> Any:
    """OTLP's AnyValue as a plain one; plain values stay."""
    if not isinstance(value, Mapping):
        return value
    for key in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if key in value:
            return value[key]
    if "intValue" in value:
        return value["intValue"]  # OTLP writes 64-bit integers as text; nothing here calculates with them
    if "arrayValue" in value:
        return [_value(inner) for inner in _items(value["arrayValue"])]
    if "kvlistValue" in value:
        return {str(pair.get("key")): _value(pair.get("value")) for pair in as_dicts(_items(value["kvlistValue"]))}
    return {key: _value(inner) for key, inner in value.items()}


def _items(value: Any) -> list[Any]:
    found = as_dict(value).get("values")
    return found if isinstance(found, list) else []


def _call(names: Mapping[str, Any], group: str, id_: str) -> Call:
    given = [raw for message in _list(names.get(_INPUT)) for raw in _from_parts(message)]
    system = "\n".join(str(part.get("content", "")) for part in _list(names.get(_SYSTEM)))
    if system:
        given.insert(0, {"role": "system", "content": system})
    made = [raw for message in _list(names.get(_OUTPUT)) for raw in _from_parts(message)]
    tools = names.get("gen_ai.tool.definitions")
    return Call(
        group, id_, tuple(given), tuple(made), tools if isinstance(tools, str) else json.dumps(tools) if tools else ""
    )


def _list(value: Any) -> list[Raw]:
    return as_dicts(_loaded(value))


def _from_parts(message: Raw) -> Iterator[Raw]:
    """Chat dicts of one message: its text and calls together, each tool result by itself."""
    text: list[Raw] = []
    calls: list[Raw] = []
    results: list[Raw] = []
    for part in as_dicts(message.get("parts")):
        match part.get("type"):
            case "text" | "reasoning":
                text.append({"type": "text", "text": str(part.get("content", ""))})
            case "tool_call":
                calls.append(_tool_call(part))
            case "tool_call_response":
                told = part.get("response", part.get("result"))
                content = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
                results.append({"role": "tool", "tool_call_id": part.get("id"), "content": content})
    if text or calls:
        whole = text[0]["text"] if len(text) == 1 else text
        yield {"role": str(message.get("role", "user")), "content": whole, **({"tool_calls": calls} if calls else {})}
    yield from results


def _tool_call(part: Raw) -> Raw:
    given = part.get("arguments")
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {"id": part.get("id"), "type": "function", "function": {"name": part.get("name"), "arguments": arguments}}


def _from_event(name: str, body: Any) -> Raw | None:
    """A chat dict of one of the older events: gen_ai.user.message, gen_ai.tool.message, gen_ai.choice."""
    role = _EVENT_ROLES.get(name.removeprefix("gen_ai.").removesuffix(".message"))
    if role is None or not isinstance(body, Mapping):
        return None
    inner = as_dict(body.get("message")) or body
    made: dict[str, Any] = {"role": inner.get("role", role), "content": inner.get("content")}
    if inner.get("tool_calls"):
        made["tool_calls"] = inner["tool_calls"]
    if role == "tool":
        made["tool_call_id"] = inner.get("id")
    return made
