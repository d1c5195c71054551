"""JSON text to values that keep what plain parsing loses: number literals, and whether a key came twice."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""dict, list, Lines, str, Number, bool or None."""


_SAMPLE = 24


class Number(str):
    """A number as it was written: ``1.0``, ``1e5`` and ``-0`` stay what they are. Equal to a string of its digits."""

    __slots__ = ()


class Lines(list[Value]):
    """A document of one JSON value per line (NDJSON)."""

    __slots__ = ()


class NotJson(ValueError):
    """The text is not JSON that can be rewritten: broken, ambiguous (a key twice), or not finite (NaN)."""


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("a key stands twice in one object")
    return found


def _constant(name: str) -> Value:
    raise NotJson(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_constant)
_NEW_LINE = re.compile(r"\r?\n")


def parse(text: str) -> Value:
    """The document's value. ``NotJson`` where it cannot be kept exactly; bare scalars are no documents here."""
    start = text[:64].lstrip(" \t\r\n")[:1] or text.lstrip(" \t\r\n")[:1]
    if start not in ("{", "["):
        raise NotJson("neither an object nor an array")
    try:
        return _DECODER.decode(text)
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except ValueError as error:
        if not str(error).startswith("Extra data"):
            raise NotJson(str(error)) from None
    return _lines(text)


def _lines(text: str) -> Lines:
    """NDJSON: every line that is not empty holds one object or array."""
    found = Lines()
    for line in _NEW_LINE.split(text):
        line = line.strip(" \t")
        if not line:
            continue
        if line[0] not in "{[":
            raise NotJson("text after the first value")
        try:
            found.append(_DECODER.decode(line))
        except RecursionError:
            raise NotJson("nested too deeply") from None
        except ValueError as error:
            raise NotJson(str(error)) from None
    if len(found) < 2:
        raise NotJson("text after the first value")
    return found


def to_json(value: Value) -> str:
    """Plain minified JSON with the same number literals; one line per value for NDJSON."""
    if type(value) is Lines:
        return "\n".join(map(to_json, value))
    kind = type(value)
    if kind is Number:
        return str(value)
    if kind is dict:
        return "{" + ",".join(f"{_quoted(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if kind is list:
        return "[" + ",".join(map(to_json, value)) + "]"
    return _quoted(value)


def _quoted(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)


def same(one: Value, other: Value) -> bool:
    """Equal as documents: same types, keys, key order and number literals."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def length(value: Value) -> int:
    """Characters of a value's compact text, about; long arrays by a sample."""
    kind = type(value)
    if kind is str or kind is Number:
        return len(value)
    if kind is dict:
        if len(value) > 4 * _SAMPLE:
            step = len(value) // _SAMPLE
            items = list(value.items())[::step]
            return len(value) * sum(len(name) + 2 + length(item) for name, item in items) // len(items)
        return 2 + sum([len(name) + 2 + length(item) for name, item in value.items()])
    if kind is list or kind is Lines:
        if len(value) > 4 * _SAMPLE:
            some = value[:: len(value) // _SAMPLE]
            return len(value) * (1 + sum(map(length, some)) // len(some))
        return 2 + sum(map(length, value)) + len(value)
    return 4
