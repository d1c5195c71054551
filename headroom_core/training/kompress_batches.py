"""Questions as padded batches: which documents stand beside each other, and what every token and sentence should be.

One *group* is one question with its documents; its rows are windows ``[CLS] query [SEP] text [SEP]``. A group is laid
out in one of three ways: a window per document; documents packed side by side, ``[SEP]`` between them; or a shortlist,
some sentences of each document packed together. Query-free rows ``[CLS] text [SEP]`` are groups of their own. All
choices come from one seeded generator per batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.chunks import windows
from headroom_core.training.kompress_data import Corpus, Document, Entry, Question

CLS, SEP, MASK = 101, 102, 103
MAX_TOKENS = 384

Plan = tuple[str, int]
"""A group to build: (``question``, ``compound`` or ``free``, index)."""


@dataclass(slots=True)
class Row:
    """One window as it grows: tokens, the sentence of each (-1: none), answer tokens, sentence labels and sizes."""

    ids: list[int]
    query: int
    sentence: list[int] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    labels: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    start: int = 0
    end: int = 0

    def add(self, ids: Sequence[int], sentence: int) -> None:
        """Append tokens that belong to one sentence, or to none (-1)."""
        self.ids.extend(ids)
        self.sentence.extend([sentence] * len(ids))
        self.answer.extend([0.0] * len(ids))


@dataclass(slots=True)
class Bucket:
    """Rows of similar length, padded, and the flat places of their sentence tokens with each one's targets."""

    ids: NDArray[np.int32]
    kinds: NDArray[np.int32]
    mask: NDArray[np.bool_]
    readable: NDArray[np.bool_]
    inside: NDArray[np.int64]
    index: NDArray[np.int64]
    target: NDArray[np.float32]
    answer: NDArray[np.float32]
    share: NDArray[np.float32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    relevant: NDArray[np.float32]
    group: NDArray[np.int64]


@dataclass(slots=True)
class Batch:
    """Buckets of one step. Sentences are numbered through all buckets, in the order of ``labels``."""

    buckets: list[Bucket]
    labels: NDArray[np.float32]
    sizes: NDArray[np.int64]
    sentence_group: NDArray[np.int64]
    weights: NDArray[np.float32]
    gold: NDArray[np.int64]
    free: bool
    groups: int
    tokens: int


def pieces(document: Document, room: int) -> list[tuple[int, int]]:
    """The document's windows as ranges of sentences."""
    sizes = np.diff(document.cuts).tolist()
    return windows(sizes, sizes, max_tokens=room, max_words=10**9)


def open_row(query: Sequence[int]) -> Row:
    """A row that holds only its query."""
    found = Row([], 0)
    found.add([CLS, *query, SEP] if len(query) else [CLS], -1)
    found.query = len(found.ids)
    return found


def put(row: Row, document: Document, entry: Entry | None, chosen: Sequence[int], title: bool) -> None:
    """Append sentences of a document."""
    if title:
        row.add(document.title.tolist(), -1)
    gold = set(entry.gold) if entry else set()
    for s in chosen:
        start, end = int(document.cuts[s]), int(document.cuts[s + 1])
        end = min(end, start + MAX_TOKENS - 1 - len(row.ids))
        if end <= start:
            continue
        offset = len(row.ids) - start
        row.add(document.ids[start:end].tolist(), len(row.labels))
        for a, b in entry.spans if entry else ():
            if start <= a and b < end:
                for place in range(a + offset, b + offset + 1):
                    row.answer[place] = 1.0
                if not row.start:
                    row.start, row.end = a + offset, b + offset
        row.labels.append(float(s in gold))
        row.sizes.append(end - start)


def close_row(row: Row) -> Row:
    """Append the last separator; a row with evidence but without a known answer has no answer target."""
    row.add([SEP], -1)
    if any(row.labels) and not row.start:
        row.start = row.end = -1
    return row


class Builder:
    """Builds batches from plans; the same (seed, plans) give the same batch in any process."""

    def __init__(
        self, corpus: Corpus, near: int = 5, packed: float = 0.3, shortlist: float = 0.2, masked: float = 0.04
    ) -> None:
        self.corpus, self.near = corpus, near
        self.packed, self.shortlist, self.masked = packed, shortlist, masked
        self.by_key: dict[str, list[int]] = {}
        for i in corpus.negatives:
            self.by_key.setdefault(corpus.documents[i].key, []).append(i)

    def batch(self, seed: int, plans: Sequence[Plan]) -> Batch:
        """All plans of one batch are query-free, or none is."""
        draw = random.Random(seed)
        groups = [self._group(draw, kind, index) for kind, index in plans]
        made = pad([g for g in groups if g], free=plans[0][0] == "free")
        hide(made, self.masked, seed)
        return made

    def _group(self, draw: random.Random, kind: str, index: int) -> list[Row]:
        corpus = self.corpus
        if kind == "free":
            return self._free(draw, corpus.documents[index])
        question = (corpus.compound if kind == "compound" else corpus.train)[index]
        if question.source == "qmsum":
            return self._meeting(draw, question)
        return self._asked(draw, question)

    def _asked(self, draw: random.Random, question: Question) -> list[Row]:
        entries = self._entries(draw, question)
        query = self._query(draw, question)
        title = draw.random() < 0.4
        layout = draw.random()
        if layout < self.shortlist:
            share = draw.uniform(0.2, 0.7)
            return self._pack(draw, query, entries, title, share)
        if layout < self.shortlist + self.packed:
            return self._pack(draw, query, entries, title, 1.0)
        found: list[Row] = []
        for entry in entries:
            document = self.corpus.documents[entry.document]
            parts = pieces(document, MAX_TOKENS - len(query) - 30)
            if len(parts) > 3:
                with_gold = [p for p in parts if any(p[0] <= g < p[1] for g in entry.gold)]
                parts = list(dict.fromkeys(with_gold[:2] + draw.sample(parts, 2)))
            for first, last in parts:
                row = open_row(query)
                put(row, document, entry, range(first, last), title and first == 0)
                found.append(close_row(row))
        return found

    def _entries(self, draw: random.Random, question: Question) -> list[Entry]:
        entries = list(question.entries)
        several = len(entries) > 3
        if several and draw.random() < 0.3:
            gold = [e for e in entries if e.gold]
            others = [e for e in entries if not e.gold]
            entries = gold + draw.sample(others, min(len(others), draw.randint(1, 6)))
        if several:
            entries = sorted(entries, key=lambda e: not e.gold)[:12]
        if len(entries) < 6:
            taken = {e.document for e in entries}
            wanted = self.near + 1 - min(len(entries), 2)
            entries += [Entry(i, [], []) for i in self._others(draw, question, taken, wanted)]
        if not several and draw.random() < 0.06:
            entries = [e for e in entries if not e.gold]
        return entries

    def _pack(
        self, draw: random.Random, query: list[int], entries: list[Entry], title: bool, share: float
    ) -> list[Row]:
        """Documents side by side; with ``share`` < 1 only their gold and some other sentences."""
        entries = list(entries)
        draw.shuffle(entries)
        found: list[Row] = []
        row = open_row(query)
        for entry in entries:
            document = self.corpus.documents[entry.document]
            gold = set(entry.gold)
            chosen = [s for s in range(len(document.cuts) - 1) if share >= 1 or s in gold or draw.random() < share]
            if len(chosen) > 40:
                begin = draw.randrange(len(chosen) - 30)
                chosen = [s for k, s in enumerate(chosen) if begin <= k < begin + 30 or s in gold][:40]
            while chosen:
                room = MAX_TOKENS - 2 - len(row.ids) - (len(document.title) if title else 0)
                sizes = np.cumsum([document.cuts[s + 1] - document.cuts[s] for s in chosen])
                fit = int(np.searchsorted(sizes, room, "right"))
                if fit == 0 and row.labels:
                    found.append(close_row(row))
                    row = open_row(query)
                    continue
                fit = max(fit, 1)
                if row.labels:
                    row.add([SEP], -1)
                put(row, document, entry, chosen[:fit], title)
                chosen = chosen[fit:]
        if row.labels:
            found.append(close_row(row))
        return found

    def _query(self, draw: random.Random, question: Question) -> list[int]:
        """The question's tokens; sometimes a sentence that was found already follows them."""
        ids: list[int] = question.ids.tolist()
        gold = [(e, g) for e in question.entries for g in e.gold]
        chance = 0.25 if len(question.entries) > 1 else 0.06
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
            if question.near and chance < 0.65:
                i = question.near[min(int(draw.expovariate(1 / 6)), len(question.near) - 1)]
            elif same and chance < 0.93:
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
        return [self._window(document, entry, query, a, b) for a, b in chosen]

    def _free(self, draw: random.Random, document: Document) -> list[Row]:
        entry = Entry(0, sorted(document.free_gold), document.free_spans)
        parts = pieces(document, MAX_TOKENS - 30)
        chosen = parts if len(parts) < 4 else draw.sample(parts, 3)
        return [self._window(document, entry, (), a, b) for a, b in chosen]

    def _window(self, document: Document, entry: Entry, query: Sequence[int], first: int, last: int) -> Row:
        row = open_row(query)
        put(row, document, entry, range(first, last), False)
        return close_row(row)


def hide(batch: Batch, share: float, seed: int) -> None:
    """Put ``[MASK]`` in the place of a share of the word pieces; special and single marks stay."""
    noise = np.random.default_rng(seed)
    for bucket in batch.buckets:
        hidden = (noise.random(bucket.ids.shape) < share) & bucket.mask & (bucket.ids > 998)
        bucket.ids[hidden] = MASK


def pad(groups: list[list[Row]], *, free: bool, buckets: int = 4) -> Batch:
    """Rows of all groups, sorted by length into buckets."""
    flat = [(g, r) for g, rows in enumerate(groups) for r in rows if r.labels]
    counts = np.array([len(r.labels) for _, r in flat])
    base = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    labels = np.concatenate([np.array(r.labels, np.float32) for _, r in flat])
    owner = np.repeat(np.array([g for g, _ in flat], np.int64), counts)
    weights = (1 / np.bincount(owner, minlength=len(groups)).clip(1))[owner].astype(np.float32)
    order = np.argsort([len(r.ids) for _, r in flat], kind="stable")
    made = [
        _bucket([flat[i] for i in part], base[part], free)
        for part in np.array_split(order, min(buckets, max(1, len(order) // 8)))
    ]
    sizes = np.concatenate([np.array(r.sizes) for _, r in flat])
    tokens = sum(len(r.ids) for _, r in flat)
    return Batch(made, labels, sizes, owner, weights, np.flatnonzero(labels == 1), free, len(groups), tokens)


def _bucket(rows: list[tuple[int, Row]], base: NDArray[np.int64], free: bool) -> Bucket:
    width = -(-max(len(r.ids) for _, r in rows) // 8) * 8
    n = len(rows)
    ids, kinds = np.zeros((n, width), np.int32), np.zeros((n, width), np.int32)
    mask = np.zeros((n, width), np.bool_)
    parts: dict[str, list[Any]] = {k: [] for k in ("inside", "index", "target", "answer", "share")}
    for k, (_, r) in enumerate(rows):
        size = len(r.ids)
        ids[k, :size] = r.ids
        kinds[k, r.query : size] = 0 if free else 1
        mask[k, :size] = True
        where = np.array(r.sentence)
        inside = np.flatnonzero(where >= 0)
        answer = np.array(r.answer, np.float32)[inside]
        parts["inside"].append(inside + k * width)
        parts["index"].append(where[inside] + base[k])
        parts["answer"].append(answer)
        parts["target"].append(answer if free else np.array(r.labels, np.float32)[where[inside]])
        parts["share"].append(np.full(len(inside), 1 / max(1, len(inside)), np.float32))
    joined = {k: np.concatenate(v) for k, v in parts.items()}
    flat = np.zeros(n * width, np.bool_)
    flat[joined["inside"]] = True
    readable = flat.reshape(n, width)
    readable[:, 0] = True
    of = [r for _, r in rows]
    relevant = np.array([float(any(r.labels)) for r in of], np.float32)
    start, end = np.array([r.start for r in of]), np.array([r.end for r in of])
    return Bucket(
        ids,
        kinds,
        mask,
        readable,
        **joined,
        start=start,
        end=end,
        relevant=relevant,
        group=np.array([g for g, _ in rows]),
    )


def plan_epoch(corpus: Corpus, seed: int, groups: int) -> list[list[Plan]]:
    """The plans of one pass: every group once, rare kinds more often, policies half; batches mixed, free ones apart."""
    draw = random.Random(seed)
    asked: list[Plan] = []
    for i, question in enumerate(corpus.train):
        times = {"policyqa": 0.5, "qmsum": 1.0, "qed": 2.0, "2wiki_train": 3.0, "hotpot_train": 6.0}.get(
            question.source, 1.0
        )
        times = {"musique_train": 6.0, "amor_hotpot": 5.0}.get(question.source, times)
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
