"""Retrieved texts cut under one budget: what document compressors and node postprocessors of both frameworks do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from headroom_core import settings
from headroom_core.errors import InvalidInput, ModelError, StoreError
from headroom_core.kinds import detect
from headroom_core.pipeline import Compressor
from headroom_core.types import Message, Text, TokenCounter
from headroom_integrations._bridge import namespace_for

if TYPE_CHECKING:
    from headroom_core.kompress.compressor import KompressCompressor, KompressResult


_LEAST_TOKENS: Final = 40


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved text as it goes on: empty where it was dropped.

    ``ref`` names the original of one that changed; ``spans`` are the stretches of it that were kept, [start, end) in
    characters, where the text was cut and not rewritten.
    """

    text: str
    original_tokens: int
    tokens: int
    ref: str | None = None
    spans: tuple[tuple[int, int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The note for a document's or a node's metadata."""
        note: dict[str, Any] = {"ref": self.ref, "original_tokens": self.original_tokens, "tokens": self.tokens}
        return note | {"spans": [list(span) for span in self.spans]} if self.spans else note


class Passages:
    """Cuts retrieved texts under one budget. Asking for this is asking for lossy results: no marker stands in a text.

    At most one of ``target_ratio``, ``token_budget`` and ``max_risk``; none of them means the bundled threshold. Prose
    is weighed over all texts together, anything else by its own kind. A text of ours that comes again stays as it is.
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

    @property
    def compressor(self) -> Compressor:
        """The compressor with these settings: lossy, and every part is its business."""
        return self._compressor

    def cut(self, texts: Sequence[str], query: str | None) -> list[Passage]:
        """Each text cut down, in order."""
        compressor = self._compressor
        sizes = [compressor.count(text) if text else 0 for text in texts]
        whole = [Passage(text, size, size) for text, size in zip(texts, sizes, strict=True)]
        if self._budget is not None:
            if sum(sizes) <= self._budget:
                return whole
            compressor = compressor.with_options(target_ratio=self._budget / sum(sizes))
        namespace = namespace_for(compressor, self._namespace)
        found: dict[int, Passage] = {}
        fresh = [i for i, text in enumerate(texts) if text and not known(compressor, text, namespace)]
        if query and query.strip() and _weighs(compressor):
            prose = [i for i in fresh if "```" not in texts[i] and detect(texts[i]).kind == "prose"]
            found |= dict(zip(prose, _weighed(compressor, [whole[i] for i in prose], query, namespace), strict=False))
        found |= {i: _one(compressor, whole[i], query, namespace) for i in fresh if i not in found}
        cut = [found.get(i, passage) for i, passage in enumerate(whole)]
        if query and any(sizes) and not any(passage.text.strip() for passage in cut):
            first = next(i for i, size in enumerate(sizes) if size)
            cut[first] = _least(compressor, whole[first], query, namespace)
        return cut


def _weighs(compressor: Compressor) -> bool:
    """May prose be weighed over all texts? Not in audit, and not where the caller has a transform of their own."""
    options = compressor.options
    if settings.disabled() or options.mode == "audit" or options.kind not in (None, "prose"):
        return False
    return bool(compressor.transforms("prose")) and compressor.transforms("prose")[-1].name == "prose"


def _one(compressor: Compressor, whole: Passage, query: str | None, namespace: str) -> Passage:
    """A text by its own kind, through the pipeline, without the line that says what was left out."""
    outcome = compressor([Message("tool", (Text(whole.text),))], query=query or "", namespace=namespace)
    if not outcome.changes or outcome.audited:
        return whole
    (change,) = outcome.changes
    shown = without_caption(change.rewrite.text) if change.rewrite.left_out else change.rewrite.text
    if change.ref:
        remember(compressor, shown, namespace)
    return Passage(shown, whole.tokens, compressor.count(shown) if shown else 0, change.ref)


def _weighed(compressor: Compressor, wholes: list[Passage], query: str, namespace: str) -> list[Passage]:
    """Prose under one budget; nothing where the model is missing, which the pipeline then says for each text."""
    if not wholes:
        return []
    options = compressor.options
    try:
        results = _kompress(compressor.count).compress_documents(
            [whole.text for whole in wholes],
            query,
            target_ratio=options.target_ratio,
            max_risk=None if options.target_ratio else options.max_risk,
        )
    except ModelError:
        if options.strict:
            raise
        return []
    return [_stored(compressor, w, result, namespace) for w, result in zip(wholes, results, strict=True)]


def _least(compressor: Compressor, whole: Passage, query: str, namespace: str) -> Passage:
    """A sentence or two: an answer from nothing helps nobody."""
    ratio = min(compressor.options.target_ratio or 1.0, _LEAST_TOKENS / whole.tokens)
    (cut,) = _weighed(compressor.with_options(target_ratio=ratio), [whole], query, namespace) or [whole]
    return cut


def _stored(compressor: Compressor, whole: Passage, result: KompressResult, namespace: str) -> Passage:
    if result.compressed_tokens >= whole.tokens:
        return whole
    cut = Passage(result.compressed, whole.tokens, result.compressed_tokens, spans=result.spans)
    originals = compressor.originals
    if originals is None:
        return cut
    note = f"{whole.tokens - cut.tokens:,} of {whole.tokens:,} tokens not about the question"
    try:
        ref = originals.put(whole.text.encode("utf-8", "surrogatepass"), namespace=namespace, kind="prose", note=note)
    except StoreError:
        if compressor.options.strict:
            raise
        return whole
    remember(compressor, cut.text, namespace)
    return replace(cut, ref=ref)


def known(compressor: Compressor, text: str, namespace: str) -> bool:
    """Did we make this text, in this namespace? A store that is out of order knows nothing."""
    try:
        return (
            bool(text)
            and compressor.originals is not None
            and compressor.originals.recognises(text, namespace=namespace)
        )
    except StoreError:
        return False


def remember(compressor: Compressor, text: str, namespace: str) -> None:
    """Note a result of ours, so that it stays as it is when it comes again; a store that fails now forgets it."""
    if compressor.originals is not None and text:
        with suppress(StoreError):
            compressor.originals.remember(text, namespace=namespace)


@lru_cache(8)
def _kompress(count: TokenCounter) -> KompressCompressor:
    """The one loaded model of the process; originals are stored here, not there."""
    from headroom_core.transforms.prose import shared

    return shared().counting(count)


def without_caption(text: str) -> str:
    """The text without the last line that says what was left out."""
    body, _, last = text.rpartition("\n")
    return body if last.startswith("[left out: ") and last.endswith("]") else text
