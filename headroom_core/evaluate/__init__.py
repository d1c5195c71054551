"""Evaluate compression on your own traffic: read it, compress it as it grew, measure what was kept and what it costs.

    from headroom_core.evaluate import evaluate

    report = evaluate("conversations/")
    report.total.ratio, report.saved_money, report.worst[0].missing

Nothing leaves this machine and nothing is stored, unless ``live`` asks a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .conversation import Conversation
from .cost import PRESETS, Bill, Prices
from .report import Graded, Report, Row

if TYPE_CHECKING:
    from .live import Model

__all__ = ["PRESETS", "Bill", "Conversation", "Graded", "Prices", "Report", "Row", "evaluate"]

_KEY = b"references of an evaluation"
"""The store lives and dies with the call: a fixed key makes two reports of the same traffic the same bytes."""

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


def evaluate(
    traffic: str | Path | Sequence[Conversation],
    *,
    prices: Prices | None = None,
    strength: str = "reversible",
    live: Model | None = None,
    judge: Model | None = None,
    live_limit: int = 20,
    progress: Progress = lambda what, done, total: None,
    **options: Any,
) -> Report:
    """Measure a file, a folder or conversations at hand; further ``options`` are those of ``Compressor``.

    ``strength="reversible"`` is what an agent with the retrieve tool gets. Prices default to the preset of the format's
    provider. ``live`` answers each conversation's last question with the whole and with the compressed context; where
    no accepted answer is given, ``judge`` (or ``live`` itself) compares it with the recorded one.
    """
    from headroom_core.ccr.memory import MemoryBlobs
    from headroom_core.ccr.originals import Originals
    from headroom_core.pipeline import Compressor

    from .measure import measure
    from .read import read_traffic

    conversations = read_traffic(traffic) if isinstance(traffic, (str, Path)) else list(traffic)
    settled = prices or _preset(conversations)
    reversible = strength == "reversible"
    originals = Originals(MemoryBlobs(max_bytes=None), key=_KEY) if reversible else None
    compressor = Compressor(originals=originals, strength=strength, retrievable=reversible, **options)
    measured = []
    for at, conversation in enumerate(conversations, 1):
        measured.append(measure(conversation, compressor, originals, settled.minimum))
        progress("compressing", at, len(conversations))
    told = {
        "strength": strength,
        "counter": compressor.count.name,
        **{k: v for k, v in options.items() if v is not None},
    }
    report = Report(measured, settled, told)
    if live is None:
        return report
    from .live import ask_all

    return replace(report, live=tuple(ask_all(measured[:live_limit], live, originals, progress, judge)))


def _preset(conversations: Sequence[Conversation]) -> Prices:
    """Prices of the provider whose format most conversations have."""
    sources = [conversation.source for conversation in conversations]
    names = {"anthropic": "anthropic", "bedrock": "anthropic", "gemini": "google"}
    counts = {name: sum(names.get(source, "openai") == name for source in sources) for name in PRESETS}
    return PRESETS[max(counts, key=lambda name: counts[name])]
