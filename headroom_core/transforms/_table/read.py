"""Reading tables: CSV and its relatives, Markdown, boxes of psql, mysql and terminals, records, columns of fixed width."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][0-9A-B]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_RULE_CHARS: Final = frozenset("-=─━═:+|│┃║ \t┬┴┼┯┷┿╤╧╪╦╩╬┳┻╇╈╉╊╋┤├┐┘┓┛╗╝╣╠┨┠┡┩╞╡┭┮┱┲┺┹┝┥┌┏╔└┗╚╒╓╕╛╘")
_BARS: Final = re.compile(r"\s*[|│┃║]\s*")
_FOOTER: Final = re.compile(
    r"\s*(?:\(\d[\d,]* rows?\)|\d[\d,]* rows? in set.*|Time: .*|\d[\d,]* rows? (?:returned|selected).*|\[\d+ rows x \d+ columns\])\s*$",
    re.I,
)
_SEPARATORS: Final = (",", "\t", ";", "|")
_MIN_ROWS: Final = 4
_FIT: Final = 0.9
_SAMPLE: Final = 400
_LINE: Final = 2_000
_USUAL: Final = 0.85


@dataclass(slots=True)
class Grid:
    """A table: the lines before the rows, column names, rows as they stand and as cells, the lines behind.

    ``rows[i]`` may hold several lines (a quoted cell with line ends); ``tight[i]`` is the same row without padding.
    """

    style: str
    head: list[str]
    names: list[str]
    rows: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    tight: list[str] = field(default_factory=list)
    tight_head: list[str] = field(default_factory=list)


def read(text: str) -> Grid | None:
    """The table that ``text`` is, apart from a short introduction and a footer; None where it is none."""
    plain = _ANSI.sub("", text) if "\x1b" in text else text
    lines = plain.split("\n")
    lines = [line[:-1] if line.endswith("\r") else line for line in lines]
    for reader in (_records, _barred, _separated, _fixed):
        grid = reader(lines)
        if grid is not None and len(grid.rows) >= _MIN_ROWS:
            return grid
    return None


# ---------------------------------------------------------------- records: psql's expanded display, mysql's \\G
_RECORD: Final = re.compile(r"(-\[ RECORD \d+ \]|\*{10,} \d+\. row \*{10,})-*(?:\+-*)?$")
_FIELD: Final = re.compile(r"\s*(\S(?:.*?\S)?)?\s*(?:\||: ?)(.*)")


def _records(lines: list[str]) -> Grid | None:
    """Each record under a line with its number, a name and its value to a line."""
    starts = [i for i, line in enumerate(lines) if _RECORD.match(line)]
    if len(starts) < _MIN_ROWS:
        return None
    end = starts[-1] + 1
    while end < len(lines) and lines[end].strip() and not _FOOTER.match(lines[end]):
        end += 1
    records = [_record(lines[a + 1 : b]) for a, b in zip(starts, [*starts[1:], end], strict=True)]
    names = list(dict.fromkeys(name for record in records for name in record))
    grid = Grid("records", lines[: starts[0]], names, tail=lines[end:], tight_head=lines[: starts[0]])
    for record, start, stop in zip(records, starts, [*starts[1:], end], strict=True):
        heading = _RECORD.sub(r"\1", lines[start])
        grid.rows.append("\n".join(lines[start:stop]))
        grid.tight.append("\n".join([heading, *(f"{name} | {value}" for name, value in record.items())]))
        grid.cells.append([record.get(name, "") for name in names])
    return grid


def _record(lines: list[str]) -> dict[str, str]:
    """Names and values; a line without a name goes on with the value above it."""
    found: dict[str, str] = {}
    last = ""
    for line in lines:
        field = _FIELD.match(line)
        name, value = (field.group(1) or "", field.group(2).strip()) if field else ("", line.strip())
        if name:
            found[name] = value
            last = name
        elif last:
            found[last] = f"{found[last].removesuffix('+').rstrip()} {value}"
    return found


# ---------------------------------------------------------------- bars: Markdown, psql, mysql, terminals
def _barred(lines: list[str]) -> Grid | None:
    """Rows of cells between bars under a header, with a rule below it."""
    rule = next((i for i, line in enumerate(lines[:60]) if i and _is_rule(line) and _is_barred(lines[i - 1])), None)
    if rule is None:
        return None
    names = _split(lines[rule - 1])
    start = rule - 1
    while start and _is_rule(lines[start - 1]):
        start -= 1
    grid = Grid("bars", lines[: rule + 1], names)
    grid.tight_head = [*lines[:start], " | ".join(names)]
    end = rule + 1
    while end < len(lines) and lines[end].strip() and not _FOOTER.match(lines[end]):
        line = lines[end]
        end += 1
        if _is_rule(line):
            continue
        cells = _split(line)
        if len(cells) != len(names):
            if not grid.rows or abs(len(cells) - len(names)) > 1 + len(names) // 2:
                end -= 1
                break
            cells = (cells + [""] * len(names))[: len(names)]
        elif grid.rows and not cells[0] and sum(map(bool, cells)) <= 2 and _wraps(line):
            grid.rows[-1] += "\n" + line  # a cell that the terminal wrapped
            grid.tight[-1] += " " + " ".join(c for c in cells if c)
            grid.cells[-1] = [f"{a} {b}".strip() for a, b in zip(grid.cells[-1], cells, strict=True)]
            continue
        grid.rows.append(line)
        grid.cells.append(cells)
        grid.tight.append(" | ".join(cells))
    grid.tail = lines[end:]
    return grid if len(names) > 1 else None


def _is_rule(line: str) -> bool:
    """A line of dashes and crossings."""
    return sum(line.count(c) for c in "-=─━═") > 1 and _RULE_CHARS.issuperset(line)


def _is_barred(line: str) -> bool:
    return any(bar in line for bar in "|│┃║")


def _wraps(line: str) -> bool:
    return any(bar in line for bar in "│┃║")


def _split(line: str) -> list[str]:
    r"""Cells between bars; ``\|`` is no bar."""
    body = line.strip().replace("\\|", "\x00")
    if body[:1] in "|│┃║" and len(body) > 1:
        body = body[1:-1] if body[-1] in "|│┃║" else body[1:]
    return [cell.replace("\x00", "\\|").strip() for cell in _BARS.split(body)]


# ---------------------------------------------------------------- separators: CSV, TSV
def _separated(lines: list[str]) -> Grid | None:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    lines = lines[:end]
    if len(lines) < _MIN_ROWS + 1:
        return None
    separator = _separator(lines)
    if separator is None:
        return None
    skip = _introduction(lines, separator)
    grid = Grid("separated", [], [])
    reader = csv.reader((line + "\n" for line in lines[skip:]), delimiter=separator)
    seen = skip
    try:
        for cells in reader:
            raw = "\n".join(lines[seen : skip + reader.line_num])
            seen = skip + reader.line_num
            if not grid.names:
                grid.names, grid.head = cells, [*lines[:skip], raw]
            elif cells:
                grid.rows.append(raw)
                grid.cells.append((cells + [""] * len(grid.names))[: len(grid.names)])
    except csv.Error:
        return None
    width = len(grid.names)
    fits = sum(len(cells) == width for cells in grid.cells)
    if width < 2 or fits < _FIT * len(grid.rows) or not _is_header(grid):
        if width < 2:
            return None
        grid.rows.insert(0, grid.head.pop())
        grid.cells.insert(0, grid.names)
        grid.names = [f"column {i + 1}" for i in range(width)]
    grid.tight, grid.tight_head = grid.rows, grid.head
    return grid


def _separator(lines: list[str]) -> str | None:
    """The separator that stands equally often in most of the lines."""
    sample = _unquoted(lines)
    best: tuple[int, str] | None = None
    for separator in _SEPARATORS:
        counts = Counter(line.count(separator) for line in sample)
        count, found = max(((c, n) for c, n in counts.items() if c), key=lambda pair: pair[1], default=(0, 0))
        if found >= _USUAL * len(sample) and (best is None or count > best[0]):
            best = (count, separator)
    return best[1] if best else None


def _unquoted(lines: list[str]) -> list[str]:
    """The beginnings of the first lines, with quoted cells emptied, over line ends too."""
    return re.sub(r'"[^"]*"', '""', "\n".join(line[:_LINE] for line in lines[:_SAMPLE])).split("\n")


def _introduction(lines: list[str], separator: str) -> int:
    """How many lines stand before the header: comments, titles."""
    counts = [line.count(separator) for line in _unquoted(lines)]
    usual = Counter(counts).most_common(1)[0][0]
    return next((i for i, count in enumerate(counts[:10]) if count >= usual), 0)


def _is_header(grid: Grid) -> bool:
    """Does the first line name the columns: no numbers, nothing twice, no empty names?"""
    names = [name.strip() for name in grid.names]
    return len(set(names)) == len(names) and sum(map(bool, names)) >= len(names) - 1 and not any(map(number, names))


# ---------------------------------------------------------------- fixed width
def _fixed(lines: list[str]) -> Grid | None:
    """Columns of fixed width under a header whose names stand where the columns begin, or in as many words."""
    top = next((i for i, line in enumerate(lines) if line.strip()), None)
    if top is None:
        return None
    for at in range(top, min(top + 5, len(lines))):
        names = re.split(r"\s{2,}", lines[at].strip())
        rest = lines[at + 1 :]
        if rest and _is_rule(rest[0]):
            rest = rest[1:]
        body = [line for line in rest if line.strip()]
        tail = [body.pop()] if body and _FOOTER.match(body[-1]) else []
        if len(body) < _MIN_ROWS:
            return None
        split = _by_starts(lines[at], names, body) if len(names) > 1 else None
        words = lines[at].split()
        if split is None and len(words) > 1 and (framed := _by_ends(lines[at], body)):
            names, split = framed
        elif split is None:
            split = [line.split(None, len(words) - 1) for line in body] if len(words) > 2 else None
            if split is None or sum(len(c) == len(words) for c in split) < _FIT * len(body):
                continue
            names = words
        grid = Grid("fixed", lines[: len(lines) - len(rest)], names, body, tail=tail)
        grid.cells = [(cells + [""] * len(names))[: len(names)] for cells in split]
        grid.tight = [re.sub(r" {3,}", "  ", line.rstrip()) for line in body]
        grid.tight_head = [re.sub(r" {3,}", "  ", line) for line in lines[: at + 1]]
        return grid
    return None


def _by_starts(header: str, names: list[str], body: list[str]) -> list[list[str]] | None:
    """Cells cut where the header's names begin, if (nearly) every row has a blank before each of these places."""
    starts: list[int] = []
    for name in names:
        starts.append(header.index(name, starts[-1] + 1 if starts else 0))
    cuts = starts[1:]
    if sum(all(line[c - 1 : c] in (" ", "") for c in cuts) for line in body) < _FIT * len(body):
        return None
    if sum(len(line) > cuts[0] for line in body) < _FIT * len(body):
        return None
    return [[line[a:b].strip() for a, b in zip([0, *cuts], [*cuts, None], strict=True)] for line in body]


def _by_ends(header: str, body: list[str]) -> tuple[list[str], list[list[str]]] | None:
    """Names and cells cut where the names end, if (nearly) every row ends a cell there: how data frames are printed.

    What stands left of the first column, under no name, is the index.
    """
    words = list(re.finditer(r"\S+", header))
    ends = [word.end() for word in words]
    if sum(all(row[e - 1 : e].strip() and not row[e : e + 1].strip() for e in ends) for row in body) < _FIT * len(body):
        return None
    cells = [[row[a:b].strip() for a, b in zip([0, *ends], ends, strict=False)] for row in body]
    firsts = [row[0].split(None, 1) for row in cells]
    if sum(len(first) == 2 for first in firsts) < _FIT * len(body):
        return [word.group() for word in words], cells
    split = [
        [first[0] if first else "", " ".join(first[1:]), *row[1:]] for first, row in zip(firsts, cells, strict=True)
    ]
    return ["index", *(word.group() for word in words)], split


_NUMBER: Final = re.compile(r"[-+]?[$€£]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?\s?%?$")


def number(cell: str) -> str | None:
    """The number in a cell as a literal, without currency, thousands commas and per cent sign; None for other cells."""
    cell = cell.strip()
    if not cell or not _NUMBER.match(cell):
        return None
    literal = cell.strip("%$€£+ ").replace(",", "").replace("$", "").replace("€", "").replace("£", "")
    return literal or None
