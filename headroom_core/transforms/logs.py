"""Logs: the failure with its block and context, errors and rare events, what the question names, the rest counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headroom_core.types import Context, Part, Rewrite

if TYPE_CHECKING:
    from headroom_core.transforms._logs.blocks import Evidence
    from headroom_core.transforms._logs.features import Features
    from headroom_core.transforms._logs.lines import Lines

SHARE: Final = 0.036
"""Share of the tokens of a log that its excerpt takes by default, beyond the floor below."""

_FLOOR: Final = 400  # tokens that a small log may take anyway
_EVENTS: Final = 0.02  # share for a stream of events, where the first line of each kind of error tells the story
_ENOUGH: Final = 0.985
_TRIES: Final = 4


class Log:
    """Lossy only: lines stand as they came (colour codes and carriage returns aside), gaps carry line numbers."""

    name = "log"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        if context.strength == "lossless" or len(part.text) < 200:
            return None
        from headroom_core.transforms._logs import blocks, features, lines, query, ranker

        text = lines.read(part.text)
        seen = features.read(text)
        if not len(seen.line):
            return None
        wanted = query.named(text, seen, context.query)
        evidence = blocks.weigh(seen, ranker.bundled().scores(seen), wanted)
        tokens = part.tokens or context.count(part.text)
        if context.target_ratio is None:
            return _written(text, seen, evidence, tokens, _default_budget(tokens, evidence))
        return _within(text, seen, evidence, tokens, context)


def _default_budget(tokens: int, evidence: Evidence) -> float:
    share = SHARE + evidence.service * (_EVENTS - SHARE)
    return min(max(share * tokens, _FLOOR), 0.5 * tokens)


def _within(text: Lines, seen: Features, evidence: Evidence, tokens: int, context: Context) -> Rewrite | None:
    """Fit the excerpt with its last line into ``target_ratio``: measure, correct the budget, try again."""
    assert context.target_ratio is not None
    goal = context.target_ratio * tokens
    budget, best, best_gap = goal, None, float("inf")
    for _ in range(_TRIES):
        made = _written(text, seen, evidence, tokens, budget, enough=1.0)
        if made is None:
            return None
        size = context.count(made.text) + context.count(made.left_out or "")
        gap = (size - goal) / goal if size > goal else 0.3 * (goal - size) / goal
        if gap < best_gap:
            best, best_gap = made, gap
        if 0.93 * goal <= size <= goal:
            break
        budget *= min(2.0, max(0.3, 0.97 * goal / max(size, 1)))
    return best


def _written(
    text: Lines, seen: Features, evidence: Evidence, tokens: int, budget: float, enough: float = _ENOUGH
) -> Rewrite | None:
    import numpy as np

    from headroom_core.transforms._logs import blocks, render, summary

    kinds = int(min(4, 1 + budget // 300))
    cost = blocks.costs(text, seen, tokens, render.LONGEST)
    chosen = blocks.choose(evidence, cost, budget - 12 - 22 * kinds, enough=enough)
    keep = np.zeros(len(text), bool)
    keep[seen.line[chosen]] = True
    if keep.sum() == len(text):
        return None
    return Rewrite.of(render.excerpt(text, keep), summary.left_out(text, seen, keep, kinds))
