"""Outlines of Python by its own parser, for machines without tree-sitter."""

from __future__ import annotations

import ast
import warnings
from typing import TypeAlias

from headroom_core.syntax.outline import Outline, Span, Symbol, qualify

_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read(data: bytes, source: str) -> Outline | None:
    """The outline of a Python source; None where it has a syntax error or nests too deeply."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    made = Outline(data, "python", "ast", [])
    todo: list[tuple[ast.AST, int]] = [(tree, -1)]
    while todo:
        node, parent = todo.pop()
        inside = parent
        if isinstance(node, _Definition):
            inside = len(made.symbols)
            made.symbols.append(_symbol(node, parent, data, starts))
        todo += [(child, inside) for child in ast.iter_child_nodes(node)][::-1]
    qualify(made.symbols)
    docs = [_doc(tree.body, starts), *(symbol.doc for symbol in made.symbols)]
    made.docs = [doc for doc in docs if doc is not None]
    return made


def _symbol(node: _Definition, parent: int, data: bytes, starts: list[int]) -> Symbol:
    first, last = node.body[0], node.body[-1]
    line = min([d.lineno for d in node.decorator_list] + [node.lineno])
    start = (
        starts[line - 1]
        + len(data[starts[line - 1] :].split(b"\n", 1)[0])
        - len(data[starts[line - 1] :].split(b"\n", 1)[0].lstrip())
    )
    decorated = min([d.lineno for d in getattr(first, "decorator_list", [])] + [first.lineno])
    inner_start = starts[decorated - 1] + (first.col_offset if decorated == first.lineno else 0)
    end = starts[(last.end_lineno or last.lineno) - 1] + (last.end_col_offset or 0)
    colon = data.rfind(b":", starts[node.lineno - 1], inner_start) + 1 or inner_start
    between = data[starts[node.lineno - 1] : inner_start]
    for line_bytes in between.split(b"\n")[1:]:
        if line_bytes.lstrip().startswith(b"#"):
            colon = inner_start
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    symbol = Symbol(node.name, "function", start, end, (colon, end), (inner_start, end), "suite", parent=parent)
    if kind == "class":
        symbol.kind = "class"
    symbol.doc = _doc(node.body, starts)
    symbol.statement = (start, end)
    return symbol


def _doc(body: list[ast.stmt], starts: list[int]) -> Span | None:
    first = body[0] if body else None
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return None
    value = first.value
    return (
        starts[value.lineno - 1] + value.col_offset,
        starts[(value.end_lineno or value.lineno) - 1] + (value.end_col_offset or 0),
    )
