"""What a benchmark run is made of, and its one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Told: TypeAlias = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one case: share of tokens that it keeps, quality in [0, 1], median milliseconds; None where not asked.

    ``note`` says why a row was skipped, or what its numbers mean.
    """

    section: str
    case: str
    method: str
    share: float | None = None
    quality: float | None = None
    ms: float | None = None
    note: str = ""

    @property
    def ours(self) -> bool:
        """Is it a method of this library?"""
        return self.method.startswith("ours")


def skipped(section: str, case: str, why: str) -> Row:
    """A row that says what is missing."""
    return Row(section, case, "–", note=f"skipped: {why}")


def cells(row: Row) -> tuple[str, str, str]:
    """Share, quality and time as the table writes them."""
    share = "–" if row.share is None else f"{row.share:.1%}"
    quality = "–" if row.quality is None else f"{row.quality:.0%}"
    ms = (
        "–"
        if row.ms is None
        else f"{row.ms:,.0f}"
        if row.ms >= 100
        else f"{row.ms:.2g}"
        if row.ms < 10
        else f"{row.ms:.1f}"
    )
    return share, quality, ms


def table(rows: Sequence[Row]) -> str:
    """Markdown: everything, in the order of the run."""
    lines = ["| section | case | method | tokens kept | quality | ms | |", "|---|---|---|--:|--:|--:|---|"]
    lines += ["| " + " | ".join((row.section, row.case, row.method, *cells(row), row.note)) + " |" for row in rows]
    return "\n".join(lines)
