"""Tables by their shape: separators, bars, records, columns of fixed width. Each test says how sure it is, or None."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice

from headroom_core.kinds.marks import LINE, Votes


def separated(lines: list[str], head: str) -> float | None:
    """Cells under a header of names, as many in every line: dates and places in the cells make no log and no hits."""
    if "," not in lines[0] and not lines[0].startswith("#"):
        return None
    if '"' in head and _quoted(head):
        return 0.97
    rows = lines[next((at for at, line in enumerate(lines) if line[0] != "#"), 0) :]
    cells = _cells(rows[0], ",")
    if len(rows) < 4 or cells < 3 or not _HEADER.fullmatch(rows[0]) or any(c.isdigit() for c in rows[0][:1]):
        return None
    return 0.97 if all(len(row) >= LINE or _cells(row, ",") == cells for row in rows) else None


def _quoted(head: str) -> bool:
    """Records of as many cells as there are names above them, some of which run over a line end in quotes."""
    whole = head.rsplit("\n", 1)[0]
    try:
        rows = list(islice(csv.reader(whole.splitlines(keepends=True)), _RECORDS))
    except csv.Error:
        return False
    names = rows.pop(0) if rows else []
    named = all(name.strip() and not name[:1].isdigit() and len(name) <= _NAME for name in names)
    same = sum(len(row) == len(names) for row in rows[:-1]) >= 0.95 * (len(rows) - 1)
    return named and len(names) > 2 and len(rows) > 3 and same and any("\n" in cell for row in rows for cell in row)


_RECORDS = 60
_NAME = 60
_HEADER = re.compile(r"[^\W\d][\w .\"/()%#*^-]{0,60}(?:,[\w .\"/()%#*^-]{1,60})+")


def laid_out(lines: list[str], votes: Votes) -> float | None:
    """Rows between bars, records, cells as many in every line, or columns one under the other."""
    if len(lines) < 3:
        return None
    if sum(line.lstrip()[0] in _BARS and line.rstrip()[-1] in _BARS for line in lines) >= 0.8 * len(lines):
        return 0.97
    records = [at for at, line in enumerate(lines) if _RECORD.match(line)]
    if len(records) > 1 and records[0] < _INTRODUCTION:
        return 0.95
    if sum(" | " in line for line in lines) >= 0.7 * len(lines) and any(
        re.fullmatch(r"[\s|+:-]{5,}", line) for line in lines[:4]
    ):
        return 0.95
    if any(_RULE.fullmatch(line) for line in lines[:4]) and sum(
        _GAP.search(line) is not None for line in lines
    ) >= 0.7 * len(lines):
        return 0.93
    for delimiter, least in (("\t", 1), (";", 2), (",", 2), ("|", 2)):
        counts = Counter(_cells(line, delimiter) for line in lines)
        count, often = counts.most_common(1)[0]
        if (
            count >= least
            and often >= 0.9 * len(lines)
            and votes["stamp"] + votes["level"] < 0.6
            and votes["code_end"] < 0.5
            and votes["sentence"] < 0.5
        ):
            return 0.98 if often == len(lines) else 0.94
    if _comma_separated(lines):
        return 0.95
    if len(lines) >= 4 and votes["stamp"] < 0.4 and votes["level"] < 0.3 and _aligned(lines):
        return 0.85
    return None


_BARS = "|│┃║"
_RECORD = re.compile(r"-\[ RECORD \d+ \]|\*{10,} \d+\. row \*{10,}")
_INTRODUCTION = 5  # lines that may stand before the first record
_RULE = re.compile(r"\s*-{2,}(?:\s+-{2,})+\s*")
_GAP = re.compile(r"\S\s{2,}\S|\S\s-")


def _cells(line: str, delimiter: str) -> int:
    """Delimiters outside of double quotes."""
    if '"' in line:
        line = re.sub(r'"[^"]*"', "", line)
    return line.count(delimiter)


def _comma_separated(lines: list[str]) -> bool:
    """A header of names, and as many cells (quotes minded) in every whole line below it."""
    if not _HEADER.fullmatch(lines[0]):
        return False
    rows = [line for line in lines if len(line) < LINE][:60]
    least = lines[0].count(",")
    good = sum(_cells(line, ",") == least for line in rows)
    return good >= 0.8 * len(rows) and len(rows) >= 4


def _aligned(lines: list[str]) -> bool:
    """Columns of fixed width: a few positions where every line has a space after or before something."""
    rows = [line for line in lines if line.strip()][:40]
    width = min(len(rows[0]), 160)
    head = [m.start() for m in re.finditer(r"(?<=\s\s)\S|(?<=\s)[A-Z]", rows[0][:width])]
    if sum("  " in row.strip() for row in rows) < 0.8 * len(rows):
        return False
    good = 0
    for at in head:
        before = sum(len(row) <= at or row[at - 1] == " " for row in rows)
        good += before >= 0.9 * len(rows) and sum(len(row) > at for row in rows) >= 0.7 * len(rows)
    return good >= max(2, 0.5 * len(head)) or _flush_right(rows, width)


def _flush_right(rows: list[str], width: int) -> bool:
    """Columns that end where their names end, as data frames are printed."""
    ends = [m.end() for m in re.finditer(r"\S(?=\s|$)", rows[0][:width])]
    good = sum(
        sum(row[at - 1 : at].strip() != "" and row[at : at + 1].strip() == "" for row in rows) >= 0.9 * len(rows)
        for at in ends
    )
    return good >= max(2, 0.6 * len(ends))
