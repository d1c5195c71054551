"""Curves of evidence kept against tokens, for rankings of sentences: ours and the simple ones beside it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headroom_core.evals.kompress_sets import Item
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.language.lexical import Bm25, content, stems
from headroom_core.language.sentences import sentences
from headroom_core.language.span import Span
from headroom_core.tokens.text import counter

Vector = NDArray[np.float64]
Ranker = Callable[["Sheet"], Vector]
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(slots=True)
class Sheet:
    """An item as sentences: (document, start, end), their o200k tokens, and for each gold unit its sentences."""

    item: Item
    units: list[tuple[int, int, int]]
    tokens: Vector
    gold: list[list[int]]

    @property
    def texts(self) -> list[str]:
        """The documents' texts."""
        return [d["text"] for d in self.item["documents"]]

    def unit_texts(self) -> list[str]:
        """The sentences' texts."""
        texts = self.texts
        return [texts[d][s:e] for d, s, e in self.units]


def sheet(item: Item, *, lines: bool = False) -> Sheet:
    """Lay an item out. ``lines``: each line of a gold range is a unit of its own (meetings)."""
    count = counter("o200k")
    units = [(d, s, e) for d, doc in enumerate(item["documents"]) for s, e in sentences(doc["text"])]
    texts = [doc["text"] for doc in item["documents"]]
    tokens = np.array([count(texts[d][s:e]) for d, s, e in units], np.float64)
    spans: list[tuple[int, int, int]] = []
    for d, doc in enumerate(item["documents"]):
        for start, end in doc["evidence"]:
            spans.extend((d, a, b) for a, b in (_lines(texts[d], start, end) if lines else [(start, end)]))
    return Sheet(item, units, tokens, [g for g in (_inside(units, *span) for span in spans) if g])


def _lines(text: str, start: int, end: int) -> list[Span]:
    found, at = [], start
    for line in text[start:end].split("\n"):
        if line.strip():
            found.append((at, at + len(line)))
        at += len(line) + 1
    return found


def _inside(units: Sequence[tuple[int, int, int]], document: int, start: int, end: int) -> list[int]:
    """Sentences that lie mostly in a gold span, or the one that holds most of it."""
    found, best, most = [], -1, 0
    for i, (d, s, e) in enumerate(units):
        shared = min(e, end) - max(s, start) if d == document else 0
        if shared > 0.5 * (e - s):
            found.append(i)
        if shared > most:
            best, most = i, shared
    return found or ([best] if best >= 0 else [])


# ---------------------------------------------------------------- rankings
def by_chance(page: Sheet) -> Vector:
    """Random, by a digest of the id."""
    seed = int(hashlib.sha1(page.item["id"].encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).random(len(page.units))


def by_place(page: Sheet) -> Vector:
    """Lead: the first sentences of each document first."""
    place: dict[int, int] = {}
    found = []
    for d, _, _ in page.units:
        place[d] = place.get(d, 0) + 1
        found.append(-float(place[d]))
    return np.array(found)


def by_words(page: Sheet) -> Vector:
    """BM25 of the sentence."""
    return Bm25([stems(text) for text in page.unit_texts()]).scores(content(page.item["query"]))


class Embedding:
    """Cosine of a sentence's and the question's MiniLM vectors: what the frameworks' filters do."""

    def __init__(self, wheel: Path) -> None:
        from headroom_core.training.kompress_start import encoder

        self._encode = encoder(wheel)

    def vectors(self, texts: Sequence[str]) -> Vector:
        """(texts, size), normalised."""
        return np.asarray(self._encode(list(texts)))

    def __call__(self, page: Sheet) -> Vector:
        """A score per sentence."""
        found = self.vectors([page.item["query"], *page.unit_texts()])
        scores: Vector = found[1:] @ found[0]
        return scores


class Hybrid:
    """BM25 and embedding, each standardised, plus the same of the sentence's document: the best simple mixture."""

    def __init__(self, embedding: Embedding) -> None:
        self.embedding = embedding

    def __call__(self, page: Sheet) -> Vector:
        """A score per sentence."""
        owner = np.array([d for d, _, _ in page.units])
        score = _standard(by_words(page)) + _standard(self.embedding(page))
        if len(page.texts) < 2:
            return score
        query, *documents = self.embedding.vectors([page.item["query"], *page.texts])
        prior = _standard(np.array(documents) @ query)
        words = Bm25([stems(t) for t in page.texts]).scores(content(page.item["query"]))
        scores: Vector = score + prior[owner] + _standard(words)[owner]
        return scores


def _standard(x: Vector) -> Vector:
    return np.asarray((x - x.mean()) / (x.std() + 1e-9))


class Ours:
    """The compressor's own sentence scores."""

    def __init__(self, compressor: KompressCompressor) -> None:
        self.compressor = compressor
        self._seen: dict[str, Vector] = {}

    def __call__(self, page: Sheet) -> Vector:
        """A score per sentence."""
        key = f"{page.item['id']} {len(page.texts)}"
        if key not in self._seen:
            call = "several" if len(page.texts) > 1 else "one"
            scores = self.compressor.sentence_scores(page.texts, page.item["query"], call=call)
            self._seen[key] = np.concatenate(scores)
        return self._seen[key]


# ---------------------------------------------------------------- costs
@dataclass(frozen=True, slots=True)
class Curve:
    """Costs: the share of tokens at which each gold unit is kept; ``whole``: per item, at which all are."""

    costs: Vector
    whole: Vector
    owner: NDArray[np.int64]

    def at(self, share: float) -> float:
        """Share of units kept at this share of tokens."""
        return float((self.costs <= share + 1e-9).mean())

    def for_(self, target: float) -> float:
        """Smallest share of tokens that keeps this share of units."""
        return _quantile(self.costs, target)

    def interval(self, target: float, draws: int = 400) -> tuple[float, float]:
        """95 % bootstrap interval of ``for_`` over items."""
        draw = np.random.default_rng(0)
        groups = [self.costs[self.owner == i] for i in range(int(self.owner.max()) + 1)]
        found = []
        for _ in range(draws):
            chosen = draw.integers(0, len(groups), len(groups))
            found.append(_quantile(np.concatenate([groups[i] for i in chosen]), target))
        return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def _quantile(costs: Vector, target: float) -> float:
    ordered = np.sort(costs)
    return float(ordered[max(0, math.ceil(target * len(ordered) - 1e-9) - 1)])


def curve(pages: Sequence[Sheet], ranker: Ranker) -> Curve:
    """Rank the sentences of every item, best first, and note where each gold unit comes in."""
    costs: list[float] = []
    whole: list[float] = []
    owner: list[int] = []
    for page in pages:
        if not page.gold:
            continue
        order = np.argsort(-ranker(page), kind="stable")
        share = np.empty(len(order))
        share[order] = np.cumsum(page.tokens[order]) / page.tokens.sum()
        own = [float(share[g].max()) for g in page.gold]
        costs.extend(own)
        owner.extend([len(whole)] * len(own))
        whole.append(max(own))
    return Curve(np.array(costs), np.array(whole), np.array(owner))


def by_threshold(pages: Sequence[Sheet], ranker: Ranker) -> Curve:
    """One threshold for all items, as ``max_risk`` sets it: a unit costs the mean share of tokens that its score keeps."""
    pages = [page for page in pages if page.gold]
    scores = [ranker(page) for page in pages]
    weight = np.concatenate([page.tokens / page.tokens.sum() for page in pages]) / len(pages)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    sorted_scores, kept = np.concatenate(scores)[order], np.cumsum(weight[order])
    gold = [np.array([own[g].min() for g in page.gold]) for page, own in zip(pages, scores, strict=True)]
    costs = [kept[np.searchsorted(-sorted_scores, -own, "right") - 1] for own in gold]
    owner = np.repeat(np.arange(len(pages)), [len(own) for own in gold])
    return Curve(np.concatenate(costs), np.array([own.max() for own in costs]), owner)


def table(title: str, pages: Sequence[Sheet], rankers: dict[str, Ranker], *, whole: bool = False) -> list[str]:
    """Lines of a table: one ranking per row, each question given the same share; at last ours by one threshold for all."""
    head = " ".join(f"{int(s * 100):>5}%" for s in SHARES)
    lines = [f"\n## {title}", f"{len(pages)} questions, {int(np.mean([p.tokens.sum() for p in pages]))} tokens each"]
    lines.append(
        f"{'':12} kept at {head}   tokens for  95 %            98 %            99 %"
        + ("   all at 33/50 %" if whole else "")
    )
    curves = {name: curve(pages, ranker) for name, ranker in rankers.items()}
    curves["threshold"] = by_threshold(pages, rankers["kompress"])
    for name, found in curves.items():
        kept = " ".join(f"{100 * found.at(s):5.1f} " for s in SHARES)
        wanted = []
        for target in (0.95, 0.98, 0.99):
            low, high = found.interval(target)
            wanted.append(f"{100 * found.for_(target):5.1f} [{100 * low:.0f}-{100 * high:.0f}]".ljust(15))
        tail = f"   {100 * (found.whole <= 0.33).mean():.0f} / {100 * (found.whole <= 0.5).mean():.0f}" if whole else ""
        lines.append(f"{name:12}         {kept}              {' '.join(wanted)}{tail}")
    return lines


def sample(items: Sequence[Item], count: int) -> list[Item]:
    """The first items by a digest of their ids."""
    return sorted(items, key=lambda item: hashlib.sha1(item["id"].encode()).hexdigest())[:count]
