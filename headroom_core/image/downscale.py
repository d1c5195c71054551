"""The lossy plan: a smaller picture for fewer tokens, with a floor on the scale. Only a technique uses it."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from headroom_core.errors import InvalidInput
from headroom_core.tokens.profiles import Profile

_STEPS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """A size to send, the level to ask for (None: as it was), and what that costs."""

    size: tuple[int, int]
    detail: str | None
    tokens: int


def shrink(size: tuple[int, int], profile: Profile, *, least_scale: float, detail: str | None = None) -> Plan:
    """The cheapest size whose scale against the provider's own view is at least ``least_scale``; the largest of equals.

    The view, not the picture, is the measure: pixels that the provider throws away anyway are no loss.
    """
    if not 0 < least_scale <= 1:
        raise InvalidInput(f"least_scale is {least_scale!r}; use a scale above 0 and at most 1")
    seen = profile.seen(*size, detail)
    view = (min(size[0], seen[0]), min(size[1], seen[1]))
    best = Plan(size, detail, profile.tokens(*size, detail))
    for step in range(_STEPS, -1, -1):
        scale = least_scale + (1 - least_scale) * step / _STEPS
        candidate = (max(1, floor(view[0] * scale)), max(1, floor(view[1] * scale)))
        tokens = profile.tokens(*candidate, detail)
        if tokens < best.tokens:
            best = Plan(candidate, detail, tokens)
    return best


def lowest(size: tuple[int, int], profile: Profile, *, long_side: int = 512, levels: bool = True) -> Plan:
    """The cheapest gist: the provider's low level, where the block can ask for it, or a resize to ``long_side``.

    Three quarters of that size are taken where they halve the bill (a provider with a flat price for small pictures).
    """
    small, smaller = _within(size, long_side), _within(size, long_side * 3 // 4)
    if 2 * profile.tokens(*smaller) <= profile.tokens(*small):
        small = smaller
    plans = [Plan(small, None, profile.tokens(*small))]
    if levels and "low" in profile.formula.details:
        plans.append(Plan(size, "low", profile.tokens(*size, "low")))
    if levels and "high" in profile.formula.details:
        plans.append(Plan(small, "high", profile.tokens(*small, "high")))
    return min(plans, key=lambda plan: plan.tokens)


def _within(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """The size scaled down to the long side; never up."""
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
