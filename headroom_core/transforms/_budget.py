"""How much of a long list is kept: a share of its tokens, within bounds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """``share`` of the tokens to keep, within ``least`` and ``most`` tokens."""

    share: float
    least: int
    most: int

    def tokens(self, whole: float, target_ratio: float | None, *, closing: float = 0.0) -> float:
        """Tokens for what is kept of ``whole``; ``closing`` tokens of it pay for the line about the rest.

        A ``target_ratio`` replaces the share and its bounds.
        """
        if target_ratio is not None:
            return max(closing, target_ratio * whole - closing)
        return min(self.most, max(self.least, self.share * whole - closing))
