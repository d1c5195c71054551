"""Risk curves of the bundle's groups, from the calibration split: rows that nothing was trained or fitted on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from headroom_core.evals.kompress_curves import sheet
from headroom_core.evals.kompress_sets import PAGES, Item, among_near, joined, pool, several_hops
from headroom_core.evals.marks_query_free import bare, marks
from headroom_core.kompress.calibrate import FEW, Curve, curve
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.select import Words

Vector = NDArray[np.float64]
LONG_CHARACTERS = 21_000


def long_texts(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """One text of over 4,000 tokens per question: its document among others that lack the answer, in random order."""
    draw = random.Random(seed)
    documents = pool(items, PAGES)
    found: list[Item] = []
    for item in among_near(items, sources=PAGES):
        if len(found) >= count:
            break
        if draw.random() > 0.5:
            continue
        chosen = list(item["documents"])
        answers = [a.lower() for a in item["answers"] if len(a) > 1]
        for _ in range(400):
            if sum(len(d["text"]) for d in chosen) >= LONG_CHARACTERS:
                break
            other = draw.choice(documents)
            known = any(other["text"] == d["text"] for d in chosen)
            if not known and not any(a in other["text"].lower() for a in answers):
                chosen.append({"title": other["title"], "text": other["text"], "evidence": [], "answer_spans": []})
        draw.shuffle(chosen)
        found.append({**item, "id": f"long:{item['id']}", "documents": [joined(chosen)]})
    return found


def gold_alone(items: Iterable[Item]) -> list[Item]:
    """Each question with its gold document only."""
    return [{**i, "documents": [d for d in i["documents"] if d["evidence"]]} for i in items]


def by_size(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Those of at most ``FEW`` documents, and those of more."""
    found: tuple[list[Item], list[Item]] = ([], [])
    for item in items:
        found[len(item["documents"]) > FEW].append(item)
    return found


def evidence_scores(compressor: KompressCompressor, items: Iterable[Item]) -> list[Vector]:
    """Per item the score at which each gold unit is lost: that of its weakest sentence."""
    found = []
    for item in items:
        page = sheet(item)
        if page.gold:
            call = "several" if len(page.texts) > 1 else "one"
            scores = np.concatenate(compressor.sentence_scores(page.texts, item["query"], call=call))
            found.append(np.array([scores[g].min() for g in page.gold]))
    return found


def must_keep_scores(parts: Iterable[Words]) -> list[Vector]:
    """Per text the score at which each word that the judge marks is lost: infinite where a guard keeps it."""
    found = []
    for words in parts:
        wanted: dict[str, int] = {}
        for word, _ in marks(words.text):
            wanted[word] = wanted.get(word, 0) + 1
        value = np.where(words.guard > 0, 1.0, words.score)
        own: list[float] = []
        for word, times in sorted(wanted.items()):
            places = [i for i, (s, e) in enumerate(words.spans) if bare(words.text[s:e]) == word]
            own += sorted(value[places].tolist(), reverse=True)[:times]
        if own:
            found.append(np.array(own))
    return found


def risk_curves(
    compressor: KompressCompressor, items: Sequence[Item], sizes: dict[str, int], log: Callable[[str], None] = print
) -> dict[str, Curve]:
    """All groups of ``calibrate.GROUPS``; ``sizes`` bounds the items of each."""
    size = sizes["several documents"]
    near = among_near(items, sources=PAGES)[:size]
    many, one, two = (among_near(items, sources=PAGES, near=others) for others in (8, 1, 2))
    few, more = by_size(several_hops(items))
    found = {"few documents": curve(evidence_scores(compressor, [*few, *one[: size // 2], *two[size // 2 : size]]))}
    log("calibrated: few documents")
    found["several documents"] = curve(evidence_scores(compressor, [*more, *near, *many[: size // 4]]))
    log("calibrated: several documents")
    found["one text"] = curve(evidence_scores(compressor, gold_alone(near)[: sizes["one text"]]))
    log("calibrated: one text")
    found["long"] = curve(evidence_scores(compressor, long_texts(items, sizes["long"], seed=2)))
    log("calibrated: long")
    texts = [d["text"] for d in pool(items)][: sizes["query-free"]]
    found["query-free"] = curve(must_keep_scores(compressor.words(text) for text in texts))
    return found
