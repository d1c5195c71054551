"""The nine laws over generated conversations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom_core import Compressor
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.testing import laws
from tests.strategies import conversation

KEY = b"k" * 32
STRENGTHS = ("lossless", "reversible", "lossy")


def _originals() -> Originals:
    return Originals(MemoryBlobs(), key=KEY)


def _make(strength: str) -> laws.Make:
    return lambda originals: Compressor(
        originals=originals, strength=strength, retrievable=True, min_tokens=40, strict=True
    )


def _no_lossy(law: Any) -> tuple[str, ...]:
    """Law 6 speaks of what appears where the caller did not ask for lossy."""
    return ("lossless", "reversible") if law is laws.no_dead_markers else STRENGTHS


def _check(law: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(messages=conversation, strength=st.sampled_from(_no_lossy(law)))
    def holds(messages: list[dict[str, Any]], strength: str) -> None:
        law(_make(strength), _originals(), messages, "tenant")

    holds()


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law(law: Any) -> None:
    """Each law holds on 500 conversations."""
    _check(law, 500)


@pytest.mark.full
@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law_at_length(law: Any) -> None:
    """Each law holds on 20,000 conversations."""
    _check(law, 20_000)
