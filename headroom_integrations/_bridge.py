"""What both frameworks need between their own types and the core: whose originals, and what a call saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, Final

from headroom_core import settings
from headroom_core.ccr.originals import Originals
from headroom_core.ccr.retrieve import Retrieved, answer, retrieve
from headroom_core.errors import HeadroomError, StoreError
from headroom_core.outcome import Outcome
from headroom_core.pipeline import Compressor
from headroom_core.tokens.text import estimate
from headroom_core.types import Change, Skip

Note = dict[str, Any]
"""What calls saved: integers and mappings of integers only, so that two notes add up key by key."""

EVENT: Final = "headroom_compression"
"""Name of the event that carries the note of a request to callback handlers."""

_EMERGENCY_RATIO: Final = 0.05
_EMERGENCY_MIN_TOKENS: Final = 64


def can_mark(compressor: Compressor) -> bool:
    """May this compressor leave markers, given a model that can call the retrieve tool?

    A store that is out of order now counts as a store: its parts go out unchanged until it is back.
    """
    if compressor.options.strength in ("lossless", "lossy"):
        return False
    try:
        return compressor.originals is not None
    except StoreError:
        return True


def namespace_for(compressor: Compressor, chosen: str | None = None, thread: str | None = None) -> str:
    """Whose originals a call reads and writes.

    The caller's own choice wins, then the compressor's, then the thread of the conversation inside the default
    namespace of this user account and application.
    """
    named = chosen or compressor.options.namespace
    if named:
        return named
    return f"{settings.namespace()}/thread/{thread}" if thread else settings.namespace()


class Fitted:
    """A compressor for whichever model a call goes to, since pictures cost differently at each provider.

    Every variant is built once, so that its memory lasts. A provider that the compressor was built with stands.
    """

    def __init__(self, compressor: Compressor) -> None:
        self._base = compressor
        self._made: dict[tuple[str | None, str | None], Compressor] = {}
        self._lock = Lock()

    def __call__(self, provider: str | None, model: str | None) -> Compressor:
        """The compressor for this provider and model."""
        if self._base.options.provider or not provider:
            return self._base
        with self._lock:
            if (provider, model) not in self._made:
                self._made[provider, model] = self._base.with_options(provider=provider, model=model)
            return self._made[provider, model]


def resolve(arguments: Mapping[str, Any], *, originals: Originals | None, namespace: str) -> str | Retrieved:
    """What the retrieve tool gives to a model's call: text, or the picture that was asked for."""
    ref, region = arguments.get("ref"), arguments.get("region") or None
    if originals is not None and isinstance(ref, str):
        try:
            if originals.entry(ref.strip(), namespace=namespace).kind == "image":
                return retrieve(ref.strip(), originals=originals, namespace=namespace, region=region)
        except HeadroomError:
            return answer(arguments, originals=originals, namespace=namespace)
    return answer(arguments, originals=originals, namespace=namespace)


def harder(compressor: Compressor) -> Compressor:
    """The compressor for a request that the provider refused as too long."""
    asked = compressor.options.target_ratio
    ratio = min(asked, _EMERGENCY_RATIO) if asked else _EMERGENCY_RATIO
    smallest = min(compressor.options.min_tokens, _EMERGENCY_MIN_TOKENS)
    return compressor.with_options(target_ratio=ratio, min_tokens=smallest)


def note(outcome: Outcome) -> Note:
    """The sums of a call over the parts that may be compressed, and what was saved by kind and by tool."""
    entries: tuple[Change | Skip, ...] = (*outcome.changes, *outcome.skipped)
    before = sum(entry.part.tokens for entry in entries)
    made: Note = {
        "original_tokens": before,
        "compressed_tokens": before if outcome.audited else before - outcome.saved,
        "saved": 0 if outcome.audited else outcome.saved,
    }
    if outcome.audited:
        return made | {"audited_saving": outcome.saved}
    if outcome.changes:
        made |= {"by_kind": _grouped(outcome.changes, lambda change: change.part.kind)}
        made |= {"by_tool": _grouped(outcome.changes, lambda change: change.part.block.tool or "-")}
    return made


def retrieval_note(content: Any) -> Note:
    """What one retrieval brought back into the context; a picture counts by its text only."""
    blocks = [content] if isinstance(content, str) else content
    texts = [block if isinstance(block, str) else block.get("text", "") for block in blocks]
    return {"retrievals": 1, "retrieved_tokens": sum(map(estimate, texts))}


def add_notes(*notes: Mapping[str, Any] | None) -> Note:
    """The sum of notes, key by key."""
    total: Note = {}
    for each in notes:
        for key, value in (each or {}).items():
            if isinstance(value, Mapping):
                total[key] = add_notes(total.get(key), value)
            elif isinstance(value, int) and not isinstance(value, bool):
                total[key] = total.get(key, 0) + value
    return total


def _grouped(changes: Iterable[Change], label: Callable[[Change], str]) -> dict[str, int]:
    """Tokens saved under each label, in order of first appearance."""
    sums: dict[str, int] = {}
    for change in changes:
        key = label(change)
        sums[key] = sums.get(key, 0) + change.part.tokens - change.tokens
    return sums
