"""Prose: the sentences that the question needs, or all words but those that a text can do without."""

from __future__ import annotations

from functools import lru_cache

from headroom_core.kompress.compressor import KompressCompressor, KompressResult
from headroom_core.types import Context, Part, Rewrite, TokenCounter

SHORTEST = 120
"""Tokens below which prose is left as it is: little to win, and a short text is rarely beside the point."""

LONGEST = 200_000
"""Tokens above which prose is left as it is: the model would keep the caller waiting for the better part of a minute."""


@lru_cache(1)
def shared() -> KompressCompressor:
    """The one loaded text model of the process. It stores nothing: whoever calls it does."""
    return KompressCompressor(enable_ccr=False)


@lru_cache(8)
def _compressor(count: TokenCounter) -> KompressCompressor:
    """A compressor that counts as the pipeline does. It stores nothing; the pipeline does."""
    return shared().counting(count)


class Prose:
    """Asks the text model. With a query and neither budget nor risk given, the thresholds for 5 % risk decide."""

    name = "prose"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Leave prose alone where only lossless changes are allowed, or where it is short or very long."""
        if context.strength == "lossless" or not SHORTEST <= part.tokens <= LONGEST:
            return None
        compressor = _compressor(context.count)
        risk = None if context.target_ratio is not None else context.max_risk
        result = compressor.compress(part.text, query=context.query, target_ratio=context.target_ratio, max_risk=risk)
        if result.compressed == part.text:
            return None
        if not result.compressed.strip():
            result = compressor.compress(part.text, query=context.query, target_ratio=_one_sentence(part))
        if not result.compressed.strip() or result.compressed == part.text:
            return None
        return Rewrite.of(result.compressed, _left_out(result, context.query))


def _one_sentence(part: Part) -> float:
    """A share that holds about one sentence: something is always left to see."""
    return min(1.0, 40 / max(part.tokens, 1))


def _left_out(result: KompressResult, query: str | None) -> str:
    """One line about what is gone."""
    before, after = len(result.original.split()), len(result.compressed.split())
    what = "not about the question" if query else "that carry little"
    return f"{before - after:,} of {before:,} words {what}"
