"""HTML to a small tree: one pass, no page is refused, nesting and time are bounded."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Final

VOID: Final = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
_RAW: Final = frozenset(
    ("script", "style", "noscript", "template", "iframe", "textarea", "title", "svg", "math", "canvas")
)
_KEPT_RAW: Final = frozenset(("title", "textarea"))
_MAX_DEPTH: Final = 120
_LOOK_UP: Final = 40
_ATTRIBUTES: Final = 3_000

_TAG: Final = re.compile(r"(/?)([a-zA-Z][\w:-]*)")
_ATTRIBUTE: Final = re.compile(r"([^\s=\"'<>/]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_BLOCKS: Final = (
    "address", "article", "aside", "blockquote", "div", "dl", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
)  # fmt: skip
_CLOSED_BY: Final[dict[str, frozenset[str]]] = {
    "li": frozenset(("li",)),
    "dt": frozenset(("dt", "dd")),
    "dd": frozenset(("dt", "dd")),
    "tr": frozenset(("tr", "td", "th")),
    "td": frozenset(("td", "th")),
    "th": frozenset(("td", "th")),
    "option": frozenset(("option",)),
    "tbody": frozenset(("thead", "tbody", "tr", "td", "th")),
    **{block: frozenset(("p",)) for block in _BLOCKS},
}
_SCOPES: Final = frozenset(("ul", "ol", "dl", "table", "body", "html", "main", "section", "article", "div"))


@dataclass(slots=True)
class Node:
    """An element; ``children`` are nodes and text (entities resolved, white space as it stood)."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """An attribute, or an empty string."""
        return self.attributes.get(name, "")


@dataclass(slots=True)
class Page:
    """The tree under a root without a tag; ``dropped`` counts the scripts, styles and other elements that show nothing."""

    root: Node
    dropped: dict[str, int]


class _Finder:
    """``find`` from rising positions; knows when there is nothing left to find, so that all calls together are linear."""

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.at = text, what, -2

    def __call__(self, start: int) -> int:
        if self.at != -1 and self.at < start:
            self.at = self.text.find(self.what, start)
        return self.at


def read(text: str) -> Page:
    """The page's tree. Unknown, unclosed and misplaced tags are forgiven."""
    root = Node("")
    page = Page(root, {})
    stack = [root]
    greater, comment_end = _Finder(text, ">"), _Finder(text, "-->")
    lowered = text.lower() if len(text.lower()) == len(text) else text
    ends: dict[str, _Finder] = {}
    at, n = 0, len(text)
    while at < n:
        less = text.find("<", at)
        if less < 0:
            less = n
        if less > at:
            stack[-1].children.append(html.unescape(text[at:less]))
        if less >= n:
            break
        if text.startswith("<!--", less):
            end = comment_end(less + 4)
            at = end + 3 if end >= 0 else n
            continue
        end = greater(less + 1)
        match = _TAG.match(text, less + 1)
        if end < 0 or (match is None and text[less + 1 : less + 2] not in ("!", "?")):
            stack[-1].children.append("<")
            at = less + 1
            continue
        if match is None:
            at = end + 1
            continue
        end = _quoted_end(text, match.end(), end)
        at = end + 1
        name = match.group(2).lower()
        if match.group(1):
            _close(stack, name)
            continue
        node = Node(name, _attributes(text[match.end() : min(end, match.end() + _ATTRIBUTES)]))
        if name in _RAW and not text.startswith("/", end - 1):
            stop = ends.setdefault(name, _Finder(lowered, f"</{name}"))(at)
            inside, at = text[at : stop if stop >= 0 else n], (stop if stop >= 0 else n)
            if name in _KEPT_RAW:
                node.children.append(html.unescape(inside))
                stack[-1].children.append(node)
            else:
                page.dropped[name] = page.dropped.get(name, 0) + 1
            continue
        _open(stack, node)
    return page


def _quoted_end(text: str, start: int, end: int) -> int:
    """The end of a tag whose attribute value holds a ``>``, looked for a short way only."""
    inside = text[start:end]
    for quote in ('"', "'"):
        if inside.count(quote) % 2 and inside.rfind("=" + quote) >= 0:
            close = text.find(quote, end, end + _ATTRIBUTES)
            after = text.find(">", close, close + _ATTRIBUTES) if close >= 0 else -1
            return after if after >= 0 else end
    return end


def _attributes(inside: str) -> dict[str, str]:
    if not inside.strip(" /"):
        return {}
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(inside):
        value = match.group(2) or match.group(3) or match.group(4) or ""
        found.setdefault(match.group(1).lower(), html.unescape(value) if "&" in value else value)
    return found


def _open(stack: list[Node], node: Node) -> None:
    closing = _CLOSED_BY.get(node.tag)
    if closing is not None:
        for depth in range(len(stack) - 1, max(0, len(stack) - _LOOK_UP), -1):
            if stack[depth].tag in closing:
                del stack[depth:]
                break
            if stack[depth].tag in _SCOPES:
                break
    stack[-1].children.append(node)
    if node.tag not in VOID and len(stack) < _MAX_DEPTH:
        stack.append(node)


def _close(stack: list[Node], name: str) -> None:
    for depth in range(len(stack) - 1, max(0, len(stack) - _LOOK_UP), -1):
        if stack[depth].tag == name:
            del stack[depth:]
            return
