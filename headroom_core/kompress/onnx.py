"""The ONNX Runtime backend of the bundled network: two graphs, the early exit and the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headroom_core.kompress.scorer import Floats, Ints, Mask, Scores, score_rows
from headroom_core.models.sessions import session


class OnnxScorer:
    """The bundled network on the CPU. Every row runs alone and unpadded: a batch gains nothing there."""

    name = "onnx"

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._early = session(folder / "early.onnx", threads)
        self._late = session(folder / "late.onnx", threads)

    def early(self, ids: Ints, kinds: Ints, /) -> tuple[Scores, object]:
        """Scores of the early exit, and the hidden states (batch, length, size)."""
        tokens, relevance, hidden = self._early.run(None, {"ids": ids, "kinds": kinds})
        return Scores.of_columns(tokens, relevance.reshape(-1)), hidden

    def late(self, hidden: object, /) -> Scores:
        """Scores of the last layer."""
        tokens, relevance = self._late.run(None, {"hidden": hidden})
        return Scores.of_columns(tokens, relevance.reshape(-1))

    def states(self, hidden: object, /) -> Floats:
        """What ``early`` gave."""
        assert isinstance(hidden, np.ndarray)
        return hidden

    def __call__(self, ids: Ints, mask: Mask, /) -> Scores:
        """Scores of a padded batch."""
        return score_rows(self, ids, mask)
