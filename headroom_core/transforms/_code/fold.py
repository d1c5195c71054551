"""What stands in the place of a left-out body: its signature before it, its original lines in a comment.

Everything here works on byte offsets into the outline's data and returns edits ``(start, end, replacement)``.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, TypeAlias

import numpy as np

from headroom_core.syntax.languages import LANGUAGES
from headroom_core.syntax.outline import Outline, Span, Symbol

Edit: TypeAlias = tuple[int, int, bytes]

_STAYING_LINES: Final = 2
_HEAD_BYTES: Final = 500
_MACRO_LINES: Final = 6
_DEPTH: Final = 4


class Lines:
    """Line numbers and indentation of byte offsets; ``first`` is the number that the first line has for the reader."""

    def __init__(self, data: bytes, first: int = 1) -> None:
        self.data = data
        self.first = first
        feeds = np.frombuffer(data, np.uint8) == ord("\n")
        self.starts: list[int] = [0, *(feeds.nonzero()[0] + 1).tolist()]
        self.end = b"\r\n" if data[: self.starts[1] if len(self.starts) > 1 else 0].endswith(b"\r\n") else b"\n"

    def number(self, offset: int) -> int:
        """The line on which ``offset`` stands, counted from 1 in this text."""
        return bisect_right(self.starts, offset)

    def told(self, start: int, end: int) -> str:
        """``lines 12-40``, as the reader's file numbers them; ``end`` is the offset of the last character."""
        first, last = (self.number(offset) + self.first - 1 for offset in (start, end))
        return f"lines {first}-{last}" if last > first else f"line {first}"

    def indent(self, offset: int) -> bytes:
        """The white space at the start of that line."""
        start = self.starts[self.number(offset) - 1]
        line = self.data[start:offset] if offset > start else b""
        return line[: len(line) - len(line.lstrip())]

    def count(self, start: int, end: int) -> int:
        """How many lines of ``start:end`` hold anything."""
        return sum(map(bool, map(bytes.strip, self.data[start:end].split(b"\n"))))


class Folder:
    """Folds the bodies of one outline: ``folded`` are the symbols, ``settled`` the spans that nothing else may change."""

    def __init__(self, outline: Outline, kept: set[int], first_line: int = 1) -> None:
        self.outline = outline
        self.data = outline.data
        self.lines = Lines(outline.data, first_line)
        self.kept = kept
        self.hoists = bool((row := LANGUAGES.get(outline.language)) and row.hoists) and outline.engine != "plain"
        self.children: dict[int, list[int]] = {}
        for i, symbol in enumerate(outline.symbols):
            self.children.setdefault(symbol.parent, []).append(i)
        self.edits: list[Edit] = []
        self.settled: list[Span] = []
        self.folded: set[int] = set()

    def run(self) -> None:
        """Fold everything that may fold, from the outside in."""
        todo = self.children.get(-1, [])[::-1]
        while todo:
            i = todo.pop()
            symbol = self.outline.symbols[i]
            if i in self.kept:
                self.settled.append((symbol.start, symbol.end))
            elif symbol.kind == "class" or symbol.wrapper:
                todo += self.children.get(i, [])[::-1]
            elif not self._fold(i):
                self.settled.append((symbol.start, symbol.end))

    def _fold(self, i: int) -> bool:
        """Fold one body, unless it is short, broken, or holds what must stay."""
        symbol = self.outline.symbols[i]
        start, end = symbol.fold
        body_start = symbol.doc[1] if symbol.doc else symbol.inner[0]
        long = self.lines.count(body_start, end) - (2 if symbol.style == "braces" else 0) > _STAYING_LINES
        inside = self._below(i)
        if not symbol.clean or (symbol.style == "macro" and self.lines.count(start, end) < _MACRO_LINES):
            return False
        if not long:
            if symbol.doc and not any(s.doc for s in inside):
                self.edits.append((*symbol.doc, first_line(self.data[slice(*symbol.doc)], self.lines.end)))
            return False
        wanted = [j for j in self._below_indices(i) if j in self.kept]
        if wanted and not all(
            self._hoistable(self.outline.symbols[j]) and self.outline.symbols[j].direct for j in wanted
        ):
            return False
        replacement = self._body(i)
        if len(replacement) >= end - start:
            return False
        self.folded.add(i)
        if symbol.style in ("braces", "expression"):
            start = self._close_up(start)
            replacement = replacement if self.data[start - 1 : start].isspace() else b" " + replacement
        self.edits.append((start, end, replacement))
        self.settled.append((symbol.start, symbol.end))
        return True

    def _close_up(self, start: int) -> int:
        """Pull an opening brace that stands on its own line up behind its head, where no comment is in the way."""
        before = self.data[:start].rstrip() if start < 200 else self.data[start - 200 : start].rstrip()
        line = before.rsplit(b"\n", 1)[-1]
        if before.endswith(b")") and b"//" not in line and not line.lstrip().startswith(b"#"):
            gap = len(self.data[max(0, start - 200) : start]) - len(before)
            return start - gap
        return start

    def _below_indices(self, i: int) -> list[int]:
        found: list[int] = []
        todo = list(self.children.get(i, ()))[::-1]
        while todo:
            j = todo.pop()
            found.append(j)
            todo += self.children.get(j, [])[::-1]
        return found

    def _below(self, i: int) -> list[Symbol]:
        return [self.outline.symbols[j] for j in self._below_indices(i)]

    # ------------------------------------------------------------ replacements
    def _range(self, start: int, end: int) -> bytes:
        """``lines 12-40``, of the text that holds anything between the two offsets."""
        text = self.data[start:end]
        return self.lines.told(start + len(text) - len(text.lstrip()), start + len(text.rstrip()) - 1).encode()

    def _body(self, i: int) -> bytes:
        symbol = self.outline.symbols[i]
        if symbol.style == "suite":
            return self._suite(i, self.lines.indent(symbol.inner[0]), with_doc=True)
        if symbol.style == "lines":
            indent = self.lines.indent(symbol.fold[0] + len(self._leading(symbol)))
            return indent + self.outline.comment + b" " + self._range(*symbol.fold)
        if symbol.style == "macro":
            told = b"/* " + self._range(*symbol.fold) + b" */"
            return (
                b" { " + told + b" }" if self.data[symbol.fold[0] : symbol.fold[0] + 2].lstrip()[:1] in b"{([" else told
            )
        return self._block(i)

    def _leading(self, symbol: Symbol) -> bytes:
        body = self.data[slice(*symbol.fold)]
        return body[: len(body) - len(body.lstrip())]

    def _suite(self, i: int, indent: bytes, *, with_doc: bool, depth: int = 0) -> bytes:
        """A Python body: the docstring's first line or an ellipsis, the lines that went, inner definitions."""
        symbol = self.outline.symbols[i]
        newline = self.lines.end + indent
        after = symbol.doc[1] if symbol.doc else symbol.inner[0]
        told = b"  # " + self._range(after, symbol.inner[1])
        inner = [self._stub(j, indent, depth + 1) for j in self._nearest(i)] if depth < _DEPTH else []
        if symbol.doc and with_doc:
            head = newline + first_line(self.data[slice(*symbol.doc)], self.lines.end) + told
        else:
            head = b" ..." + told if not inner else newline + b"..." + told
        return head + b"".join(newline + stub for stub in inner)

    def _block(self, i: int, depth: int = 0) -> bytes:
        """A body in braces: one comment with the lines that went; inner definitions as code, or named in the comment."""
        symbol = self.outline.symbols[i]
        start, end = symbol.inner
        braced = self.data[start : start + 1] == b"{"
        told = self._range(start + braced, end - braced)
        hoisted: list[bytes] = []
        named: list[bytes] = []
        outer = self.lines.indent(symbol.start)
        for j in self._nearest(i) if depth < _DEPTH else ():
            inner = self.outline.symbols[j]
            stub = self._stub(j, outer, depth + 1) if self._hoistable(inner) else None
            if stub is not None:
                hoisted.append(stub)
            else:
                named += [self._head(k) for k in (j, *self._below_indices(j)) if self._speaks(k)]
        comment = b"; ".join([told, *named]).replace(b"*/", b"* /")
        if not hoisted:
            return b"{ /* " + comment + b" */ }"
        newline = self.lines.end + outer
        return b"{ /* " + comment + b" */" + b"".join(newline + b"  " + stub for stub in hoisted) + newline + b"}"

    def _speaks(self, k: int) -> bool:
        symbol = self.outline.symbols[k]
        return bool(symbol.name) and symbol.kind == "function"

    def _head(self, k: int) -> bytes:
        """A signature on one line."""
        symbol = self.outline.symbols[k]
        return b" ".join(self.data[symbol.start : symbol.fold[0]].split())[:_HEAD_BYTES]

    def _nearest(self, i: int) -> list[int]:
        """Named definitions inside ``i`` with no other named one between; anonymous functions are looked through."""
        found: list[int] = []
        todo = list(self.children.get(i, ()))[::-1]
        while todo:
            j = todo.pop()
            symbol = self.outline.symbols[j]
            if symbol.name and (symbol.kind == "function" or self.outline.language == "python"):
                found.append(j)
            else:
                todo += self.children.get(j, [])[::-1]
        return found

    def _hoistable(self, symbol: Symbol) -> bool:
        if not self.hoists or symbol.statement is None:
            return False
        if symbol.style == "suite":
            return True
        start, end = symbol.statement
        return symbol.fold[0] - start <= _HEAD_BYTES and end - symbol.fold[1] <= 2

    def _stub(self, j: int, indent: bytes, depth: int) -> bytes:
        """An inner definition as code of its own, or whole where it was asked for."""
        symbol = self.outline.symbols[j]
        start, end = symbol.statement or (symbol.start, symbol.end)
        if j in self.kept:
            return self.data[start:end]
        if symbol.style == "suite":
            own = self.lines.indent(start)
            head = self.data[start : symbol.fold[0]].replace(self.lines.end + own, self.lines.end + indent)
            if symbol.kind == "class":
                deeper = indent + b"    "
                inner = [self._stub(k, deeper, depth + 1) for k in self._nearest(j)] if depth < _DEPTH else []
                if inner:
                    return head + b"".join(self.lines.end + deeper + stub for stub in inner)
            short = self.data[symbol.fold[0] : symbol.fold[1]]
            if b"\n" not in short:
                return head + short
            return head + self._suite(j, indent + b"    ", with_doc=False, depth=depth)
        return self.data[start : symbol.fold[0]] + self._block(j, depth) + self.data[symbol.fold[1] : end]


def first_line(quoted: bytes, newline: bytes) -> bytes:
    """A docstring cut to its first line that says anything; the same text where there is no more than that."""
    prefix = quoted[: len(quoted) - len(quoted.lstrip(b"rRbBuUfF"))]
    quote = quoted[len(prefix) : len(prefix) + 3]
    if quote not in (b'"""', b"'''") or b"\n" not in quoted:
        return quoted
    inside = quoted[len(prefix) + 3 : -3]
    lines = [line.strip() for line in inside.split(b"\n") if line.strip()]
    if not lines:
        return prefix + quote + b" " + quote
    first = lines[0]
    if first.endswith((quote[:1], b"\\")):
        first += b" "
    return prefix + quote + first + quote
