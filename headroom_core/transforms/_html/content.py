"""What of a page is content: the main part, without navigation, banners and link lists, unless the query asks for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from headroom_core.transforms._html.tree import Node

_CHROME_TAGS: Final = frozenset(("nav", "footer", "aside", "dialog", "button", "select", "input", "menu"))
_CHROME_ROLES: Final = frozenset(
    ("navigation", "banner", "contentinfo", "dialog", "search", "complementary", "alert", "toolbar")
)
_CHROME_NAMES: Final = re.compile(
    r"(?:^|[\s_-])(?:cookies?|consent|gdpr|newsletter|subscribe|sidebar|side-bar|breadcrumbs?|share|sharing|social|adverts?|ads?|"
    r"advertisement|promo|popup|modal|related|skip-?(?:link|nav)?|pagination|navbar|navigation|nav|menu|footer|masthead|"
    r"site-header|toolbar|banner|cta|toc|overlay|signup|login)(?:$|[\s_-])",
    re.I,
)
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_MAIN_SHARE: Final = 0.3
_CHROME_SHARE: Final = 0.4
_LINKY: Final = 0.75
_MIN_LINKS: Final = 6


class Sizes:
    """Characters of text, and of text in links, under each node (by identity), from one walk."""

    def __init__(self, root: Node) -> None:
        self.text: dict[int, int] = {}
        self.linked: dict[int, int] = {}
        self.links: dict[int, int] = {}
        order: list[tuple[Node, bool]] = []
        todo: list[tuple[Node, bool]] = [(root, False)]
        while todo:
            node, inside = todo.pop()
            order.append((node, inside))
            link = inside or (node.tag == "a" and bool(node.get("href")))
            todo += [(child, link) for child in node.children if isinstance(child, Node)]
        for node, inside in reversed(order):
            own = sum(len(child.strip()) for child in node.children if isinstance(child, str))
            inner = [child for child in node.children if isinstance(child, Node)]
            self.text[id(node)] = total = own + sum(self.text[id(child)] for child in inner)
            in_link = inside or (node.tag == "a" and bool(node.get("href")))
            self.linked[id(node)] = total if in_link else sum(self.linked[id(child)] for child in inner)
            self.links[id(node)] = (node.tag == "a") + sum(self.links[id(child)] for child in inner)


def main_part(root: Node, sizes: Sizes) -> Node:
    """``main``, or the one article, where it holds a fair share of the text; else all."""
    total = sizes.text[id(root)] or 1
    mains: list[Node] = []
    articles: list[Node] = []
    todo = [root]
    while todo:
        node = todo.pop()
        if node.tag == "main" or node.get("role") == "main":
            mains.append(node)
            continue
        if node.tag == "article":
            articles.append(node)
            continue
        todo += [child for child in reversed(node.children) if isinstance(child, Node)]
    for found in (mains, articles if len(articles) == 1 else []):
        best = max(found, key=lambda node: sizes.text[id(node)], default=None)
        if best is not None and sizes.text[id(best)] >= _MAIN_SHARE * total:
            return best
    return root


def prune(part: Node, sizes: Sizes, asked: Callable[[str], bool], *, whole: bool) -> Counter[str]:
    """Take chrome out of ``part`` in place; a block that answers the query stays. Counts what went, by a readable name."""
    gone: Counter[str] = Counter()
    total = sizes.text[id(part)] or 1
    todo = [part]
    while todo:
        node = todo.pop()
        stays: list[Node | str] = []
        for child in node.children:
            why = _chrome(child, sizes, total, whole) if isinstance(child, Node) else ""
            if why and isinstance(child, Node) and not (sizes.text[id(child)] and asked(text_of(child))):
                gone[why] += sizes.text[id(child)] > 0
                continue
            stays.append(child)
            if isinstance(child, Node):
                todo.append(child)
        node.children = stays
    return +gone


def _chrome(node: Node, sizes: Sizes, total: int, whole: bool) -> str:
    """Why this element is no content; empty where it is."""
    if "hidden" in node.attributes or node.get("aria-hidden") == "true" or _HIDDEN.search(node.get("style")):
        return "hidden"
    size = sizes.text[id(node)]
    if size > _CHROME_SHARE * total:
        return ""
    if node.tag in _CHROME_TAGS or node.get("role") in _CHROME_ROLES:
        return "navigation and controls"
    if node.tag == "header" and whole and sizes.linked[id(node)] > 0.5 * size:
        return "navigation and controls"
    names = f"{node.get('class')} {node.get('id')}"
    if (
        len(names) > 1
        and node.tag not in ("body", "main", "article", "h1", "p", "pre", "table")
        and _CHROME_NAMES.search(names)
    ):
        return "banners and sidebars"
    linky = sizes.links[id(node)] >= _MIN_LINKS and sizes.linked[id(node)] > _LINKY * size
    if whole and linky and node.tag in ("ul", "ol", "div", "section"):
        return "link lists"
    return ""


def text_of(node: Node) -> str:
    """All text under a node."""
    parts: list[str] = []
    todo: list[Node | str] = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            parts.append(item)
        else:
            todo += reversed(item.children)
    return " ".join(parts)
