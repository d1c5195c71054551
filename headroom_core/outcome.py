"""What came of a call: the messages, every change and every skip with its reason, and the sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .types import Change, Message, Skip, Text


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of compressing a conversation or one text.

    ``messages`` stand in the order and number of the input; one that did not change is the same object. Token sums
    cover the text and the pictures of the whole conversation, counted by the compressor's counter.
    """

    messages: Sequence[Any] = field(repr=False)
    changes: tuple[Change, ...] = ()
    skipped: tuple[Skip, ...] = ()
    untouched: Callable[[], int] = field(default=lambda: 0, repr=False, compare=False)
    audited: bool = False

    @property
    def text(self) -> str:
        """All text of the result, in order: what ``compress(text)`` is called for."""
        return "\n".join(
            block.text for m in self.messages if isinstance(m, Message) for block in m.blocks if isinstance(block, Text)
        )

    @property
    def original_tokens(self) -> int:
        """Tokens that came in."""
        seen = sum(change.part.tokens for change in self.changes) + sum(skip.part.tokens for skip in self.skipped)
        return seen + self.untouched()

    @property
    def saved(self) -> int:
        """Tokens that went away (in audit mode: that would go away)."""
        return sum(change.part.tokens - change.tokens for change in self.changes)

    @property
    def compressed_tokens(self) -> int:
        """Tokens that go out."""
        return self.original_tokens - self.saved

    @property
    def ratio(self) -> float:
        """Share of tokens kept: 0.1 means ten times smaller."""
        return self.compressed_tokens / self.original_tokens if self.original_tokens else 1.0

    def explain(self) -> str:
        """One line for the sum, one for each change and each skip, in plain words."""
        verb = "would become" if self.audited else "became"
        lines = [f"{self.original_tokens:,} tokens {verb} {self.compressed_tokens:,} ({1 - self.ratio:.1%} saved)"]
        for change in self.changes:
            lost = f"left out: {change.rewrite.left_out}" if change.rewrite.left_out else "nothing left out"
            ref = f"; original: {change.ref}" if change.ref else ""
            lines.append(f"{_place(change)}: {change.part.tokens:,} → {change.tokens:,} by {change.by}; {lost}{ref}")
        lines += [f"{_place(skip)}: {skip.part.tokens:,} unchanged: {skip.reason}" for skip in self.skipped]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The sums and decisions without any content, ready for JSON."""
        return {
            "original_tokens": self.original_tokens,
            "compressed_tokens": self.compressed_tokens,
            "saved": self.saved,
            "ratio": round(self.ratio, 4),
            "audited": self.audited,
            "changes": [decision(change) for change in self.changes],
            "skipped": [decision(skip) for skip in self.skipped],
        }


def decision(entry: Change | Skip) -> dict[str, Any]:
    """One decision in plain fields, for logs and traces: never content, so not what was left out either."""
    part = entry.part
    told = {
        "at": list(part.at),
        "kind": part.kind,
        "tool": part.block.tool,
        "by": entry.by,
        "tokens_before": part.tokens,
    }
    if isinstance(entry, Skip):
        return {**told, "tokens_after": part.tokens, "ref": None, "reason": entry.reason}
    stored = "stored" if entry.ref else "not stored"
    reason = (
        f"shortened, its original is {stored}"
        if entry.rewrite.left_out is not None
        else "written shorter, nothing lost"
    )
    return {**told, "tokens_after": entry.tokens, "ref": entry.ref, "reason": reason}


def _place(entry: Change | Skip) -> str:
    message, block = entry.part.at
    return f"message {message}, block {block} ({entry.part.kind})"
