"""Writes the measured tables into README.md: ``python -m headroom_core.evals readme``."""

from __future__ import annotations

import re
from pathlib import Path

from .inputs import runs, table

README = Path(__file__).resolve().parents[2] / "README.md"
_SHOWN = ("original", "ours lossless", "ours", "BM25 10 % of lines", "peer default", "peer direct")


def main(arguments: list[str]) -> None:
    """Measure and replace what stands between the table marks."""
    found = [run for run in runs(5) if run.method in _SHOWN]
    text = README.read_text(encoding="utf-8")
    made = re.sub(
        r"(<!-- table: inputs -->\n).*?(<!-- end -->)",
        lambda marks: f"{marks[1]}{table(found)}\n{marks[2]}",
        text,
        flags=re.DOTALL,
    )
    README.write_text(made, encoding="utf-8")
    print(table(found))
