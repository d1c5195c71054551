"""Retrieved texts cut under one budget: what document compressors and node postprocessors of both frameworks do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headroom_core.errors import InvalidInput
from headroom_core.pipeline import Compressor
from headroom_core.types import Message, Text


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved text as it goes on: empty where it was dropped. ``ref`` names the original of one that changed."""

    text: str
    original_tokens: int
    tokens: int
    ref: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The note for a document's or a node's metadata."""
        return {"ref": self.ref, "original_tokens": self.original_tokens, "tokens": self.tokens}


class Passages:
    """Cuts retrieved texts under one budget. Asking for this is asking for lossy results: no marker stands in a text.

    At most one of ``target_ratio``, ``token_budget`` and ``max_risk``; none of them means the bundled threshold.
    """

    def __init__(
        self,
        compressor: Compressor | None = None,
        *,
        namespace: str | None = None,
        target_ratio: float | None = None,
        token_budget: int | None = None,
        max_risk: float | None = None,
    ) -> None:
        budgets = {"target_ratio": target_ratio, "token_budget": token_budget, "max_risk": max_risk}
        given = [name for name, value in budgets.items() if value is not None]
        if len(given) > 1:
            raise InvalidInput(f"Give one of target_ratio, token_budget and max_risk, not {' and '.join(given)}")
        if token_budget is not None and token_budget < 1:
            raise InvalidInput(f"token_budget is {token_budget}; use at least 1")
        base = compressor or Compressor()
        self._compressor = base.with_options(
            strength="lossy",
            roles=("tool",),
            min_tokens=base.options.min_tokens if compressor else 0,
            target_ratio=target_ratio or base.options.target_ratio,
            max_risk=max_risk or base.options.max_risk,
        )
        self._namespace = namespace
        self._budget = token_budget

    def cut(self, texts: Sequence[str], query: str | None) -> list[Passage]:
        """Each text cut down, in order."""
        compressor = self._compressor
        if self._budget is not None:
            total = sum(map(compressor.count, texts))
            if total <= self._budget:
                return [self._same(text) for text in texts]
            compressor = compressor.with_options(target_ratio=self._budget / total)
        return [self._one(compressor, text, query) for text in texts]

    def _one(self, compressor: Compressor, text: str, query: str | None) -> Passage:
        outcome = compressor([Message("tool", (Text(text),))], query=query or "", namespace=self._namespace)
        if not outcome.changes or outcome.audited:
            return self._same(text)
        (change,) = outcome.changes
        shown = without_caption(change.rewrite.text) if change.rewrite.left_out else change.rewrite.text
        return Passage(shown, change.part.tokens, compressor.count(shown) if shown else 0, change.ref)

    def _same(self, text: str) -> Passage:
        tokens = self._compressor.count(text) if text else 0
        return Passage(text, tokens, tokens)


def without_caption(text: str) -> str:
    """The text without the last line that says what was left out."""
    body, _, last = text.rpartition("\n")
    return body if last.startswith("[left out: ") and last.endswith("]") else text
