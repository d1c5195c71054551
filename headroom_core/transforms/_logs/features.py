"""What the ranker sees of each line: its words, its shape, how rare it is, and where it stands between commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs import tokens, vocabulary
from headroom_core.transforms._logs.lines import Lines
from headroom_core.transforms._logs.tokens import Words

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

# Marks that fold the output of a command in a CI system's view; they say nothing themselves.
_FOLDS = (b"travis_time:", b"travis_fold:", b"##[endgroup]", b"::endgroup::", b"section_end:", b"section_start:")
# A command or a group of commands starts here, in the words of public CI systems.
_STARTS = (
    b"travis_time:start",
    b"travis_fold:start",
    b"##[group]",
    b"::group::",
    b"[command]",
    b"##[section]starting",
    b"[pipeline] sh",
    b"section_start:",
)
_EXIT = re.compile(rb"exit(?:ed|ing)?(?: with)?(?: (?:code|status|value))?[ :=(]{0,3}(-?\d{1,5})\b")
_VERDICTS = (
    b'the command "',
    b"process completed with exit code",
    b"command exited with code",
    b"job failed: exit",
    b"exited with code exit status",
    b"##[error]",
)
_FAILED = (
    b"build failed",
    b"build failure",
    b"non-zero",
    b"] error ",
    b"err! code",
    b"process completed with exit code",
)

_MOST_MARKS = 5000  # of one sort; a log with more is no run of commands
_PROGRESS = 8  # lines of one kind with a percentage: more are a progress bar
_LEVEL_WORDS = 24  # a level stands within the first words of a line

SHAPE, STRUCTURE = 49, 28
VERDICT = 17  # column of structure: the CI system says here that a command failed


@dataclass(frozen=True, slots=True)
class Features:
    """One row per node; a node is a line that is not blank, or a run of equal lines.

    ``line`` is the node's first line, ``last`` its last, ``node_of`` maps words to nodes (-1: a repeated line) and
    ``pairs`` holds the hash of each word with its successor; ``exact`` and ``template`` are hashes of the line, and ``kinds``
    holds the template of every line (0: blank).
    ``fold`` marks nodes that carry nothing: fold marks of CI systems, steps of a progress bar.
    ``shape`` is (nodes, SHAPE), ``structure`` (nodes, STRUCTURE); ``level`` is 3 error, 2 warning, 1 lower, 0 none.
    """

    line: I64
    last: I64
    node_of: I64
    shape: F32
    structure: F32
    exact: NDArray[np.uint64]
    template: NDArray[np.uint64]
    count: I64
    level: NDArray[np.int8]
    fold: NDArray[np.bool_]
    words: Words
    pairs: NDArray[np.uint64]
    kinds: NDArray[np.uint64]


def read(lines: Lines) -> Features:
    """Features of a log, vectorised."""
    words = tokens.read(lines)
    exact, template = words.line_hashes(len(lines))
    filled = np.flatnonzero(exact)
    fresh = np.ones(len(filled), bool)
    fresh[1:] = exact[filled[1:]] != exact[filled[:-1]]
    line = filled[fresh]
    heads = np.flatnonzero(fresh)
    last = filled[np.append(heads[1:], len(filled)) - 1] if len(heads) else line
    repeats = np.diff(np.append(heads, len(filled)))
    node_at = np.full(len(lines), -1, np.int64)
    node_at[line] = np.arange(len(line))
    node_of = node_at[words.line]
    _, inverse, counts = np.unique(template[line], return_inverse=True, return_counts=True)
    count = counts[inverse] if len(line) else np.zeros(0, np.int64)
    bits, pairs = vocabulary.word_bits()(words.hash), words.bigrams()
    level = _levels(words, bits, node_of, len(line))
    shape = _shape(lines, words, line, node_of, repeats, count, inverse, exact, level)
    if len(line):
        _say(shape, words, bits, vocabulary.pair_bits()(pairs), pairs, node_of, len(line))
    fold = _per_node(np.flatnonzero(((bits & vocabulary.PERCENT) > 0) & (node_of >= 0)), node_of, len(line)) > 0
    fold &= count > _PROGRESS
    fold[_marked(lines, line)] = True
    rest = (_structure(lines, line), exact[line], template[line], count)
    return Features(line, last, node_of, shape, *rest, level, fold, words, pairs, template)


def _levels(words: Words, bits: NDArray[np.int32], node_of: I64, nodes: int) -> NDArray[np.int8]:
    """The level word among the first words of each line; the first one counts."""
    level = np.zeros(nodes, np.int8)
    found = np.flatnonzero(bits & (vocabulary.LEVEL_INFO | vocabulary.LEVEL_WARN | vocabulary.LEVEL_ERROR))
    heads = np.flatnonzero(words.first)
    if not len(found):
        return level
    place = found - heads[np.searchsorted(heads, found, "right") - 1]
    found = found[(place < _LEVEL_WORDS) & (node_of[found] >= 0)]
    kinds = np.where(bits[found] & vocabulary.LEVEL_WARN, 2, np.where(bits[found] & vocabulary.LEVEL_ERROR, 3, 1))
    level[node_of[found[::-1]]] = kinds[::-1]  # of several, the first is written last
    return level


def _per_node(chosen: I64, node_of: I64, nodes: int) -> NDArray[np.int64]:
    """How many of the chosen words each node has."""
    return np.bincount(node_of[chosen], minlength=nodes)


def _shape(
    lines: Lines,
    words: Words,
    line: I64,
    node_of: I64,
    repeats: I64,
    count: I64,
    kind: I64,
    exact: NDArray[np.uint64],
    level: NDArray[np.int8],
) -> F32:
    n = len(line)
    out = np.zeros((n, SHAPE), np.float32)
    if not n:
        return out
    size = (lines.end - lines.start)[line]
    real = node_of >= 0
    by_class = np.bincount(node_of[real] * 8 + words.cls[real], minlength=8 * n).reshape(n, 8)
    total = np.maximum(by_class.sum(1), 1)
    heads = np.flatnonzero(words.first & real)
    gap = np.diff(np.concatenate([[-1], line]))
    seen = np.zeros(n, bool)
    seen[np.unique(kind, return_index=True)[1]] = True
    order = np.unique(exact[line], return_inverse=True, return_counts=True)
    out[:, 0] = np.log1p(size) / 5
    out[:, 1] = np.minimum(words.indent[heads], 40) / 10
    out[:, 2] = np.log1p(total) / 3
    for column, cls in ((3, tokens.DIGIT), (4, tokens.UPPER), (5, tokens.SIGN), (6, tokens.OTHER)):
        out[:, column] = by_class[:, cls] / total
    out[:, 7] = words.cls[heads] == tokens.SIGN
    out[:, 8] = words.cls[heads] == tokens.DIGIT
    out[:, 9] = words.cls[heads] == tokens.LOWER
    out[:, 10] = np.log1p(count) / 4
    out[:, 11] = seen
    out[:, 12] = np.log1p(repeats) / 3
    out[:, 13] = np.minimum(gap - 1, 4) / 4
    out[:, 14] = np.arange(n) / n
    out[:, 15] = np.log1p(n - 1 - np.arange(n)) / 6
    out[:, 16] = np.log1p(n) / 6
    out[:, 17] = np.log1p(order[2][order[1]]) / 4
    out[:, 18] = level == 3
    out[:, 19] = level == 2
    out[:, 20] = level == 1
    out[:, 21] = (level == 3).mean() * 4
    out[:, 22] = (level > 0).mean()
    out[:, 23] = _last_sign(lines, line)
    out[:, 29] = count > 20
    out[:, 30] = count > 100
    out[:, 31] = np.log1p(np.arange(n)) / 6
    return out


def _say(
    out: F32,
    words: Words,
    bits: NDArray[np.int32],
    pair_bits: NDArray[np.int32],
    pairs: NDArray[np.uint64],
    node_of: I64,
    n: int,
) -> None:
    """What the words say (columns 24 to 28 and 32 to 48): failures, passes, blocks under them, places in files."""
    heads = np.flatnonzero(words.first & (node_of >= 0))
    told = np.flatnonzero((bits > 0) & (node_of >= 0))
    paired = np.flatnonzero((pair_bits > 0) & (node_of >= 0))

    def number(rows: I64, bit: int, of: NDArray[np.int32] = bits) -> NDArray[np.int64]:
        return _per_node(rows[(of[rows] & bit) > 0], node_of, n)

    for column, bit in ((24, vocabulary.IS_STRONG), (25, vocabulary.IS_WEAK), (26, vocabulary.IS_GOOD)):
        out[:, column] = np.minimum(number(told, bit), 3) / 2
    zero = told[(bits[told] & vocabulary.ZERO) > 0]
    zero = zero[(bits[np.minimum(zero + 1, len(bits) - 1)] & vocabulary.IS_STRONG) > 0]
    out[:, 27] = _per_node(zero, node_of, n) > 0
    out[:, 28] = np.log1p(np.cumsum(out[:, 24] > 0)) / 4
    fail = ((bits[heads] | pair_bits[heads]) & vocabulary.FAIL_HEAD) > 0
    good = ((bits[heads] | pair_bits[heads]) & vocabulary.GOOD_HEAD) > 0
    out[:, 32], out[:, 33] = fail, good
    out[:, 34] = np.minimum(number(paired, vocabulary.FAIL_PAIR, pair_bits), 3) / 2
    at = np.arange(n)
    opened = np.maximum.accumulate(np.where(fail, at, -1))
    since = np.where(opened >= 0, at - opened, 1000)
    out[:, 35] = np.exp(-np.minimum(since, 100) / 4)
    out[:, 36] = np.exp(-np.minimum(since, 200) / 15)
    out[:, 37] = (since < 60) & (since > 0) & (out[:, 1] > out[np.maximum(opened, 0), 1])
    out[:, 38] = np.log1p(fail.sum()) / 5
    out[:, 39] = np.log1p(np.cumsum(fail)) / 5
    after = np.minimum(told + 1, len(bits) - 1)
    place = ((bits[told] & vocabulary.BEFORE_LINE) > 0) & (words.cls[after] == tokens.DIGIT) & ~words.first[after]
    out[:, 40] = np.minimum(_per_node(told[place], node_of, n), 3) / 2
    out[:, 41] = np.minimum(number(told, vocabulary.SLASH), 8) / 4
    out[:, 42] = (bits[heads] & vocabulary.FRAME) > 0
    for column, key in ((43, pairs[heads]), (44, words.hash[heads])):
        _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
        out[:, column] = np.log1p(counts[inverse]) / 5
    out[:, 45] = out[:, 44] - out[:, 43]
    closing = np.flatnonzero(np.append(words.first[1:], True) & (node_of >= 0))
    out[:, 46] = (bits[closing] & vocabulary.FAIL_END) > 0
    out[:, 47] = good.mean()
    out[:, 48] = number(told, vocabulary.FAIL_CAPS) > 0


def _last_sign(lines: Lines, line: I64) -> NDArray[np.bool_]:
    """Does the line end in a colon?"""
    return np.asarray(lines.buffer[np.maximum(lines.end[line] - 1, 0)] == ord(":"))


def marks(lines: Lines) -> tuple[I64, I64, I64, I64]:
    """Lines where a command starts, where one is said to have failed, where one ended well, and CI verdicts of failure."""
    low = lines.data.lower()
    starts = [at for mark in _STARTS for at in _find(low, mark)]
    starts += [at + 1 for at in _find(low, b"\n$ ")]
    failed, ended, verdicts = [at for mark in _FAILED for at in _find(low, mark)], [], []
    for at in _find(low, b"exit"):
        match = _EXIT.match(low, at)
        if match and int(match.group(1)) == 0:
            ended.append(at)
        elif match:
            failed.append(at)
            head = low[max(low.rfind(b"\n", 0, at) + 1, at - 400) : at + 24]
            if any(mark in head for mark in _VERDICTS):
                verdicts.append(at)
    rows = [lines.holding(offsets) for offsets in (starts, failed, ended, verdicts)]
    return rows[0], rows[1], rows[2], rows[3]


def _marked(lines: Lines, line: I64) -> I64:
    """Nodes whose line begins with a fold mark."""
    starts = [at for mark in _FOLDS for at in _find(lines.data, mark) if at == 0 or lines.data[at - 1] in b"\n\r"]
    rows = lines.holding(starts)
    return np.searchsorted(line, rows)[np.isin(rows, line)]


def _find(data: bytes, mark: bytes) -> list[int]:
    found: list[int] = []
    at = data.find(mark)
    while at >= 0 and len(found) < _MOST_MARKS:
        found.append(at)
        at = data.find(mark, at + len(mark))
    return found


def _structure(lines: Lines, line: I64) -> F32:
    n = len(line)
    out = np.zeros((n, STRUCTURE), np.float32)
    starts, failed, ended, verdicts = (np.searchsorted(line, rows) for rows in marks(lines))
    if not n or not len(starts) + len(failed) + len(ended):
        return out
    at = np.arange(n)
    section = np.searchsorted(starts, at, "right")
    next_fail = _next(failed, at, n)
    fail_section = np.append(section, -1)[np.minimum(next_fail, n)]
    inside = (next_fail < n) & (fail_section == section)
    first = failed[0] if len(failed) else n
    before = np.searchsorted(failed, at, "left")
    begin = np.concatenate([[0], starts])[section]
    out[:, 0] = 1
    out[np.minimum(starts, n - 1), 1] = 1
    out[np.minimum(failed, n - 1), 2] = 1
    out[np.minimum(ended, n - 1), 3] = 1
    out[:, 4] = np.log1p(at - begin) / 5
    out[:, 5] = inside
    out[:, 6] = np.where(next_fail < n, np.log1p(np.minimum(next_fail - at, 5000)) / 6, 1.6)
    out[:, 7] = inside * np.exp(-np.minimum(next_fail - at, 100) / 12)
    out[:, 8] = np.minimum(before, 4) / 4
    out[:, 9] = at > first
    out[:, 10] = inside & (next_fail == first)
    next_ok = _next(ended, at, n)
    ok_section = np.append(section, -1)[np.minimum(next_ok, n)]
    out[:, 11] = (next_ok < n) & (ok_section == section) & ~inside
    out[:, 12] = len(failed) > 0
    out[:, 13] = np.log1p(len(starts)) / 4
    previous = np.concatenate([[-1], failed])[before]
    out[:, 14] = np.where(previous >= 0, np.exp(-np.minimum(at - previous, 100) / 12), 0)
    out[:, 15] = len(starts) > 0
    _verdicts(out, starts, verdicts, section, begin)
    return out


def _verdicts(out: F32, starts: I64, verdicts: I64, section: I64, begin: I64) -> None:
    """Where a line stands in the sections that the CI system itself calls failed (columns 16 to 27)."""
    if not len(verdicts):
        return
    n = len(out)
    at = np.arange(n)
    ahead = _next(verdicts, at, n)
    inside = (ahead < n) & (np.append(section, -1)[np.minimum(ahead, n)] == section)
    first, last = int(verdicts[0]), int(verdicts[-1])
    out[:, 16] = 1
    out[np.minimum(verdicts, n - 1), 17] = 1
    out[:, 18] = inside
    for column, reach in ((19, 5.0), (20, 20.0), (21, 80.0)):
        out[:, column] = inside * np.exp(-np.minimum(ahead - at, 1000) / reach)
    out[:, 22] = inside & (ahead == first)
    out[:, 23] = inside * (ahead == first) * np.exp(-np.minimum(ahead - at, 1000) / 15)
    out[:, 24] = at > last
    out[:, 25] = inside * (at - begin) / np.maximum(ahead - begin, 1)
    out[:, 26] = inside & (ahead == last)
    size = np.where(inside, ahead - begin, 0)
    out[:, 27] = np.log1p(size) / 6


def _next(marks_at: I64, at: I64, n: int) -> I64:
    """For each place the next mark at or after it; n where there is none."""
    return np.append(marks_at, n)[np.searchsorted(marks_at, at, "left")]
