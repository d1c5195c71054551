"""A log as bytes with line bounds: colour codes and control characters gone, carriage returns resolved."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CONTROL = re.compile(
    rb"\x1b\[[0-9;?]*[ -/]*[@-~]"  # colours, cursor moves
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles, links
    rb"|\x1b[()][0-9A-B]"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_HAS_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Lines:
    """``data[start[i]:end[i]]`` is line i; ``number[i]`` is its 1-based number in the original text.

    A carriage return inside a line (a progress bar) starts a new piece with the same number.
    """

    data: bytes
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    number: NDArray[np.int64]
    total: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def buffer(self) -> NDArray[np.uint8]:
        """The bytes as an array (a view)."""
        return np.frombuffer(self.data, np.uint8)

    def only(self, rows: NDArray[np.int64]) -> Lines:
        """Some of the lines, over the same data."""
        return Lines(self.data, self.start[rows], self.end[rows], self.number[rows], self.total)

    def holding(self, offsets: list[int]) -> NDArray[np.int64]:
        """Lines (sorted, each once) that hold these places of the data."""
        at = np.array(offsets, np.int64)
        rows = np.searchsorted(self.start, at, "right") - 1
        return np.unique(rows[(rows >= 0) & (at <= self.end[np.maximum(rows, 0)])])

    def text(self, i: int, most: int | None = None) -> str:
        """Line i as text, without its line end; with ``most`` only so many bytes of it."""
        if most is not None and self.end[i] - self.start[i] > most:
            return self.data[self.start[i] : self.start[i] + most].decode("utf-8", "ignore")
        return self.data[self.start[i] : self.end[i]].decode("utf-8", "surrogatepass")

    def span(self, first: int, last: int) -> str:
        """Lines first to last (inclusive) as they stand."""
        return self.data[self.start[first] : self.end[last]].decode("utf-8", "surrogatepass").replace("\r", "\n")


def read(text: str) -> Lines:
    """Split a log into lines. Works in linear time on any text, surrogates and binary included."""
    data = text.encode("utf-8", "surrogatepass")
    if _HAS_CONTROL.search(data):
        data = _CONTROL.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    buffer = np.frombuffer(data, np.uint8)
    feeds = buffer == 10
    cuts = np.flatnonzero(feeds | (buffer == 13)) if b"\r" in data else np.flatnonzero(feeds)
    start = np.concatenate([[0], cuts + 1])
    end = np.concatenate([cuts, [len(data)]])
    if b"\r" in data:
        number = 1 + np.concatenate([[0], np.cumsum(feeds[cuts])])
    else:
        number = np.arange(1, len(start) + 1)
    return Lines(data, start, end, number, int(number[-1]))
