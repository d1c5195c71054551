"""What the network says about each sentence of some documents for a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headroom_core.kompress.chunks import windows
from headroom_core.kompress.scorer import CLS, SEP, Scores, Staged
from headroom_core.language.sentences import sentences
from headroom_core.language.span import Span

Vector = NDArray[np.float64]

MAX_TOKENS = 384
QUERY_TOKENS = 64
HINT_TOKENS = 60
SURE = 3.0
"""Logit of the best sentence above which no second reading follows."""
ABSENT = -12.0
"""A logit for what was never scored."""


@dataclass(slots=True)
class Pieces:
    """A document as word pieces: ids, character spans, sentences, and the first piece of each sentence (and the end)."""

    text: str
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    units: list[Span]
    cuts: NDArray[np.int64]


@dataclass(slots=True)
class Signals:
    """Arrays over all sentences of all documents, in order.

    ``document``: its document. ``late``: sentence logits of the last layer. ``relevance``: of its window. ``answer``: best
    answer span against none. ``pieces``: word pieces. ``token_scores``: per document, one score per word piece.
    """

    document: NDArray[np.int64]
    units: list[Span]
    pieces: Vector
    late: Vector
    relevance: Vector
    answer: Vector
    documents: list[Pieces]
    token_scores: list[Vector]

    def texts(self) -> list[str]:
        """The text of each sentence."""
        placed = zip(self.document.tolist(), self.units, strict=True)
        return [self.documents[d].text[start:end] for d, (start, end) in placed]


def split(tokenizer: Any, texts: Sequence[str]) -> list[Pieces]:
    """Tokenise documents once; windows are cut from the pieces, never tokenised again."""
    found = []
    for text, encoding in zip(texts, tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True):
        offsets = np.fromiter(chain.from_iterable(encoding.offsets), np.int64).reshape(-1, 2)
        units = sentences(text)
        firsts = np.fromiter((s for s, _ in units), np.int64, len(units))
        cuts = np.append(np.searchsorted(offsets[:, 0], firsts), len(offsets))
        found.append(Pieces(text, np.array(encoding.ids, np.int64), offsets[:, 0], offsets[:, 1], units, cuts))
    return found


def query_ids(tokenizer: Any, query: str) -> list[int]:
    """The query's pieces; of a long one its beginning and end."""
    ids: list[int] = tokenizer.encode(query, add_special_tokens=False).ids
    if len(ids) <= QUERY_TOKENS:
        return ids
    return ids[: QUERY_TOKENS // 2] + ids[-QUERY_TOKENS // 2 :]


def token_windows(pieces: Pieces, room: int, words: int) -> list[Span]:
    """Ranges of word pieces, on sentence borders where a sentence fits."""
    sizes = np.diff(pieces.cuts)
    counts = [text.count(" ") + 1 for text in (pieces.text[s:e] for s, e in pieces.units)]
    found: list[Span] = []
    for first, last in windows(sizes.tolist(), counts, max_tokens=room, max_words=words):
        start, end = int(pieces.cuts[first]), int(pieces.cuts[last])
        found.extend((at, min(end, at + room)) for at in range(start, end, room))
    return found


def read(
    scorer: Staged,
    documents: Sequence[Pieces],
    query: Sequence[int],
    *,
    words: int = 350,
) -> Signals:
    """Score all sentences for a query, by all layers."""
    sizes = [len(d.units) for d in documents]
    base = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    count = int(base[-1])
    columns = {name: np.full(count, ABSENT) for name in ("late", "relevance", "answer")}
    tokens = [np.zeros(len(d.ids)) for d in documents]
    head = [CLS, *query, SEP]
    for number, document in enumerate(documents):
        for start, end in token_windows(document, MAX_TOKENS - len(head) - 1, words):
            scores = asked(scorer, head, document.ids[start:end])
            _note(columns, tokens[number], document, int(base[number]), start, end, len(head), scores)
    owner = np.repeat(np.arange(len(documents)), sizes)
    units = [unit for d in documents for unit in d.units]
    lengths = np.concatenate([np.diff(d.cuts) for d in documents]) if documents else np.zeros(0)
    return Signals(owner, units, lengths.astype(np.float64), documents=list(documents), token_scores=tokens, **columns)


def asked(scorer: Staged, head: Sequence[int], pieces: NDArray[np.int64]) -> Scores:
    """What the last layer says of one row ``[CLS] query [SEP] pieces [SEP]``; ``head`` ends with the first ``[SEP]``."""
    ids = np.concatenate([head, pieces, [SEP]]).astype(np.int64)[None, :]
    kinds = np.zeros_like(ids)
    kinds[:, len(head) :] = 1
    return scorer.late(scorer.early(ids, kinds)[1])


def _note(
    columns: dict[str, Vector],
    tokens: Vector,
    document: Pieces,
    base: int,
    start: int,
    end: int,
    offset: int,
    scores: Scores,
) -> None:
    """Enter what one window says of the sentences that it touches and of its word pieces."""
    if end <= start:
        return
    first = int(np.searchsorted(document.cuts, start, "right")) - 1
    last = int(np.searchsorted(document.cuts, end, "left"))
    begins = np.maximum(document.cuts[first:last], start) - start + offset
    stop = offset + end - start
    place = slice(base + first, base + last)

    def raise_to(name: str, value: Vector | float) -> None:
        columns[name][place] = np.maximum(columns[name][place], value)

    if scores.weight is not None and scores.value is not None:
        weight = np.exp(np.clip(scores.weight[0, :stop], -8, 8).astype(np.float64))
        top = np.add.reduceat(weight * scores.value[0, :stop], begins)
        raise_to("late", top / np.maximum(np.add.reduceat(weight, begins), 1e-6))
    if scores.relevance is not None:
        raise_to("relevance", float(scores.relevance[0]))
    if scores.start is not None and scores.end is not None:
        best = np.maximum.reduceat(scores.start[0, :stop], begins) + np.maximum.reduceat(scores.end[0, :stop], begins)
        raise_to("answer", np.clip(best - float(scores.start[0, 0] + scores.end[0, 0]), -20, 20))
    tokens[start:end] = scores.tokens[0, offset:stop]


def read_again(
    scorer: Staged, documents: Sequence[Pieces], query: Sequence[int], first: Signals, *, words: int = 350
) -> Vector:
    """Late logits when the best sentence so far stands behind the query: what the second hop of a question needs.

    The document of that sentence is not read again; its sentences keep their logits. Where that sentence is sure by
    itself, a second reading moves nothing and is spared.
    """
    if len(documents) < 2 or not len(first.late) or first.late.max() > SURE:
        return first.late
    best = int(np.argmax(first.late))
    source = int(first.document[best])
    unit = best - int(np.searchsorted(first.document, source))
    cuts = documents[source].cuts
    hint = documents[source].ids[cuts[unit] : cuts[unit + 1]][:HINT_TOKENS].tolist()
    others = [d for i, d in enumerate(documents) if i != source]
    found = first.late.copy()
    found[first.document != source] = read(scorer, others, [*query, *hint], words=words).late
    return found
