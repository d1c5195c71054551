"""A tree to Markdown: headings, paragraphs, lists, links, tables, code."""

from __future__ import annotations

import re
from typing import Final

from headroom_core.transforms._html.tree import Node

_SPACE: Final = re.compile(r"\s+")
_LINES: Final = re.compile(r"\n{3,}")
_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_PARAGRAPHS: Final = frozenset((
    "p", "div", "section", "article", "main", "header", "footer", "aside", "nav", "figure", "figcaption", "form",
    "fieldset", "address", "details", "summary", "dl", "dt", "dd", "body", "html", "center",
))  # fmt: skip
_MARKS: Final = {"strong": "**", "b": "**", "code": "`", "kbd": "`", "samp": "`"}
_URL_CHARS: Final = 500
_CELL_CHARS: Final = 1_000


def markdown(node: Node) -> str:
    """The Markdown of everything under ``node``."""
    lines: list[str] = []
    fenced = False
    for raw in "".join(_blocks(node)).split("\n"):
        line = raw.rstrip()
        fenced ^= line == "```"
        lines.append(line if fenced or line[:2] == "  " else line.lstrip(" "))
    return _LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _blocks(node: Node) -> list[str]:
    return [_SPACE.sub(" ", child) if isinstance(child, str) else _element(child) for child in node.children]


def _element(node: Node) -> str:
    tag = node.tag
    if tag in _HEADINGS:
        return f"\n\n{_HEADINGS[tag]}{_inline(node)}\n\n"
    if tag == "a":
        return _link(node)
    if tag == "img":
        alt = _SPACE.sub(" ", node.get("alt")).strip()
        return f"![{alt}]({node.get('src')[:_URL_CHARS]})" if alt and not node.get("src").startswith("data:") else alt
    if tag == "br":
        return "\n"
    if tag == "hr":
        return "\n\n---\n\n"
    if tag == "pre":
        return _code(node)
    if tag in ("ul", "ol"):
        return "\n\n" + _list(node) + "\n\n"
    if tag == "table":
        return "\n\n" + _table(node) + "\n\n"
    if tag == "blockquote":
        inside = "".join(_blocks(node)).strip()
        return "\n\n" + "\n".join("> " + line.strip() for line in _LINES.sub("\n\n", inside).split("\n")) + "\n\n"
    if tag == "title":
        return f"\n\n{_inline(node)}\n\n"
    inside = "".join(_blocks(node))
    if tag in _MARKS and inside.strip() and "\n" not in inside.strip():
        return inside.replace(inside.strip(), _MARKS[tag] + inside.strip() + _MARKS[tag], 1)
    return f"\n\n{inside}\n\n" if tag in _PARAGRAPHS else inside


def _inline(node: Node) -> str:
    return _SPACE.sub(" ", "".join(_blocks(node))).strip()


def _link(node: Node) -> str:
    inside = "".join(_blocks(node))
    text, href = _SPACE.sub(" ", inside).strip(), node.get("href").strip()
    if not text or not href or href.startswith(("#", "javascript:", "data:")) or len(href) > _URL_CHARS:
        return inside if "\n" in inside else (" " if inside[:1].isspace() else "") + text
    lead, tail = " " if inside[:1].isspace() else "", " " if inside[-1:].isspace() else ""
    return f"{lead}<{href}>{tail}" if text == href else f"{lead}[{text}]({href}){tail}"


def _code(node: Node) -> str:
    parts: list[str] = []
    todo: list[Node | str] = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            parts.append(item)
        elif item.tag == "br":
            parts.append("\n")
        else:
            todo += reversed(item.children)
    return "\n\n```\n" + "".join(parts).strip("\n") + "\n```\n\n"


def _list(node: Node) -> str:
    lines: list[str] = []
    number = 0
    for item in node.children:
        if not isinstance(item, Node):
            continue
        number += 1
        mark = f"{number}. " if node.tag == "ol" else "- "
        inside = _LINES.sub("\n", "".join(_blocks(item)).strip())
        kept = [line for line in inside.split("\n") if line.strip()]
        if kept:
            lines.append(mark + ("\n" + " " * len(mark)).join(line.rstrip() for line in kept))
    return "\n".join(lines)


def _table(node: Node) -> str:
    """Rows between bars; a table that lays out a page (tables or long texts in its cells) becomes its content."""
    rows = [[c for c in row.children if isinstance(c, Node) and c.tag in ("td", "th")] for row in _rows(node)]
    if not rows:
        return "".join(_blocks(node))
    if max(map(len, rows)) < 2 or any(_lays_out(cell) for row in rows for cell in row):
        return "\n\n".join("".join(_blocks(cell)).strip() for row in rows for cell in row)
    cells = [[_inline(cell).replace("|", "\\|") for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    width = max(map(len, cells), default=0)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in cells]
    lines.insert(1, "|" + "---|" * width)
    caption = next((child for child in node.children if isinstance(child, Node) and child.tag == "caption"), None)
    return "\n".join([*([_inline(caption)] if caption else []), *lines])


def _lays_out(cell: Node) -> bool:
    """Does a cell hold a table, or more text than a cell of data has?"""
    size = 0
    todo: list[Node | str] = [cell]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            size += len(item)
        elif item.tag == "table" or size > _CELL_CHARS:
            return True
        else:
            todo += item.children
    return size > _CELL_CHARS


def _rows(node: Node) -> list[Node]:
    """The rows of this table, not those of tables inside it."""
    found: list[Node] = []
    todo: list[Node] = [node]
    while todo:
        item = todo.pop()
        if item.tag == "tr":
            found.append(item)
        elif item is node or item.tag in ("thead", "tbody", "tfoot"):
            todo += [child for child in reversed(item.children) if isinstance(child, Node)]
    return found
