"""Pages: the main content as Markdown, links and tables kept; scripts, styles, navigation and banners gone."""

from __future__ import annotations

import re
from collections.abc import Callable

from headroom_core.anchors import Asked, asked, begins_in, stands_in
from headroom_core.transforms._html.content import Sizes, main_part, prune
from headroom_core.transforms._html.markdown import markdown
from headroom_core.transforms._html.tree import Node, read
from headroom_core.types import Context, Part, Rewrite

_MAX_CHARS = 10_000_000
_PAGE = re.compile(
    r"<(?:!doctype html|html|head|body|div|p|table|ul|ol|h[1-6]|span|a|section|article|main|script|td)\b", re.I
)
_BLOCK_CHARS = 20_000


class Html:
    """Whole pages and fragments."""

    name = "html"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Markdown of what a reader sees; None where that is nothing, or no shorter."""
        text = part.text
        if context.strength == "lossless" or len(text) > _MAX_CHARS or len(_PAGE.findall(text[:20_000])) < 2:
            return None
        page = read(text)
        sizes = Sizes(page.root)
        wanted = asked(context.query)
        main = main_part(page.root, sizes)
        gone = prune(main, sizes, _answers(wanted), whole=main is page.root)
        outside = _outside(page.root, main, sizes, wanted)
        shown = "\n\n".join(x for x in (_title(page.root, main), markdown(main), *outside) if x)
        if not shown or len(shown) >= len(text):
            return None
        told = [f"{count} {name}s" if count > 1 else f"1 {name}" for name, count in page.dropped.items()]
        told += [f"{count} {name}" for name, count in gone.items()]
        if main is not page.root:
            told.append("everything around the main part")
        left_out = "markup" + (", " + ", ".join(told) if told else "")
        return _smaller(shown, left_out, part, context) or Rewrite.of(shown, left_out)


def _answers(wanted: Asked) -> Callable[[str], bool]:
    """Does a block hold an exact piece of the query, or two of its words?"""
    enough = min(2, len(wanted.words))

    def answers(block: str) -> bool:
        low = block[:_BLOCK_CHARS].lower()
        if any(stands_in(piece, low) for piece in wanted.exact):
            return True
        return bool(enough) and sum(begins_in(word, low) for word in wanted.words[:32]) >= enough

    return answers


def _title(root: Node, main: Node) -> str:
    """The page's title, where the main part would go without."""
    if main is root:
        return ""
    todo = [root]
    while todo:
        node = todo.pop()
        if node.tag == "title":
            return markdown(node)
        todo += [child for child in reversed(node.children) if isinstance(child, Node)]
    return ""


def _outside(root: Node, main: Node, sizes: Sizes, wanted: Asked) -> list[str]:
    """Small blocks outside the main part that answer the query."""
    if main is root or not wanted:
        return []
    answers = _answers(wanted)
    found: list[str] = []
    todo = [root]
    while todo:
        node = todo.pop()
        if node is main or node.tag == "head":
            continue
        inner = [child for child in node.children if isinstance(child, Node)]
        if 0 < sizes.text[id(node)] <= 400 and node.tag not in ("", "html", "body"):
            block = markdown(node)
            if answers(block):
                found.append(block)
            continue
        todo += reversed(inner)
    return found[:8]


def _smaller(shown: str, left_out: str, part: Part, context: Context) -> Rewrite | None:
    """With a target share that the Markdown alone does not reach, the rest is for the transform of prose."""
    if context.target_ratio is None:
        return None
    tokens, wanted = context.count(shown), context.target_ratio * part.tokens
    if tokens <= wanted:
        return None
    inner = context.nested(shown, kind="prose", target_ratio=wanted / tokens)
    if inner is None or inner.left_out is None:
        return None
    return Rewrite.of(inner.text, f"{left_out}; {inner.left_out}")
