"""Estimated o200k tokens in one pass: the text is cut as o200k cuts it first, and each piece is looked up by its hash.

o200k splits a text into pieces (a word with the space before it, up to three digits, a run of punctuation, white space)
and then merges the bytes inside a piece. Where a piece begins depends on the kinds of four neighbouring bytes only, so a
table of 8^4 rows finds the beginnings. Nearly all pieces of real texts are tokens by themselves: a bit table over 24-bit
hashes of the vocabulary knows them (1.2 % of other pieces pass by chance; the costs below are fitted with that). A piece
that is none costs one token and, for each pair of bytes inside, the share of such pairs that a token border parts.

``o200k.npz`` holds both tables; ``training.token_counter`` makes it from the public vocabulary of o200k. All sums are
integers (1/256 token), so numpy and the plain loop for short texts give the same number.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Places = NDArray[np.intp]

BITS: Final = 24
BLOCK: Final = 1 << 14
_SHORT: Final = 100
_LONGEST: Final = 40  # bytes; longer tokens are rare, longer pieces that pass by chance would cost dearly
_BASE: Final = 0x85EBCA6B  # odd, so that it has an inverse modulo 2^32
_MIX: Final = 0x9E3779B1
_WORD: Final = (1 << 32) - 1
_OTHER, _LOWER, _UPPER, _DIGIT, _SPACE, _NEWLINE, _TAB, _QUOTE = range(8)

# Marks and symbols beyond ASCII, in UTF-8: Latin-1; general punctuation to dingbats, CJK, full width; emoji.
_MARKS_2: Final = re.compile(rb"\xc2[\x80-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf]")
_MARKS_3: Final = re.compile(rb"\xe2[\x80-\xaf][\x80-\xbf]|\xe3\x80[\x80-\xbf]|\xef\xbc[\x80-\x8f\x9a-\xa0]|\xef\xb8[\x80-\xbf]")
_MARKS_4: Final = re.compile(rb"\xf0\x9f[\x80-\xbf]{2}")


class Tables(NamedTuple):
    """``known``: bit table of the vocabulary; ``border``: 64 x 64 costs of byte classes in 1/256 token."""

    known: Bytes
    border: Bytes


def estimate(text: str) -> int:
    """Estimated o200k tokens of a text, at least 1 for a text that is not empty. Lone surrogates count as three bytes."""
    if not text:
        return 0
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= _SHORT:
        total = _plain(data)
    else:
        total = 0
        start = 0
        while start < len(data):
            end = _cut(data, start)
            total += _block(data[start:end])
            start = end
    return max(1, (total + 128) >> 8)


def _cut(data: bytes, start: int) -> int:
    """Where the block ends that starts here: behind its last newline where it has one."""
    end = start + BLOCK
    if end >= len(data):
        return len(data)
    newline = data.rfind(b"\n", start, end)
    return newline + 1 if newline >= start else end


def _block(data: bytes) -> int:
    """Cost of a block in 1/256 token."""
    import numpy as np

    raw, starts, ends, known = pieces(data)
    lengths = ends - starts
    total = 256 * len(starts)
    unknown = np.flatnonzero(~known & (lengths > 1))
    if not len(unknown):
        return total
    digits = raw[starts[unknown]] - np.uint8(48) < 10
    total += 256 * int(((lengths[unknown[digits]] - 1) // 3).sum())
    inside = insides(starts, lengths, unknown[~digits])
    classes = np.frombuffer(data.translate(byte_classes()), np.uint8)
    pairs = classes[inside - 1].astype(np.uint16) * np.uint16(64) + classes[inside]
    return total + int(_tables().border.take(pairs).sum(dtype=np.int64))


def pieces(data: bytes) -> tuple[Bytes, Places, Places, NDArray[np.bool_]]:
    """Bytes, beginnings and ends of all pieces, and which of them are tokens by themselves. For at most ``BLOCK`` bytes."""
    import numpy as np

    raw = np.frombuffer(data, np.uint8)
    kinds = np.frombuffer(_kinds_of(data), np.uint8).astype(np.uint16)
    code = kinds[:-3] << 9
    code |= kinds[1:-2] << 6
    code |= kinds[2:-1] << 3
    code |= kinds[3:]
    begins = np.frombuffer(_begins(), np.bool_).take(code)
    begins[0] = True
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(raw))
    power, inverse = _powers()
    sums = np.zeros(len(raw) + 1, np.uint32)
    np.cumsum((raw + np.uint32(1)) * power[: len(raw)], dtype=np.uint32, out=sums[1:])
    mixed = (sums[ends] - sums[starts]) * inverse[starts] * np.uint32(_MIX) >> np.uint32(32 - BITS)
    known = (_tables().known.take(mixed >> np.uint32(3)) >> (mixed & np.uint32(7)).astype(np.uint8)) & np.uint8(1)
    return raw, starts, ends, known.astype(np.bool_) & (ends - starts <= _LONGEST)


def _kinds_of(data: bytes) -> bytes:
    """The kind of each byte, between newlines that stand for what is outside."""
    seen = data
    if not data.isascii():
        seen = _MARKS_2.sub(b"##", _MARKS_4.sub(b"####", _MARKS_3.sub(b"###", data)))
    return b"\5\5" + seen.translate(_kinds()) + b"\5"


def insides(starts: Places, lengths: Places, chosen: Places) -> Places:
    """The positions of all bytes of the chosen pieces but each piece's first."""
    import numpy as np

    inner = lengths[chosen] - 1
    before = np.cumsum(inner) - inner
    return np.repeat(starts[chosen] + 1 - before, inner) + np.arange(int(inner.sum()))


def _plain(data: bytes) -> int:
    """The same cost as ``_block`` by a plain loop: for short texts numpy's own cost would be the larger part."""
    kinds = _kinds_of(data)
    begins = _begins()
    total, start = 0, 0
    for at in range(1, len(data)):
        if begins[kinds[at] << 9 | kinds[at + 1] << 6 | kinds[at + 2] << 3 | kinds[at + 3]]:
            total += _piece(data[start:at])
            start = at
    return total + _piece(data[start:])


@lru_cache(4096)
def _piece(piece: bytes) -> int:
    """Cost of one piece in 1/256 token."""
    if len(piece) == 1:
        return 256
    tables = _tables()
    at = piece_hash(piece)
    if len(piece) <= _LONGEST and tables.known[at >> 3] >> (at & 7) & 1:
        return 256
    if 48 <= piece[0] <= 57:
        return 256 * (1 + (len(piece) - 1) // 3)
    classes = piece.translate(byte_classes())
    return 256 + sum(int(tables.border[a * 64 + b]) for a, b in zip(classes, classes[1:], strict=False))


def piece_hash(piece: bytes) -> int:
    """The place of a piece in the bit table."""
    total, power = 0, 1
    for byte in piece:
        total += (byte + 1) * power
        power = power * _BASE & _WORD
    return (total * _MIX & _WORD) >> (32 - BITS)


@lru_cache(1)
def _powers() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Powers of the hash's base and of its inverse modulo 2^32."""
    import numpy as np

    made = []
    for base in (_BASE, pow(_BASE, -1, 1 << 32)):
        row = np.full(BLOCK + 1, base, np.uint32)
        row[0] = 1
        made.append(np.multiply.accumulate(row, dtype=np.uint32))
    return made[0], made[1]


@lru_cache(1)
def _tables() -> Tables:
    import numpy as np

    with np.load(Path(__file__).with_name("o200k.npz")) as file:
        return Tables(file["known"], file["border"])


@lru_cache(1)
def _kinds() -> bytes:
    """Byte -> kind. Bytes beyond ASCII go as small letters, which is what most of them are part of."""
    table = bytearray([_OTHER] * 128 + [_LOWER] * 128)
    rows = [(b"abcdefghijklmnopqrstuvwxyz", _LOWER), (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", _UPPER), (b"0123456789", _DIGIT),
            (b" ", _SPACE), (b"\r\n", _NEWLINE), (b"\t\v\f", _TAB), (b"'", _QUOTE)]  # fmt: skip
    for group, kind in rows:
        for byte in group:
            table[byte] = kind
    return bytes(table)


@lru_cache(1)
def _begins() -> bytes:
    """(two before, one before, this, next) kinds -> does a piece begin at this byte? One byte each, 0 or 1."""
    return bytes(_begin(row >> 9, row >> 6 & 7, row >> 3 & 7, row & 7) for row in range(4096))


def _begin(before2: int, before: int, this: int, after: int) -> bool:
    letters, blanks, marks = (_LOWER, _UPPER), (_SPACE, _NEWLINE, _TAB), (_OTHER, _QUOTE)
    if this in letters:
        if before in marks:  # a single mark goes with the word after it, and an apostrophe with the word around it
            return not (before == _QUOTE and before2 in letters) and (before2 in marks or before2 == _SPACE)
        return before not in (*letters, _SPACE, _TAB) or (before == _LOWER and this == _UPPER)
    if this == _DIGIT:
        return before != _DIGIT
    if this in marks:
        return before not in (*marks, _SPACE) and not (this == _QUOTE and before in letters and after in letters)
    if this == _NEWLINE:
        return before not in blanks and before not in marks
    return before not in (_SPACE, _TAB) or after not in blanks


@lru_cache(1)
def byte_classes() -> bytes:
    """Byte -> class below 64 for the costs inside pieces: letters by themselves, capitals and marks in groups, scripts."""
    table = bytearray([50] * 256)
    for index, byte in enumerate(b"abcdefghijklmnopqrstuvwxyz"):
        table[byte] = 1 + index
    groups = [b"AEIOU", b"STR", b"NLM", b"CPD", b"BFGH", b"KVWY", b"JQXZ", b"0123456789", b" ", b"\n\r", b"\t", b"_",
              b"/\\", b".", b"-", b"\"'`", b"=", b",;", b"({[", b")}]", b":", b"<>", b"*#+~^|"]  # fmt: skip
    for index, group in enumerate(groups):
        for byte in group:
            table[byte] = 27 + index
    scripts = [0x80, 0xC0, 0xC4, 0xCE, 0xD0, 0xD6, 0xE0, 0xE2, 0xE3, 0xE4, 0xEA, 0xEE, 0xF0, 0x100]
    for index, (low, high) in enumerate(zip(scripts, scripts[1:], strict=False)):
        table[low:high] = bytes([51 + index]) * (high - low)
    return bytes(table)
