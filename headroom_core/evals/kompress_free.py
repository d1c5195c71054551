"""Measures of cuts without a query, and what a compressed text still holds."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from headroom_core.evals.kompress_sets import SPANS, Item
from headroom_core.evals.marks_query_free import recall
from headroom_core.evals.metrics import bootstrap
from headroom_core.kompress.compressor import KompressCompressor

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def bare_words(text: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"\w+", text.lower())


def evidence_loss(item: Item, outputs: Sequence[str]) -> float:
    """Share of gold spans of which fewer than nine tenths of the words stand in their document's output."""
    lost = total = 0
    for document, output in zip(item["documents"], outputs, strict=True):
        have = Counter(bare_words(output))
        for start, end in document["evidence"]:
            want = Counter(bare_words(document["text"][start:end]))
            total += 1
            lost += sum((want & have).values()) < 0.9 * sum(want.values())
    return lost / total if total else 0.0


def marks_loss(text: str, output: str) -> float:
    """Share of a text's marked words that its output lacks."""
    kept, total = np.array(list(recall(text, output).values()) or [(0, 0)]).sum(0).tolist()
    return 1 - kept / total if total else 0.0


def holds(text: str, answer: str) -> bool:
    """Does the text hold the answer at word borders, articles and punctuation aside?"""
    body, key = (" ".join(_ARTICLES.sub(" ", " ".join(bare_words(t))).split()) for t in (text, answer))
    return f" {key} " in f" {body} "


def answer_f1(found: str, answers: Sequence[str]) -> float:
    """Best word F1 of an answer against the references, articles and punctuation aside."""
    plain = [_ARTICLES.sub(" ", " ".join(bare_words(t))).split() for t in (found, *answers)]
    return max((_f1(gold, plain[0]) for gold in plain[1:]), default=0.0)


def must_keep(compressor: KompressCompressor, items: Sequence[Item], each: int) -> list[str]:
    """Marked words at a keep-rate of 0.6 and by default; answers of all of a passage's questions at 0.5.

    Of an answer the first reference must stay, or, as the task's own score has it, any of them.
    """
    answers: dict[str, list[list[str]]] = defaultdict(list)
    for item in items:
        if item["source"] in SPANS and item["answerable"]:
            answers[item["documents"][0]["text"]].append(item["answers"])
    passages = sorted(answers)[: each or None]
    lines = [f"\n## Without a query ({len(passages)} passages)"]
    for ratio in (0.5, 0.6, None):
        kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        rates, hits = [], []  # of hits, by question: the first reference, any reference
        for text in passages:
            result = compressor.compress(text, target_ratio=ratio)
            rates.append(result.compression_ratio)
            for references in answers[text]:
                held = [holds(result.compressed, reference) for reference in references]
                hits.append((held[0], any(held)))
            for kind, (kept, total) in recall(text, result.compressed).items():
                kinds[kind][0] += kept
                kinds[kind][1] += total
                kinds["all"][0] += kept
                kinds["all"][1] += total
        shares = ", ".join(f"{kind} {kept / total:.4f}" for kind, (kept, total) in sorted(kinds.items()))
        first, either = (bootstrap([100 * held for held in column]) for column in zip(*hits, strict=True))
        lines.append(
            f"target {ratio}: kept {np.mean(rates):.3f} of tokens, answers {first[0]:.1f} % [{first[1]:.1f}, {first[2]:.1f}],"
            f" any reference {either[0]:.1f} % [{either[1]:.1f}, {either[2]:.1f}], must-keep: {shares}"
        )
    return lines


def deletions(compressor: KompressCompressor, pairs: Sequence[dict[str, Any]]) -> list[str]:
    """Word F1 against human-like deletions, at the references' own mean rate; trivial baselines beside it."""
    rate = float(np.mean([len(p["compressed"].split()) / len(p["text"].split()) for p in pairs]))
    scores: dict[str, list[float]] = {"kompress": [], "lead": [], "all": []}
    for pair in pairs:
        words = pair["text"].split()
        made = {
            "kompress": compressor.compress(pair["text"], target_ratio=rate).compressed,
            "lead": " ".join(words[: max(1, round(rate * len(words)))]),
            "all": pair["text"],
        }
        for name, text in made.items():
            scores[name].append(_f1(bare_words(pair["compressed"]), bare_words(text)))
    found = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in scores.items())
    return [f"sentence_compression, word F1 at {rate:.2f} of the words ({len(pairs)} pairs): {found}"]


def _f1(gold: list[str], made: list[str]) -> float:
    shared = sum((Counter(gold) & Counter(made)).values())
    return 2 * shared / (len(gold) + len(made)) if gold or made else 1.0
