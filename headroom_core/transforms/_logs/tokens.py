"""Words of a log as 64-bit hashes, all lines at once: no Python loop over lines or words.

A word is a run of letters (cut where a small letter meets a capital), of digits, or of signs. Hashes are sums of
table entries per byte times a power per place, modulo 2^64: the same in every process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._logs.lines import Lines

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

SPACE, LOWER, UPPER, DIGIT, SIGN, OTHER = range(6)
WIDTH = 240  # bytes of a line that are read
_WORD, _SIGNS = 24, 4  # bytes of a word that count


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
    """n well-spread 64-bit numbers (splitmix64)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


CLASS = _classes()
_BYTE = _mixed(256, 1 << 20)
_PLACE = _mixed(_WORD + 1, 2 << 20) | np.uint64(1)
_PLACE[_WORD] = 0
_LINE_PLACE = _mixed(64, 3 << 20) | np.uint64(1)
_NUMBER, _BIGRAM = _mixed(2, 4 << 20)


def word_hash(word: str) -> int:
    """The hash that a word of one kind of characters has in ``Words.hash``; for digits: of any number but 0 and 1."""
    data = word.encode()
    if data.isdigit() and data not in (b"0", b"1"):
        return int(_NUMBER)
    keep = _WORD if CLASS[data[0]] != SIGN else _SIGNS
    return sum(int(_BYTE[b]) * int(_PLACE[i]) for i, b in enumerate(data[:keep])) % (1 << 64)


def bigram_hash(first: str, second: str) -> int:
    """The hash of two neighbouring words, as ``Words.bigrams`` gives it."""
    return (word_hash(first) * int(_BIGRAM) + word_hash(second)) % (1 << 64)


@dataclass(frozen=True, slots=True)
class Words:
    """Words in reading order. ``line[k]`` is the line of word k; ``first`` marks the first word of each line."""

    hash: U64
    line: I64
    cls: NDArray[np.uint8]
    first: NDArray[np.bool_]
    glued: NDArray[np.bool_]
    raw: U64

    def bigrams(self) -> U64:
        """Hash of each word with the word after it on its line; 0 for the last word of a line."""
        out = np.zeros(len(self.hash), np.uint64)
        if len(out) > 1:
            out[:-1] = np.where(self.first[1:], np.uint64(0), self.hash[:-1] * _BIGRAM + self.hash[1:])
        return out

    def line_hashes(self, lines: int) -> tuple[U64, U64]:
        """Per line: hash of the exact words, and of the template (every word with a digit in it is one hole)."""
        exact, template = np.zeros(lines, np.uint64), np.zeros(lines, np.uint64)
        if not len(self.hash):
            return exact, template
        heads = np.flatnonzero(self.first)
        place = np.arange(len(self.hash)) - np.repeat(heads, np.diff(np.append(heads, len(self.hash))))
        exact[self.line[heads]] = np.add.reduceat(self.raw * _LINE_PLACE[np.minimum(place, 63)], heads)
        groups = np.flatnonzero(~self.glued)
        size = np.diff(np.append(groups, len(self.hash)))
        hole = np.add.reduceat((self.cls == DIGIT).astype(np.int64), groups) > 0
        inner = np.arange(len(self.hash)) - np.repeat(groups, size)
        folded = np.add.reduceat(self.raw * _LINE_PLACE[np.minimum(inner, 63)], groups)
        folded = np.where(hole, _NUMBER, folded)
        starts = np.flatnonzero(self.first[groups])
        at = np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))
        template[self.line[groups[starts]]] = np.add.reduceat(folded * _LINE_PLACE[np.minimum(at, 63)], starts)
        return exact, template


def read(lines: Lines, chunk: int = 1 << 20) -> Words:
    """The words of all lines, in pieces of about ``chunk`` bytes so that memory stays bounded."""
    bounds = [0]
    while bounds[-1] < len(lines):
        stop = int(np.searchsorted(lines.start, lines.start[bounds[-1]] + chunk))
        bounds.append(min(len(lines), max(stop, bounds[-1] + 1)))
    pieces = [_piece(lines, a, b) for a, b in zip(bounds, bounds[1:], strict=False)]
    if len(pieces) == 1:
        return pieces[0]
    return Words(*(np.concatenate([getattr(p, name) for p in pieces]) for name in Words.__slots__))


def _piece(lines: Lines, a: int, b: int) -> Words:
    start, end = lines.start[a:b], lines.end[a:b]
    base = int(start[0])
    buffer = lines.buffer[base : int(end[-1]) + 1]
    start, end = start - base, end - base
    if int((end - start).max()) > WIDTH:
        kept = np.minimum(end - start, WIDTH) + 1
        heads = np.concatenate([[0], np.cumsum(kept)[:-1]])
        where = np.arange(int(kept.sum())) + np.repeat(start - heads, kept)
        ends = np.repeat(heads + kept - 1, kept) == np.arange(len(where))
        buffer = np.where(ends, np.uint8(10), buffer[np.minimum(where, len(buffer) - 1)])
        start = heads
    return _words(buffer, start, a)


def _words(buffer: NDArray[np.uint8], start: I64, offset: int) -> Words:
    cls = CLASS[buffer]
    if not len(cls):
        empty = np.zeros(0, np.uint64)
        return Words(empty, empty.astype(np.int64), empty.astype(np.uint8), empty > 0, empty > 0, empty)
    change = np.ones(len(cls), bool)
    change[1:] = (cls[1:] != cls[:-1]) & ~((cls[1:] == LOWER) & (cls[:-1] == UPPER))
    upper = cls == UPPER
    change[1:-1] |= upper[:-2] & upper[1:-1] & (cls[2:] == LOWER)
    heads = np.flatnonzero(change)
    size = np.diff(np.append(heads, len(cls)))
    kind = cls[heads]
    real = kind != SPACE
    inner = np.arange(len(cls)) - np.repeat(heads, size)
    limit = np.repeat(np.where(kind == SIGN, _SIGNS, _WORD), size)
    raw_all = np.add.reduceat(_BYTE[buffer] * _PLACE[np.where(inner < limit, inner, _WORD)], heads)
    heads, size, kind, raw = heads[real], size[real], kind[real], raw_all[real]
    small = (size == 1) & (buffer[heads] <= ord("1"))
    value = np.where((kind == DIGIT) & ~small, _NUMBER, raw)
    line = np.searchsorted(start, heads, "right") - 1
    first = np.ones(len(heads), bool)
    first[1:] = line[1:] != line[:-1]
    wordy = (kind >= LOWER) & (kind <= DIGIT)
    glued = np.zeros(len(heads), bool)
    glued[1:] = (heads[1:] == heads[:-1] + size[:-1]) & wordy[1:] & wordy[:-1] & ~first[1:]
    return Words(value, line + offset, kind, first, glued, raw)
