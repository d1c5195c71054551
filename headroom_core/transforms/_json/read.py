"""The compact text back to its value. Strict: a text is ours only where writing its value gives the same text."""

from __future__ import annotations

import json
import re

from headroom_core.transforms._json.columns import MISSING, KeyPath
from headroom_core.transforms._json.values import Lines, NotJson, Number, Value
from headroom_core.transforms._json.write import write

_STRINGS = json.JSONDecoder()
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?").fullmatch
_BARE = re.compile(r'[^,{}\[\]"\\\n]+')
_NAME = re.compile(r"[\w$@*/+. -]+")
_SEGMENT = re.compile(r"[\w$@*/+ -]+")
_TABLE = re.compile(r"\[(\d{1,9}(?:,\d{1,9})*)\]\{")
_MAP = re.compile(r"\{(\d{1,9})\}\{")
_OURS = re.compile(r"(?:ndjson)?\[\d+(?:,\d+)*\]\{|\{\d+\}\{|[\[{]")
_WORDS = {"true": True, "false": False, "null": None}
_Head = list[tuple[KeyPath, bool, Value]]
"""Per column: its path, whether its cells are strings, and its constant value (MISSING where it varies)."""


def read(text: str) -> Value:
    """The value of a compact text; ``NotJson`` for any other text."""
    if not _OURS.match(text):
        raise NotJson("not the compact form")
    try:
        value = _document(text)
    except (ValueError, IndexError, KeyError, RecursionError) as error:
        raise NotJson("not the compact form") from error
    if write(value) != text:
        raise NotJson("not the compact form")
    return value


def _document(text: str) -> Value:
    size = len(text)
    text += "\n"  # so that a table's last row ends like the others
    if text.startswith("ndjson"):
        value, end = _table(text, 6)
        _expect(end == size + 1 and type(value) is list)
        return Lines(value)
    value, end = _value(text, 0)
    if end >= size:
        return value
    lines = Lines([value])
    while end < size:
        _expect(text[end] == "\n")
        value, end = _value(text, end + 1)
        lines.append(value)
    return lines


def _expect(condition: bool) -> None:
    if not condition:
        raise NotJson("not the compact form")


def _value(text: str, at: int, string: bool = False) -> tuple[Value, int]:
    """The value that starts at ``at`` and the place behind it."""
    first = text[at]
    if first == "[":
        return _table(text, at) if _TABLE.match(text, at) else _array(text, at)
    if first == "{":
        return _map(text, at) if _MAP.match(text, at) else _object(text, at)
    if first == '"':
        return _quoted(text, at)
    found = _BARE.match(text, at)
    if found is None:
        raise NotJson("not the compact form")
    word = found.group()
    if string:
        return word, found.end()
    if word in _WORDS:
        return _WORDS[word], found.end()
    return (Number(word) if _NUMBER(word) else word), found.end()


def _quoted(text: str, at: int) -> tuple[str, int]:
    value, end = _STRINGS.raw_decode(text, at)
    return str(value), end


def _array(text: str, at: int) -> tuple[list[Value], int]:
    found: list[Value] = []
    at += 1
    if text[at] == "]":
        return found, at + 1
    while True:
        value, at = _value(text, at)
        found.append(value)
        _expect(text[at] in ",]")
        if text[at] == "]":
            return found, at + 1
        at += 1


def _name(text: str, at: int, pattern: re.Pattern[str] = _NAME) -> tuple[str, int]:
    if text[at] == '"':
        return _quoted(text, at)
    found = pattern.match(text, at)
    if found is None:
        raise NotJson("not the compact form")
    return found.group(), found.end()


def _object(text: str, at: int) -> tuple[dict[str, Value], int]:
    found: dict[str, Value] = {}
    at += 1
    if text[at] == "}":
        return found, at + 1
    while True:
        name, at = _name(text, at)
        _expect(text[at] == ":" and name not in found)
        found[name], at = _value(text, at + 1)
        _expect(text[at] in ",}")
        if text[at] == "}":
            return found, at + 1
        at += 1


def _head(text: str, at: int) -> tuple[_Head, int]:
    """The columns from behind the opening brace to behind the newline."""
    columns: _Head = []
    while True:
        path: list[str] = []
        while True:
            name, at = _name(text, at, _SEGMENT)
            path.append(name)
            if text[at] != ".":
                break
            at += 1
        string = text.startswith(":str", at)
        at += 4 if string else 0
        constant: Value = MISSING
        if text[at] == "=":
            constant, at = _value(text, at + 1)
        columns.append((tuple(path), string, constant))
        _expect(text[at] in ",}")
        at += 1
        if text[at - 1] == "}":
            _expect(text[at] == "\n")
            return columns, at + 1


def _row(text: str, at: int, columns: _Head) -> tuple[Value, int]:
    """One row from its first cell to behind its newline."""
    if text[at] == "=":
        value, at = _value(text, at + 1)
        _expect(text[at] == "\n")
        return value, at + 1
    row: dict[str, Value] = {}
    first = True
    for path, string, constant in columns:
        if constant is MISSING:
            if not first:
                _expect(text[at] == ",")
                at += 1
            first = False
            if text[at] in ",\n":
                continue
            value, at = _value(text, at, string)
        else:
            value = constant
        inner = row
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
            _expect(type(inner) is dict)
        inner[path[-1]] = value
    _expect(text[at] == "\n")
    return row, at + 1


def _table(text: str, at: int) -> tuple[list[Value], int]:
    found = _TABLE.match(text, at)
    if found is None:
        raise NotJson("not the compact form")
    sizes = [int(size) for size in found.group(1).split(",")]
    columns, at = _head(text, found.end())
    groups: list[Value] = []
    for number, size in enumerate(sizes):
        if number:
            _expect(text[at] == "\n")
            at += 1
        rows: list[Value] = []
        for _ in range(size):
            row, at = _row(text, at, columns)
            rows.append(row)
        groups.append(rows)
    return (groups if len(sizes) > 1 else groups[0]), at


def _map(text: str, at: int) -> tuple[dict[str, Value], int]:
    found = _MAP.match(text, at)
    if found is None:
        raise NotJson("not the compact form")
    columns, at = _head(text, found.end())
    rows: dict[str, Value] = {}
    for _ in range(int(found.group(1))):
        name, at = _name(text, at)
        _expect(text[at] == ":" and name not in rows)
        rows[name], at = _row(text, at + 1, columns)
    return rows, at
