"""Sums, log lines, Prometheus and OpenTelemetry: each hears of every call, none carries content."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry

from headroom_core import Compressor
from headroom_core.events import Totals, to_log, to_opentelemetry, to_prometheus
from headroom_core.types import Context, Part, Rewrite

LOG = "\n".join(f"2026-05-04 12:00:{i % 60:02d} INFO pool - request {i} handled" for i in range(200))
MESSAGES = [{"role": "tool", "name": "query", "content": LOG}, {"role": "tool", "name": "ls", "content": "a b"}]


class _Head:
    name = "head"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return Rewrite.of("first", "the rest")


def _run(*listeners: Any) -> int:
    transforms: Any = {"log": _Head()}
    compressor = Compressor(strength="lossy", originals=None, transforms=transforms, listeners=listeners)
    return min(compressor(MESSAGES).saved for _ in range(2))


def test_totals_add_up_calls() -> None:
    """Two calls count twice: by kind, by tool, and the skips by cause."""
    totals = Totals()
    saved = _run(totals)
    told = totals.as_dict()
    assert told["calls"] == 2
    assert told["saved"] == 2 * saved == told["saved_by_kind"]["log"] == told["saved_by_tool"]["query"]
    assert told["original_tokens"] - told["compressed_tokens"] == told["saved"]
    assert told["skips"] == {"size": 2}


def test_log_line_is_json_without_content(caplog: pytest.LogCaptureFixture) -> None:
    """One line for each call, which a log pipeline can parse."""
    with caplog.at_level(logging.INFO, "test"):
        _run(to_log(logging.getLogger("test")))
    assert len(caplog.messages) == 2
    assert json.loads(caplog.messages[0].removeprefix("headroom "))["changes"][0]["kind"] == "log"
    assert "handled" not in caplog.text


def test_prometheus_counts() -> None:
    """Tokens in and saved, by kind and tool; skips by cause."""
    registry = CollectorRegistry()
    saved = _run(to_prometheus(registry))
    labels = {"direction": "saved", "kind": "log", "tool": "query"}
    assert registry.get_sample_value("headroom_tokens_total", labels) == 2 * saved
    assert registry.get_sample_value("headroom_skips_total", {"by": "size"}) == 2


def test_opentelemetry_counts() -> None:
    """The same numbers through an OpenTelemetry meter."""
    reader = InMemoryMetricReader()
    saved = _run(to_opentelemetry(MeterProvider([reader]).get_meter("test")))
    data = reader.get_metrics_data()
    assert data is not None
    points = [
        point
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "headroom.tokens"
        for point in metric.data.data_points
    ]
    assert sum(p.value for p in points if (p.attributes or {})["direction"] == "saved") == 2 * saved  # type: ignore[union-attr]
