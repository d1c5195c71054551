"""Retrieved texts cut under one budget: what document compressors and node postprocessors of both frameworks do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from headroom_core import settings
from headroom_core.errors import InvalidInput
from headroom_core.kinds import detect
from headroom_core.pipeline import Compressor
from headroom_core.types import Message, Text

if TYPE_CHECKING:
    from headroom_core.kompress.compressor import KompressCompressor, KompressResult

_LEAST_TOKENS: Final = 40
_SMALLEST_JOINT: Final = 20


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved text as it goes on: empty where it was dropped. ``ref`` names the original of one that changed."""

    text: str
    original_tokens: int
    tokens: int
    ref: str | None = None
    spans: tuple[tuple[int, int], ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The note for a document's or a node's metadata. ``spans``: what was kept, [start, end) in the original."""
        made: dict[str, Any] = {"ref": self.ref, "original_tokens": self.original_tokens, "tokens": self.tokens}
        return made if self.spans is None else made | {"spans": [list(span) for span in self.spans]}


class Joint(Protocol):
    """What cuts prose under one budget over all texts: ``KompressCompressor``."""

    def compress_documents(
        self,
        documents: Sequence[str],
        query: str,
        *,
        target_ratio: float | None = None,
        token_budget: int | None = None,
        max_risk: float | None = None,
    ) -> list[KompressResult]:
        """One result for each document; a dropped one is empty."""
        ...


@lru_cache(1)
def _shared() -> KompressCompressor:
    """Holds the one loaded text model."""
    from headroom_core.kompress.compressor import KompressCompressor

    return KompressCompressor(enable_ccr=False)


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
        joint: Joint | None = None,
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
        self._joint = joint

    @property
    def originals(self) -> Any:
        """Where the originals lie; None where nothing is kept."""
        return self._compressor.originals

    def cut(self, texts: Sequence[str], query: str | None) -> list[Passage]:
        """Each text cut down, in order: prose under one budget over all of it, other kinds each for itself."""
        compressor, share = self._compressor, None
        if self._budget is not None:
            total = sum(map(compressor.count, texts))
            if total <= self._budget:
                return [self._same(text) for text in texts]
            share = self._budget / total
            compressor = compressor.with_options(target_ratio=share)
        asked = (query or "").strip()
        prose = [at for at, text in enumerate(texts) if self._joins(text)] if asked else []
        together = dict(zip(prose, self._together([texts[at] for at in prose], asked, share), strict=True))
        return [together.get(at) or self._one(compressor, text, query) for at, text in enumerate(texts)]

    def _joins(self, text: str) -> bool:
        """Is this prose that goes under the common budget? Not where the caller has a transform of his own."""
        compressor = self._compressor
        if settings.disabled() or compressor.options.mode == "audit" or compressor.options.kind not in (None, "prose"):
            return False
        if compressor.transforms("prose")[-1].name != "prose" or "```" in text:
            return False
        return len(text) > _SMALLEST_JOINT and detect(text).kind == "prose"

    def _together(self, texts: Sequence[str], query: str, share: float | None) -> list[Passage | None]:
        """Prose under one budget. A text that is a result of ours already, or fails, stays as it is."""
        compressor = self._compressor
        if not texts:
            return []
        space = self._namespace or compressor.options.namespace or settings.namespace()
        done = compressor.guard("text model", lambda: self._cut_prose(texts, query, share))
        if isinstance(done, str):
            return [self._same(text) for text in texts]
        return [self._kept(text, result, space) for text, result in zip(texts, done, strict=True)]

    def _cut_prose(self, texts: Sequence[str], query: str, share: float | None) -> list[KompressResult]:
        options = self._compressor.options
        if self._joint is None:
            self._joint = _shared().counting(self._compressor.count)
        budget: dict[str, Any] = {"max_risk": options.max_risk} if options.max_risk else {}
        if share is not None:
            budget = {"token_budget": max(1, int(share * sum(map(self._compressor.count, texts))))}
        elif options.target_ratio:
            budget = {"target_ratio": options.target_ratio}
        results = self._joint.compress_documents(texts, query, **budget)
        if not any(result.compressed.strip() for result in results):  # something is always left to see
            results[:1] = self._joint.compress_documents(texts[:1], query, token_budget=_LEAST_TOKENS)
        return results

    def _kept(self, text: str, result: KompressResult, namespace: str) -> Passage:
        """The passage, its original stored first; where the store fails the text stays as it is."""
        before, after = result.original_tokens, result.compressed_tokens
        if result.compressed == text or after >= before:
            return Passage(text, before, before)
        compressor, note = self._compressor, f"{before - after} of {before} tokens not about the question"
        data = text.encode("utf-8", "surrogatepass")

        def store() -> list[str]:
            kept = compressor.originals
            return [kept.put(data, namespace=namespace, kind="prose", note=note)] if kept else []

        done = compressor.guard("store", store)
        if isinstance(done, str):
            return Passage(text, before, before)
        ref = done[0] if done else None
        return Passage(result.compressed, before, after, ref, result.spans)

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
