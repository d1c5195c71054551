"""Where evaluation and training data lie, and how rows are read. The data itself is never part of the package."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DEFAULT = Path(__file__).resolve().parents[2].parent / "shared"


def root() -> Path:
    """The folder that holds ``data``, ``measures`` and ``peers``: ``HEADROOM_DATA`` or ``../shared`` beside the repository."""
    return Path(os.environ.get("HEADROOM_DATA", str(_DEFAULT)))


def have(*parts: str) -> bool:
    """Is this data file at hand? ``have("text", "qa_dev.jsonl.gz")``."""
    return (root() / "data").joinpath(*parts).exists()


def path(*parts: str) -> Path:
    """The path of a data file."""
    return (root() / "data").joinpath(*parts)


def rows(*parts: str) -> Iterator[dict[str, Any]]:
    """The rows of a ``.jsonl`` or ``.jsonl.gz`` data file."""
    file = path(*parts)
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
