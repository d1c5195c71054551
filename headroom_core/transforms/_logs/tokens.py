"""Words of a log as 64-bit hashes, all lines at once: no Python loop over lines or words.

A word is a run of letters (cut where a small letter meets a capital), of digits, or of signs. Its hash is
``sum(byte[b_j] * R ** j)`` modulo 2^64, read off running sums (R is odd, so its powers have inverses): the same in
every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs.lines import Lines

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

SPACE, LOWER, UPPER, DIGIT, SIGN, OTHER = range(6)
WIDTH = 240  # bytes of a line that are read
_WORD, _SIGNS = 24, 4  # bytes of a word that count
_R = 0x9E3779B97F4A7C15
_CHUNK = 1 << 18
_ALL = (1 << 64) - 1


def _classes() -> NDArray[np.uint8]:
    table = np.full(256, SIGN, np.uint8)
    table[:33] = SPACE
    table[127] = SPACE
    table[128:] = OTHER
    table[ord("a") : ord("z") + 1] = LOWER
    table[ord("A") : ord("Z") + 1] = UPPER
    table[ord("0") : ord("9") + 1] = DIGIT
    return table


def _mixed(n: int, seed: int) -> U64:
    """N well-spread 64-bit numbers (splitmix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


CLASS = _classes()
_BYTE = _mixed(256, 1 << 20)
_NUMBER, _BIGRAM = _mixed(2, 4 << 20)


@lru_cache(maxsize=2)
def _powers(n: int) -> tuple[U64, U64]:
    """R ** i and its inverse modulo 2^64, for i below n."""
    up, down = np.full(n, _R, np.uint64), np.full(n, pow(_R, -1, 1 << 64), np.uint64)
    up[0] = down[0] = 1
    return np.multiply.accumulate(up), np.multiply.accumulate(down)


def _sums(values: U64, begin: I64, stop: I64) -> U64:
    """For each range: sum of values[begin + j] * R ** j."""
    up, down = _powers(1 << max(10, len(values).bit_length()))
    run = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values * up[: len(values)], out=run[1:])
    return np.asarray((run[stop] - run[begin]) * down[begin])


@lru_cache(maxsize=1)
def _byte_list() -> list[int]:
    values: list[int] = _BYTE.tolist()
    return values


def word_hash(word: str) -> int:
    """The hash that a word of one kind of characters has in ``Words.hash``; for digits: of any number but 0 and 1."""
    data = word.encode()
    if data.isdigit() and data not in (b"0", b"1"):
        return int(_NUMBER)
    keep = _WORD if CLASS[data[0]] != SIGN else _SIGNS
    total, power = 0, 1
    for byte in data[:keep]:
        total += _byte_list()[byte] * power
        power = power * _R & _ALL
    return total & _ALL


def bigram_hash(first: str, second: str) -> int:
    """The hash of two neighbouring words, as ``Words.bigrams`` gives it."""
    return (word_hash(first) * int(_BIGRAM) + word_hash(second)) & _ALL


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in reading order, one row each.

    ``hash`` is the same for all numbers from 2 on, ``raw`` is not; ``cls`` is the class of the characters; ``first``
    marks the first word of a line, and ``indent`` holds the blanks before it; ``glued`` words touch the word before.
    """

    hash: U64
    line: I64
    cls: NDArray[np.uint8]
    first: NDArray[np.bool_]
    glued: NDArray[np.bool_]
    raw: U64
    indent: NDArray[np.int32]

    def bigrams(self) -> U64:
        """Hash of each word with the word after it on its line; 0 for the last word of a line."""
        out = np.zeros(len(self.hash), np.uint64)
        if len(out) > 1:
            out[:-1] = (self.hash[:-1] * _BIGRAM + self.hash[1:]) * ~self.first[1:]
        return out

    def line_hashes(self, lines: int, offset: int = 0) -> tuple[U64, U64]:
        """Per line from ``offset`` on: hash of the exact words, and of the template (a word with a digit is a hole)."""
        exact, template = np.zeros(lines, np.uint64), np.zeros(lines, np.uint64)
        if not len(self.hash):
            return exact, template
        heads = np.flatnonzero(self.first)
        ends = np.append(heads[1:], len(self.hash))
        exact[self.line[heads] - offset] = _sums(self.raw, heads, ends)
        groups = np.flatnonzero(~self.glued)
        stops = np.append(groups[1:], len(self.hash))
        digits = np.concatenate([[0], np.cumsum(self.cls == DIGIT)])
        folded = np.where(digits[stops] > digits[groups], _NUMBER, _sums(self.raw, groups, stops))
        starts = np.flatnonzero(self.first[groups])
        template[self.line[heads] - offset] = _sums(folded, starts, np.append(starts[1:], len(groups)))
        return exact, template


def pieces(lines: Lines) -> Iterator[tuple[int, int]]:
    """Ranges of lines of about equal, bounded size."""
    a = 0
    while a < len(lines):
        stop = int(np.searchsorted(lines.start, lines.start[a] + _CHUNK))
        b = min(len(lines), max(stop, a + 1))
        yield a, b
        a = b


def read(lines: Lines) -> Words:
    """The words of all lines."""
    found = [piece(lines, a, b) for a, b in pieces(lines)]
    if len(found) == 1:
        return found[0]
    return Words(*(np.concatenate([getattr(part, name) for part in found]) for name in Words.__slots__))


def piece(lines: Lines, a: int, b: int) -> Words:
    """The words of lines a to b (exclusive); lines need not stand next to each other in the data."""
    start = lines.start[a:b]
    kept = np.minimum(lines.end[a:b] - start, WIDTH) + 1
    base, stop = int(start[0]), int(lines.end[b - 1]) + 1
    if int(kept.sum()) == stop - base:
        return _words(lines.buffer[base:stop], start - base, a)
    heads = np.concatenate([[0], np.cumsum(kept)[:-1]])
    where = np.arange(int(kept.sum())) + np.repeat(start - heads, kept)
    buffer = lines.buffer[np.minimum(where, len(lines.data) - 1)]
    buffer[heads + kept - 1] = 10
    return _words(buffer, heads, a)


def _words(buffer: NDArray[np.uint8], start: I64, offset: int) -> Words:
    cls = CLASS[buffer]
    n = len(cls)
    if not n:
        none = np.zeros(0, np.uint64)
        return Words(none, none.astype(np.int64), cls, none > 0, none > 0, none, none.astype(np.int32))
    change = np.ones(n, bool)
    upper = cls == UPPER
    change[1:] = (cls[1:] != cls[:-1]) & ~((cls[1:] == LOWER) & upper[:-1])
    change[1:-1] |= upper[:-2] & upper[1:-1] & (cls[2:] == LOWER)
    heads = np.flatnonzero(change)
    ends = np.append(heads[1:], n)
    kind = cls[heads]
    real = np.flatnonzero(kind != SPACE)
    heads, ends, kind = heads[real], ends[real], kind[real]
    raw = _sums(_BYTE[buffer], heads, np.minimum(ends, heads + np.where(kind == SIGN, _SIGNS, _WORD)))
    small = (ends == heads + 1) & (buffer[heads] <= ord("1"))
    value = np.where((kind == DIGIT) & ~small, _NUMBER, raw)
    line = np.searchsorted(start, heads, "right") - 1
    first = np.ones(len(heads), bool)
    first[1:] = line[1:] != line[:-1]
    wordy = (kind >= LOWER) & (kind <= DIGIT)
    glued = np.zeros(len(heads), bool)
    glued[1:] = (heads[1:] == ends[:-1]) & wordy[1:] & wordy[:-1]
    indent = ((heads - start[line]) * first).astype(np.int32)
    return Words(value, line + offset, kind, first, glued, raw, indent)
