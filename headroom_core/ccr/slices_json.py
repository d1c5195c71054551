"""Pieces of a JSON text as they stand in it: the rows of its main array, or the value under a JSON pointer (RFC 6901)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
_SPACE = re.compile(r"[ \t\r\n]*")
_START = re.compile(r"(?:^|(?<=[\s:=]))[ \t]*(?=[\[{])", re.MULTILINE)
_INTRODUCTION = 1_000  # characters in which the JSON must begin
_TRIES = 4
_Span = tuple[int, int]


def body_starts(text: str) -> list[int]:
    """Where a document may begin behind a short introduction (a line or two of plain text), first place first."""
    starts = [match.end() for match in _START.finditer(text[:_INTRODUCTION])][:_TRIES]
    return starts[:1] if starts and not text[: starts[0]].strip() else starts


def rows_of(text: str) -> list[str] | None:
    """The elements of the main array, or the lines of NDJSON, each exactly as it stands; None where there are none.

    The main array is the text's own, else the longest one that objects alone lead to.
    """
    try:
        root = _root(text)
        if root is None:
            return _lines(text)
        start, value = root
        path = _longest(value)
        if path is None:
            return None
        for key in path:
            start = _member(text, start, key)[0]
        return [text[begin:end] for begin, end in _elements(text, start)]
    except (ValueError, IndexError, RecursionError):
        return None


def pointer(text: str, where: str) -> str | None:
    """The value under a JSON pointer (``/items/0/name``) as it stands; in NDJSON the first step counts lines from 0."""
    steps = where.split("/")
    if steps[0]:
        return None
    try:
        root = _root(text)
        if root is None:
            rows = _lines(text)
            if rows is None or len(steps) < 2:
                return None
            text, steps = rows[_index(steps[1])], steps[1:]
            root = (0, None)
        span = (root[0], _end(text, root[0]))
        for step in steps[1:]:
            span = _step(text, span[0], step.replace("~1", "/").replace("~0", "~"))
        return text[span[0] : span[1]]
    except (ValueError, IndexError, KeyError, RecursionError):
        return None


def _root(text: str) -> tuple[int, Any] | None:
    """Start and value of the one document that reaches to the text's end, behind at most a short introduction."""
    for start in body_starts(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except ValueError:
            continue
        if not text[end:].strip():
            return start, value
    return None


def _lines(text: str) -> list[str] | None:
    rows = [line.strip() for line in text.split("\n") if line.strip()]
    if len(rows) < 2:
        return None
    for row in rows:
        if row[0] not in "[{" or _end(row, 0) != len(row):
            return None
    return rows


def _longest(value: Any) -> list[str] | None:
    """The keys that lead to the longest array reached through objects only."""
    best: list[str] | None = None
    most = 0
    stack: list[tuple[list[str], Any]] = [([], value)]
    while stack:
        path, found = stack.pop()
        if isinstance(found, list) and len(found) > most:
            best, most = path, len(found)
        elif isinstance(found, dict):
            stack += [([*path, key], inner) for key, inner in reversed(found.items()) if isinstance(inner, dict | list)]
    return best


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]


def _elements(text: str, at: int) -> Iterator[_Span]:
    """Spans of an array's elements."""
    if text[at] != "[":
        raise ValueError("not an array")
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _end(text, at)
        yield at, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _member(text: str, at: int, key: str) -> _Span:
    """Span of the value under a key; the last one where the key stands twice, as parsers read it."""
    found: _Span | None = None
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        end = _end(text, at)
        if name == key:
            found = (at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    if found is None:
        raise KeyError(key)
    return found


def _step(text: str, at: int, step: str) -> _Span:
    if text[at] == "{":
        return _member(text, at, step)
    wanted = _index(step)
    for number, span in enumerate(_elements(text, at)):
        if number == wanted:
            return span
    raise IndexError(step)


def _index(step: str) -> int:
    if not step.isascii() or not step.isdigit() or (len(step) > 1 and step[0] == "0"):
        raise ValueError("not an array index")
    return int(step)
