"""Logs: the failure with its block and context, errors and rare events, what the question names, the rest counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from headroom_core.types import Context, Part, Rewrite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headroom_core.transforms._logs.blocks import F64, Evidence
    from headroom_core.transforms._logs.features import Features
    from headroom_core.transforms._logs.lines import Lines

SHARES: Final = (0.022, 0.15)
"""Least and greatest share of its tokens that a log's excerpt takes by default, gap notes and last line not counted."""

_EVENTS: Final = (0.0, 0.02)  # the same for a stream of events, where the first line of each kind of error tells all
_FLOOR: Final = 300  # tokens that a small log takes anyway; one of events only where as much is wanted
_TRIES: Final = 6
_ROOM: Final = (150, 500, 900, 1200)  # tokens from which on one more kind of hidden lines is named
_BRACKETS: Final = 4  # tokens around the line about the rest


class Log:
    """Lossy only: lines stand as they came (colour codes and carriage returns aside), gaps carry line numbers."""

    name = "log"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """An excerpt with gap notes; None for lossless strength and for short texts."""
        if context.strength == "lossless" or len(part.text) < 200:
            return None
        log = _Log.read(part.text, context.query)
        if log is None:
            return None
        tokens = part.tokens or context.count(part.text)
        if context.target_ratio is not None:
            return log.within(context.target_ratio * tokens, tokens, context)
        return log.written(log.budget(tokens), tokens)


@dataclass(slots=True)
class _Log:
    """A log as read: all of its lines with their templates, and what is known of those that are looked at closely.

    ``rows`` are the numbers of the latter, None for all.
    """

    lines: Lines
    kinds: NDArray[np.uint64]
    rows: NDArray[np.int64] | None
    near: Lines
    seen: Features
    evidence: Evidence

    @classmethod
    def read(cls, text: str, query: str | None) -> _Log | None:
        """None where the text has no words."""
        from headroom_core.transforms._logs import blocks, features, lines, ranker, thin
        from headroom_core.transforms._logs import query as asked

        every = lines.read(text)
        found = asked.named(every, query)
        rows, near, kinds = None, every, None
        if len(every.data) > thin.BYTES or len(every) > thin.LINES:
            kinds, flags = thin.survey(every)
            rows = thin.candidates(kinds, flags, np.concatenate([np.zeros(0, np.int64), *(r for _, r in found)]))
            near = every.only(rows)
            found = [(weight, np.searchsorted(rows, hits)) for weight, hits in found]
        if not len(near):
            return None
        seen = features.read(near)
        if not len(seen.line):
            return None
        evidence = blocks.weigh(seen, ranker.bundled().share(seen), asked.on_nodes(found, seen))
        return cls(every, seen.kinds if kinds is None else kinds, rows, near, seen, evidence)

    def budget(self, tokens: int) -> float:
        """Tokens for the shown lines by default."""
        from headroom_core.transforms._logs import blocks

        service = self.evidence.service
        low, high = (a + service * (b - a) for a, b in zip(SHARES, _EVENTS, strict=True))
        floor = min(_FLOOR / tokens, 0.5)
        bounds = (low if service else max(low, floor), max(high, floor))
        return blocks.open_budget(self.evidence, self._cost(tokens), tokens, bounds)

    def within(self, goal: float, tokens: int, context: Context) -> Rewrite | None:
        """Fit the excerpt with its last line into ``goal`` tokens: measure, correct the budget, try again."""
        budget, best, best_gap = 0.9 * goal, None, float("inf")
        for _ in range(_TRIES):
            made = self.written(budget, tokens)
            if made is None:
                return None
            size = context.count(made.text) + context.count(made.left_out or "") + _BRACKETS
            gap = (size - goal) / goal if size > goal else 0.3 * (goal - size) / goal
            if gap < best_gap:
                best, best_gap = made, gap
            if 0.98 * goal <= size <= goal:
                break
            budget *= min(2.0, max(0.3, 0.99 * goal / max(size, 1)))
        return best

    def written(self, budget: float, tokens: int) -> Rewrite | None:
        """The excerpt for a budget; None where it would leave nothing out."""
        from headroom_core.transforms._logs import blocks, render, summary

        chosen = self.seen.line[blocks.choose(self.evidence, self._cost(tokens), budget)]
        keep = np.zeros(len(self.lines), bool)
        keep[chosen if self.rows is None else self.rows[chosen]] = True
        cut = render.beyond(self.lines, keep)
        if keep.all() and not cut:
            return None
        room = max(budget, 0.02 * self.evidence.service * tokens)
        kinds = sum(room >= least for least in _ROOM)
        return Rewrite.of(render.excerpt(self.lines, keep), summary.left_out(self.lines, self.kinds, keep, kinds, cut))

    def _cost(self, tokens: int) -> F64:
        from headroom_core.transforms._logs import blocks, render

        return blocks.costs(self.near, self.seen, tokens, len(self.lines.data), render.LONGEST)
