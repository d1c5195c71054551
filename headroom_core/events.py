"""What happens, told to whoever listens: sums in memory, log lines, Prometheus, OpenTelemetry.

A listener is a function of an ``Outcome``; give it to ``Compressor(listeners=[...])``. It hears of every call after the
messages are made, and a listener that fails never breaks the call. Nothing here ever carries content.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from .errors import MissingExtra
from .outcome import Outcome

Listener: TypeAlias = Callable[[Outcome], None]

_lock: Final = Lock()
_counters: Final[WeakKeyDictionary[Any, dict[str, Any]]] = WeakKeyDictionary()


class Totals:
    """Adds up outcomes: tokens in and out over the parts that may be compressed, by kind and by tool, and skips by cause.

    A part counts in every call that sends it, as the provider bills it in every call. Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls = 0
        self._tokens: Counter[str] = Counter()
        self._saved_by_kind: Counter[str] = Counter()
        self._saved_by_tool: Counter[str] = Counter()
        self._skips: Counter[str] = Counter()

    def __call__(self, outcome: Outcome) -> None:
        """Add one outcome."""
        with self._lock:
            self._calls += 1
            for change in outcome.changes:
                saved = change.part.tokens - change.tokens
                self._tokens.update(original=change.part.tokens, saved=saved)
                self._saved_by_kind[change.part.kind] += saved
                self._saved_by_tool[change.part.block.tool or "unknown"] += saved
            for skip in outcome.skipped:
                self._tokens.update(original=skip.part.tokens)
                self._skips[skip.by] += 1

    def as_dict(self) -> dict[str, Any]:
        """The sums so far, ready for JSON."""
        with self._lock:
            original, saved = self._tokens["original"], self._tokens["saved"]
            return {
                "calls": self._calls,
                "original_tokens": original,
                "compressed_tokens": original - saved,
                "saved": saved,
                "ratio": round((original - saved) / original, 4) if original else 1.0,
                "saved_by_kind": dict(self._saved_by_kind),
                "saved_by_tool": dict(self._saved_by_tool),
                "skips": dict(self._skips),
            }


def to_log(logger: logging.Logger, level: int = logging.INFO) -> Listener:
    """A listener that writes one JSON line for each call: sums, decisions and reasons."""

    def listen(outcome: Outcome) -> None:
        if logger.isEnabledFor(level):
            logger.log(level, "headroom %s", json.dumps(outcome.as_dict(), sort_keys=True))

    return listen


def to_prometheus(registry: Any = None) -> Listener:
    """A listener that counts into ``prometheus_client`` counters (its default registry unless one is given).

    ``headroom_tokens_total{direction, kind, tool}`` with direction "in" or "saved", ``headroom_skips_total{by}``.
    """
    labels = ("direction", "kind", "tool")
    tokens = prometheus_counter("headroom_tokens", "Tokens of compressible parts", labels, registry)
    skips = prometheus_counter("headroom_skips", "Parts that went out unchanged", ("by",), registry)

    def listen(outcome: Outcome) -> None:
        for change in outcome.changes:
            labels = (change.part.kind, change.part.block.tool or "unknown")
            tokens.labels("in", *labels).inc(change.part.tokens)
            tokens.labels("saved", *labels).inc(change.part.tokens - change.tokens)
        for skip in outcome.skipped:
            tokens.labels("in", skip.part.kind, skip.part.block.tool or "unknown").inc(skip.part.tokens)
            skips.labels(skip.by).inc()

    return listen


def to_opentelemetry(meter: Any = None) -> Listener:
    """A listener that counts into OpenTelemetry counters of the same names (the global meter unless one is given)."""
    meter = meter or global_meter("headroom_core")
    tokens = meter.create_counter("headroom.tokens", unit="{token}", description="Tokens of compressible parts")
    skips = meter.create_counter("headroom.skips", unit="{part}", description="Parts that went out unchanged")

    def listen(outcome: Outcome) -> None:
        for change in outcome.changes:
            labels = {"kind": change.part.kind, "tool": change.part.block.tool or "unknown"}
            tokens.add(change.part.tokens, {"direction": "in", **labels})
            tokens.add(change.part.tokens - change.tokens, {"direction": "saved", **labels})
        for skip in outcome.skipped:
            labels = {"kind": skip.part.kind, "tool": skip.part.block.tool or "unknown"}
            tokens.add(skip.part.tokens, {"direction": "in", **labels})
            skips.add(1, {"by": skip.by})

    return listen


def prometheus_counter(name: str, told: str, labels: Sequence[str], registry: Any = None) -> Any:
    """The counter of this name in a registry: made once, however many listeners count into it."""
    try:
        from prometheus_client import REGISTRY
        from prometheus_client import Counter as Counts
    except ModuleNotFoundError:
        raise MissingExtra("prometheus-client", "observe") from None
    home = registry or REGISTRY
    with _lock:
        known = _counters.setdefault(home, {})
        if name not in known:
            known[name] = Counts(name, told, labels, registry=home)
        return known[name]


def global_meter(name: str) -> Any:
    """OpenTelemetry's meter of this name, from whichever provider the program has set."""
    try:
        from opentelemetry.metrics import get_meter
    except ModuleNotFoundError:
        raise MissingExtra("opentelemetry-api", "observe") from None
    return get_meter(name)
