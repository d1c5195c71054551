"""Leave-one-out importance: does taking a sentence out make the trained answer head less sure of the right answer?

For each question with its own passage, each sentence that does not hold the answer is taken out once. What the answer's
log-probability loses is that sentence's importance, in nats. Human evidence labels name only the sentence of the answer;
importance would name the context that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from headroom_core.evals.kompress_sets import Item
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.scorer import CLS, SEP, Floats
from headroom_core.kompress.signals import MAX_TOKENS, Pieces, asked, query_ids, split

NEEDED = 1.0
"""Nats from which a sentence counts as needed."""


def importance(staged: Any, query: Sequence[int], document: Pieces, first: int, last: int) -> dict[int, float]:
    """Nats that the answer (word pieces ``first`` to ``last``) loses without each sentence that does not touch it."""
    head = [CLS, *query, SEP]

    def sure(begin: int, end: int) -> float:
        """The answer's log-probability without the pieces from ``begin`` to ``end``."""
        pieces, shift = np.delete(document.ids, slice(begin, end)), end - begin if end <= first else 0
        scores = asked(staged, head, pieces)
        assert scores.start is not None
        assert scores.end is not None
        places = [0, *range(len(head), len(head) + len(pieces))]
        return sum(
            _log_share(logits[0][places], at - shift + 1) for logits, at in ((scores.start, first), (scores.end, last))
        )

    whole = sure(0, 0)
    bounds = enumerate(pairwise(document.cuts.tolist()))
    return {k: whole - sure(begin, end) for k, (begin, end) in bounds if end <= first or begin > last}


def lost_without(compressor: KompressCompressor, document: Item, query: str) -> dict[int, float]:
    """``importance`` of the sentences of an item's document; empty without an answer in it, or where it fills a window."""
    if not document["evidence"] or not document.get("answer_spans"):
        return {}
    model = compressor.load()
    pieces, asked_for = split(model.tokenizer, [document["text"]])[0], query_ids(model.tokenizer, query)
    if len(pieces.ids) + len(asked_for) + 3 > MAX_TOKENS:
        return {}
    start, end = document["answer_spans"][0]
    first = int(np.searchsorted(pieces.ends, start, "right"))
    last = int(np.searchsorted(pieces.starts, end, "left")) - 1
    return importance(model.model.staged, asked_for, pieces, first, last)


def _log_share(logits: Floats, at: int) -> float:
    return float(logits[at] - np.logaddexp.reduce(logits))


def context(compressor: KompressCompressor, items: Sequence[Item]) -> list[str]:
    """How often a sentence besides the evidence is needed, and whether the ranking already puts it above the others."""
    questions = needed = sentences = 0
    above: list[float] = []
    for item in items:
        gold = next(d for d in item["documents"] if d["evidence"])
        lost = lost_without(compressor, gold, item["query"])
        if not lost:
            continue
        score = compressor.sentence_scores([gold["text"]], item["query"], call="one")[0]
        high = [k for k, nats in lost.items() if nats >= NEEDED]
        rest = [k for k in lost if k not in high]
        above += [float(np.mean([score[k] > score[r] for r in rest])) for k in high if rest]
        questions, needed, sentences = questions + 1, needed + bool(high), sentences + len(high)
    return [
        f"\n## Leave-one-out importance ({questions} questions beside their own passage)",
        f"{100 * needed / max(1, questions):.1f} % need a sentence besides the evidence ({sentences} in all, {NEEDED:.0f} nat"
        f" and more); the ranking puts such a sentence above {100 * np.mean(above or [0]):.0f} % of the others",
    ]
