"""One threshold for unlike calls: scores are shifted and stretched by what a call shows of itself.

A logit of -5 is hopeless where another sentence stands out at 6, and promising where the best one has -2. So each call is
described by nine numbers (``described``), and its scores s become

    PIVOT + (s - PIVOT) * exp(stretch) + shift        with z = (described - mean) / scale
    (stretch, shift) = direct z + outer tanh(inner z + bias)

The order inside a call stays, so a ratio or a budget keeps what it kept; thresholds, and with them ``max_risk``, keep far
less for the same loss. ``training/kompress_temper.py`` fits one set of weights per group of calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headroom_core.kompress.signals import Signals, Vector

PIVOT = -4.0
MOST = 1.5
"""Greatest absolute stretch."""
FAR = 4.0
"""Standard deviations from the mean beyond which a number counts as that far."""
LIKELY = -1.0
"""Score above which a sentence may well be evidence."""
NAMES = ("best", "gap", "sentences", "documents", "answer", "median", "spread", "place", "likely")

Row = tuple[float, ...]
Rows = tuple[Row, ...]


def described(scores: Vector, seen: Signals) -> Vector:
    """The numbers called ``NAMES``.

    Best score and its lead over the best of the other documents, log counts of sentences and documents, the surest answer
    span, median and standard deviation of the scores, log place of the best sentence in its document, log count of likely
    ones.
    """
    top = int(np.argmax(scores))
    own = int(seen.document[top])
    others = scores[seen.document != own]
    best = float(scores.max())
    return np.array(
        [
            best,
            best - float(others.max()) if len(others) else 0.0,
            np.log(len(scores)),
            np.log(len(seen.documents)),
            min(10.0, float(seen.answer.max())),
            float(np.median(scores)),
            float(scores.std()),
            np.log1p(top - int(np.searchsorted(seen.document, own))),
            np.log1p((scores > LIKELY).sum()),
        ]
    )


@dataclass(frozen=True, slots=True)
class Temper:
    """Weights of one group of calls, over ``NAMES``: ``direct`` and ``outer`` have a row for stretch and one for shift."""

    mean: Row
    scale: Row
    direct: Rows
    inner: Rows
    bias: Row
    outer: Rows

    def __call__(self, scores: Vector, seen: Signals) -> Vector:
        """The scores of a call on the common scale, in the same order."""
        return self.moved(scores, described(scores, seen)) if len(scores) else scores

    def moved(self, scores: Vector, shown: Vector) -> Vector:
        """Any scores of the call that ``shown`` describes."""
        z = np.clip((shown - np.array(self.mean)) / np.array(self.scale), -FAR, FAR)
        hidden = np.tanh(np.array(self.inner) @ z + np.array(self.bias))
        stretch, shift = np.array(self.direct) @ z + np.array(self.outer) @ hidden
        return np.asarray(PIVOT + (scores - PIVOT) * np.exp(np.clip(stretch, -MOST, MOST)) + shift)

    def as_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return asdict(self)

    @classmethod
    def of(cls, stored: dict[str, Sequence[Any]]) -> Temper:
        """From ``as_dict``."""
        mean, scale, bias = (tuple(map(float, stored[name])) for name in ("mean", "scale", "bias"))
        direct, inner, outer = (
            tuple(tuple(map(float, row)) for row in stored[name]) for name in ("direct", "inner", "outer")
        )
        return cls(mean, scale, direct, inner, bias, outer)
