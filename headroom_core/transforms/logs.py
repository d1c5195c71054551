"""Logs: the failure with its block and context, errors and rare events, what the question names, the rest counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headroom_core.types import Context, Part, Rewrite

if TYPE_CHECKING:
    from headroom_core.transforms._logs.blocks import F64, Evidence
    from headroom_core.transforms._logs.features import Features
    from headroom_core.transforms._logs.lines import Lines

SHARES: Final = (0.022, 0.15)
"""Least and greatest share of its tokens that a log's excerpt takes by default, gap notes and last line not counted."""

_EVENTS: Final = (0.0, 0.02)  # the same for a stream of events, where the first line of each kind of error tells all
_FLOOR: Final = 300  # tokens that a small log may take anyway
_TRIES: Final = 4


class Log:
    """Lossy only: lines stand as they came (colour codes and carriage returns aside), gaps carry line numbers."""

    name = "log"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """An excerpt with gap notes; None for lossless strength and for short texts."""
        if context.strength == "lossless" or len(part.text) < 200:
            return None
        from headroom_core.transforms._logs import blocks, features, lines, query, ranker, render

        text = lines.read(part.text)
        seen = features.read(text)
        if not len(seen.line):
            return None
        wanted = query.named(text, seen, context.query)
        evidence = blocks.weigh(seen, ranker.bundled().share(seen), wanted)
        tokens = part.tokens or context.count(part.text)
        cost = blocks.costs(text, seen, tokens, render.LONGEST)
        if context.target_ratio is not None:
            return _within(text, seen, evidence, cost, context.target_ratio * tokens, context)
        low, high = (a + evidence.service * (b - a) for a, b in zip(SHARES, _EVENTS, strict=True))
        floor = 0.0 if evidence.service else min(_FLOOR / tokens, 0.5)
        budget = blocks.open_budget(evidence, cost, tokens, (max(low, floor), max(high, floor)))
        return _written(text, seen, evidence, cost, budget)


def _within(
    text: Lines, seen: Features, evidence: Evidence, cost: F64, goal: float, context: Context
) -> Rewrite | None:
    """Fit the excerpt with its last line into ``goal`` tokens: measure, correct the budget, try again."""
    budget, best, best_gap = 0.9 * goal, None, float("inf")
    for _ in range(_TRIES):
        made = _written(text, seen, evidence, cost, budget)
        if made is None:
            return None
        size = context.count(made.text) + context.count(made.left_out or "") + 4
        gap = (size - goal) / goal if size > goal else 0.3 * (goal - size) / goal
        if gap < best_gap:
            best, best_gap = made, gap
        if 0.96 * goal <= size <= goal:
            break
        budget *= min(2.0, max(0.3, 0.98 * goal / max(size, 1)))
    return best


def _written(text: Lines, seen: Features, evidence: Evidence, cost: F64, budget: float) -> Rewrite | None:
    import numpy as np

    from headroom_core.transforms._logs import blocks, render, summary

    chosen = blocks.choose(evidence, cost, budget)
    keep = np.zeros(len(text), bool)
    keep[seen.line[chosen]] = True
    if keep.sum() == len(text):
        return None
    kinds = int(min(4, 1 + budget // 300))
    return Rewrite.of(render.excerpt(text, keep), summary.left_out(text, seen, keep, kinds))
