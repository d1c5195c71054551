"""Which module, at which ratio: from the image, what it shows, the budget and the risk one can take.

The ratios are those of the token-compression literature: 4 loses under 1 %, 6 to 9 about 1 to 3 %, 16 only where the module
was made for documents. The modules are those that lose least on ``python -m headroom_core.evals.visual_task``: a question
helps most; merging likes keeps what a picture shows; where small print counts, single tokens must stay sharp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.merge import ToMe
from headroom_core.visual_tokens.pooling import AveragePool
from headroom_core.visual_tokens.query import QuerySelect
from headroom_core.visual_tokens.scales import MultiScale
from headroom_core.visual_tokens.similarity import SimilarityMerge
from headroom_core.visual_tokens.slices import SliceWise, choose_slices
from headroom_core.visual_tokens.types import VisualCompressor

Content = Literal["photo", "document", "chart", "screen", "video"]
Risk = Literal["conservative", "balanced", "aggressive"]

SMALL = 256  # tokens below which nothing is worth compressing: text and weights dominate the cost

_RATIOS: dict[Risk, dict[Content, float]] = {
    "conservative": dict.fromkeys(("photo", "document", "chart", "screen", "video"), 4.0),
    "balanced": {"photo": 9.0, "document": 6.0, "chart": 6.0, "screen": 6.0, "video": 9.0},
    "aggressive": {"photo": 9.0, "document": 16.0, "chart": 9.0, "screen": 9.0, "video": 9.0},
}
_MODULES = {
    "AveragePool": AveragePool,
    "MultiScale": MultiScale,
    "QuerySelect": QuerySelect,
    "ToMe": ToMe,
}
_THRESHOLDS: dict[Risk, float] = {"conservative": 0.95, "balanced": 0.9, "aggressive": 0.85}


@dataclass(frozen=True)
class Recommendation:
    """What to do with an image.

    Attributes:
        module: the name of a class of this package, or of a learned module (a key of ``learned.LEARNED``).
        ratio: N / M; for an adaptive module None, it depends on the image.
        tokens: visual tokens before.
        kept: visual tokens after (before, where the ratio is None).
        slices: (rows, columns) into which the image should be cut.
        fits: whether ``kept`` keeps the budget; the risk is never exceeded to meet one.
        reason: one sentence.
        threshold: of an adaptive module.
    """

    module: str
    ratio: float | None
    tokens: int
    kept: int
    slices: tuple[int, int]
    fits: bool
    reason: str
    threshold: float | None = None

    def build(self) -> VisualCompressor:
        """The compressor; a learned one has to be built from its weights instead."""
        if self.threshold is not None:
            return SimilarityMerge(self.threshold)
        if self.module not in _MODULES:
            raise InvalidInput(
                f"{self.module} is a learned module: headroom_core.visual_tokens.learned.load({self.module!r}, "
                f"ratio={self.ratio:g}) builds it; learned=False recommends one without weights."
            )
        found = _MODULES[self.module](self.ratio or 1.0)
        return found if self.slices == (1, 1) or self.ratio == 1.0 else SliceWise(found, most=math.prod(self.slices))


def recommend(
    width: int,
    height: int,
    *,
    content: Content = "photo",
    risk: Risk = "balanced",
    budget: int | None = None,
    frames: int = 1,
    patch: int = 14,
    side: int = 336,
    question: bool = False,
    learned: bool = False,
    adaptive: bool = False,
) -> Recommendation:
    """Module and ratio for an image of ``width`` x ``height`` pixels.

    Args:
        width: pixels.
        height: pixels.
        content: what it shows; only documents are ever compressed 16 times.
        risk: "conservative" is 4, "balanced" 6 to 9, "aggressive" 9, or 16 for documents.
        budget: visual tokens that may be left; a smaller ratio than the risk allows is taken where it is enough.
        frames: of a video.
        patch: pixels along a visual token.
        side: pixels along a side of the encoder's input; larger images are cut into slices.
        question: whether the text of the question will be at hand when the image is compressed.
        learned: whether trained weights are at hand.
        adaptive: one threshold in place of one ratio, so that plain images shrink more than busy ones.
    """
    if content not in _RATIOS["balanced"] or risk not in _RATIOS or min(width, height, frames, patch, side) < 1:
        raise InvalidInput(
            f"content={content!r}, risk={risk!r}, {width} x {height}, {frames} frames; see recommend's docstring for what is known."
        )
    slices = choose_slices(width, height, side, side)
    tokens = _tokens(width, height, patch, side, slices) * frames
    most = _RATIOS[risk][content]
    if content == "document" and most > 6 and not learned:
        most = 9.0  # without a module made for documents, 16 loses small print
    if tokens < SMALL or (budget is not None and tokens <= budget):
        return Recommendation("AveragePool", 1.0, tokens, tokens, slices, True, f"{tokens} tokens need no compression.")
    if adaptive:
        limit = _THRESHOLDS[risk]
        reason = f"Tokens whose cosine reaches {limit} are merged; how many are left depends on the image."
        return Recommendation("SimilarityMerge", None, tokens, tokens, slices, budget is None, reason, limit)
    ratio = most if budget is None else min(most, max(1.5, tokens / budget))
    module = _module(content, ratio, question, learned, slices != (1, 1))
    kept = max(1, int(tokens / ratio + 0.5))
    fits = budget is None or kept <= budget
    reason = f"{content}, {risk}: up to {most:g} times; {tokens} tokens become {kept}."
    return Recommendation(module, ratio, tokens, kept, slices, fits, reason)


def _tokens(width: int, height: int, patch: int, side: int, slices: tuple[int, int]) -> int:
    """Slices are resized to the encoder's input; an image that fits into one stays as it is."""
    if slices == (1, 1):
        shrink = min(1.0, side / max(width, height))
        return max(1, round(width * shrink / patch)) * max(1, round(height * shrink / patch))
    return math.prod(slices) * (side // patch) ** 2


def _module(content: Content, ratio: float, question: bool, learned: bool, sliced: bool) -> str:
    if learned:
        if content == "document" and ratio > 9:
            return "ocr_conv"
        if question:
            return "query_conditioned"
        return "slice_resampler" if sliced else "perceiver"
    if question:
        return "QuerySelect"
    return "ToMe" if content in {"photo", "video"} else "MultiScale"
