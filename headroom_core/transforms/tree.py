"""Directory listings and trees: folded by folder with counts per extension; names that the query asks for stay, with path.

Lossless: ``shorten`` writes shared folders once (``expand`` gives the bytes back).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from headroom_core.transforms._budget import Budget
from headroom_core.transforms._search import rank
from headroom_core.transforms._tree.entries import Entry, read
from headroom_core.transforms._tree.shorten import expand, shorten
from headroom_core.types import Context, Part, Rewrite

__all__ = ["Tree", "TreeOptions", "expand"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeOptions(Budget):
    """The budget of a folded listing; fewer than ``few`` entries are never folded."""

    share: float = 0.2
    least: int = 150
    most: int = 2000
    few: int = 60


class Tree:
    """The transform of kind ``tree``."""

    name = "tree"

    def __init__(self, options: TreeOptions | None = None) -> None:
        self._options = options or TreeOptions()

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """The listing folded by folder, or its short form; None where it is short already or no listing."""
        if context.strength != "lossless":
            entries = read(part.text)
            if len(entries) >= self._options.few:
                folded = self._fold(entries, part, context)
                if folded is not None:
                    return folded
        short = shorten(part.text)
        return Rewrite.of(short) if short is not None else None

    def _fold(self, entries: Sequence[Entry], part: Part, context: Context) -> Rewrite | None:
        density = part.tokens / max(1, len(part.text))
        budget = self._options.tokens(part.tokens, context.target_ratio)
        kept, spent = self._asked(entries, context.query, 0.6 * budget, density)
        body, named = _folders(entries, kept, budget - spent, density)
        if len(body) > 0.7 * len(part.text):
            return None
        gone = len(entries) - len(kept) - named
        return (
            Rewrite.of(body, f"{gone} of {len(entries)} entries, counted above by folder and ending") if gone else None
        )

    def _asked(
        self, entries: Sequence[Entry], query: str | None, budget: float, density: float
    ) -> tuple[set[int], float]:
        """The entries that the query names, by score, while the budget lasts."""
        score = rank.scores([entry.name for entry in entries], [entry.folder for entry in entries], query)
        best = max(score, default=0.0)
        kept: set[int] = set()
        spent = 0.0
        for at in sorted((at for at, value in enumerate(score) if value > 0.3 * best), key=lambda at: (-score[at], at)):
            cost = (len(entries[at].line) + 4) * density
            if spent + cost > budget and kept:
                break
            kept.add(at)
            spent += cost
        return kept, spent


def _folders(entries: Sequence[Entry], kept: set[int], budget: float, density: float) -> tuple[str, int]:
    """A line per folder, the largest first where not all fit, with the kept entries below theirs.

    A folder without a line of its own is counted in the nearest one above that has one. Returns the text and how many
    folders are named that are entries themselves.
    """
    count = Counter(entry.folder for entry in entries)
    depth = {folder: folder.count("/") + folder.count("\\") for folder in count}
    shown = {min(count, key=lambda folder: (depth[folder], folder))} | {entries[at].folder for at in kept}
    for folder in sorted(count, key=lambda folder: (depth[folder] - min(6, count[folder] // 8), folder)):
        cost = (len(folder) + 30) * density
        if cost > budget:
            break
        shown.add(folder)
        budget -= cost
    totals: dict[str, Counter[str]] = {folder: Counter() for folder in shown}
    for at, entry in enumerate(entries):
        if at not in kept:
            totals[_home(entry.folder, shown)][ending(entry.name)] += 1
    lines: list[str] = []
    for folder in sorted(shown):
        lines.append(f"{folder or '.'}/: {_counts(totals[folder])}" if totals[folder] else f"{folder or '.'}/:")
        lines += ["  " + _line(entries[at]) for at in sorted(kept) if entries[at].folder == folder]
    paths = {entry.path for entry in entries}
    return "\n".join(lines), sum(folder in paths for folder in shown)


def _line(entry: Entry) -> str:
    """The whole path where the tool printed no more than the name, so that the line can stand alone."""
    return entry.path if entry.line in (entry.name, entry.path) else entry.line


def _home(folder: str, shown: set[str]) -> str:
    """The nearest folder at or above that has a line; the first of all where none has."""
    while folder and folder not in shown:
        cut = max(folder.rfind("/"), folder.rfind("\\"))
        folder = folder[:cut] if cut > 0 else ""
    return folder if folder in shown else min(shown)


def ending(name: str) -> str:
    """The ending by which names are counted: ``.py``, ``.tar.gz``, or "other" for names without one."""
    match = re.search(r"(?<=[^.])(\.(?:tar\.)?[A-Za-z]\w{0,7})[*@]?$", name)
    return match[1].lower() if match else "other"


def _counts(endings: Counter[str]) -> str:
    """``34 entries (.py 20, .md 10, other 4)``, at most five endings."""
    top = sorted(endings.items(), key=lambda item: (-item[1], item[0]))
    total = sum(endings.values())
    if len(top) == 1:
        return f"{total} {top[0][0]}" if top[0][0] != "other" else f"{total} entries"
    named = [f"{name} {count}" for name, count in top[:5]]
    rest = sum(count for _, count in top[5:])
    return f"{total} entries ({', '.join(named)}{f', more {rest}' if rest else ''})"
