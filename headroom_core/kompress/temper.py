"""One threshold for unlike calls: scores are shifted and stretched by what a call shows of itself.

A logit of -5 is hopeless where another sentence stands out at 6, and promising where the best one has -2. So each call is
described by seven numbers (``described``), and its scores s become

    PIVOT + (s - PIVOT) * exp(stretch . z) + shift . z        with z = (described - mean) / scale

The order inside a call stays, so a ratio or a budget keeps what it kept; thresholds, and with them ``max_risk``, keep far
less for the same loss. ``training/kompress_temper.py`` fits one row of weights per group of calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from headroom_core.kompress.signals import Signals, Vector

PIVOT = -4.0
MOST = 1.5
"""Greatest absolute exponent of the stretch."""
NAMES = ("best", "gap", "sentences", "documents", "answer", "median", "spread")


def described(scores: Vector, seen: Signals) -> Vector:
    """The numbers called ``NAMES``.

    Best score and its lead over the best of the other documents, log counts of sentences and documents, the surest answer
    span, median and standard deviation of the scores.
    """
    own = int(seen.document[int(np.argmax(scores))])
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
        ]
    )


@dataclass(frozen=True, slots=True)
class Temper:
    """Weights of one group of calls, in the order of ``NAMES``."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    shift: tuple[float, ...]
    stretch: tuple[float, ...]

    def __call__(self, scores: Vector, seen: Signals) -> Vector:
        """The scores of a call on the common scale, in the same order."""
        return self.moved(scores, described(scores, seen)) if len(scores) else scores

    def moved(self, scores: Vector, shown: Vector) -> Vector:
        """Any scores of the call that ``shown`` describes."""
        z = (shown - np.array(self.mean)) / np.array(self.scale)
        times = np.exp(np.clip(z @ np.array(self.stretch), -MOST, MOST))
        return np.asarray(PIVOT + (scores - PIVOT) * times + z @ np.array(self.shift))

    def as_dict(self) -> dict[str, list[float]]:
        """JSON-like."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def of(cls, stored: dict[str, Sequence[float]]) -> Temper:
        """From ``as_dict``."""
        return cls(**{name: tuple(map(float, values)) for name, values in stored.items()})
