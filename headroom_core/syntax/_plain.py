"""Outlines by lines and indentation, for languages without a grammar here: well-indented code folds, the rest stays."""

from __future__ import annotations

import re
from typing import Final

from headroom_core.syntax.outline import Outline, Symbol, qualify

_MAX_LINE_BYTES: Final = 400
_KEYWORD: Final = re.compile(
    rb"\s*(?:(?:public|private|protected|internal|static|final|override|open|abstract|async|export|default|local|inline|suspend|"
    rb"virtual|sealed|partial|pub(?:\(\w+\))?|mutating|fileprivate|unsafe|extern)\s+)*"
    rb"(?:def|function|func|fun|fn|sub|proc|defp|macro|init)\b\s*\*?\s*((?:self\.)?[\w.:?!]*)"
)
_CLASS: Final = re.compile(
    rb"\s*(?:(?:public|private|protected|internal|static|final|abstract|export|default|open|sealed|partial|data|case|pub)\s+)*"
    rb"(?:class|module|interface|trait|struct|object|enum|impl|namespace|extension|protocol|defmodule|record)\s+([\w.:]+)"
)
_CALL_LIKE: Final = re.compile(
    rb"(?!(?:if|elseif|for|foreach|while|switch|else|do|try|catch|return|new|using|lock|match|when|with|unless|until|case)\b)"
    rb"[\w<>\[\],.*&:?@ \t]*?([\w~$]+)\s*\([^;{}]*\)?[^;={}]*\{?\s*$"
)
_ASSIGNED: Final = re.compile(
    rb"\s*(?:export\s+)?(?:const\s+|let\s+|var\s+)?([\w.$]+)\s*[=:]\s*(?:async\s+)?"
    rb"(?:function\b[^{}]*|\([^{}]*\)\s*=>\s*|\w+\s*=>\s*)\{\s*$"
)


def read(data: bytes) -> Outline | None:
    """Symbols whose head line looks like a definition and whose body is the deeper block under it; None without any."""
    lines = data.split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    indents = [len(line) - len(line.lstrip()) if line.strip() else -1 for line in lines]
    ends = _block_ends(indents)
    made = Outline(data, "", "plain", [], comment=_comment(lines))
    stack: list[tuple[int, int]] = []
    for i, line in enumerate(lines):
        if indents[i] < 0 or len(line) > _MAX_LINE_BYTES or line.lstrip()[:1] in (b"#", b"/", b"*", b"-", b"}", b"{"):
            continue
        match = (
            _CLASS.match(line)
            or _KEYWORD.match(line)
            or _ASSIGNED.match(line)
            or (_CALL_LIKE.match(line.lstrip()) if b"(" in line else None)
        )
        if match is None:
            continue
        first = i + 1
        if first < len(lines) and lines[first].strip() == b"{":
            first += 1
        elif match.re is _CALL_LIKE and not line.rstrip().endswith(b"{"):
            continue
        last = ends[first - 1]
        if last <= first:
            continue
        while stack and stack[-1][0] <= i:
            stack.pop()
        kind = "class" if match.re is _CLASS else "function"
        body = (starts[first], starts[last] - 1)
        name = match.group(1).decode("utf-8", "replace")
        end = starts[last + 1] - 1 if last < len(lines) and _closes(lines[last]) else body[1]
        symbol = Symbol(name, "function", starts[i] + indents[i], end, body, body, "lines")
        if kind == "class":
            symbol.kind = "class"
        symbol.parent = stack[-1][1] if stack else -1
        stack.append((last, len(made.symbols)))
        made.symbols.append(symbol)
    qualify(made.symbols)
    return made if made.symbols else None


def _comment(lines: list[bytes]) -> bytes:
    """How a comment begins here: as the comments of the text do, else as the words that close its blocks tell."""
    stripped = [line.strip() for line in lines]
    used = {mark: sum(line.startswith(mark) for line in stripped) for mark in (b"//", b"#", b"--")}
    most = max(used, key=used.__getitem__)
    if used[most]:
        return most
    if any(line.startswith(b"local ") for line in stripped):
        return b"--"
    return b"#" if any(line in _CLOSING_WORDS for line in stripped) or b"{" not in b"".join(lines) else b"//"


_CLOSING_WORDS: Final = frozenset((b"end", b"fi", b"done", b"esac"))


def _closes(line: bytes) -> bool:
    return line.strip().startswith((b"}", b"end", b")", b"]"))


def _block_ends(indents: list[int]) -> list[int]:
    """For each line, where the deeper lines behind it end (one pass with a stack); a lone opening brace counts as one."""
    ends = list(range(1, len(indents) + 1))
    open_: list[int] = []
    last = -1
    for i, indent in enumerate(indents):
        if indent < 0:
            continue
        while open_ and indents[open_[-1]] >= indent:
            ends[open_.pop()] = last + 1
        open_.append(i)
        last = i
    for i in open_:
        ends[i] = last + 1
    return ends
