"""Thresholds that keep a promise: conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814).

A lower threshold keeps more, so an item's loss (1 - evidence recall) can only fall with it. With n calibration items
and mean loss R(t), the greatest t with (n R(t) + 1) / (n + 1) <= alpha has expected loss at most alpha on a new item,
provided that it is exchangeable with the calibration items. The mean of the losses is bounded, not each one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headroom_core.errors import InvalidInput

GROUPS = ("query-free", "one text", "few documents", "several documents", "long")
"""What a call shows about itself: ``few`` are at most ``FEW``; ``long`` is a text of more than ``LONG`` tokens with a query."""

FEW = 3
LONG = 4000


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean calibration loss of one group at falling thresholds."""

    n: int
    thresholds: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smallest(self) -> float:
        """The smallest risk that this many items can promise: 10 / n."""
        return 10 / self.n

    def threshold(self, alpha: float, group: str) -> float:
        """The greatest threshold whose bound holds; minus infinity (keep all) where none does.

        Raises ``InvalidInput`` for an alpha outside (0, 1) or below ``smallest``.
        """
        if not 0 < alpha < 1:
            raise InvalidInput(f"max_risk={alpha} is no share; give a number between 0 and 1, such as 0.05.")
        if alpha < self.smallest:
            raise InvalidInput(
                f"max_risk={alpha} cannot be promised for the group {group!r}: its {self.n} calibration items "
                f"allow {self.smallest:.3f} and more. Give a larger max_risk, or a target_ratio."
            )
        for t, loss in zip(self.thresholds, self.losses, strict=True):
            if (self.n * loss + 1) / (self.n + 1) <= alpha:
                return t
        return float("-inf")

    def as_dict(self) -> dict[str, object]:
        """JSON-like."""
        return {"n": self.n, "thresholds": list(self.thresholds), "losses": list(self.losses)}

    @classmethod
    def of(cls, stored: dict[str, object]) -> Curve:
        """From ``as_dict``."""
        n, thresholds, losses = stored["n"], stored["thresholds"], stored["losses"]
        assert isinstance(n, int)
        assert isinstance(thresholds, list)
        assert isinstance(losses, list)
        return cls(n, tuple(map(float, thresholds)), tuple(map(float, losses)))


def curve(items: Sequence[NDArray[np.float64]], grid: int = 240) -> Curve:
    """From each item's scores of its evidence units (an item loses a unit where its score is below the threshold).

    Thresholds lie closer together where little is lost: between two of them a promise pays for what it did not lose.
    """
    kept = [np.sort(item) for item in items if len(item)]
    values = np.concatenate(kept)
    points = np.unique(np.round(np.quantile(values, np.linspace(0, 1, grid) ** 2), 4))[::-1]
    losses = [float(np.mean([np.searchsorted(item, t, "left") / len(item) for item in kept])) for t in points]
    # A threshold at which the loss was zero for all items closes the grid.
    return Curve(len(kept), (*map(float, points), float(values.min()) - 1.0), (*(round(x, 6) for x in losses), 0.0))
