"""Leave-one-out importance names the sentences that an answer needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from headroom_core.evals.kompress_importance import context, importance
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.scorer import Scores
from headroom_core.kompress.signals import split

TEXT = "Ada Moen was an engineer. It rained a lot. She built the harbour in 1891. Boats came."


class _Sure:
    """Finds the piece ``target`` by 5 nats, if the row also holds the piece ``needs``; else it finds nothing."""

    def __init__(self, target: int, needs: int) -> None:
        self.target, self.needs = target, needs

    def early(self, ids: Any, kinds: Any) -> tuple[None, Any]:
        return None, ids

    def late(self, ids: Any) -> Scores:
        found = 5.0 * (ids == self.target) * (self.needs in ids)
        zero = np.zeros_like(found)
        return Scores(zero, zero, start=found, end=found)


def test_a_sentence_that_the_answer_needs_is_named() -> None:
    """The first sentence is needed, the others are not; the answer's own sentence is not asked about."""
    tokenizer = KompressCompressor(enable_ccr=False).load().tokenizer
    document = split(tokenizer, [TEXT])[0]
    place = next(k for k, a in enumerate(document.starts.tolist()) if TEXT[a:].startswith("1891"))
    needs = int(document.ids[0])
    lost = importance(_Sure(int(document.ids[place]), needs), [2040], document, place, place)
    assert sorted(lost) == [0, 1, 3]
    assert lost[0] > 3
    assert abs(lost[1]) < 1
    assert abs(lost[3]) < 1


def test_questions_are_counted() -> None:
    """Of three questions one has no known answer; the other two are measured by the bundled network."""
    start = TEXT.index("1891")
    gold = {"text": TEXT, "evidence": [[42, 73]], "answer_spans": [[start, start + 4]]}
    asked = {"query": "When was the harbour built?", "documents": [gold]}
    unknown = {**asked, "documents": [{**gold, "answer_spans": []}]}
    line = context(KompressCompressor(enable_ccr=False, threads=1), [asked, asked, unknown])
    assert "(2 questions" in line[0]
    assert "% need a sentence besides the evidence" in line[1]
