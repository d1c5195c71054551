"""A large tool result, and a compressor that needs no model of ours, so that every test knows what it sees."""

from __future__ import annotations

import json
import re
from typing import Any

from headroom_core import Compressor, open_originals
from headroom_core.types import Context, Part, Rewrite

ROWS = [{"id": i, "name": f"user {i}", "status": "completed", "amount": i * 7} for i in range(120)]
TEXT = json.dumps(ROWS, indent=1)


class FirstRows:
    """Keeps two rows of a JSON list, one where little is left; without loss it only minifies."""

    name = "first-rows"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        self.calls += 1
        try:
            rows = json.loads(part.text)
        except ValueError:
            return None
        if not isinstance(rows, list):
            return None
        if context.strength == "lossless" or len(rows) <= 4:
            small = json.dumps(rows, separators=(",", ":"))
            return None if small == part.text else Rewrite.of(small)
        kept = rows[:1] if context.target_ratio and context.target_ratio < 0.1 else rows[:2]
        return Rewrite.of(json.dumps(kept, separators=(",", ":")), f"{len(rows) - len(kept)} of {len(rows)} rows")


def make_compressor(transform: Any = None, **options: Any) -> Compressor:
    """Every text is a list of rows to it, and originals lie in memory."""
    options.setdefault("originals", open_originals("memory://"))
    return Compressor(kind="json", transforms={"json": transform or FirstRows()}, strict=True, **options)


def ref_in(text: Any) -> str:
    """The reference that the last marker names."""
    found = re.findall(r"hr_[a-z2-7]{16}", str(text))
    assert found, str(text)[-500:]
    return str(found[-1])
