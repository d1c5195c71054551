"""What the ranker sees of each line: its words, its shape, how rare it is, and where it stands between commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs import tokens
from headroom_core.transforms._logs.lines import Lines
from headroom_core.transforms._logs.tokens import Words, word_hash

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

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
_FAILED = (b"build failed", b"build failure", b"non-zero", b"] error ", b"err! code", b"process completed with exit code")

_ERROR = ("ERROR", "FATAL", "CRITICAL", "SEVERE", "PANIC", "EMERG", "ALERT", "CRIT", "Error", "error", "fatal", "panic", "critical")
_WARN = ("WARN", "WARNING", "Warning", "warning", "warn")
_INFO = ("INFO", "DEBUG", "TRACE", "NOTICE", "VERBOSE", "info", "debug", "notice", "FINE", "CONFIG", "Info", "Debug")
_LEVEL_WORDS = 12  # a level stands within the first words of a line

SHAPE, STRUCTURE = 24, 16


@dataclass(frozen=True, slots=True)
class Features:
    """One row per node; a node is a line that is not blank, or a run of equal lines.

    ``line`` is the node's first line, ``last`` its last, ``node_of`` maps words to nodes (-1: a repeated line).
    ``shape`` is (nodes, SHAPE), ``structure`` (nodes, STRUCTURE); ``level`` is 3 error, 2 warning, 1 lower, 0 none.
    """

    line: I64
    last: I64
    node_of: I64
    shape: F32
    structure: F32
    template: NDArray[np.uint64]
    count: I64
    level: NDArray[np.int8]
    words: Words


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
    unique, inverse, counts = np.unique(template[line], return_inverse=True, return_counts=True)
    count = counts[inverse] if len(line) else np.zeros(0, np.int64)
    level = _levels(words, node_of, len(line))
    shape = _shape(lines, words, line, node_of, repeats, count, inverse, exact, level)
    return Features(line, last, node_of, shape, _structure(lines, line), template[line], count, level, words)


def _levels(words: Words, node_of: I64, nodes: int) -> NDArray[np.int8]:
    """The level word among the first words of each line; the first one counts."""
    level = np.zeros(nodes, np.int8)
    heads = np.flatnonzero(words.first)
    if not len(heads):
        return level
    place = np.arange(len(words.hash)) - np.repeat(heads, np.diff(np.append(heads, len(words.hash))))
    early = np.flatnonzero((place < 2 * _LEVEL_WORDS) & (node_of >= 0) & (words.cls != tokens.DIGIT))
    for value, names in ((1, _INFO), (2, _WARN), (3, _ERROR)):
        wanted = np.sort(np.array([word_hash(n) for n in names], np.uint64))
        found = early[_among(words.hash[early], wanted)]
        level[node_of[found]] = np.maximum(level[node_of[found]], value)
    return level


def _among(values: NDArray[np.uint64], table: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which values stand in the sorted table."""
    at = np.searchsorted(table, values)
    return np.asarray(table[np.minimum(at, len(table) - 1)] == values)


def _per_node(weights: NDArray[np.bool_], node_of: I64, nodes: int) -> NDArray[np.float64]:
    chosen = node_of[weights & (node_of >= 0)]
    return np.bincount(chosen, minlength=nodes).astype(np.float64)


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
    total = np.maximum(_per_node(words.hash == words.hash, node_of, n), 1)
    heads = np.flatnonzero(words.first & (node_of >= 0))
    gap = np.diff(np.concatenate([[-1], line]))
    seen = np.zeros(n, bool)
    seen[np.unique(kind, return_index=True)[1]] = True
    order = np.unique(exact[line], return_inverse=True, return_counts=True)
    out[:, 0] = np.log1p(size) / 5
    out[:, 1] = np.minimum(_indent(lines, line), 40) / 10
    out[:, 2] = np.log1p(total) / 3
    for column, cls in ((3, tokens.DIGIT), (4, tokens.UPPER), (5, tokens.SIGN), (6, tokens.OTHER)):
        out[:, column] = _per_node(words.cls == cls, node_of, n) / total
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
    return out


def _indent(lines: Lines, line: I64) -> I64:
    """Leading blanks of each line (tabs count one), looked at in the first 40 bytes."""
    buffer, depth = lines.buffer, np.zeros(len(line), np.int64)
    at, alive = lines.start[line], np.arange(len(line))
    for _ in range(40):
        blank = tokens.CLASS[buffer[np.minimum(at[alive], len(buffer) - 1)]] == tokens.SPACE
        alive = alive[blank]
        if not len(alive):
            break
        depth[alive] += 1
        at[alive] += 1
    return depth


def _last_sign(lines: Lines, line: I64) -> NDArray[np.bool_]:
    """Does the line end in a colon?"""
    return np.asarray(lines.buffer[np.maximum(lines.end[line] - 1, 0)] == ord(":"))


def marks(lines: Lines) -> tuple[I64, I64, I64]:
    """Lines where a command starts, where one failed, and where one ended well (exit code 0)."""
    low = lines.data.lower()
    starts = [at for mark in _STARTS for at in _find(low, mark)]
    starts += [at + 1 for at in _find(low, b"\n$ ")]
    failed, ended = [at for mark in _FAILED for at in _find(low, mark)], []
    for at in _find(low, b"exit"):
        match = _EXIT.match(low, at)
        if match:
            (ended if int(match.group(1)) == 0 else failed).append(at)
    return _rows(lines, starts), _rows(lines, failed), _rows(lines, ended)


def _find(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + len(mark))
    return found


def _rows(lines: Lines, offsets: list[int]) -> I64:
    return np.unique(np.searchsorted(lines.start, np.array(offsets, np.int64), "right") - 1)


def _structure(lines: Lines, line: I64) -> F32:
    n = len(line)
    out = np.zeros((n, STRUCTURE), np.float32)
    starts, failed, ended = (np.searchsorted(line, rows) for rows in marks(lines))
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
    return out


def _next(marks_at: I64, at: I64, n: int) -> I64:
    """For each place the next mark at or after it; n where there is none."""
    return np.append(marks_at, n)[np.searchsorted(marks_at, at, "left")]
