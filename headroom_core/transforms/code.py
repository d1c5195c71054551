"""Source code: imports, signatures, types and constants stay; of the bodies, those that the query is about."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from headroom_core.syntax import gutter
from headroom_core.syntax.outline import Outline, Span, outline
from headroom_core.transforms import _asked
from headroom_core.transforms._code import trim
from headroom_core.transforms._code.choose import chosen, relevance
from headroom_core.transforms._code.fold import Edit, Folder
from headroom_core.types import Context, Part, Rewrite

_COMMENTS_SHARE: Final = 0.5


class Code:
    """Code in the languages of ``syntax.languages``, and well-indented code in others."""

    name = "code"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Lossy only: the outline with the asked bodies, which still parses; None where nothing folds."""
        if context.strength == "lossless":
            return None
        numbered = gutter.read(part.text)
        made = outline(numbered.source if numbered else part.text)
        if made is None or not (made.symbols or _declares(made)):
            return None
        asked = _asked.asked(context.query)
        kept = chosen(made, asked)
        result = _folded(made, kept, asked, numbered)
        if result is not None and context.target_ratio is not None:
            more = _filled(made, kept, asked, context.target_ratio, len(result.text))
            result = _folded(made, more, asked, numbered) if more != kept else result
        return result


def _declares(made: Outline) -> bool:
    """Is a file without definitions more than its comments: types, constants, tables?"""
    return sum(end - start for start, end in made.comments) < _COMMENTS_SHARE * len(made.data)


def _folded(made: Outline, kept: set[int], asked: _asked.Asked, numbered: gutter.Numbered | None) -> Rewrite | None:
    """With comments and literals trimmed where the result parses so, else with bodies folded only."""
    folder = Folder(made, kept, numbered.first if numbered else 1)
    folder.run()
    tries = [folder.edits] if made.broken else [folder.edits + _trims(made, folder, asked), folder.edits]
    for edits in tries:
        pieces = spliced(made.data, edits)
        data = b"".join(piece for piece, _ in pieces)
        if edits and _parses(data, made):
            text = _numbered(pieces, folder, numbered) if numbered else data.decode("utf-8")
            return Rewrite.of(text, _left_out(made, folder, data), language=made.language)
    return None


def _trims(made: Outline, folder: Folder, asked: _asked.Asked) -> list[Edit]:
    """Edits outside of everything that is settled; the comment over an asked definition stays whole."""
    settled = sorted(folder.settled)
    starts = [start for start, _ in settled]
    asked_lines = {folder.lines.number(made.symbols[i].start) for i in folder.kept}

    def free(span: Span) -> bool:
        at = bisect_right(starts, span[1] - 1) - 1
        if at >= 0 and settled[at][1] > span[0]:
            return False
        return folder.lines.number(span[1] - 1) + 1 not in asked_lines

    hits = _hits(asked)
    lines = folder.lines
    edits = trim.docs(made, lines, free) + trim.literals(made, lines, free, hits) + trim.texts(made, lines, free, hits)
    taken = sorted((start, end) for start, end, _ in edits)
    inside = [start for start, _ in taken]

    def untouched(span: Span) -> bool:
        at = bisect_right(inside, span[0]) - 1
        return free(span) and not (at >= 0 and taken[at][1] > span[0])

    return edits + trim.comments(made, lines, untouched, hits)


def _hits(asked: _asked.Asked) -> Callable[[bytes], bool]:
    """Does a line hold an asked name, or two of the query's words?"""
    names = _asked.pattern(_asked.Asked(asked.names, ()))
    words = [w.encode() for w in asked.words]

    def hits(line: bytes) -> bool:
        if names is not None and names.search(line.decode("utf-8", "replace")):
            return True
        low = line.lower()
        return len(words) > 1 and sum(w in low for w in words) > 1

    return hits


def _filled(made: Outline, kept: set[int], asked: _asked.Asked, share: float, now: int) -> set[int]:
    """More bodies, the most relevant and then the shortest first, until the wanted share is reached."""
    scores = relevance(made, asked) if asked else {}
    room = share * len(made.data) - now
    more = set(kept)

    def order(i: int) -> tuple[float, int, int]:
        return -scores.get(i, 0.0), made.symbols[i].end - made.symbols[i].start, i

    for i in sorted((i for i, s in enumerate(made.symbols) if s.kind == "function" and i not in kept), key=order):
        room -= made.symbols[i].fold[1] - made.symbols[i].fold[0]
        if room < 0:
            break
        more.add(i)
    return more


def spliced(data: bytes, edits: list[Edit]) -> list[tuple[bytes, int]]:
    """``data`` with each span replaced, as pieces with their offset, or -1 for replacements; the first edit wins."""
    pieces: list[tuple[bytes, int]] = []
    at = 0
    for start, end, replacement in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
        if start < at:
            continue
        pieces += [(data[at:start], at), (replacement, -1)]
        at = end
    pieces.append((data[at:], at))
    return pieces


def _numbered(pieces: list[tuple[bytes, int]], folder: Folder, numbered: gutter.Numbered) -> str:
    """The result with the viewer's gutter before each line that begins as it did."""
    out: list[str] = []
    fresh = True
    for piece, offset in pieces:
        at, fresh_before = offset, fresh
        for line in piece.decode("utf-8").split("\n"):
            if fresh and offset >= 0:
                out.append(numbered.prefixes[min(folder.lines.number(at), len(numbered.prefixes)) - 1])
            out += [line, "\n"]
            at += len(line.encode()) + 1
            fresh = True
        out.pop()
        fresh = piece.endswith(b"\n") or (fresh_before and not piece)
    return "".join(out)


def _parses(data: bytes, made: Outline) -> bool:
    """No more syntax errors than before, by the reader that made the outline."""
    if made.engine == "tree-sitter":
        from headroom_core.syntax._tree import errors

        now = errors(data, made.language)
        return now is not None and now <= made.broken
    if made.engine == "ast":
        from headroom_core.syntax._ast import read

        return read(data, data.decode("utf-8")) is not None
    return True


def _left_out(made: Outline, folder: Folder, data: bytes) -> str:
    before, after = made.data.count(b"\n") + 1, data.count(b"\n") + 1
    folded = folder.folded
    functions = sum(1 for i, s in enumerate(made.symbols) if s.kind == "function" and (s.name or i in folded))
    told = f"bodies of {len(folded)} of {functions} functions, their lines named in comments"
    bodies = told if folded else "comments and literals"
    language = f"{made.language} " if made.language else ""
    return f"{bodies}, {before - after:,} of {before:,} {language}lines"
