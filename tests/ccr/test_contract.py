"""Every store of the library against the one contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.testing.stores import BlobsContract
from headroom_core.types import Blobs


class TestMemory(BlobsContract):
    def make(self) -> Blobs:
        return MemoryBlobs(clock=self.clock)


class TestMemoryLru(BlobsContract):
    def make(self) -> Blobs:
        return MemoryBlobs(clock=self.clock, evict="lru")


class TestSqlite(BlobsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.made = 0

    def make(self) -> Blobs:
        self.made += 1
        return SqliteBlobs(self.folder / f"{self.made}.sqlite3", clock=self.clock)

    def reopen(self, blobs: Blobs) -> Blobs:
        return SqliteBlobs(self.folder / f"{self.made}.sqlite3", clock=self.clock)
