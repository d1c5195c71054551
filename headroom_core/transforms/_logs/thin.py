"""For very long logs: which lines are looked at closely. Memory and time stay bounded; the counts stay exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs import tokens, vocabulary
from headroom_core.transforms._logs.lines import Lines

I64 = NDArray[np.int64]

BYTES, LINES = 2_000_000, 24_000  # up to here a log is read whole
_RARE = 4  # lines of a kind that has so few are looked at
_FLAGGED = 300  # the same for kinds with a word of failure
_ENDS = (200, 4000)  # first and last lines that are looked at


def survey(lines: Lines) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Per line: the hash of its template (0: blank), and whether it has a word of failure. In pieces."""
    kinds, flags = np.zeros(len(lines), np.uint64), np.zeros(len(lines), bool)
    bad = vocabulary.IS_STRONG | vocabulary.LEVEL_ERROR | vocabulary.FAIL_HEAD
    for a, b in tokens.pieces(lines):
        words = tokens.piece(lines, a, b)
        kinds[a:b] = words.line_hashes(b - a, a)[1]
        flags[words.line[(vocabulary.word_bits()(words.hash) & bad) > 0]] = True
    return kinds, flags


def candidates(kinds: NDArray[np.uint64], flags: NDArray[np.bool_], asked: I64) -> I64:
    """At most LINES line numbers (0-based, sorted): asked ones, the ends, rare kinds, failures, one of each kind."""
    n = len(kinds)
    _, first, group, counts = np.unique(kinds, return_index=True, return_inverse=True, return_counts=True)
    count = counts[group]
    order = np.full(n, 9, np.int8)
    order[flags & (count <= _FLAGGED)] = 4
    order[count <= _RARE] = 3
    order[flags & (count <= _RARE)] = 2
    order[first] = np.minimum(order[first], np.where(flags[first], 1, 3)).astype(np.int8)
    order[: _ENDS[0]] = np.minimum(order[: _ENDS[0]], 2)
    order[-_ENDS[1] :] = np.minimum(order[-_ENDS[1] :], 2)
    order[asked] = 0
    order[kinds == 0] = 9
    kept = np.flatnonzero(order < 9)
    if len(kept) > LINES:  # of what stands equal, the later lines win: failures end a log
        kept = np.sort(kept[np.lexsort((-kept, order[kept]))[:LINES]])
    return kept
