"""Everything that decides what a part becomes, besides the conversation itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import InvalidInput
from .types import Kind, Strength


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Everything that decides what a part becomes, besides the conversation itself.

    ``strength`` None means: reversible where a store and a retrieve tool are at hand, else lossless. ``retrievable``
    says that the model can call ``headroom_retrieve``. ``min_tokens`` leaves smaller parts alone. ``roles`` are the
    roles whose blocks may change. ``target_ratio`` is the share of tokens to keep, ``max_risk`` the accepted mean
    share of lost evidence (prose only). ``mode="audit"`` counts and changes nothing.
    """

    strength: Strength | None = None
    namespace: str | None = None
    retrievable: bool = False
    min_tokens: int = 200
    roles: tuple[str, ...] = ("tool",)
    exclude_tools: tuple[str, ...] = ()
    kind: Kind | None = None
    target_ratio: float | None = None
    max_risk: float | None = None
    provider: str | None = None
    model: str | None = None
    mode: Literal["compress", "audit"] = "compress"
    strict: bool = False

    def __post_init__(self) -> None:
        if self.strength not in (None, "lossless", "reversible", "lossy"):
            raise InvalidInput(f"strength is {self.strength!r}; use 'lossless', 'reversible' or 'lossy'")
        for name in ("target_ratio", "max_risk"):
            share = getattr(self, name)
            if share is not None and not 0 < share <= 1:
                raise InvalidInput(f"{name} is {share!r}; use a share above 0 and at most 1")
        if self.mode not in ("compress", "audit"):
            raise InvalidInput(f"mode is {self.mode!r}; use 'compress' or 'audit'")
