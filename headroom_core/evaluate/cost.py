"""What a conversation costs, call by call, where providers bill the part of a prompt that they saw before at a discount.

The rule simulated: a call's prompt is *cached* as far as it begins with the same messages as the call before it in the
same conversation; the rest is *written* to the cache. Prompts shorter than the provider's minimum are neither: they are
billed as plain input. Time to live is not simulated, as exports seldom tell when a prompt was sent: a cache that runs out
between two turns makes both sides dearer. Caches that conversations share (a long system prompt) are left out, also on
both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

from headroom_core.errors import InvalidInput

Segment: TypeAlias = tuple[str, int]
"""A message as the cache sees it: a digest of its bytes, and its tokens."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens: new input, input read from the cache, input written to it, output.

    ``minimum`` is the fewest tokens that a provider caches; 0 with ``cached == input`` describes no cache.
    """

    input: float
    cached: float
    write: float
    output: float
    minimum: int = 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise InvalidInput(f"The price {field.name} is {getattr(self, field.name)}; prices are 0 or more.")


PRESETS = {
    "anthropic": Prices(3.00, 0.30, 3.75, 15.00),
    "openai": Prices(1.25, 0.125, 1.25, 10.00),
    "google": Prices(1.25, 0.125, 1.25, 10.00),
    "no-cache": Prices(1.00, 1.00, 1.00, 5.00, 0),
}
"""Starting points in dollars, noted in 2026 for a middle model of each provider: check them against your own bill."""


@dataclass(slots=True)
class Bill:
    """Tokens of all calls, apart by what they cost."""

    calls: int = 0
    cached: int = 0
    written: int = 0
    uncached: int = 0
    output: int = 0

    def add(self, other: Bill) -> None:
        """Take in another bill."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def sent(self) -> int:
        """All prompt tokens."""
        return self.cached + self.written + self.uncached

    def cost(self, prices: Prices) -> float:
        """Money at these prices."""
        input_ = self.cached * prices.cached + self.written * prices.write + self.uncached * prices.input
        return (input_ + self.output * prices.output) / _MILLION

    def as_dict(self, prices: Prices) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "sent": self.sent, "cost": round(self.cost(prices), 6)}


def bill(calls: Iterable[tuple[Sequence[Segment], int]], minimum: int) -> Bill:
    """The bill of one conversation: for each call in order its prompt as segments, and the tokens that came out."""
    total = Bill()
    before: list[Segment] = []
    for prompt, output in calls:
        same = 0
        while same < min(len(before), len(prompt)) and before[same][0] == prompt[same][0]:
            same += 1
        tokens = sum(tokens for _, tokens in prompt)
        cached = sum(tokens for _, tokens in prompt[:same])
        if cached < minimum:
            cached = 0
        total.calls += 1
        total.cached += cached
        total.output += output
        if tokens >= minimum:
            total.written += tokens - cached
        else:
            total.uncached += tokens
        before = list(prompt)
    return total
