"""One worker of a bulk job: it opens store and compressor once, and then turns slices of the corpus into parts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headroom_core.bulk.rows import Row, Source, write_part, write_whole
from headroom_core.ccr.blobs import Item, put_many
from headroom_core.ccr.keys import Keys
from headroom_core.ccr.originals import Originals, open_blobs
from headroom_core.pipeline import Compressor
from headroom_core.types import Blobs, Message, Text

_AT_ONCE = 256  # values in one transaction


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a worker needs, on whichever machine it runs."""

    source: Source
    out: str
    column: str
    query: str | None = field(repr=False)
    query_field: str | None
    store: str | None = field(repr=False)  # may hold a password
    namespace: str
    options: Mapping[str, Any]
    keys: Keys = field(repr=False)

    def path(self, part: int) -> Path:
        """The file of a part."""
        return Path(self.out) / f"part-{part:06d}.{self.source.format}"

    def totals_path(self, part: int) -> Path:
        """The file that holds the totals of a part; written before the part itself."""
        return Path(self.out) / "_totals" / f"{part:06d}.json"


@dataclass(frozen=True, slots=True)
class Totals:
    """What was done: rows, how many of them became smaller, and tokens before and after."""

    rows: int = 0
    changed: int = 0
    tokens_before: int = 0
    tokens_after: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) + getattr(other, name) for name in Totals.__dataclass_fields__))

    @property
    def saved(self) -> float:
        """Share of the tokens that is gone."""
        return 1 - self.tokens_after / self.tokens_before if self.tokens_before else 0.0

    def as_dict(self) -> dict[str, int]:
        """The four numbers."""
        return {name: getattr(self, name) for name in Totals.__dataclass_fields__}


class Gathered:
    """``Blobs`` that holds values back until ``flush`` stores them in one go: one transaction for hundreds of originals.

    What is held back is read like what is stored. Nothing that refers to a value may leave before ``flush`` returned.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._held: dict[str, Item] = {}

    def get(self, key: str, /) -> bytes | None:
        """Return the value, held back or stored."""
        held = self._held.get(key)
        return self._blobs.get(key) if held is None else held[1]

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Hold the value back."""
        self._held[key] = (key, value, ttl_s)

    def delete(self, key: str, /) -> None:
        """Delete the value wherever it is."""
        self._held.pop(key, None)
        self._blobs.delete(key)

    def keys(self, prefix: str = "", /) -> list[str]:
        """List what is held back and what is stored."""
        return sorted({key for key in self._held if key.startswith(prefix)}.union(self._blobs.keys(prefix)))

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew a stored value; one that is held back is new enough."""
        return key in self._held or self._blobs.touch(key, ttl_s=ttl_s)

    def flush(self) -> None:
        """Store everything that is held back; durable when it returns. Raises ``StoreError`` and keeps holding it."""
        items = list(self._held.values())
        for start in range(0, len(items), _AT_ONCE):
            put_many(self._blobs, items[start : start + _AT_ONCE])
        self._held.clear()


class Worker:
    """Opens the store and builds the compressor once; then makes part after part."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._gathered = Gathered(open_blobs(job.store))
        self._compress = Compressor(
            originals=Originals(self._gathered, key=job.keys),
            **{"strength": "lossy", "min_tokens": 0, **job.options},
            namespace=job.namespace,
        )

    def make(self, part: int) -> Totals:
        """Compress one slice: originals first, then the totals, then the part; what exists is never written again."""
        job = self._job
        if job.path(part).exists():
            return read_totals(job, part)
        done = [self._row(row) for row in job.source.slice(part)]
        self._gathered.flush()
        total = sum((totals for _, totals in done), Totals())
        write_whole(job.totals_path(part), [json.dumps(total.as_dict()).encode()])
        write_part(job.path(part), [row for row, _ in done], job.source)
        return total

    def _row(self, row: Row) -> tuple[Row, Totals]:
        """The row with its text compressed, and where the original is: ``headroom_ref`` and both token counts."""
        text = row.get(self._job.column)
        if not isinstance(text, str) or not text:
            return {**row, "headroom_ref": None, "headroom_original_tokens": 0, "headroom_tokens": 0}, Totals(rows=1)
        query = row.get(self._job.query_field) if self._job.query_field else self._job.query
        outcome = self._compress([Message("tool", (Text(text),))], query=query)
        before, after = outcome.original_tokens, outcome.compressed_tokens
        ref = outcome.changes[-1].ref if outcome.changes else None
        noted = {"headroom_ref": ref, "headroom_original_tokens": before, "headroom_tokens": after}
        return {**row, self._job.column: outcome.text, **noted}, Totals(1, bool(outcome.changes), before, after)


def read_totals(job: Job, part: int) -> Totals:
    """The totals of a part that is done."""
    return Totals(**json.loads(job.totals_path(part).read_bytes()))


def missing(job: Job) -> Sequence[int]:
    """The parts that are still to be made."""
    return [part for part in range(len(job.source.starts)) if not job.path(part).exists()]
