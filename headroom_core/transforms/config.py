"""Settings files: the asked keys with the path that leads to them, the top level, lists by count; comments trimmed.

The closing line counts lines and never quotes a value, so that no secret can get into it.
"""

from __future__ import annotations

from dataclasses import dataclass

from headroom_core.anchors import Asked, asked, word_scores
from headroom_core.transforms._settings_lines import Entry, read
from headroom_core.types import Context, Part, Rewrite

_MAX_CHARS = 10_000_000
_PATH_CHARS = 400
_SMALL = 40  # lines of settings up to which nothing but comments and long lists goes
_TOP = 60  # top-level lines up to which all of them stay
_HITS = 30
_SUBTREE = 40
_LIST = 8
_LIST_SHOWN = 3
_WORTH = 0.95


@dataclass(slots=True)
class _Gone:
    settings: int = 0
    comments: int = 0
    items: int = 0

    def line(self) -> str:
        """Counts only."""
        counts = ((self.settings, "setting"), (self.items, "list line"), (self.comments, "comment line"))
        return ", ".join(f"{count:,} {name}{'s' * (count != 1)}" for count, name in counts if count)


class Config:
    """YAML, TOML, INI, properties and .env files."""

    name = "config"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Lossy only; None where the text does not look like settings or little would go."""
        if context.strength == "lossless" or len(part.text) > _MAX_CHARS:
            return None
        entries = read(part.text)
        if entries is None:
            return None
        wanted = asked(context.query)
        hits = _hits(entries, wanted)
        gone = _Gone()
        keep = _without_comments(entries, wanted, gone)
        if hits:
            _narrow(entries, hits, keep, gone)
        _shorten_lists(entries, hits, keep, gone)
        text = _rendered(entries, keep)
        return Rewrite.of(text, gone.line()) if gone.line() and len(text) < _WORTH * len(part.text) else None


def _hits(entries: list[Entry], wanted: Asked) -> set[int]:
    """The lines whose path and value answer the query best."""
    if not wanted:
        return set()
    paths = _paths(entries)
    lines = [i for i, entry in enumerate(entries) if entry.role in ("key", "item", "text")]
    scores = word_scores([paths[i].lower() for i in lines], wanted)
    best = max(scores, default=0.0)
    found = sorted((-score, i) for score, i in zip(scores, lines, strict=True) if score >= 0.6 * best > 0)
    return {i for _, i in found[:_HITS]} if len(found) <= max(_HITS, len(lines) // 4) else set()


def _paths(entries: list[Entry]) -> list[str]:
    """Each line with the keys above it."""
    paths: list[str] = []
    for entry in entries:
        above = paths[entry.parent] if entry.parent >= 0 else ""
        own = entry.text.strip()
        keys = above.split("=", 1)[0].split(": ", 1)[0].rstrip(":") if entry.parent >= 0 else ""
        paths.append(f"{keys[-_PATH_CHARS:]} {own[:_PATH_CHARS]}" if keys else own[:_PATH_CHARS])
    return paths


def _without_comments(entries: list[Entry], wanted: Asked, gone: _Gone) -> list[bool]:
    """Everything but comments (those with an asked name stay) and repeated blank lines."""
    keep = [True] * len(entries)
    for i, entry in enumerate(entries):
        if entry.role == "comment":
            low = entry.text.lower()
            keep[i] = (i == 0 and low.startswith(("#!", "# syntax"))) or any(piece in low for piece in wanted.exact)
            gone.comments += not keep[i]
        elif entry.role == "blank":
            keep[i] = i + 1 == len(entries)
    return keep


def _narrow(entries: list[Entry], hits: set[int], keep: list[bool], gone: _Gone) -> None:
    """Only the top level, the asked lines with what stands above them, and what stands under them."""
    said = [i for i, entry in enumerate(entries) if entry.role not in ("comment", "blank")]
    if len(said) <= _SMALL:
        return
    tops = [i for i in said if entries[i].parent < 0]
    stay = set(tops) if len(tops) <= _TOP else set(tops[:_LIST_SHOWN])
    second = [i for top in tops for i in entries[top].children if entries[i].role == "key"]
    if len(tops) + len(second) <= _TOP:
        stay.update(second)
    for hit in sorted(hits):
        at = hit
        while at >= 0 and at not in stay:
            stay.add(at)
            at = entries[at].parent
        stay.add(hit)
        stay.update(_below(entries, hit))
    for i in said:
        if i not in stay:
            keep[i] = False
            gone.settings += 1


def _below(entries: list[Entry], top: int) -> list[int]:
    found: list[int] = []
    todo = list(reversed(entries[top].children))
    while todo and len(found) < _SUBTREE:
        i = todo.pop()
        found.append(i)
        todo += reversed(entries[i].children)
    return found


def _shorten_lists(entries: list[Entry], hits: set[int], keep: list[bool], gone: _Gone) -> None:
    """Of long lists the first items and those with a hit; the rest of the items, with all under them, goes."""
    holds = set(hits)
    for hit in sorted(hits):
        at = entries[hit].parent
        while at >= 0 and at not in holds:
            holds.add(at)
            at = entries[at].parent
    for owner in [-1, *range(len(entries))]:
        children = entries[owner].children if owner >= 0 else [i for i, e in enumerate(entries) if e.parent < 0]
        items = [i for i in children if entries[i].role in ("item", "text")]
        if len(items) <= _LIST or len(items) * 2 < len(children):
            continue
        for i in items[_LIST_SHOWN:]:
            if i in holds:
                continue
            for j in (i, *_all_below(entries, i)):
                gone.items += keep[j]
                keep[j] = False


def _all_below(entries: list[Entry], top: int) -> list[int]:
    found: list[int] = []
    todo = list(entries[top].children)
    while todo:
        i = todo.pop()
        found.append(i)
        todo += entries[i].children
    return found


def _rendered(entries: list[Entry], keep: list[bool]) -> str:
    """The kept lines; a comment with a count stands where settings went."""
    out: list[str] = []
    missing, at = 0, 0
    for i, entry in enumerate(entries):
        if not keep[i]:
            if entry.role not in ("comment", "blank"):
                at = i if not missing else at
                missing += 1
            continue
        if missing:
            out.append(_note(entries[at], missing))
            missing = 0
        out.append(entry.text)
    if missing:
        out.append(_note(entries[at], missing))
    return "\n".join(out)


def _note(entry: Entry, missing: int) -> str:
    indent = entry.text[: len(entry.text) - len(entry.text.lstrip())]
    return f"{indent}# … {missing:,} more"
