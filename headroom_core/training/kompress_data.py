"""Questions and documents as token arrays: what the trainer reads. Only rows of clean licences are taken.

Sources: ``qa_train`` (split ``train`` of ``evals.kompress_sets``), the train half of ``extractive``. The other splits
travel along as items for the curves during training; no step ever sees them.
"""

from __future__ import annotations

import hashlib
import pickle
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.evals.data import rows
from headroom_core.evals.kompress_sets import (
    MULTI_HOP,
    ONE_HOP,
    PAGES,
    Item,
    among_near,
    dev_rows,
    normal,
    page_of,
    several_hops,
    split_train,
)
from headroom_core.language.sentences import sentences

Ids = NDArray[np.uint16]


@dataclass(slots=True)
class Document:
    """A text: its tokens, the first token of each sentence (and the end), and where it comes from."""

    ids: Ids
    cuts: NDArray[np.int32]
    title: Ids
    key: str
    body: str
    free_spans: list[tuple[int, int]] = field(default_factory=list)
    free_gold: set[int] = field(default_factory=set)
    free_questions: int = 0


@dataclass(slots=True)
class Entry:
    """A document in a question: its gold sentences, and answer spans in tokens."""

    document: int
    gold: list[int]
    spans: list[tuple[int, int]]


@dataclass(slots=True)
class Question:
    """A question with its documents; ``near`` is filled by the trainer's search for hard negatives."""

    ids: Ids
    source: str
    entries: list[Entry]
    answers: list[str]
    text: str
    near: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Corpus:
    """All that the trainer needs."""

    documents: list[Document]
    train: list[Question]
    compound: list[Question]
    free: list[int]
    negatives: list[int]
    sets: dict[str, list[Question]]


def tokenizer(path: Path) -> Any:
    """The word-piece tokenizer, without truncation or padding; special tokens in the text are plain text."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(path))
    found.no_truncation()
    found.no_padding()
    found.encode_special_tokens = True
    return found


class Reader:
    """Turns rows into documents and questions, each text once."""

    def __init__(self, pieces: Any) -> None:
        self.pieces = pieces
        self.documents: list[Document] = []
        self._place: dict[str, int] = {}
        self._offsets: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def tokens(self, text: str) -> Ids:
        return np.array(self.pieces.encode(text, add_special_tokens=False).ids, np.uint16)

    def document(self, title: str, text: str, key: str) -> int:
        if text in self._place:
            return self._place[text]
        found = self.pieces.encode(text, add_special_tokens=False)
        starts = np.array([s for s, _ in found.offsets] or [0], np.int64)
        units = sentences(text)
        chars = np.array([s for s, _ in units] or [0], np.int64)
        cuts = np.append(np.searchsorted(starts, chars), len(found.ids)).astype(np.int32)
        self._place[text] = len(self.documents)
        self._offsets.append((starts, chars))
        title_ids = self.tokens(title.replace(" / ", ", "))[:24]
        self.documents.append(Document(np.array(found.ids, np.uint16), cuts, title_ids, key, text.lower()))
        return self._place[text]

    def entry(self, row: Item, document: dict[str, Any]) -> Entry:
        at = self.document(document["title"], document["text"], _key(row, document))
        starts, chars = self._offsets[at]
        gold: set[int] = set()
        for start, end in document["evidence"]:
            first = max(0, int(np.searchsorted(chars, start + 1, "right")) - 1)
            last = max(first, int(np.searchsorted(chars, end - 1, "right")) - 1)
            gold.update(range(first, last + 1))
        spans = []
        for start, end in document.get("answer_spans", ()):
            first = max(0, int(np.searchsorted(starts, start, "right")) - 1)
            spans.append((first, max(first, int(np.searchsorted(starts, end, "left")) - 1)))
        return Entry(at, sorted(gold), spans)

    def question(self, row: Item) -> Question:
        entries = [self.entry(row, d) for d in row["documents"]]
        return Question(self.tokens(row["query"])[:60], row["source"], entries, row["answers"], row["query"])


def _key(row: Item, document: dict[str, Any]) -> str:
    head = {"policyqa": "policy ", "qmsum": "meeting "}.get(row["source"], "")
    return head + normal(page_of(document))


def build(pieces: Any, *, seed: int = 7, compounds: int = 9000) -> Corpus:
    """Read the data pack."""
    reader = Reader(pieces)
    splits = split_train()
    held = [*dev_rows(), *splits["calibrate"], *splits["dev"]]
    forbidden = {
        normal(d["title"]) for row in held if row["source"] in MULTI_HOP for d in row["documents"] if d["evidence"]
    }
    forbidden_texts = {d["text"] for row in held for d in row["documents"] if d["evidence"]}
    train = []
    for row in splits["train"]:
        kept = [
            d
            for d in row["documents"]
            if d["evidence"] or (d["text"] not in forbidden_texts and normal(d["title"]) not in forbidden)
        ]
        if kept:
            train.append(reader.question({**row, "documents": kept}))
    negatives = sorted({e.document for q in train if q.source in ONE_HOP + MULTI_HOP for e in q.entries})
    _mark_free(reader, train)
    _read_extractive(reader)
    free = [i for i, d in enumerate(reader.documents) if d.free_questions >= 2]
    compound = _compounds(reader, train, random.Random(seed), compounds)
    sets = {
        "one_hop": _sample(reader, among_near(dev_rows(), sources=PAGES), 500),
        "policy": _sample(reader, among_near(dev_rows(), sources=("policyqa",)), 200),
        "several": _sample(reader, several_hops([*dev_rows(), *splits["dev"]]), 400),
    }
    return Corpus(reader.documents, train, compound, free, negatives, sets)


def _sample(reader: Reader, items: Sequence[Item], count: int) -> list[Question]:
    ordered = sorted(items, key=lambda item: hashlib.sha1(item["id"].encode()).hexdigest())
    return [reader.question(item) for item in ordered[:count]]


def _mark_free(reader: Reader, questions: Iterable[Question]) -> None:
    """Collect over a text's questions what a query-free model should keep: all answers and evidence."""
    for question in questions:
        if question.source == "qmsum":
            continue
        for entry in question.entries:
            if entry.gold:
                document = reader.documents[entry.document]
                document.free_spans.extend(entry.spans)
                document.free_gold.update(entry.gold)
                document.free_questions += 1


def _read_extractive(reader: Reader) -> None:
    """Texts whose sentences people marked as worth keeping."""
    for row in rows("text", "extractive.jsonl.gz"):
        if row["split"] != "train":
            continue
        evidence = [unit for unit, label in zip(row["units"], row["labels"], strict=True) if label]
        made = {"query": "", "source": row["source"], "answers": []}
        entry = reader.entry(made, {"title": "", "text": row["text"], "evidence": evidence})
        reader.documents[entry.document].free_gold.update(entry.gold)
        reader.documents[entry.document].free_questions += 2


def _compounds(reader: Reader, train: Sequence[Question], draw: random.Random, count: int) -> list[Question]:
    """Two single questions as one; where the first one's answer stands in the second, a pronoun takes its place."""
    single = [q for q in train if q.source in PAGES and q.entries[0].gold]
    about: dict[str, list[Question]] = defaultdict(list)
    for question in single:
        for answer in question.answers:
            if len(answer) > 4 and answer[0].isupper():
                about[answer.lower()].append(question)
    found: list[Question] = []
    for second in single:
        lowered = second.text.lower()
        words = lowered.rstrip(" ?").split()
        spans = {" ".join(words[i : i + n]) for n in (1, 2, 3, 4) for i in range(len(words) - n + 1)}
        for answer in sorted(spans):
            firsts = [q for q in about.get(answer, ()) if q.entries[0].document != second.entries[0].document]
            if not firsts:
                continue
            first = draw.choice(firsts)
            bridged = lowered.replace(answer, draw.choice(("it", "that one", "this", "the former")), 1)
            text = draw.choice((f"{first.text.rstrip(' ?')}, and {bridged}", f"{first.text} {bridged}"))
            found.append(_joined(reader, text, first, second))
    draw.shuffle(found)
    found = found[: count // 2]
    while len(found) < count:
        first, second = draw.sample(single, 2)
        if draw.random() < 0.5:
            close = [q for q in draw.sample(single, 60) if _documents_key(reader, q) == _documents_key(reader, first)]
            second = draw.choice(close) if close else second
        if first.entries[0].document == second.entries[0].document:
            continue
        tail = second.text[:1].lower() + second.text[1:]
        text = draw.choice(
            (
                f"{first.text.rstrip(' ?')} and {tail}",
                f"{first.text} {second.text}",
                f"{first.text.rstrip(' ?')}, {tail}",
            )
        )
        found.append(_joined(reader, text, first, second))
    return found


def _documents_key(reader: Reader, question: Question) -> str:
    return reader.documents[question.entries[0].document].key


def _joined(reader: Reader, text: str, first: Question, second: Question) -> Question:
    entries = [first.entries[0], second.entries[0]]
    return Question(reader.tokens(text)[:60], "compound", entries, [*first.answers, *second.answers], text)


def save(corpus: Corpus, path: Path) -> None:
    """Write the corpus (a pickle of our own making, read back only by ``load``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pickle.dump(corpus, file, protocol=5)


def load(path: Path) -> Corpus:
    """Read what ``save`` wrote."""
    with path.open("rb") as file:
        found = pickle.load(file)
    assert isinstance(found, Corpus)
    return found
