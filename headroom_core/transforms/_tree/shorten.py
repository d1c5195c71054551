"""Listings written shorter without loss; ``expand(shorten(text)) == text``.

Found paths share their folder (``./src/{a.py b.py}``), a block of ``ls -R`` stands on one line (``./src:{a.py b.py}``),
and a drawn tree keeps one space of indent for each level below a first line that names its style (``tree ├──``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from headroom_core.transforms._tree.entries import STYLES, Glyphs, place, style_of

_SHARED = re.compile(r"(.*[/\\])\{([^{}]+)\}")
_BLOCK = re.compile(r"(.*):\{([^{}]*)\}")
_HEADS = tuple(f"tree {style.branch.strip()}{' nbsp' if chr(0xA0) in style.pipe else ''}" for style in STYLES)
_DEEPEST = 200


def shorten(text: str) -> str | None:
    """The shorter form; None where there is none, or where the text could not come back."""
    lines = text.split("\n")
    if lines[0] in _HEADS or any("{" in line for line in lines):
        return None
    for short in (_drawn(lines), _blocks(text), _shared(lines)):
        if short is not None and len(short) <= len(text) + 8 and short != text and expand(short) == text:
            return short
    return None


def expand(text: str) -> str:
    """The listing as the tool printed it."""
    lines = text.split("\n")
    if lines[0] in _HEADS:
        return "\n".join(_redrawn(lines[1:], STYLES[_HEADS.index(lines[0])]))
    if any(_BLOCK.fullmatch(line) for line in lines):
        return "\n".join(_unblocked(lines))
    out: list[str] = []
    for line in lines:
        match = _SHARED.fullmatch(line)
        out += [match[1] + name for name in match[2].split(" ")] if match else [line]
    return "\n".join(out)


def _folder(line: str) -> str:
    """The path up to the last separator; a line that may not be shared stands for itself."""
    at = max(line.rfind("/"), line.rfind("\\")) + 1
    return line[:at] if at and at < len(line) and not re.search(r"\s", line) else ""


def _shared(lines: Sequence[str]) -> str | None:
    out: list[str] = []
    for folder, group in groupby(lines, _folder):
        rows = list(group)
        out += [f"{folder}{{{' '.join(row[len(folder) :] for row in rows)}}}"] if folder and len(rows) > 1 else rows
    return "\n".join(out)


def _blocks(text: str) -> str | None:
    """Blocks of ``ls -R`` with plain names: heading, names, blank line."""
    body = text.removesuffix("\n")
    out: list[str] = []
    for block in body.split("\n\n"):
        head, *names = block.split("\n")
        if not head.endswith(":") or any(not name or re.search(r"\s", name) for name in names):
            return None
        out.append(f"{head}{{{' '.join(names)}}}")
    return "\n".join(out) + text[len(body) :]


def _unblocked(lines: Sequence[str]) -> Iterator[str]:
    first = True
    for line in lines:
        match = _BLOCK.fullmatch(line)
        if match is None:
            yield line
            continue
        if not first:
            yield ""
        first = False
        yield f"{match[1]}:"
        yield from match[2].split(" ") if match[2] else ()


def _drawn(lines: Sequence[str]) -> str | None:
    style = style_of(list(lines))
    if style is None:
        return None
    out = [_HEADS[STYLES.index(style)]]
    for line in lines:
        placed = place(line, style)
        if placed is None:
            if line.startswith(" "):
                return None
            out.append(line)
        elif not placed[1] or placed[1].startswith(" "):
            return None
        else:
            out.append(" " * placed[0] + placed[1])
    return "\n".join(out)


def _redrawn(lines: Sequence[str], style: Glyphs) -> list[str]:
    """Glyphs from indents: an entry is the last of its folder where no sibling follows before the level above."""
    depths = [len(line) - len(line.lstrip(" ")) if line.startswith(" ") else 0 for line in lines]
    more = [False] * (_DEEPEST + 2)  # does a sibling follow, at each depth?
    out: list[str] = []
    for line, depth in zip(reversed(lines), reversed(depths), strict=True):
        if not depth or depth > _DEEPEST:
            more = [False] * (_DEEPEST + 2)
            out.append(line)
            continue
        bars = "".join(style.pipe if more[level] else style.blank for level in range(1, depth))
        out.append(bars + (style.branch if more[depth] else style.last) + line[depth:])
        more[depth] = True
        more[depth + 1 :] = [False] * (_DEEPEST + 1 - depth)
    return out[::-1]
