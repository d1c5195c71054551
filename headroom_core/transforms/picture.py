"""Pictures in messages: as text, as a crop, or at low detail, where that keeps the answer; else left alone."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from headroom_core.types import Context, Image, Part, Rewrite

if TYPE_CHECKING:
    from headroom_core.image.plan import Planner

_LEVELS = ("openai", "azure")


class Picture:
    """The transform for kind ``image``. Its models load with the first picture and serve all later ones.

    A picture becomes OCR text (shortened by the question), the region that the question names, or the provider's low
    level. Never lossless, so at that strength it is left as it is.
    """

    name = "picture"

    def __init__(self, planner: Planner | None = None) -> None:
        self._planner = planner
        self._lock = Lock()

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """What stands for the picture, or None."""
        block = part.block
        if not isinstance(block, Image):
            return None
        if context.strength == "lossless":
            context.note("a picture has no lossless form")
            return None
        planned = self._open().plan(
            block,
            context.query,
            count=context.count,
            provider=context.provider,
            model=context.model,
            nested=context.nested,
            levels=block.detail is not None or (context.provider or "openai").lower().startswith(_LEVELS),
        )
        if planned.blocks is None:
            context.note(planned.decision.reason)
            return None
        index = {**planned.index, "why": planned.decision.reason}
        return Rewrite(planned.blocks, planned.left_out or "the picture itself", index)

    def _open(self) -> Planner:
        with self._lock:
            if self._planner is None:
                from headroom_core.image.plan import Planner

                self._planner = Planner()
            return self._planner
