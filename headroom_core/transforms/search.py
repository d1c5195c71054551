"""Search results: grep, ripgrep, ag, ack, git grep, and lists of web hits.

Lossless: grouped by file (``ungroup`` gives the bytes back). Else the hits that answer the query, with path and line
number, hits unlike all others, and counts per file for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headroom_core.anchors import asked
from headroom_core.transforms._budget import Budget
from headroom_core.transforms._search import rank
from headroom_core.transforms._search.grouped import group_hits, ungroup
from headroom_core.transforms._search.hits import Hits, Line, read
from headroom_core.transforms._search.web import pick, read_web
from headroom_core.types import Context, Part, Rewrite

__all__ = ["Search", "SearchOptions", "ungroup"]

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_AROUND_BEST: Final = 3  # how many of the best hits keep their context lines
_REPEATS: Final = 3  # of one template among hits that score alike
_AT_LEAST: Final = 6  # hits that are kept however much weaker they are than the best
_ALIKE: Final = 200  # characters by which hits are told alike
_CLOSING: Final = 50  # tokens of the line about the rest
_FLOOR: Final = 0.3  # of the best score; hits below it answer something else


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions(Budget):
    """The budget of the kept hits, and ``widest`` characters of one hit."""

    share: float = 0.08
    least: int = 180
    most: int = 2400
    widest: int = 400


class Search:
    """The transform of kind ``search``."""

    name = "search"

    def __init__(self, options: SearchOptions | None = None) -> None:
        self._options = options or SearchOptions()

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """The hits that answer, or all hits grouped by file; None where the part is no search result."""
        lossy = context.strength != "lossless"
        text = part.text
        if lossy and "\x1b[" in text:  # colours of grep --color=always stand inside the paths
            text = _COLOUR.sub("", text)
        hits = read(text)
        if hits is None:
            web = read_web(text) if lossy else []
            return pick(web, part, context) if web else None
        if lossy and (picked := _Picking(hits, part, context, self._options).run()) is not None:
            return picked
        grouped = group_hits(text, hits) if text == part.text else None
        return Rewrite.of(grouped) if grouped is not None else None


class _Picking:
    """One choice of hits: ``rows`` are the indices of lines that belong to a file, in order of appearance."""

    def __init__(self, hits: Hits, part: Part, context: Context, options: SearchOptions) -> None:
        self.lines = hits.lines
        self.rows = [index for index, line in enumerate(hits.lines) if line.mark]
        self.query = context.query
        self.options = options
        self.density = part.tokens / max(1, len(part.text))  # tokens per character
        self.budget = options.tokens(self._shown_tokens(), context.target_ratio, closing=_CLOSING)
        self.room = min(240, max(60, len(part.text) // 80))  # characters for the names of files left out

    def _shown_tokens(self) -> float:
        """Tokens of all hits if each were shown at most ``widest`` characters wide: one huge line buys no budget."""
        widest = self.options.widest
        return self.density * sum(min(len(line.text), widest) + len(line.path) + 8 for line in self.lines)

    def run(self) -> Rewrite | None:
        """The kept hits and what was left out; None where all would be kept."""
        texts = [self.lines[row].text.strip() for row in self.rows]
        paths = [self.lines[row].path for row in self.rows]
        kept = self._choose(texts, paths)
        if len(kept) >= 0.8 * len(self.rows):
            return None
        body = self._render(kept)
        return Rewrite.of(body, self._left_out(kept))

    def _choose(self, texts: Sequence[str], paths: Sequence[str]) -> list[int]:
        """Positions in ``rows``: by score while the budget lasts, then unlike ones, then the first of each file."""
        score = rank.scores(texts, paths, self.query)
        for at, row in enumerate(self.rows):
            if self.lines[row].mark != ":":
                score[at] *= 0.85
        wanted = sorted((at for at, value in enumerate(score) if value > 0), key=lambda at: (-score[at], at))
        wanted = [at for place, at in enumerate(wanted) if place < _AT_LEAST or score[at] > _FLOOR * score[wanted[0]]]
        kept: dict[int, None] = {}
        left = self.budget
        left = self._take(rank.rare([text[:_ALIKE] for text in texts])[:6], kept, left, texts, paths)
        left = self._take(_spread(wanted, score, texts), kept, left, texts, paths)
        if not wanted:
            left = self._take([at for at, text in enumerate(texts) if rank.notable(text)][:4], kept, left, texts, paths)
            left = self._take(_ends_of_files(paths), kept, left, texts, paths)
        best = [at for at in wanted if at in kept][:_AROUND_BEST]
        for at in best:
            around = [near for near in self._around(at) if near not in kept]
            left = self._take(around, kept, max(left, 60.0), texts, paths)
        return sorted(kept)

    def _take(
        self, order: Sequence[int], kept: dict[int, None], left: float, texts: Sequence[str], paths: Sequence[str]
    ) -> float:
        """Keep hits in this order while tokens are left; a path is paid once per file. Returns what is left."""
        files = {paths[at] for at in kept}
        for at in order:
            if at in kept:
                continue
            size = min(len(texts[at]), self.options.widest) + 7 + (0 if paths[at] in files else len(paths[at]) + 1)
            cost = size * self.density
            if cost > left:
                if left < 15:
                    break
                continue
            kept[at] = None
            files.add(paths[at])
            left -= cost
        return left

    def _around(self, at: int) -> list[int]:
        """The context lines printed directly around a hit."""
        out: list[int] = []
        for step in (1, -1):
            near = at + step
            while 0 <= near < len(self.rows) and abs(near - at) <= 3:
                line = self.lines[self.rows[near]]
                adjacent = abs(self.rows[near] - self.rows[near - step]) == 1
                if not adjacent or line.mark == ":" or line.path != self.lines[self.rows[at]].path:
                    break
                out.append(near)
                near += step
        return out

    def _render(self, kept: Sequence[int]) -> str:
        """Files with one kept hit on one line, others under their path; order as in the original."""
        by_path: dict[str, list[Line]] = {}
        for at in kept:
            line = self.lines[self.rows[at]]
            by_path.setdefault(line.path, []).append(line)
        words = [*asked(self.query).exact, *asked(self.query).words]
        out: list[str] = []
        for path, lines in by_path.items():
            bodies = [self._body(line, words) for line in lines]
            if len(lines) == 1:
                out.append(f"{path}{lines[0].mark}{bodies[0].lstrip(':-=')}")
            else:
                out += [path, *bodies]
        return "\n".join(out)

    def _body(self, line: Line, words: Sequence[str]) -> str:
        text = clip(line.text.rstrip(), self.options.widest, words)
        indent = len(text) - len(text.lstrip())
        text = text[min(indent, max(0, indent - 4)) :] if indent > 4 else text
        return f"{line.number}{line.mark}{text}"

    def _left_out(self, kept: Sequence[int]) -> str:
        """How many hits went, and from which files most."""
        gone = set(range(len(self.rows))).difference(kept)
        counts: dict[str, int] = {}
        hits = 0
        for at, row in enumerate(self.rows):
            if at in gone and self.lines[row].mark == ":":
                hits += 1
                counts[self.lines[row].path] = counts.get(self.lines[row].path, 0) + 1
        total = sum(self.lines[row].mark == ":" for row in self.rows)
        top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if not hits:
            return f"{len(gone)} context lines"
        return f"{hits} of {total} hits: {_named(top, self.room)}"


def _named(counts: Sequence[tuple[str, int]], room: int) -> str:
    """The files with most hits, as many as fit into ``room`` characters (one at least), and the number of the others."""
    named: list[str] = []
    for path, count in counts:
        item = f"{_plain(path)} {count}"
        if named and len(item) > room:
            break
        named.append(item)
        room -= len(item) + 2
    more = len(counts) - len(named)
    return ", ".join(named) + (f" and {more} more file{'s' if more > 1 else ''}" if more else "")


def _plain(path: str) -> str:
    """A path as it may stand inside the marker's brackets."""
    return re.sub(r"[\[\]\r\n]", "_", path)[-120:]


def _spread(wanted: Sequence[int], score: Sequence[float], texts: Sequence[str]) -> list[int]:
    """The same order, but of hits that score alike and say the same (digits aside) only a few."""
    seen: dict[tuple[str, float], int] = {}
    out: list[int] = []
    for at in wanted:
        key = (re.sub(r"\d+", "0", texts[at][:_ALIKE]), round(score[at], 3))
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= _REPEATS:
            out.append(at)
    return out


def _ends_of_files(paths: Sequence[str]) -> list[int]:
    """The first hit of every file, then the last of every file."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for at, path in enumerate(paths):
        first.setdefault(path, at)
        last[path] = at
    return [*first.values(), *last.values()]


def clip(text: str, widest: int, words: Sequence[str]) -> str:
    """At most about ``widest`` characters: the text around the query's words, else its beginning; cuts shown as ``…``."""
    if len(text) <= widest:
        return text
    lowered = text.lower()
    places = [at for word in words if (at := lowered.find(word)) >= 0]
    start = max(0, min(places, default=0) - widest // 4)
    start = min(start, len(text) - widest)
    return ("…" if start else "") + text[start : start + widest] + ("…" if start + widest < len(text) else "")
