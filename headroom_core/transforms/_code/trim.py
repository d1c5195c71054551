"""Comments cut to their first line, long literals to their first elements, long strings to their first lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from headroom_core.syntax.outline import Outline, Span
from headroom_core.transforms._code.fold import Edit, Lines, first_line

_SHOWN: Final = 3
_MIN_ELEMENTS: Final = 6
_HIT_LINES: Final = 6
_DIRECTIVE: Final = re.compile(rb"#!|//go:|// \+build|//\s*@ts-|///\s*<reference|# -\*-")
_SAYS: Final = re.compile(rb"\w{2,}")


def comments(outline: Outline, lines: Lines, free: Callable[[Span], bool], hits: Callable[[bytes], bool]) -> list[Edit]:
    """Each run of comment lines, and each block comment, becomes its first line that says anything, and query hits."""
    edits: list[Edit] = []
    for group in _groups(outline, lines):
        span = (group[0][0], group[-1][1])
        if not free(span) or b"\n" not in outline.data[slice(*span)]:
            continue
        edits += _run(outline.data, group, hits) if len(group) > 1 else _block(outline.data, group[0], hits)
    return edits


def _groups(outline: Outline, lines: Lines) -> list[list[Span]]:
    """Comments on lines of their own that follow each other, together; block comments alone."""
    groups: list[list[Span]] = []
    last = -1
    for start, end in outline.comments:
        number = lines.number(start)
        alone = not outline.data[lines.starts[number - 1] : start].strip()
        block = outline.data[start : start + 2] == b"/*"
        if alone and not block and groups and number == last + 1:
            groups[-1].append((start, end))
        else:
            groups.append([(start, end)])
        last = number if alone and not block else -1
    return groups


def _run(data: bytes, group: list[Span], hits: Callable[[bytes], bool]) -> list[Edit]:
    texts = [data[s:e] for s, e in group]
    first = next((i for i, t in enumerate(texts) if _SAYS.search(t) and not _DIRECTIVE.match(t)), 0)
    more = [i for i, t in enumerate(texts) if i != first and hits(t)][:_HIT_LINES]
    stays = sorted({first, *more, *(i for i, t in enumerate(texts) if _DIRECTIVE.match(t))})
    if len(stays) == len(group):
        return []
    edits: list[Edit] = []
    for before, after in zip([-1, *stays], [*stays, len(group)], strict=True):
        if after - before < 2:
            continue
        if before < 0:
            edits.append((group[0][0], group[after][0], b""))
        else:
            end = group[after - 1][1]
            edits.append((group[before][1], end, b" \xe2\x80\xa6" if after == len(group) else b""))
    return edits


def _block(data: bytes, span: Span, hits: Callable[[bytes], bool]) -> list[Edit]:
    text = data[slice(*span)]
    opener = re.match(rb"/\*[*!]*", text)
    if opener is None or not text.endswith(b"*/"):
        return []
    inside = [line.strip(b" \t\r*") for line in text[opener.end() : -2].split(b"\n")]
    says = [line for line in inside if _SAYS.search(line)]
    if not says:
        return [(*span, opener.group() + b" */")]
    stay = [says[0], *[line for line in says[1:] if hits(line)][:_HIT_LINES]]
    more = b" \xe2\x80\xa6" if len(stay) < len(says) else b""
    short = opener.group() + b" " + b" / ".join(stay) + more + b" */"
    return [(*span, short)] if len(short) < len(text) else []


def docs(outline: Outline, lines: Lines, free: Callable[[Span], bool]) -> list[Edit]:
    """Docstrings of modules, classes and short functions, cut to their first lines."""
    cut = [(doc, first_line(outline.data[slice(*doc)], lines.end)) for doc in outline.docs if free(doc)]
    return [(*doc, short) for doc, short in cut if len(short) < doc[1] - doc[0]]


def literals(outline: Outline, lines: Lines, free: Callable[[Span], bool], hits: Callable[[bytes], bool]) -> list[Edit]:
    """Long lists and mappings show their first elements and those that the query hits; the rest is counted."""
    starts = [s.start for s in outline.symbols if s.name]
    edits: list[Edit] = []
    done = -1
    for (start, end), elements in sorted(outline.literals):
        if start < done or len(elements) < _MIN_ELEMENTS or not free((start, end)):
            continue
        if any(start < s < end for s in starts):
            continue
        done = end
        stays = {*range(_SHOWN), *[i for i, (s, e) in enumerate(elements) if hits(outline.data[s:e])][:_HIT_LINES]}
        indent = lines.end + lines.indent(elements[-1][0])
        i = _SHOWN
        while i < len(elements):
            j = i
            while j < len(elements) and j not in stays:
                j += 1
            if j - i > 1:
                told = f"{j - i} more, {lines.told(elements[i][0], elements[j - 1][1] - 1)}".encode()
                closes = j == len(elements)
                tail = lines.end + lines.indent(end - 1) if closes else indent
                mark = b"# " + told if outline.language == "python" else b"/* " + told + b" */"
                edits.append((elements[i][0], end - 1 if closes else elements[j][0], mark + tail))
            i = j + 1
    return edits


def texts(outline: Outline, lines: Lines, free: Callable[[Span], bool], hits: Callable[[bytes], bool]) -> list[Edit]:
    """Strings over many lines show their first two lines, those that the query hits, and their last."""
    edits: list[Edit] = []
    docstrings = set(outline.docs)
    for start, end in outline.texts:
        if (start, end) in docstrings or not free((start, end)):
            continue
        at = outline.data.find(b"\n", outline.data.find(b"\n", start) + 1)
        last = outline.data.rfind(b"\n", start, end)
        middle = outline.data[at:last]
        if at < start or last <= at or middle.endswith(b"\\") or b"`" in middle:
            continue
        hit = [line for line in middle.split(b"\n")[1:] if hits(line)][:_HIT_LINES]
        told = f"… {lines.told(at + 1, last - 1)} …".encode()
        edits.append((at, last, lines.end + lines.end.join([*hit, told])))
    return edits
