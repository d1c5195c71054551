"""What a scorer is: token ids and a mask in, scores out as numpy arrays, whichever backend computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

CLS, SEP = 101, 102


@dataclass(frozen=True, slots=True)
class Scores:
    """Outputs of a batch. Lengths are those of the ids; padded places hold zeros.

    ``keep``: token head's logit of keep minus drop (batch, length). ``span``: span head's logit (batch, length).
    ``weight``, ``value``: sentence pooling (batch, length). ``start``, ``end``: an answer's ends (batch, length).
    ``relevance``: the document's logit (batch,). A model without these heads leaves them None.
    """

    keep: Floats
    span: Floats
    weight: Floats | None = None
    value: Floats | None = None
    start: Floats | None = None
    end: Floats | None = None
    relevance: Floats | None = None

    @property
    def tokens(self) -> Floats:
        """The one fusion rule for single tokens, in (0, 1): keep probability, raised by its phrase."""
        return np.asarray(sigmoid(self.keep) * (0.5 + 0.5 * sigmoid(self.span)), np.float32)

    @classmethod
    def of_columns(cls, columns: Floats, relevance: Floats) -> Scores:
        """From our network's per-token output (batch, length, 7), see ``model.TOKEN_OUTPUTS``."""
        drop, keep, span, weight, value, start, end = np.moveaxis(columns, -1, 0)
        return cls(keep - drop, span, weight, value, start, end, relevance)


class Scorer(Protocol):
    """Scores padded batches. A row ``[CLS] query [SEP] text [SEP]`` has a query, ``[CLS] text [SEP]`` has none."""

    @property
    def name(self) -> str:
        """The back end."""

    def __call__(self, ids: Ints, mask: Mask, /) -> Scores:
        """Scores of a batch (batch, length)."""


class Staged(Protocol):
    """A scorer whose network has an early exit: cheap scores first, and full ones where they are worth the time."""

    def early(self, ids: Ints, kinds: Ints, /) -> tuple[Scores, object]:
        """Scores of the early exit for unpadded rows (batch, length), and what ``late`` needs to go on."""

    def late(self, hidden: object, /) -> Scores:
        """Scores of the last layer."""

    def states(self, hidden: object, /) -> Floats:
        """The states that the early exit read (batch, length, size)."""


def sigmoid(x: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Logistic function, in double precision."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -60, 60).astype(np.float64))))


def kinds_of(ids: Ints) -> Ints:
    """Segment numbers: 1 behind the first ``[SEP]`` of a row that has two, else 0."""
    ends = ids == SEP
    behind = np.cumsum(ends, axis=1) - ends
    paired = ends.sum(axis=1, keepdims=True) > 1
    return np.where(paired, np.minimum(behind, 1), 0).astype(np.int64)


def score_rows(staged: Staged, ids: Ints, mask: Mask) -> Scores:
    """Score a padded batch row by row, without its padding: the result cannot depend on the company a row keeps."""
    columns = np.zeros((*ids.shape, 7), np.float32)
    relevance = np.zeros(len(ids), np.float32)
    for i, (row, on) in enumerate(zip(ids, mask, strict=True)):
        alone = row[on][None, :]
        if not alone.shape[1]:
            continue
        kinds = kinds_of(alone)
        scores, hidden = staged.early(alone, kinds)
        if kinds.any():
            scores = staged.late(hidden)
        columns[i, on] = stack(scores)
        relevance[i] = 0.0 if scores.relevance is None else scores.relevance[0]
    return Scores.of_columns(columns, relevance)


def stack(scores: Scores) -> Floats:
    """The first row's columns (length, 7) as ``of_columns`` takes them, the drop logit set to 0."""
    parts: Sequence[Floats | None] = (scores.span, scores.weight, scores.value, scores.start, scores.end)
    keep = scores.keep[0]
    zero = np.zeros_like(keep)
    return np.stack([zero, keep, *(zero if p is None else p[0] for p in parts)], axis=-1)
