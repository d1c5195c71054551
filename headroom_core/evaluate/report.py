"""The sum of all conversations: rows by kind and tool, both bills, the worst cases first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .cost import Bill, Prices
from .facts import CATEGORIES
from .measure import Measured, Piece

_SHOWN_VALUES = 12


@dataclass(slots=True)
class Row:
    """Tool outputs of one kind or tool. ``facts`` holds (kept, all) by category, over outputs that changed."""

    name: str
    outputs: int = 0
    changed: int = 0
    before: int = 0
    after: int = 0
    used: int = 0
    visible: int = 0
    returned: int = 0
    facts: dict[str, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, (0, 0)))

    def add(self, piece: Piece) -> None:
        """Count a tool output in."""
        self.outputs += 1
        self.changed += piece.changed
        self.before += piece.tokens_before
        self.after += piece.tokens_after
        self.used += len(piece.uses)
        self.visible += sum(use.visible for use in piece.uses)
        self.returned += sum(use.returned for use in piece.uses)
        for category in piece.stays:
            kept, total = self.facts[category]
            stays, goes = len(piece.stays[category]), len(piece.goes[category])
            self.facts[category] = (kept + stays, total + stays + goes)

    @property
    def ratio(self) -> float:
        """Share of tokens kept."""
        return self.after / self.before if self.before else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name, "outputs": self.outputs, "changed": self.changed, "tokens_before": self.before,
            "tokens_after": self.after, "ratio": round(self.ratio, 4), "used_later": self.used,
            "visible": self.visible, "called_back": self.returned,
            "facts": {name: {"kept": kept, "of": total} for name, (kept, total) in self.facts.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer pair of a live run: with whole and with compressed context, each right or not, and what it took."""

    conversation: str
    question: str
    expected: str
    without: str
    with_us: str
    without_right: bool
    with_us_right: bool
    retrievals: int
    tokens_without: int
    tokens_with: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an evaluation. ``live`` holds graded answers where a model was asked."""

    measured: Sequence[Measured]
    prices: Prices
    settings: dict[str, Any]
    live: tuple[Graded, ...] = ()

    @property
    def pieces(self) -> list[Piece]:
        """All tool outputs."""
        return [piece for one in self.measured for piece in one.pieces]

    @property
    def total(self) -> Row:
        """All tool outputs in one row."""
        return _rows("all", self.pieces, lambda piece: "all")[0] if self.pieces else Row("all")

    @property
    def by_kind(self) -> list[Row]:
        """A row for each kind, the largest first."""
        return _rows("kind", self.pieces, lambda piece: piece.kind)

    @property
    def by_tool(self) -> list[Row]:
        """A row for each tool, the largest first."""
        return _rows("tool", self.pieces, lambda piece: piece.tool)

    @property
    def without(self) -> Bill:
        """All calls as they were recorded."""
        return _sum(one.without for one in self.measured)

    @property
    def with_us(self) -> Bill:
        """All calls with compression, retrievals among them."""
        return _sum(one.with_us for one in self.measured)

    @property
    def saved_money(self) -> float:
        """Share of the money saved, net; negative where it got dearer."""
        before = self.without.cost(self.prices)
        return 1 - self.with_us.cost(self.prices) / before if before else 0.0

    @property
    def retrievals(self) -> int:
        """Calls that would have asked for something back."""
        return sum(one.retrievals for one in self.measured)

    @property
    def worst(self) -> list[Piece]:
        """Outputs that changed: used values lost first, then called back, then errors gone, then the largest."""
        return sorted((piece for piece in self.pieces if piece.changed), key=_badness)

    @property
    def untouched(self) -> dict[str, tuple[int, int]]:
        """Why outputs went out as they came: (outputs, tokens) by reason, most tokens first."""
        found: dict[str, list[Piece]] = defaultdict(list)
        for piece in self.pieces:
            if not piece.changed:
                found[piece.why].append(piece)
        sums = {why: (len(some), sum(piece.tokens_before for piece in some)) for why, some in found.items()}
        return dict(sorted(sums.items(), key=lambda item: -item[1][1]))

    def by_turn(self) -> list[tuple[int, int]]:
        """Prompt tokens of the first, second, ... call of all conversations: (without, with)."""
        longest = max((len(one.turns) for one in self.measured), default=0)
        return [
            (sum(one.turns[at][0] for one in some), sum(one.turns[at][1] for one in some))
            for at in range(longest)
            if (some := [one for one in self.measured if at < len(one.turns)])
        ]

    def as_dict(self, *, contents: bool = True, cases: int = 20) -> dict[str, Any]:
        """Ready for JSON. Without ``contents`` it holds no value and no text of the conversations."""
        return {
            "conversations": len(self.measured),
            "sources": sorted({one.conversation.source for one in self.measured}),
            "settings": self.settings,
            "prices_per_million": asdict(self.prices),
            "total": self.total.as_dict(),
            "by_kind": [row.as_dict() for row in self.by_kind],
            "by_tool": [row.as_dict() for row in self.by_tool],
            "cost": {
                "without": self.without.as_dict(self.prices),
                "with": self.with_us.as_dict(self.prices),
                "saved_share": round(self.saved_money, 4),
                "retrievals": self.retrievals,
                "prefix_breaks": sum(one.prefix_breaks for one in self.measured),
            },
            "untouched": {why: {"outputs": n, "tokens": tokens} for why, (n, tokens) in self.untouched.items()},
            "worst": [_case(piece, contents) for piece in self.worst[:cases]],
            "live": graded(self.live, contents=contents),
        }


def graded(live: Sequence[Graded], *, contents: bool = True) -> dict[str, Any] | None:
    """Sums of the live answers, ready for JSON; None where no model was asked."""
    if not live:
        return None
    told: dict[str, Any] = {
        "asked": len(live),
        "right_without": sum(one.without_right for one in live),
        "right_with": sum(one.with_us_right for one in live),
        "retrievals": sum(one.retrievals for one in live),
        "tokens_without": sum(one.tokens_without for one in live),
        "tokens_with": sum(one.tokens_with for one in live),
    }
    return {**told, "answers": [asdict(one) for one in live]} if contents else told


def _case(piece: Piece, contents: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "conversation": piece.conversation, "at": list(piece.at), "tool": piece.tool, "kind": piece.kind,
        "by": piece.by, "tokens_before": piece.tokens_before, "tokens_after": piece.tokens_after,
        "used_later": len(piece.uses), "not_visible": len(piece.missing), "lost": len(piece.lost),
        "gone": {category: len(goes) for category, goes in piece.goes.items()},
    }  # fmt: skip
    if contents:
        told |= {"left_out": piece.why, "missing_values": [use.value for use in piece.missing][:_SHOWN_VALUES]}
    return told


def _rows(title: str, pieces: Sequence[Piece], key: Callable[[Piece], str]) -> list[Row]:
    found: dict[str, Row] = {}
    for piece in pieces:
        name = key(piece)
        found.setdefault(name, Row(name)).add(piece)
    return sorted(found.values(), key=lambda row: (-row.before, row.name))


def _sum(bills: Any) -> Bill:
    total = Bill()
    for each in bills:
        total.add(each)
    return total


def _badness(piece: Piece) -> tuple[int, int, int, int]:
    """Sorts the worst first."""
    return -len(piece.lost), -len(piece.missing), -len(piece.goes.get("errors", ())), -piece.tokens_before
