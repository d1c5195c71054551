"""Pieces of a text original: line ranges, rows, a JSON pointer, a symbol, or the passages that answer a query. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from headroom_core.errors import InvalidInput

_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:[-:–]\s*(\d{1,9})\s*)?")
_MOST_RANGES = 200
_BLOCK = 1 << 16  # characters


@dataclass(frozen=True, slots=True)
class Piece:
    """A selected text and what it is, in words (``lines 120-164 of 1,979``)."""

    text: str
    what: str


class Lines:
    """The lines of a text by number, from 1. Only a line feed ends a line, and it belongs to it: bytes stay."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._count = text.count("\n") + (not text.endswith("\n"))
        self._known = (1, 0)  # the line of some character: questions mostly come in order

    def __len__(self) -> int:
        return self._count

    def text(self, first: int, last: int) -> str:
        """Lines ``first`` to ``last``, both included."""
        start = self._start(first)
        return self._text[start : self._start(last + 1, first, start)]

    def at(self, character: int) -> int:
        """The number of the line that holds this character."""
        number, start = self._known if self._known[1] <= character else (1, 0)
        self._known = (number + self._text.count("\n", start, character), character)
        return self._known[0]

    def _start(self, line: int, known: int = 1, at: int = 0) -> int:
        """Where a line starts, counted on from a known one; whole blocks are counted, not walked."""
        missing = line - known
        while missing > 0 and at < len(self._text):
            within = self._text.count("\n", at, at + _BLOCK)
            if within < missing:
                missing -= within
                at += _BLOCK
                continue
            for _ in range(missing):
                at = self._text.index("\n", at) + 1
            return at
        return min(at, len(self._text))

    def span(self, start: int, end: int) -> str:
        """Where characters ``start`` to ``end`` stand: by lines, or by characters where one line is cut."""
        whole = (start == 0 or self._text[start - 1] == "\n") and (
            end == len(self._text) or self._text[end - 1] == "\n"
        )
        if not whole:
            return f"characters {start + 1:,}-{end:,} of {len(self._text):,}"
        return f"lines {self.at(start):,}-{self.at(max(start, end - 1)):,} of {len(self):,}"


def ranges(given: str | int, name: str, lowest: int, count: int) -> list[tuple[int, int]]:
    """``"3,17-20"`` as pairs, both ends included, clipped to what is there; neighbours are merged.

    Raises ``InvalidInput`` for what cannot be read and for a selection that lies outside.
    """
    pairs: list[tuple[int, int]] = []
    for item in str(given).split(",", _MOST_RANGES + 1)[: _MOST_RANGES + 1]:
        found = _RANGE.fullmatch(item)
        if found is None or len(pairs) >= _MOST_RANGES:
            raise InvalidInput(
                f"{name} is numbers and ranges like '3,17-20' (at most {_MOST_RANGES}), not {item[:40]!r}."
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            raise InvalidInput(f"{name} {first}-{last} runs backwards. Write {last}-{first}.")
        pairs.append((first, last))
    highest = count - 1 + lowest
    inside = sorted(
        (max(first, lowest), min(last, highest)) for first, last in pairs if last >= lowest and first <= highest
    )
    if not inside:
        there = f"{name} {lowest:,} to {highest:,}" if count else f"no {name}"
        raise InvalidInput(f"There is nothing at {name} {str(given)[:60]}: this original has {there}.")
    merged = [inside[0]]
    for first, last in inside[1:]:
        if first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def pick_lines(text: str, lines: str | int) -> Piece:
    """The lines of these numbers. One range comes byte for byte; several come under a heading each."""
    held = Lines(text)
    return _pick(held, ranges(lines, "lines", 1, len(held)), "")


def _pick(held: Lines, spans: list[tuple[int, int]], named: str) -> Piece:
    what = f"{named}lines {_spoken(spans)} of {len(held):,}"
    if len(spans) == 1:
        return Piece(held.text(*spans[0]), what)
    return Piece("".join(_headed(f"lines {a}-{b}", held.text(a, b)) for a, b in spans), what)


def pick_rows(text: str, kind: str, rows: str | int) -> Piece:
    """Rows by index, from 0: elements of the JSON array, lines of NDJSON, records of a table; one to a line."""
    header, held = rows_of(text, kind)
    spans = ranges(rows, "rows", 0, len(held))
    picked = [held[i] for first, last in spans for i in range(first, last + 1)]
    return Piece(header + "".join(_ended(row) for row in picked), f"rows {_spoken(spans)} of {len(held):,} (from 0)")


def rows_of(text: str, kind: str) -> tuple[str, Sequence[str]]:
    """The header of a table (else empty) and its rows as they stand in the text.

    Raises ``InvalidInput`` where there are none.
    """
    if kind == "table":
        header, *records = _records(text)
        return header, records
    found = _json_rows(text)
    if found is None:
        raise _unfit("rows", kind, "It has no rows. Ask by lines or by query.")
    return "", found


def pick_pointer(text: str, kind: str, pointer: str) -> Piece:
    """The value under a JSON pointer (RFC 6901), as it stands in the text."""
    found = _json_pointer(text, pointer)
    if found is None:
        raise _unfit("pointer", kind, "It is not JSON, or has nothing there. Ask by lines or by query.")
    return Piece(found, f"value at {pointer[:200]}")


def pick_symbol(text: str, kind: str, symbol: str) -> Piece:
    """The lines of a function or class; several of one name come under a heading each."""
    from headroom_core.ccr.slices_code import places

    found = places(text, symbol)
    if not found:
        raise _unfit("symbol", kind, f"It defines no {symbol[:80]!r}. Ask by lines or by query.")
    return _pick(Lines(text), found, f"{symbol[:80]}, ")


def _json_rows(text: str) -> Sequence[str] | None:
    from headroom_core.ccr.slices_json import rows_of as read

    found = read(text)
    return None if found is None else [row if isinstance(row, str) else _dumped(row) for row in found]


def _json_pointer(text: str, pointer: str) -> str | None:
    from headroom_core.ccr.slices_json import pointer as read

    found = read(text, pointer)
    return found if found is None or isinstance(found, str) else _dumped(found)


def _records(text: str) -> list[str]:
    """Lines, joined where a quoted cell runs over its line end."""
    records: list[str] = []
    open_cell = False
    for line in text.split("\n"):
        if open_cell:
            records[-1] += "\n" + line
        else:
            records.append(line)
        open_cell ^= bool(line.count('"') % 2)
    if len(records) > 1 and not records[-1]:
        records.pop()
    return [record + "\n" for record in records]


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _ended(row: str) -> str:
    return row if row.endswith("\n") else row + "\n"


def _headed(heading: str, text: str) -> str:
    return f"{heading}:\n{_ended(text)}"


def _spoken(spans: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in spans[:8])
    return shown + (f" and {len(spans) - 8} more ranges" if len(spans) > 8 else "")


def _unfit(selector: str, kind: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"This original ({kind}) cannot be read by {selector}. {remedy}")
