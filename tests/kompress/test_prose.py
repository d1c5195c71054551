"""Prose in the pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from headroom_core.tokens.text import counter
from headroom_core.transforms.kompress_compressor import KompressCompressor, KompressConfig, MLModelRegistry
from headroom_core.transforms.prose import Prose
from headroom_core.types import Context, Part, Rewrite, Text
from tests.kompress.texts import DOCUMENTS, LONG, QUESTION

COUNT = counter("estimate")


def _rewrite(text: str, **options: Any) -> Rewrite | None:
    part = Part((0, 0), "prose", Text(text), COUNT(text))
    return Prose()(part, Context(COUNT, **options))


def test_a_question_leaves_what_it_asks_for():
    """The answer stays, the line says what went, and the same input gives the same bytes."""
    text = "\n\n".join(DOCUMENTS * 2)
    found = _rewrite(text, query=QUESTION, target_ratio=0.4)
    assert found is not None
    assert "Tromsø" in found.text
    assert found.left_out is not None
    assert "words not about the question" in found.left_out
    assert _rewrite(text, query=QUESTION, target_ratio=0.4) == found


def test_without_a_question_guards_hold():
    """Numbers and negations of the whole text stay."""
    found = _rewrite(LONG)
    assert found is not None
    assert found.text.count("not") == LONG.count("not")


@pytest.mark.parametrize("options", [{"strength": "lossless"}, {"target_ratio": 1.0}])
def test_nothing_is_lost_where_nothing_may_be(options: dict[str, Any]):
    """Lossless strength and a full budget leave prose alone."""
    assert _rewrite(LONG, **options) is None


def test_short_prose_is_left():
    """A short text is not worth a cut."""
    assert _rewrite(DOCUMENTS[0], query=QUESTION) is None


def test_something_is_always_left_to_see():
    """Where nothing bears on the question, the best sentence stays rather than an empty message."""
    found = _rewrite(LONG, query="Which recipe needs saffron and cardamom?")
    assert found is None or found.text.strip()


def test_the_names_of_the_field_are_here():
    """The module that users know exports the classes."""
    assert KompressConfig(chunk_words=350, score_threshold=0.5, enable_ccr=True).enable_ccr
    assert "kompress" in MLModelRegistry()
    assert callable(KompressCompressor(enable_ccr=False).compress)
