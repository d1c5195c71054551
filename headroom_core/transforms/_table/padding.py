"""Lossless: the padding of Markdown, psql and mysql tables goes, since the cells say how wide the columns were.

``| id | name  |`` becomes ``|id|name|``; `decode` pads again. A table is encoded only where decoding gives it back exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headroom_core.transforms._table.read import number

_MARKDOWN_RULE: Final = re.compile(r"\|(?:\s*:?-+:?\s*\|)+$")
_BOX_RULE: Final = re.compile(r"\+(?:-+\+)+$")
_PSQL_RULE: Final = re.compile(r"-+(?:\+-+)*$")


@dataclass(frozen=True, slots=True)
class _Style:
    """How a layout writes a row (its ``edge`` on both sides) and where it puts names and numbers."""

    edge: str
    rule: re.Pattern[str]
    centred_names: bool = False
    right_numbers: bool = True


_STYLES: Final = (
    _Style("|", _BOX_RULE),
    _Style("|", _MARKDOWN_RULE, right_numbers=False),
    _Style("", _PSQL_RULE, centred_names=True),
)


def encode(text: str) -> str | None:
    """The table without padding; None where the text is no such table, has none, or would not decode to the same bytes."""
    found = _table(text)
    if found is None:
        return None
    style, lines, start, _, end = found
    out = [
        _tight_rule(line) if style.rule.match(line.strip()) else _joined(_cells(line, style), style)
        for line in lines[start:end]
    ]
    short = "\n".join([*lines[:start], *out, *lines[end:]])
    return short if len(short) < len(text) and decode(short) == text else None


def decode(short: str) -> str:
    """The table that `encode` shortened; other texts as they are."""
    found = _table(short)
    if found is None:
        return short
    style, lines, start, rule, end = found
    rows = {i: _cells(lines[i], style) for i in range(start, end) if not style.rule.match(lines[i].strip())}
    columns = len(rows[rule - 1])
    if any(len(cells) != columns for cells in rows.values()):
        return short
    body = [cells for i, cells in rows.items() if i > rule]
    least = 3 if style.rule is _MARKDOWN_RULE and "--" not in lines[rule] else 1
    widths = [max(least, *(len(cells[c]) for cells in rows.values())) for c in range(columns)]
    numeric = [style.right_numbers and bool(body) and all(_numeric(cells[c]) for cells in body) for c in range(columns)]
    place: Callable[[str, int], str] = _centred if style.centred_names else str.ljust
    out = list(lines)
    for i in range(start, end):
        cells = rows.get(i)
        if cells is None:
            out[i] = _wide_rule(lines[i], widths)
            continue
        sides = [str.rjust if right and i > rule else place if i < rule else str.ljust for right in numeric]
        sized = [side(cell, width) for side, cell, width in zip(sides, cells, widths, strict=True)]
        if not style.edge and i > rule and not numeric[-1]:
            sized[-1] = cells[-1]
        out[i] = _row(sized, style, names=i < rule)
    return "\n".join(out)


def _numeric(cell: str) -> bool:
    return not cell or number(cell) is not None


def _centred(cell: str, width: int) -> str:
    left = (width - len(cell)) // 2
    return " " * left + cell + " " * (width - len(cell) - left)


def _row(cells: list[str], style: _Style, *, names: bool) -> str:
    """A row as its layout writes it; psql puts a blank behind its names, and none behind its last cell."""
    if style.edge:
        return "| " + " | ".join(cells) + " |"
    line = " " + " | ".join(cells)
    return line + " " if names else line


def _joined(cells: list[str], style: _Style) -> str:
    return style.edge + "|".join(cells) + style.edge


def _cells(line: str, style: _Style) -> list[str]:
    body = line.strip()
    if style.edge:
        body = body.removeprefix("|").removesuffix("|")
    return [cell.strip() for cell in body.split("|")]


def _tight_rule(rule: str) -> str:
    """One dash per column; two in Markdown that has no blanks around its dashes."""
    dashes = "--" if rule.strip().startswith("|") and " " not in rule.strip() else "-"
    return re.sub(r"-{2,}", dashes, rule.replace(" ", ""))


def _wide_rule(rule: str, widths: list[int]) -> str:
    """The rule under the names, as wide as the columns; colons of Markdown keep their sides."""
    marks = rule.strip("|+").replace("+", "|").split("|")
    if len(marks) != len(widths):
        return rule
    if rule.startswith("|"):
        blank = "" if all("--" in mark for mark in marks) else " "
        sizes = [width if blank else width + 2 for width in widths]
        inner = [
            (":" if mark.startswith(":") else "-") + "-" * (size - 2) + (":" if mark.endswith(":") else "-")
            for mark, size in zip(marks, sizes, strict=True)
        ]
        return f"|{blank}" + f"{blank}|{blank}".join(inner) + f"{blank}|"
    crossed = "+".join("-" * (width + 2) for width in widths)
    return f"+{crossed}+" if rule.startswith("+") else crossed


def _table(text: str) -> tuple[_Style, list[str], int, int, int] | None:
    """Layout, lines, first line, the rule under the names, and the end of the only table that the text holds."""
    lines = text.split("\n")
    for style in _STYLES:
        rules = [i for i, line in enumerate(lines[:40]) if style.rule.match(line.strip()) and line.strip()]
        if style.rule is _BOX_RULE:
            if len(rules) < 2 or rules[1] != rules[0] + 2:
                continue
            start, rule = rules[0], rules[1]
        else:
            if not rules or rules[0] == 0 or "|" not in lines[rules[0] - 1]:
                continue
            start, rule = rules[0] - 1, rules[0]
        end = rule + 1
        while end < len(lines) and ("|" in lines[end] or style.rule.match(lines[end].strip())):
            end += 1
        if end - rule > 1:
            return style, lines, start, rule, end
    return None
