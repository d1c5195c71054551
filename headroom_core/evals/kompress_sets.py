"""Splits and question sets for the text model: built from the data pack, by connected groups, the same each time.

A set is a list of items ``{"id", "source", "query", "answers", "documents": [{"title", "text", "evidence",
"answer_spans"}]}``. Splits of the training rows: ``train``; ``fuse`` (fits the fusion); ``calibrate``; ``dev`` (more
multi-hop rows for development). Rows linked by the title of a gold document never part.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from headroom_core.evals.data import rows
from headroom_core.language.lexical import Bm25, content, stems

Item = dict[str, Any]

SPANS = ("squad_du", "squad2_half")
"""Sources with exact answer spans, several questions to a passage."""
PAGES = (*SPANS, "selqa", "qed")
"""Encyclopaedic sources of one hop."""
ONE_HOP = (*PAGES, "policyqa")
MULTI_HOP = ("2wiki_train", "hotpot_train", "musique_train", "amor_hotpot")
WHOLE = 12_000
"""Characters from which a page counts as long."""
_SHARES = {  # split -> share of a source's rows: (one hop, several hops, meetings)
    "calibrate": (0.07, 0.27, 0.08),
    "dev": (0.0, 0.18, 0.0),
    "fuse": (0.05, 0.12, 0.06),
}


def normal(title: str) -> str:
    """A title's key: lower case, letters and digits."""
    return re.sub(r"\W+", " ", title.lower()).strip()


def page_of(document: dict[str, Any]) -> str:
    """The page or policy that a passage's title names."""
    return str(document["title"].split(" / ")[0])


def _keys(row: Item) -> list[str]:
    """The titles that tie a row to others: those of its gold documents."""
    if row["source"] == "qmsum":
        return ["qmsum " + re.sub(r"[a-z]\Z", "", row["documents"][0]["title"])]
    gold = [d for d in row["documents"] if d["evidence"]] or row["documents"][:1]
    head = "policy " if row["source"] == "policyqa" else ""
    return [head + normal(page_of(d)) for d in gold]


def _share(source: str, split: str) -> float:
    one, several, meeting = _SHARES[split]
    return several if source in MULTI_HOP else meeting if source == "qmsum" else one


def groups(items: Sequence[Item]) -> list[list[int]]:
    """Indices of rows, joined where they share a gold title; ordered by a digest of the first title."""
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for item in items:
        first, *others = _keys(item)
        for other in others:
            parent[find(other)] = find(first)
    joined: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        joined[find(_keys(item)[0])].append(i)
    order = sorted(joined, key=lambda key: hashlib.sha1(f"kompress:{key}".encode()).hexdigest())
    return [joined[key] for key in order]


@lru_cache(1)
def split_train() -> dict[str, list[Item]]:
    """The rows of ``qa_train`` by split."""
    items = list(rows("text", "qa_train.jsonl.gz"))
    total = Counter(item["source"] for item in items)
    have: dict[str, Counter[str]] = {split: Counter() for split in _SHARES}
    found: dict[str, list[Item]] = {split: [] for split in ("train", *_SHARES)}
    for group in groups(items):
        sizes = Counter(items[i]["source"] for i in group)
        place = "train"
        for split in _SHARES:
            lacks = {s: _share(s, split) * total[s] - have[split][s] for s in sizes}
            if all(lacks[s] > 0 and sizes[s] <= lacks[s] * 1.3 + 2 for s in sizes):
                place = split
                break
        if place != "train":
            have[place].update(sizes)
        found[place].extend(items[i] for i in group)
    return found


@lru_cache(1)
def dev_rows() -> list[Item]:
    """The rows of ``qa_dev``."""
    return list(rows("text", "qa_dev.jsonl.gz"))


def pool(items: Iterable[Item], sources: Sequence[str] = ONE_HOP) -> list[dict[str, str]]:
    """The distinct documents of some rows, in order."""
    seen: dict[str, dict[str, str]] = {}
    for item in items:
        if item["source"] in sources:
            for document in item["documents"]:
                kind = "policy" if item["source"] == "policyqa" else "page"
                seen.setdefault(document["text"], {"title": document["title"], "text": document["text"], "kind": kind})
    return list(seen.values())


def _bare(text: str) -> str:
    return f" {' '.join(re.findall(chr(92) + 'w+', text.lower()))} "


def among_near(
    items: Sequence[Item], *, sources: Sequence[str] = ONE_HOP, near: int = 4, take_gold_out: bool = False
) -> list[Item]:
    """Each answerable one-document question with its document among ``near`` close others that lack the answer.

    Half of the others are the best for the question by BM25, half the closest to the gold document. The gold place
    goes round by a digest of the id. ``take_gold_out`` leaves only the others: nothing answers the question then.
    """
    documents = pool(items, sources)
    bodies = [_bare(d["text"]) for d in documents]
    index = Bm25([stems(d["title"] + " " + d["text"]) for d in documents])
    place = {d["text"]: i for i, d in enumerate(documents)}
    like: dict[int, list[int]] = {}
    found: list[Item] = []
    for item in items:
        if item["source"] not in sources or not item["answerable"] or len(item["documents"]) != 1:
            continue
        gold = item["documents"][0]
        own = place[gold["text"]]
        if own not in like:
            like[own] = np.argsort(-index.scores(content(gold["text"])), kind="stable")[:40].tolist()
        asked = np.argsort(-index.scores(content(item["query"])), kind="stable")[:40].tolist()
        answers = [a for a in map(_bare, item["answers"]) if len(a) > 2]
        kind = documents[own]["kind"]

        def fits(i: int, own: int = own, answers: list[str] = answers, kind: str = kind) -> bool:
            return i != own and documents[i]["kind"] == kind and not any(a in bodies[i] for a in answers)

        chosen = [i for i in asked if fits(i)][: near // 2]
        chosen += [i for i in like[own] if fits(i) and i not in chosen][: near - len(chosen)]
        others: list[dict[str, Any]] = [
            {"title": documents[i]["title"], "text": documents[i]["text"], "evidence": [], "answer_spans": []}
            for i in chosen
        ]
        if not take_gold_out:
            digest = int(hashlib.sha1(item["id"].encode()).hexdigest(), 16)
            others.insert(digest % (len(others) + 1), gold)
        found.append({**item, "documents": others})
    return found


def joined(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Documents as one, a blank line between them; the evidence moves along."""
    text, evidence = "", []
    for document in documents:
        text += "\n\n" if text else ""
        evidence += [[s + len(text), e + len(text)] for s, e in document["evidence"]]
        text += document["text"]
    return {"title": "", "text": text, "evidence": evidence, "answer_spans": []}


def whole_pages(items: Sequence[Item], *, sources: Sequence[str] = PAGES) -> list[Item]:
    """Each answerable question with all passages of its page, or of its policy, as one text of ``WHOLE`` characters or more."""
    passages: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for item in items:
        for document in item["documents"]:
            passages[item["source"], page_of(document)][document["text"]] = None
    found = []
    for item in items:
        if item["source"] not in sources or not item["answerable"] or len(item["documents"]) != 1:
            continue
        gold = item["documents"][0]
        texts = passages[item["source"], page_of(gold)]
        if sum(map(len, texts)) >= WHOLE:
            whole = joined([gold if text == gold["text"] else {"text": text, "evidence": []} for text in texts])
            found.append({**item, "id": f"page:{item['id']}", "documents": [whole]})
    return found


def several_hops(items: Iterable[Item]) -> list[Item]:
    """The multi-hop rows."""
    return [item for item in items if item["source"] in MULTI_HOP]


def meetings(items: Iterable[Item]) -> list[Item]:
    """The meeting rows."""
    return [item for item in items if item["source"] == "qmsum"]
