"""Which lines are shown: values per node from several sources of evidence, and blocks of lines under a budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs.features import VERDICT, Features
from headroom_core.transforms._logs.lines import Lines

F64 = NDArray[np.float64]

_SURE = 0.5  # from this share on a log counts as a stream of events
_FEW, _ERRORS = 15, 0.4  # so many kinds of errors in another log share this part of the value
_TRACE_REACH = 30  # lines without a level after an error that belong to it
_AROUND = 4  # lines on each side that tell which of several equal lines is shown
_SINGLE = 3.0  # part of the note beside a line, in tokens
_HOLE, _HOLE_TOKENS = 3, 14.0  # lines and tokens of a hole between shown lines that is shown too
_VERDICT = 0.05  # value of the line that says which command failed
_SLACK = 0.5  # tokens: a budget that is the sum of what is wanted holds all of it in whatever order it is summed
KEEN = 1.9
"""A line is wanted by default where its share of the value is so many times its share of the tokens."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``value`` sums to about 1 over nodes; ``must`` marks nodes that are shown first, best value first."""

    value: F64
    must: NDArray[np.bool_]
    service: float


def weigh(seen: Features, ranked: F64, asked: F64 | None) -> Evidence:
    """Join the ranker, the levels, rare templates and the query into one value per node.

    ``service`` in [0, 1] says how much the log is a stream of events (levels, few templates) rather than one run
    of commands; there the first error of each template counts, and rare templates.
    """
    n = len(seen.line)
    service = _service(seen)
    verdict = np.flatnonzero(seen.structure[:, VERDICT])[:1]
    ranked[verdict] = np.maximum(ranked[verdict], _VERDICT)
    ranked = np.where(seen.fold, 0.05 * ranked, ranked)
    value = (1 - service) * once(ranked / max(ranked.sum(), 1e-12), seen.exact)
    must = np.zeros(n, bool)
    few = _few_errors(seen)
    if len(few) and service < _SURE:
        value *= 1 - _ERRORS
        value[few] += _ERRORS / len(few)
    if service > 0:
        events = _events(seen)
        if events.sum() > 0:
            value += service * events / events.sum()
            must |= (events >= 1) & (service > _SURE)
    if asked is not None and asked.sum() > 0:
        best = asked >= 0.6 * asked.max()
        value = 0.55 * value + 0.45 * asked / asked.sum()
        must |= best & (best.sum() <= max(12, 0.01 * n))
    return Evidence(value, must, service)


def _service(seen: Features) -> float:
    n = len(seen.line)
    if n < 20 or seen.structure[:, 0].any():
        return 0.0
    kinds = len(np.unique(seen.template)) / n
    leveled = float((seen.level > 0).mean())
    few = np.clip((0.5 - kinds) / 0.3, 0, 1)
    return float(
        few * np.clip((leveled - 0.3) / 0.3, 0, 1) if leveled > 0.3 else 0.6 * np.clip((0.3 - kinds) / 0.2, 0, 1)
    )


def _few_errors(seen: Features) -> NDArray[np.int64]:
    """Outside of builds: the first line of each kind at error level, where these kinds are few."""
    if seen.structure[:, 0].any():
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(seen.level == 3)
    first = rows[np.unique(seen.template[rows], return_index=True)[1]]
    return np.sort(first) if len(first) <= _FEW and len(rows) <= 0.05 * len(seen.line) else first[:0]


def _events(seen: Features) -> F64:
    """1 and more: the first (and last) line of each template of errors; below: warnings and rare templates."""
    n = len(seen.line)
    out = np.zeros(n)
    unique, first, inverse = np.unique(seen.template, return_index=True, return_inverse=True)
    last = np.zeros(len(unique), np.int64)
    last[inverse] = np.arange(n)
    counts = np.bincount(inverse)
    rare = counts <= max(1, n // 1000)
    out[first[rare]] = 0.15
    warned = first[seen.level[first] == 2]
    out[warned] = np.maximum(out[warned], 0.3)
    errors = np.flatnonzero(seen.level[first] == 3)
    out[last[errors]] = 0.4
    out[first[errors]] = 1.0 + (counts[errors] == 1)
    if (seen.level > 0).mean() > 0.3:
        _follow(seen.level, out)
    return out


def _follow(level: NDArray[np.int8], out: F64) -> None:
    """Lines without a level after a valued line (a stack trace, a continued message) share its value."""
    bare = level == 0
    for at in np.flatnonzero((out >= 0.3) & ~bare):
        stop = at + 1
        while stop < len(level) and bare[stop] and stop - at <= _TRACE_REACH:
            out[stop] = max(out[stop], 0.6 * out[at])
            stop += 1


def once(value: F64, exact: NDArray[np.uint64]) -> F64:
    """Of equal lines only the one in the most valued neighbourhood keeps a value: that of all of them."""
    _, group, counts = np.unique(exact, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        return value
    run = np.concatenate([[0], np.cumsum(value)])
    at = np.arange(len(value))
    around = run[np.minimum(at + _AROUND + 1, len(value))] - run[np.maximum(at - _AROUND, 0)]
    order = np.lexsort((-around, group))
    best = order[np.concatenate([[True], group[order][1:] != group[order][:-1]])]
    out = np.zeros(len(value))
    out[best] = np.minimum(np.bincount(group, value)[group[best]], 9 * value[best])
    return out


def open_budget(evidence: Evidence, cost: F64, tokens: int, bounds: tuple[float, float]) -> float:
    """Tokens of the nodes whose value is KEEN times their share of the tokens or more, within shares of the whole.

    A log that shows its failure plainly takes little; one whose signs are spread takes more.
    """
    rank = evidence.value * tokens / cost
    wanted = float(cost[(rank >= KEEN) | evidence.must].sum())
    low, high = bounds
    return min(max(wanted, low * tokens), high * tokens)


def choose(evidence: Evidence, cost: F64, budget: float) -> NDArray[np.bool_]:
    """Nodes to show: the musts, then by value per token until the budget is used; small holes are closed."""
    order = np.lexsort((-evidence.value / (cost + _SINGLE), ~evidence.must))
    order = order[(evidence.value[order] > 0) | evidence.must[order]]
    chosen = np.zeros(len(cost), bool)
    chosen[order[np.cumsum(cost[order]) <= budget + _SLACK]] = True
    if len(order) and not chosen.any():
        chosen[order[0]] = True
    return _filled(chosen, cost)


def _filled(chosen: NDArray[np.bool_], cost: F64) -> NDArray[np.bool_]:
    """Holes that are hardly dearer than their note are shown."""
    at = np.flatnonzero(chosen)
    if len(at) < 2:
        return chosen
    run = np.concatenate([[0], np.cumsum(cost)])
    a, b = at[:-1], at[1:]
    small = (b - a > 1) & (b - a <= _HOLE + 1) & (run[b] - run[a + 1] <= _HOLE_TOKENS)
    out = chosen.copy()
    for first, last in zip(a[small].tolist(), b[small].tolist(), strict=True):
        out[first:last] = True
    return out


def costs(lines: Lines, seen: Features, tokens: int, size: int, longest: int) -> F64:
    """Tokens of each node: 0.27 a byte and 0.29 a word (least squares against o200k), scaled to the text's tokens.

    ``tokens`` are those of the whole text of ``size`` bytes. A line longer than ``longest`` bytes is shown cut.
    """
    every = (lines.end - lines.start).astype(np.float64)
    number = np.bincount(seen.words.line, minlength=len(every))
    rough = 0.27 * every + 0.29 * np.minimum(number, every) + 0.1
    whole = rough.sum() * size / max(1.0, (every + 1).sum())
    scale = float(np.clip(tokens / max(1.0, whole), 0.5, 2.0))
    return (scale * np.minimum(rough, 0.4 * longest) + 1)[seen.line]
