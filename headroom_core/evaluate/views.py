"""Before and after of one output, side by side: what went is marked, long stretches are folded, all of it is escaped.

Texts are the user's data and may hold anything: markup, control characters, characters that turn the direction of
writing. Markup is escaped, the others are shown by a visible sign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape

from .facts import number_of
from .measure import Piece

_LONGEST_LINE = 500
_ALL_UNDER = 24
_HEAD, _TAIL, _AROUND = 9, 3, 4
_FEW = 0.2
_MOST_LINES = 160
_WORD = re.compile(r"\w+(?:[.:/-]\w+)*")
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def plain(text: str) -> str:
    """A text whose hidden characters stand as their code point: safe for a terminal."""
    return _HIDDEN.sub(lambda found: f"‹{ord(found[0]):04X}›", text)


def shown(text: str) -> str:
    """The same for HTML, escaped."""
    return escape(plain(text), quote=True)


def before(piece: Piece) -> str:
    """The original: lines of which something went are marked, values that were missed are highlighted."""
    there = {_key(word) for word in _WORD.findall(piece.after)}
    missed = [use.value for use in piece.missing]
    marked = []
    for line in lines(piece.before):
        words = _WORD.findall(line)
        gone = any(_key(word) not in there for word in words)
        marked.append((line, "gone" if gone else "stays" if words else ""))
    return _rows(marked, missed)


def after(piece: Piece) -> str:
    """What went out; the closing line stands apart."""
    *body, last = piece.after.split("\n")
    closed = last.startswith("[left out:")
    marked = [(line, "") for line in (body if closed else [*body, last])]
    return _rows(marked, []) + (f'<span class="note">{shown(last)}</span>' if closed else "")


def _key(word: str) -> str:
    return number_of(word) if word.replace(".", "").isdigit() else word.lower()


def lines(text: str) -> list[str]:
    """Lines to show; JSON on one line is laid out."""
    if "\n" not in text.strip() and len(text) > _LONGEST_LINE and text[:1] in "[{":
        try:
            return json.dumps(json.loads(text), indent=1, ensure_ascii=False).split("\n")
        except ValueError:
            return [text]
    return text.split("\n")


def _rows(marked: Sequence[tuple[str, str]], missed: Sequence[str]) -> str:
    """Lines as HTML: head, tail, what was missed with its surroundings, and what stayed where little did; folds between."""
    shown_at = _chosen(marked, missed)
    found: list[str] = []
    at = 0
    while at < len(marked):
        if at in shown_at:
            found.append(_line(*marked[at], missed))
            at += 1
            continue
        end = at
        while end < len(marked) and end not in shown_at:
            end += 1
        gone = sum(kind == "gone" for _, kind in marked[at:end])
        told = f", {gone:,} of them gone at least in part" if gone else ""
        found.append(f'<span class="fold"><i>{end - at:,} more lines{told}</i></span>')
        at = end
    return "".join(found)


def _chosen(marked: Sequence[tuple[str, str]], missed: Sequence[str]) -> set[int]:
    """Which lines are shown; a gap of a line or two is not worth a fold."""
    count = len(marked)
    chosen = {*range(min(_HEAD, count)), *range(max(0, count - _TAIL), count)}
    for at, (line, _) in enumerate(marked):
        if missed and _holds(line, missed) and len(chosen) < _MOST_LINES:
            chosen.update(range(max(0, at - _AROUND), min(count, at + _AROUND + 1)))
    stays = [at for at, (_, kind) in enumerate(marked) if kind == "stays"]
    if len(stays) <= _FEW * count:
        chosen.update(stays[: _MOST_LINES // 2])
    if count <= _ALL_UNDER:
        return set(range(count))
    return chosen | {
        at + step for at in chosen for step in (1, 2) if at + step + 1 in chosen or at + step + 2 in chosen
    }


def _holds(line: str, missed: Sequence[str]) -> bool:
    return any(value.lower() in line.lower() for value in missed)


def _line(line: str, kind: str, missed: Sequence[str]) -> str:
    more = f"… {len(line) - _LONGEST_LINE:,} more characters" if len(line) > _LONGEST_LINE else ""
    said = shown(line[:_LONGEST_LINE])
    for value in missed:
        said = re.sub(f"({re.escape(shown(value))})", r"<mark>\1</mark>", said, count=1, flags=re.IGNORECASE)
    return f'<span class="{kind}">{said}{more}</span>'
