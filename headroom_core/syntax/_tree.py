"""Outlines by tree-sitter. The grammars are optional; without them `read` returns None."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from headroom_core.syntax.languages import LANGUAGES, Language
from headroom_core.syntax.outline import Outline, Span, Symbol, qualify

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Query

_WRAPPING_CALLS: Final = frozenset(("describe", "context", "suite", "define", "xdescribe", "fdescribe", "ddescribe"))
_MIN_LITERAL_LINES: Final = 12
_MIN_TEXT_LINES: Final = 12
_MAX_DEPTH: Final = 40


@cache
def grammar(name: str) -> tuple[Parser, Query, Query] | None:
    """Parser, outline query and error query of a language; None where its package is not installed."""
    row = LANGUAGES.get(name)
    if row is None:
        return None
    try:
        import tree_sitter

        made = tree_sitter.Language(getattr(import_module(row.package), row.factory)())
    except ImportError:
        return None
    return (
        tree_sitter.Parser(made),
        tree_sitter.Query(made, row.query),
        tree_sitter.Query(made, "(ERROR) @e (MISSING) @m"),
    )


def errors(data: bytes, name: str) -> int | None:
    """The number of syntax errors; None where the language cannot be parsed here."""
    known = grammar(name)
    if known is None:
        return None
    root = known[0].parse(data).root_node
    return _count_errors(root, known[2]) if root.has_error else 0


def _count_errors(root: Node, query: Query) -> int:
    from tree_sitter import QueryCursor

    return max(1, sum(len(nodes) for nodes in QueryCursor(query).captures(root).values()))


def read(data: bytes, name: str) -> Outline | None:
    """The outline of ``data`` in the language ``name``; None without its grammar."""
    known = grammar(name)
    if known is None:
        return None
    from tree_sitter import QueryCursor

    parser, query, error_query = known
    root = parser.parse(data).root_node
    found = QueryCursor(query).captures(root)
    row = LANGUAGES[name]
    made = Outline(data, name, "tree-sitter", [], broken=_count_errors(root, error_query) if root.has_error else 0)
    nodes = [(n, "class") for n in found.get("class", ())] + [(n, "function") for n in found.get("function", ())]
    nodes += [(n, "macro") for n in found.get("macro", ())]
    nodes.sort(key=lambda pair: (pair[0].start_byte, -pair[0].end_byte))
    stack: list[int] = []
    for node, kind in nodes:
        while stack and made.symbols[stack[-1]].end <= node.start_byte:
            stack.pop()
        symbol = _symbol(node, kind, row, data) if len(stack) < _MAX_DEPTH else None
        if symbol is None:
            continue
        symbol.parent = stack[-1] if stack else -1
        stack.append(len(made.symbols))
        made.symbols.append(symbol)
    qualify(made.symbols)
    made.comments = sorted(_trimmed(n, data) for n in found.get("comment", ()))
    made.docs = [s.doc for s in made.symbols if s.doc]
    if name == "python" and (doc := _first_string(root)) is not None:
        made.docs.append((doc.start_byte, doc.end_byte))
    made.literals = [
        ((n.start_byte, n.end_byte), [(c.start_byte, c.end_byte) for c in n.named_children if "comment" not in c.type])
        for n in found.get("literal", ())
        if data.count(b"\n", n.start_byte, n.end_byte) >= _MIN_LITERAL_LINES and not n.has_error
    ]
    plain_texts = (n for n in found.get("text", ()) if data.count(b"\n", n.start_byte, n.end_byte) >= _MIN_TEXT_LINES)
    made.texts = [(n.start_byte, n.end_byte) for n in plain_texts if not _interpolated(n)]
    return made


def _trimmed(node: Node, data: bytes) -> Span:
    """A comment without the line end that some grammars count in."""
    start, end = node.start_byte, node.end_byte
    while end > start and data[end - 1] in b"\r\n":
        end -= 1
    return start, end


def _interpolated(node: Node) -> bool:
    return node.has_error or any(c.type in ("interpolation", "template_substitution") for c in node.named_children)


# ---------------------------------------------------------------- one symbol
def _symbol(node: Node, kind: str, row: Language, data: bytes) -> Symbol | None:
    if kind == "macro":
        return _macro(node)
    body = node if node.type == "block" else node.child_by_field_name("body")
    if body is None and node.type == "static_initializer":
        body = node.named_children[-1] if node.named_children else None
    if body is None:
        return None
    whole = _whole(node)
    name, named_by = _name(node)
    inner = (body.start_byte, body.end_byte)
    symbol = Symbol(
        name, "function", whole.start_byte, whole.end_byte, inner, inner, "braces", clean=not node.has_error
    )
    if kind == "class":
        symbol.kind = "class"
    if row.body == "suite":
        doc = _first_string(body)
        symbol.doc = (doc.start_byte, doc.end_byte) if doc is not None else None
        symbol.style = "suite"
        symbol.fold = (_after_colon(node, body), body.end_byte)
    elif symbol.kind == "function" and not _braced(body):
        symbol.style = "expression"
        if node.type != "arrow_function":
            return None
    if symbol.kind == "function":
        _place(symbol, node, named_by, row, data)
    return symbol


def _place(symbol: Symbol, node: Node, named_by: Node | None, row: Language, data: bytes) -> None:
    """Where an inner function may move to, and whether an anonymous one only wraps what matters."""
    if not symbol.name:
        symbol.wrapper = _wraps(node, data)
        return
    statement = named_by or _whole(node)
    while statement.parent is not None and statement.type not in row.hoists and statement.parent.type in (
        "variable_declarator", "lexical_declaration", "variable_declaration", "decorated_definition",
    ):  # fmt: skip
        statement = statement.parent
    if statement.type in row.hoists:
        symbol.statement = (statement.start_byte, statement.end_byte)
        around = statement.parent
        symbol.direct = around is not None and around.parent is not None and around.type in (
            "block", "statement_block"
        ) and around.parent.type in row.functions  # fmt: skip


def _macro(node: Node) -> Symbol | None:
    """A macro's body: the value of a C macro, the rules of a Rust one."""
    name = node.child_by_field_name("name")
    if name is None:
        return None
    if node.type == "preproc_function_def":
        value = node.child_by_field_name("value")
        if value is None:
            return None
        span = (value.start_byte, value.end_byte)
    else:
        span = (name.end_byte, node.end_byte)
    return Symbol(
        _text(name), "function", node.start_byte, node.end_byte, span, span, "macro", clean=not node.has_error
    )


def _braced(body: Node) -> bool:
    return body.type in (
        "statement_block",
        "block",
        "compound_statement",
        "constructor_body",
        "class_body",
        "try_statement",
    )


def _after_colon(node: Node, body: Node) -> int:
    """Behind the colon that opens a suite."""
    before = body.prev_sibling
    while before is not None and before.type != ":":
        before = before.prev_sibling
    return before.end_byte if before is not None else body.start_byte


def _first_string(block: Node) -> Node | None:
    for child in block.named_children[:3]:
        if child.type == "comment":
            continue
        if child.type == "expression_statement" and child.named_child_count == 1:
            string = child.named_children[0]
            return string if string.type == "string" else None
        return None
    return None


def _whole(node: Node) -> Node:
    """The definition with the decorators, template heads and export keywords around it."""
    parent = node.parent
    while parent is not None and parent.type in ("decorated_definition", "export_statement", "template_declaration"):
        node, parent = parent, parent.parent
    return node


def _name(node: Node) -> tuple[str, Node | None]:
    """The name of a definition, and the node around it that gives the name, where that is not the definition itself."""
    if node.type in _INITIALISERS:
        return _INITIALISERS[node.type], None
    if node.type == "impl_item":
        named = node.child_by_field_name("type")
        return (_bare(_text(named)) if named else ""), None
    if node.type == "method_declaration" and (receiver := node.child_by_field_name("receiver")):
        own = node.child_by_field_name("name")
        owner = _text(receiver).strip("()")
        return f"{_bare(owner.partition(' ')[2] or owner)}.{_text(own) if own else ''}", None
    parent = node.parent
    own = node.child_by_field_name("name")
    for field in ("name", "left", "key", "property") if parent is not None and node.type in _NAMED_FROM_OUTSIDE else ():
        outside = parent.child_by_field_name(field) if parent is not None else None
        if outside is not None and outside.end_byte <= node.start_byte:
            return _text(outside).strip("'\""), parent
    if own is not None:
        return _text(own).lstrip("#"), None
    return _declared(node), None


def _declared(node: Node) -> str:
    """The name that a C declarator declares, through pointers, references and parentheses."""
    declarator = node.child_by_field_name("declarator")
    while declarator is not None:
        deeper = declarator.child_by_field_name("declarator")
        if deeper is None and declarator.type in ("reference_declarator", "parenthesized_declarator"):
            deeper = declarator.named_children[-1] if declarator.named_children else None
        if deeper is None:
            break
        declarator = deeper
    return _text(declarator).replace("::", ".") if declarator is not None else ""


_INITIALISERS: Final = {"static_initializer": "static", "class_static_block": "static", "block": "initializer"}
"""Bodies that run without being called, by what they are called here."""
_NAMED_FROM_OUTSIDE: Final = frozenset(("arrow_function", "function_expression", "generator_function", "class"))


def _bare(name: str) -> str:
    """``*Route[T]`` → ``Route``; ``Map<K, V>`` → ``Map``."""
    for mark in ("<", "["):
        name = name.split(mark, 1)[0]
    return name.strip("*& ").rsplit("::", 1)[-1]


def _wraps(node: Node, data: bytes) -> bool:
    """An anonymous function that holds most of its file, or a test suite's callback: its inside is what matters."""
    if 2 * (node.end_byte - node.start_byte) > len(data):
        return True
    call: Any = node.parent.parent if node.parent is not None and node.parent.type == "arguments" else None
    callee = call.child_by_field_name("function") if call is not None else None
    return callee is not None and _text(callee).split(".")[0].split("(")[0] in _WRAPPING_CALLS


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
