"""What each transform makes of fixed inputs, word for word, as a model would read it.

A change that is meant: ``python -m tests.transforms.test_canonical`` writes ``canonical/`` anew; read the difference before
committing it. A faster way to the same result must leave these files alone.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

import pytest

from headroom_core import compress
from tests.transforms.canonical_inputs import AREAS

FOLDER: Final = Path(__file__).with_name("canonical")
_STRENGTHS: Final = ("lossy", "lossless")
_LONG: Final = 4_000


def _made(area: str) -> str:
    """The results of an area, one below the other; of long ones the head, the tail and their length."""
    told: list[str] = []
    seen: set[str] = set()
    for name, text, query in AREAS[area]():
        for strength in _STRENGTHS[: 1 if text in seen else 2]:
            outcome = compress(text, query=query, strength=strength)
            if strength == "lossless" and not outcome.changes:
                continue
            kinds = ", ".join(f"{change.part.kind} by {change.by}" for change in outcome.changes) or "unchanged"
            told.append(f"═══ {name} · {strength} · {kinds}\n{_shown(outcome.text if outcome.changes else '')}\n")
        seen.add(text)
    return "\n".join(told).replace("\r", "␍")


def _shown(text: str) -> str:
    if len(text) <= _LONG:
        return text
    return f"{text[: _LONG // 2]}\n⋯ {len(text):,} characters ⋯\n{text[-_LONG // 4 :]}"


@pytest.mark.parametrize("area", AREAS)
def test_results_are_the_same_word_for_word(area: str) -> None:
    """The file of the area is what the transforms make of its inputs today."""
    made, known = _made(area), (FOLDER / f"{area}.txt").read_text(encoding="utf-8")
    if made != known:
        difference = difflib.unified_diff(known.splitlines(), made.splitlines(), "canonical", "now", lineterm="", n=1)
        pytest.fail("\n".join(list(difference)[:80]), pytrace=False)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in AREAS:
        (FOLDER / f"{each}.txt").write_text(_made(each), encoding="utf-8")
