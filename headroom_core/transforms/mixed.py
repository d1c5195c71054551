"""Texts of several kinds: fenced blocks in Markdown; diffs, JSON documents and traces between lines of a log.

Each segment goes through its own transform; everything outside of the segments stays byte for byte, order included.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headroom_core.kinds import detect
from headroom_core.transforms._unified import Lines as DiffLines
from headroom_core.transforms._unified import Loose, parse
from headroom_core.types import Context, Kind, Part, Rewrite

_MIN_CHARS: Final = 400
_MIN_LOOSE_CHARS: Final = 1_500
_MIN_TRACE_LINES: Final = 8
_MAX_CHARS: Final = 20_000_000
_JSON_TRIES: Final = 40
_WHOLE: Final = frozenset(("diff", "code", "table", "html", "search", "config", "image", "opaque"))
_COUNTED: Final = frozenset(("log", "code", "trace"))
"""Kinds whose short forms speak of lines by number."""
_LOOSE_KINDS: Final = frozenset(("log", "search", "table", "tree", "trace"))

_FENCES: Final = ("```", "~~~")
_MARKS: Final = (*_FENCES, "\ndiff --git ", "\n@@ -", "\n{\n", "\n[\n", "\n{\r", "\n[\r")
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE: Final = re.compile(r"^([ \t]{0,3})(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n`]*$")
_NAMED_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("json", "jsonl", "ndjson", "json5"), "json"),
    **dict.fromkeys(("diff", "patch"), "diff"),
    **dict.fromkeys(("yaml", "yml", "toml", "ini", "env", "dotenv", "properties"), "config"),
    **dict.fromkeys(("html", "xhtml"), "html"),
    **dict.fromkeys(("csv", "tsv"), "table"),
    **dict.fromkeys(
        ("python", "py", "js", "javascript", "jsx", "ts", "typescript", "tsx", "go", "golang", "java", "rust", "rs", "c", "cpp",
         "c++", "h", "hpp", "cs", "csharp", "kotlin", "swift", "ruby", "rb", "php", "scala"), "code"),
}  # fmt: skip
_TRACE_START: Final = re.compile(
    r"(?:Traceback \(most recent call last\):|(?:Exception in thread .*|(?:[\w$]+\.)+[\w$]*(?:Exception|Error)\b.*))$"
)
_TRACE_LINE: Final = re.compile(
    r"\s+\S|Caused by: |Suppressed: |\s*$|During handling of |The above exception |Traceback \(most|(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)\b"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the text; ``kind`` None means that it stays as it is."""

    text: str
    kind: Kind | None = None


class Mixed:
    """For texts that no single kind describes."""

    name = "mixed"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """None where the text is of one kind, or no segment gets smaller. Lossless strength leaves mixtures alone."""
        text = part.text
        if context.strength == "lossless" or not _MIN_CHARS <= len(text) <= _MAX_CHARS:
            return None
        fenced_only, log = part.kind in _WHOLE, part.kind == "log"
        if (fenced_only or log) and not any(mark in text for mark in (_FENCES if fenced_only else _MARKS)):
            return None
        parts = _fenced_in_prose(text) if fenced_only or log else segments(text)
        if log and not parts:
            parts = segments(text, log=True)
            if all(segment.kind in (None, "log") for segment in parts):
                return None
        if len(parts) < 2 or not any(segment.kind for segment in parts):
            return None
        out: list[str] = []
        done: Counter[str] = Counter()
        ratio = _ratio(parts, context)
        line = 1
        for segment in parts:
            whole, short = segment.text, segment.text
            if segment.kind:
                inner = context.nested(whole.removesuffix("\n"), kind=segment.kind, target_ratio=ratio)
                short = _closed(segment, inner, line) if inner is not None else whole
                done[segment.kind] += len(short) < len(whole)
            out.append(min(short, whole, key=len))
            line += whole.count("\n")
        if not done.total():
            return None
        kinds = ", ".join(f"{kind} ×{count}" if count > 1 else kind for kind, count in done.items() if count)
        return Rewrite.of("".join(out), f"what is said at the end of each shortened part ({kinds})")


def _fenced_in_prose(text: str) -> list[Segment]:
    """The segments of a text of words around fenced blocks; none where what stands around them is of another kind."""
    parts = segments(text, fenced_only=True) if any(mark in text for mark in _FENCES) else []
    around = "".join(segment.text for segment in parts if not segment.kind)
    return parts if any(segment.kind for segment in parts) and detect(around).kind == "prose" else []


def _closed(segment: Segment, inner: Rewrite, line: int) -> str:
    """A shortened segment, its own note on a line of its own, and the line end that it had.

    Its line numbers begin with 1; the note says on which ``line`` of the whole that is.
    """
    end = "\n" * segment.text.endswith("\n")
    counted = f", lines counted from line {line}" if segment.kind in _COUNTED and line > 1 else ""
    note = f"\n(left out: {inner.left_out}{counted})" if inner.left_out else ""
    return (inner.text.rstrip("\n") if end else inner.text) + note + end


def _ratio(parts: list[Segment], context: Context) -> float | None:
    """The share that the segments may keep, so that the whole meets the target."""
    if context.target_ratio is None:
        return None
    total = sum(len(segment.text) for segment in parts)
    room = sum(len(segment.text) for segment in parts if segment.kind)
    return min(1.0, max(0.02, (context.target_ratio * total - (total - room)) / max(1, room)))


def segments(text: str, *, fenced_only: bool = False, log: bool = False) -> list[Segment]:
    """The text cut into stretches; together they are the text, byte for byte.

    In a ``log`` traces and documents of one line stay with the lines around them: the transform of logs reads both.
    """
    lines = _LINES.findall(text)
    found = list(_fenced(lines))
    if not fenced_only and not any(segment.kind for segment in found):
        found = list(_unfenced(lines, log=log))
    merged: list[Segment] = []
    staying: list[str] = []
    for segment in found:
        if segment.kind is None:
            staying.append(segment.text)
            continue
        merged.append(Segment("".join(staying)))
        merged.append(segment)
        staying = []
    return [segment for segment in (*merged, Segment("".join(staying))) if segment.text]


# ---------------------------------------------------------------- Markdown
def _fenced(lines: list[str]) -> Iterator[Segment]:
    """Insides of closed fences of some length, by the language they name or the kind they look like; the rest stays."""
    i, n = 0, len(lines)
    closers = _closers(lines)
    while i < n:
        close = closers.get(i)
        if close is None:
            yield Segment(lines[i])
            i += 1
            continue
        inside = "".join(lines[i + 1 : close])
        match = _FENCE.match(lines[i].rstrip("\r\n"))
        yield Segment(lines[i])
        if len(inside) >= _MIN_CHARS:
            yield Segment(inside, _NAMED_KINDS.get(match.group(3).lower() if match else "") or _unsure(inside))
        else:
            yield Segment(inside)
        yield Segment(lines[close])
        i = close + 1


def _closers(lines: list[str]) -> dict[int, int]:
    """Opening fence line → closing one, by one pass; a fence closes with at least as many of the same mark, unnamed."""
    found: dict[int, int] = {}
    open_at, mark = -1, ""
    for i, line in enumerate(lines):
        match = _FENCE.match(line.rstrip("\r\n")) if "```" in line or "~~~" in line else None
        if match is None:
            continue
        if open_at < 0:
            open_at, mark = i, match.group(2)
        elif match.group(2).startswith(mark) and not match.group(3):
            found[open_at] = i
            open_at = -1
    return found


def _unsure(text: str) -> Kind | None:
    """The kind that a text without a name looks like; prose stays."""
    seen = detect(text)
    return seen.kind if seen.kind not in ("prose", "opaque", "image") and seen.confidence >= 0.5 else None


# ---------------------------------------------------------------- between lines of a log
def _unfenced(lines: list[str], *, log: bool) -> Iterator[Segment]:
    """Diffs first, since their lines may look like anything; then JSON documents and traces between them."""
    pending: list[str] = []
    for piece in parse(DiffLines("".join(lines))):
        if isinstance(piece, Loose):
            yield from _as_diff(pending)
            pending = []
            yield from _loose(lines[piece.first : piece.end], log=log)
        else:
            pending += lines[piece.first : piece.end]
    yield from _as_diff(pending)


def _as_diff(lines: list[str]) -> Iterator[Segment]:
    text = "".join(lines)
    if text:
        yield Segment(text, "diff" if len(text) >= _MIN_CHARS and "\n@@" in text else None)


def _loose(lines: list[str], *, log: bool) -> Iterator[Segment]:
    """Traces and JSON documents; what lies between them is a log or stays."""
    run: list[str] = []
    i, tries = 0, 0
    while i < len(lines):
        end, kind = i, None
        stripped = lines[i].strip()
        if not log and _TRACE_START.match(stripped[:400]):
            end, kind = _trace_end(lines, i), "trace"
        elif stripped in ("{", "[") or (not log and stripped.startswith(('{"', "[{", '["'))):
            tries += 1
            end, kind = (_json_end(lines, i) if tries <= _JSON_TRIES else i), "json"
        if end - i < (_MIN_TRACE_LINES if kind == "trace" else 1):
            run.append(lines[i])
            i += 1
            continue
        block = "".join(lines[i:end])
        yield from _plain(run)
        run = []
        yield Segment(block, ("trace" if kind == "trace" else "json") if len(block) >= _MIN_CHARS else None)
        i = end
    yield from _plain(run)


def _plain(lines: list[str]) -> Iterator[Segment]:
    text = "".join(lines)
    if text:
        kind = _unsure(text) if len(text) >= _MIN_LOOSE_CHARS else None
        yield Segment(text, kind if kind in _LOOSE_KINDS else None)


def _trace_end(lines: list[str], i: int) -> int:
    end = i + 1
    while end < len(lines) and _TRACE_LINE.match(lines[end][:400]):
        end += 1
    while end > i + 1 and not lines[end - 1].strip():
        end -= 1
    return end


def _json_end(lines: list[str], i: int) -> int:
    """Behind the document that begins on line ``i``; ``i`` itself where none does, or where more stands on its last line."""
    text = "".join(lines[i:])
    start = len(text) - len(text.lstrip())
    try:
        _, stop = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return i
    line_end = text.find("\n", stop)
    if text[stop : line_end if line_end >= 0 else len(text)].strip():
        return i
    return i + text.count("\n", 0, stop) + 1
