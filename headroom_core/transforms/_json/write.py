"""Values to the compact text: JSON without needless quotes, arrays of alike objects as tables.

The grammar, in the order in which a reader meets it::

    object   {key:value,key:value}          keys and strings are quoted (as in JSON) only where they would be ambiguous
    array    [value,value]
    table    [3]{id,user.name,zip:str,state=open}     an array of 3 objects; ``state`` is "open" in all of them,
             1,Ann,01234                              all cells of ``zip`` are strings, nothing between two commas
             2,,00001                                 is an absent key, and a row behind ``=`` stands for itself
             ={"id":3}
    groups   [2,1]{id}                      an array of arrays of objects; an empty line between the arrays
    map      {2}{age,city}                  an object of alike objects, each row behind its key
             ann:31,Lyon
    lines    ndjson[3]{…}                   a document of one object per line
    kept     [2 of 90]{#,id}                some rows of a table with their index, counted from 0 (never read back)
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from headroom_core.transforms._json.columns import MISSING, Column, Columns, KeyPath, columns_of
from headroom_core.transforms._json.values import Lines, Number, Value

_STOP = r',{}\[\]"\\\x00-\x1f\x7f-\x9f\u2028\u2029'
_BARE = re.compile(rf"[^\s:=…{_STOP}](?:[^{_STOP}]*[^\s{_STOP}])?").fullmatch
_LITERAL = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?|[-+]?\d+\.|true|false|null").fullmatch
_KEY = re.compile(r"[\w$@*/+-](?:[\w$@*/+. -]*[\w$@*/+-])?").fullmatch
_SEGMENT = re.compile(r"[\w$@*/+-](?:[\w$@*/+ -]*[\w$@*/+-])?").fullmatch
_ALIKE_MAP = 3


@dataclass(slots=True)
class Kept:
    """Some rows of an array (or of a map, then with ``keys``): what is left of ``total`` after a selection."""

    total: int
    at: list[int]
    rows: list[Value]
    keys: list[str] | None = None


def write(value: Value) -> str:
    """The compact text of a document."""
    if type(value) is Lines:
        table = _table(value)
        return "ndjson" + table.removesuffix("\n") if table else "\n".join(map(flow, value))
    return block(value).removesuffix("\n")


def flow(value: Value) -> str:
    """A value on one line."""
    kind = type(value)
    if kind is str:
        return _string(value)
    if kind is Number:
        return str(value)
    if kind is dict:
        return "{" + ",".join([f"{_key(name)}:{flow(inner)}" for name, inner in value.items()]) + "}"
    if kind is list:
        return "[" + ",".join(map(flow, value)) + "]"
    if kind is Kept:
        return _kept_flow(value)
    return "true" if value is True else "false" if value is False else "null"


def block(value: Value) -> str:
    """A value that may take several lines; a table in it ends with a newline."""
    kind = type(value)
    if kind is dict:
        return _map(value) or "{" + ",".join([f"{_key(name)}:{block(inner)}" for name, inner in value.items()]) + "}"
    if kind is list:
        return _table(value) or _groups(value) or "[" + ",".join(map(block, value)) + "]"
    if kind is Kept:
        return kept(value)
    return flow(value)


def _string(value: str) -> str:
    return value if _BARE(value) and not _LITERAL(value) else quoted(value)


def quoted(value: str) -> str:
    """A JSON string."""
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _KEY(name) else quoted(name)


def _path(path: KeyPath) -> str:
    return ".".join([name if _SEGMENT(name) else quoted(name) for name in path])


def _table(rows: list[Value]) -> str | None:
    """An array of alike objects, or None where a table would not be shorter."""
    if len(rows) < 2 or type(rows[0]) is not dict:
        return None
    columns = columns_of(rows)
    if columns is None or not _worth_it(columns, len(rows)):
        return None
    head, lines = lay_out(columns, rows)
    return f"[{len(rows)}]{{{head}}}\n" + "\n".join(lines) + "\n"


def _groups(groups: list[Value]) -> str | None:
    """An array of arrays of alike objects as one table."""
    if len(groups) < 2 or any(type(group) is not list or not group for group in groups):
        return None
    rows = [row for group in groups for row in group]
    if any(type(row) is not dict or not row for row in rows) or len(rows) < 3:
        return None
    columns = columns_of(rows)
    if columns is None or columns.odd or not _worth_it(columns, len(rows)):
        return None
    head, lines = lay_out(columns, rows)
    parts, start = [], 0
    for group in groups:
        parts.append("\n".join(lines[start : start + len(group)]))
        start += len(group)
    sizes = ",".join([str(len(group)) for group in groups])
    return f"[{sizes}]{{{head}}}\n" + "\n\n".join(parts) + "\n"


def _map(mapping: dict[str, Value]) -> str | None:
    """An object of alike objects as a table whose rows stand behind their keys."""
    rows = list(mapping.values())
    if len(rows) < _ALIKE_MAP or any(type(row) is not dict or not row for row in rows):
        return None
    columns = columns_of(rows)
    if columns is None or columns.odd or not _worth_it(columns, len(rows)):
        return None
    head, lines = lay_out(columns, rows)
    keyed = [f"{_key(name)}:{line}" for name, line in zip(mapping, lines, strict=True)]
    return f"{{{len(rows)}}}{{{head}}}\n" + "\n".join(keyed) + "\n"


def _worth_it(columns: Columns, rows: int) -> bool:
    """Do the names that a table saves outweigh its absent cells, and the tables inside its cells that it prevents?"""
    saved = inner = 0
    for column in columns.columns:
        absent = sum(value is MISSING for value in column.values)
        saved += (rows - absent - 1) * (len(column.path[-1]) + 2) - absent
        for value in column.values:
            if type(value) is list and len(value) > 1 and type(value[0]) is dict:
                inner += (len(value) - 1) * sum(len(name) + 2 for name in value[0])
            elif type(value) is Kept:
                inner += 1_000_000
    return saved > 8 and saved > inner


def lay_out(columns: Columns, rows: list[Value], absent: str = "") -> tuple[str, list[str]]:
    """The head's columns and one line per row."""
    plain = [at for at in range(len(rows)) if at not in columns.odd]
    heads: list[str] = []
    cells: list[list[str]] = []
    for number, column in enumerate(columns.columns):
        values = column.values if not columns.odd else [column.values[at] for at in plain]
        texts = [absent if value is MISSING else flow(value) for value in values]
        last = number == len(columns.columns) - 1 and not cells
        if not last and len(values) > 1 and values[0] is not MISSING and texts.count(texts[0]) == len(texts):
            heads.append(f"{_path(column.path)}={texts[0]}")
            continue
        typed = _bare_strings(values, texts, absent)
        heads.append(_path(column.path) + (":str" if typed else ""))
        cells.append(typed or texts)
    lines = list(map(",".join, zip(*cells, strict=True)))
    if columns.odd:
        found = iter(lines)
        lines = ["=" + flow(rows[at]) if at in columns.odd else next(found) for at in range(len(rows))]
    return ",".join(heads), lines


def _bare_strings(values: list[Value], texts: list[str], absent: str) -> list[str] | None:
    """Where all values are strings and some look like numbers, the type in the head saves their quotes."""
    if any(type(value) is not str and value is not MISSING for value in values):
        return None
    if not any(
        text[:1] == '"' and value is not MISSING and _LITERAL(value) for value, text in zip(values, texts, strict=True)
    ):
        return None
    return [absent if value is MISSING else value if _BARE(value) else quoted(value) for value in values]


def kept(node: Kept) -> str:
    """A selection: a table with the rows' index, or one line per row where they have no columns."""
    columns = columns_of(node.rows) if len(node.rows) > 1 else None
    names = [_key(name) for name in node.keys] if node.keys is not None else None
    if columns is not None and not any(type(value) is Kept for column in columns.columns for value in column.values):
        head, lines = lay_out(columns, node.rows)
        if names is not None:
            rows = [f"{name}:{line}" for name, line in zip(names, lines, strict=True)]
            return f"{{{len(rows)} of {node.total}}}{{{head}}}\n" + "\n".join(rows) + "\n"
        rows = [f"{at},{line}" for at, line in zip(node.at, lines, strict=True)]
        return f"[{len(rows)} of {node.total}]{{#,{head}}}\n" + "\n".join(rows) + "\n"
    marks = [f"{name}:" for name in names] if names is not None else [f"#{at} " for at in node.at]
    rows = [mark + block(row).removesuffix("\n") for mark, row in zip(marks, node.rows, strict=True)]
    return f"[{len(rows)} of {node.total}]\n" + "\n".join(rows) + "\n"


def _kept_flow(node: Kept) -> str:
    """A selection inside a cell."""
    names = node.keys if node.keys is not None else [f"#{at}" for at in node.at]
    inner = ",".join([f"{name}:{flow(row)}" for name, row in zip(names, node.rows, strict=True)])
    return f"[{len(node.rows)} of {node.total}:{inner}]"


__all__ = ["Column", "Kept", "block", "flow", "kept", "lay_out", "quoted", "write"]
