"""Compress, cache, retrieve: originals are kept under keyed references and called back byte for byte."""

from __future__ import annotations

from headroom_core.ccr.keys import Keys
from headroom_core.ccr.marks import Mark, caption, is_own, mark, read_mark
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Entry, Originals, open_blobs, open_originals

__all__ = [
    "Entry",
    "Keys",
    "Mark",
    "MemoryBlobs",
    "Originals",
    "caption",
    "is_own",
    "mark",
    "open_blobs",
    "open_originals",
    "read_mark",
]
