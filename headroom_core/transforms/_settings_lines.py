"""Lines of YAML, TOML, INI and .env files as a tree: each line's depth, parent and role. No value is ever interpreted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["key", "item", "text", "comment", "blank"]

_SECTION: Final = re.compile(r"\[{1,2}[^\[\]]+\]{1,2}\s*(?:[#;].*)?$")
_ASSIGNMENT: Final = re.compile(r"(?:export +)?[\w.\-\"'/][\w.\-\"'/ ]{0,80}=")
_YAML_KEY: Final = re.compile(
    r"\s*(?:- +)*(?:\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^\s#:,\[\]{}][^:\n]{0,200}?)\s*:(?:\s|$)"
)
_HEAD: Final = 300
_BLOCK_SCALAR: Final = re.compile(r"[|>][-+\d]*\s*(?:#.*)?$")


@dataclass(slots=True)
class Entry:
    """A line: its text, role, depth (larger is deeper) and the index of the line that it stands under (-1: none)."""

    text: str
    role: Role
    depth: float
    parent: int = -1
    children: list[int] = field(default_factory=list)


def read(text: str) -> list[Entry] | None:
    """All lines in order; None where the text does not look like settings."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    said = [line.strip()[:_HEAD] for line in lines if line.strip() and not line.lstrip().startswith(("#", ";"))]
    assigned = sum(1 for line in said if _ASSIGNMENT.match(line))
    keyed = sum(1 for line in said if _YAML_KEY.match(line))
    listed = sum(1 for line in said if line.startswith("- "))
    if max(assigned, keyed) < 3 or 3 * (max(assigned, keyed) + listed) < len(said):
        return None
    entries = _sections(lines) if assigned > keyed else _indented(lines)
    stack: list[int] = []
    for i, entry in enumerate(entries):
        if entry.role in ("comment", "blank"):
            continue
        while stack and entries[stack[-1]].depth >= entry.depth:
            stack.pop()
        if stack:
            entry.parent = stack[-1]
            entries[stack[-1]].children.append(i)
        stack.append(i)
    return entries


def _sections(lines: list[str]) -> list[Entry]:
    """TOML, INI, properties and .env: section heads, assignments under them, further lines of a value under those."""
    entries: list[Entry] = []
    level, open_ = 0.0, ""
    for line in lines:
        stripped = line.strip()
        if open_:
            entries.append(Entry(line, "text", level + 1))
            if _closes(stripped, open_):
                open_ = ""
        elif not stripped:
            entries.append(Entry(line, "blank", 0))
        elif stripped.startswith(("#", ";", "//")):
            entries.append(Entry(line, "comment", 0))
        elif _SECTION.match(stripped[:_HEAD]):
            level = 1.0
            entries.append(Entry(line, "key", 0))
        elif _ASSIGNMENT.match(stripped[:_HEAD]):
            entries.append(Entry(line, "key", level))
            open_ = _opened(stripped)
        else:
            entries.append(Entry(line, "text", level + 1))
    return entries


def _opened(assignment: str) -> str:
    """What a value that goes on over further lines is waiting for; empty where it ends on its line."""
    value = assignment.split("=", 1)[1].strip()
    for quote in ('"""', "'''"):
        if value.startswith(quote) and quote not in value[3:]:
            return quote
    if value.startswith("[") and value.count("[") > value.count("]"):
        return "]"
    return ""


def _closes(line: str, what: str) -> bool:
    return (
        what in line
        if what != "]"
        else line.startswith("]") or (line.endswith("]") and line.count("[") < line.count("]"))
    )


def _indented(lines: list[str]) -> list[Entry]:
    """YAML: depth is indentation; an item's dash stands half a step deeper than a key in the same column."""
    entries: list[Entry] = []
    scalar: float | None = None
    for line in lines:
        stripped = line.strip()
        indent = float(len(line) - len(line.lstrip()))
        if not stripped:
            entries.append(Entry(line, "blank", 0))
            continue
        if scalar is not None and indent > scalar:
            entries.append(Entry(line, "text", scalar + 0.75))
            continue
        scalar = None
        if stripped.startswith("#"):
            entries.append(Entry(line, "comment", indent))
            continue
        item = stripped.startswith("- ") or stripped == "-"
        key = _YAML_KEY.match(stripped[:_HEAD]) is not None
        role: Role = "item" if item else "key" if key else "text"
        entries.append(Entry(line, role, indent + 0.5 if item else indent))
        if key and _BLOCK_SCALAR.search(stripped[-_HEAD:]):
            scalar = indent + (0.5 if item else 0.0)
    return entries
