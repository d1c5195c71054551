"""Questions as padded batches: which documents stand beside each other, and what every token and sentence should be.

One *group* is one question with its documents; its rows are windows ``[CLS] query [SEP] text [SEP]``. Query-free rows
``[CLS] text [SEP]`` are groups of their own. All choices come from one seeded generator per batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.chunks import windows
from headroom_core.training.kompress_data import Corpus, Document, Entry, Question

CLS, SEP = 101, 102
MAX_TOKENS = 384
IGNORED = -1.0

Plan = tuple[str, int]
"""A group to build: (``question``, ``compound`` or ``free``, index)."""


@dataclass(slots=True)
class Row:
    """One window: tokens, the sentence of each token (-1: none), and its targets."""

    ids: list[int]
    query: int
    sentence: NDArray[np.int64]
    labels: NDArray[np.float32]
    answer: NDArray[np.float32]
    start: int
    end: int
    relevant: float


@dataclass(slots=True)
class Bucket:
    """Rows of similar length, padded."""

    ids: NDArray[np.int64]
    kinds: NDArray[np.int64]
    mask: NDArray[np.bool_]
    sentence: NDArray[np.int64]
    answer: NDArray[np.float32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    relevant: NDArray[np.float32]
    group: NDArray[np.int64]


@dataclass(slots=True)
class Batch:
    """Buckets of one step. Sentences are numbered through all buckets."""

    buckets: list[Bucket]
    labels: NDArray[np.float32]
    sentence_group: NDArray[np.int64]
    weights: NDArray[np.float32]
    free: bool
    groups: int


def pieces(document: Document, room: int) -> list[tuple[int, int]]:
    """The document's windows as ranges of sentences."""
    sizes = np.diff(document.cuts).tolist()
    return windows(sizes, sizes, max_tokens=room, max_words=10**9)


def row(document: Document, first: int, last: int, query: Sequence[int], entry: Entry | None, title: bool, ignored: set[int]) -> Row:
    """One window of a document. ``ignored`` sentences have no target."""
    head = [CLS, *query, SEP] if len(query) else [CLS]
    named = document.title.tolist() if title and first == 0 else []
    room = MAX_TOKENS - len(head) - len(named) - 1
    start, end = int(document.cuts[first]), min(int(document.cuts[last]), int(document.cuts[first]) + room)
    ids = [*head, *named, *document.ids[start:end].tolist(), SEP]
    offset = len(head) + len(named)
    where = np.full(len(ids), -1, np.int64)
    where[offset : offset + end - start] = np.searchsorted(document.cuts[first:last], np.arange(start, end), "right") - 1
    gold = set(entry.gold) if entry else set()
    labels = np.array([1.0 if s in gold else IGNORED if s in ignored else 0.0 for s in range(first, last)], np.float32)
    answer = np.zeros(len(ids), np.float32)
    begin = finish = 0
    for a, b in entry.spans if entry else ():
        if start <= a and b < end:
            answer[offset + a - start : offset + b - start + 1] = 1
            if not begin:
                begin, finish = offset + a - start, offset + b - start
    has_gold = bool((labels == 1).any())
    if has_gold and not begin:
        begin = finish = -1
    return Row(ids, len(head), where, labels, answer, begin, finish, float(has_gold))


class Builder:
    """Builds batches from plans; the same (seed, plans) give the same batch in any process."""

    def __init__(self, corpus: Corpus, near: int = 4) -> None:
        self.corpus, self.near = corpus, near
        self.by_key: dict[str, list[int]] = {}
        for i in corpus.negatives:
            self.by_key.setdefault(corpus.documents[i].key, []).append(i)

    def batch(self, seed: int, plans: Sequence[Plan]) -> Batch:
        """All plans of one batch are query-free, or none is."""
        draw = random.Random(seed)
        groups = [self._group(draw, kind, index) for kind, index in plans]
        return _pad([g for g in groups if g], free=plans[0][0] == "free")

    def _group(self, draw: random.Random, kind: str, index: int) -> list[Row]:
        corpus = self.corpus
        if kind == "free":
            return self._free(draw, corpus.documents[index])
        question = (corpus.compound if kind == "compound" else corpus.train)[index]
        if question.source == "qmsum":
            return self._meeting(draw, question)
        return self._asked(draw, question)

    def _asked(self, draw: random.Random, question: Question) -> list[Row]:
        entries = list(question.entries)
        several = len(entries) > 3
        if several and draw.random() < 0.3:
            gold = [e for e in entries if e.gold]
            others = [e for e in entries if not e.gold]
            entries = gold + draw.sample(others, min(len(others), draw.randint(1, 6)))
        entries = entries[:12] if not several else sorted(entries, key=lambda e: not e.gold)[:12]
        if len(entries) < 6:
            taken = {e.document for e in entries}
            entries += [Entry(i, [], []) for i in self._others(draw, question, taken, self.near + 1 - min(len(entries), 2))]
        if not several and draw.random() < 0.06:
            entries = [e for e in entries if not e.gold]
        query = self._query(draw, question)
        title = draw.random() < 0.4
        found: list[Row] = []
        for entry in entries:
            document = self.corpus.documents[entry.document]
            parts = pieces(document, MAX_TOKENS - len(query) - 30)
            if len(parts) > 3:
                with_gold = [p for p in parts if any(p[0] <= g < p[1] for g in entry.gold)]
                parts = with_gold[:2] + draw.sample(parts, 2)
                parts = list(dict.fromkeys(parts))
            found.extend(row(document, a, b, query, entry, title, set()) for a, b in parts)
        return found

    def _query(self, draw: random.Random, question: Question) -> list[int]:
        """The question's tokens; sometimes a sentence that was found already follows them."""
        ids: list[int] = question.ids.tolist()
        gold = [(e, g) for e in question.entries for g in e.gold]
        chance = 0.35 if len(question.entries) > 1 else 0.12
        if gold and draw.random() < chance:
            entry, sentence = draw.choice(gold)
            if draw.random() < 0.25:
                entry = draw.choice(question.entries)
                sentence = draw.randrange(len(self.corpus.documents[entry.document].cuts) - 1)
            document = self.corpus.documents[entry.document]
            hint = document.ids[document.cuts[sentence] : document.cuts[sentence + 1]].tolist()
            ids = [*ids[:60], *hint[: 100 - min(60, len(ids))]]
        return ids

    def _others(self, draw: random.Random, question: Question, taken: set[int], count: int) -> list[int]:
        """Hard negatives: near ones by the trainer's search, some from the same page."""
        answers = [a.lower() for a in question.answers if len(a) > 1]
        documents = self.corpus.documents
        key = documents[question.entries[0].document].key
        same = self.by_key.get(key, [])
        found: list[int] = []
        for _ in range(count * 6):
            if len(found) >= count:
                break
            chance = draw.random()
            if question.near and chance < 0.6:
                i = question.near[min(int(draw.expovariate(1 / 6)), len(question.near) - 1)]
            elif same and chance < 0.9:
                i = draw.choice(same)
            else:
                i = draw.choice(self.corpus.negatives)
            if i in taken or i in found or documents[i].key.startswith("policy ") != key.startswith("policy "):
                continue
            if any(a in documents[i].body for a in answers):
                continue
            found.append(i)
        return found

    def _meeting(self, draw: random.Random, question: Question) -> list[Row]:
        entry = question.entries[0]
        document = self.corpus.documents[entry.document]
        query: list[int] = question.ids.tolist()
        parts = pieces(document, MAX_TOKENS - len(query) - 30)
        gold = set(entry.gold)
        hits = [p for p in parts if sum(s in gold for s in range(*p)) > (p[1] - p[0]) / 2]
        rest = [p for p in parts if p not in hits]
        chosen = draw.sample(hits, min(2, len(hits))) + draw.sample(rest, min(3, len(rest)))
        return [row(document, a, b, query, entry, False, set()) for a, b in chosen]

    def _free(self, draw: random.Random, document: Document) -> list[Row]:
        entry = Entry(0, sorted(document.free_gold), document.free_spans)
        parts = pieces(document, MAX_TOKENS - 30)
        chosen = parts if len(parts) < 4 else draw.sample(parts, 3)
        return [row(document, a, b, (), entry, False, set()) for a, b in chosen]


def _pad(groups: list[list[Row]], *, free: bool, buckets: int = 5) -> Batch:
    """Rows of all groups, sorted by length into buckets."""
    flat = [(g, r) for g, rows in enumerate(groups) for r in rows]
    base, labels, owner, weights = [], [], [], []
    total = 0
    sizes = np.zeros(len(groups))
    for g, r in flat:
        sizes[g] += len(r.labels)
    for g, r in flat:
        base.append(total)
        total += len(r.labels)
        labels.append(r.labels)
        owner.append(np.full(len(r.labels), g))
        weights.append(np.full(len(r.labels), 1 / sizes[g], np.float32))
    order = np.argsort([len(r.ids) for _, r in flat], kind="stable")
    found = []
    for chunk in np.array_split(order, min(buckets, max(1, len(order) // 8))):
        width = -(-max(len(flat[i][1].ids) for i in chunk) // 8) * 8
        n = len(chunk)
        bucket = Bucket(
            np.zeros((n, width), np.int64),
            np.zeros((n, width), np.int64),
            np.zeros((n, width), np.bool_),
            np.full((n, width), -1, np.int64),
            np.zeros((n, width), np.float32),
            *(np.zeros(n, np.int64) for _ in range(2)),
            np.zeros(n, np.float32),
            np.zeros(n, np.int64),
        )
        for k, i in enumerate(chunk):
            g, r = flat[i]
            size = len(r.ids)
            bucket.ids[k, :size] = r.ids
            bucket.kinds[k, r.query : size] = 0 if free else 1
            bucket.mask[k, :size] = True
            bucket.sentence[k, :size] = np.where(r.sentence >= 0, r.sentence + base[i], -1)
            bucket.answer[k, :size] = r.answer
            bucket.start[k], bucket.end[k] = r.start, r.end
            bucket.relevant[k], bucket.group[k] = r.relevant, g
        found.append(bucket)
    return Batch(found, np.concatenate(labels), np.concatenate(owner), np.concatenate(weights), free, len(groups))


def plan_epoch(corpus: Corpus, seed: int, groups: int) -> list[list[Plan]]:
    """The plans of one pass: every group once, rare kinds more often, policies half; batches mixed, free ones apart."""
    draw = random.Random(seed)
    asked: list[Plan] = []
    for i, question in enumerate(corpus.train):
        times = {"policyqa": 0.5, "qmsum": 1.0, "qed": 2, "2wiki_train": 3, "hotpot_train": 5}.get(question.source, 1.0)
        times = {"musique_train": 5, "amor_hotpot": 4}.get(question.source, times)
        asked += [("question", i)] * (int(times) + (draw.random() < times % 1))
    asked += [("compound", i) for i in draw.sample(range(len(corpus.compound)), len(corpus.compound) // 2)]
    draw.shuffle(asked)
    free: list[Plan] = [("free", i) for i in corpus.free]
    draw.shuffle(free)
    batches = [asked[i : i + groups] for i in range(0, len(asked), groups)]
    wide = groups * 4
    batches += [free[i : i + wide] for i in range(0, len(free), wide)]
    draw.shuffle(batches)
    return batches
