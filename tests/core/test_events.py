"""Sums, log lines, Prometheus and OpenTelemetry: each hears of every call, none carries content."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from headroom_core import Compressor, compress, open_originals
from headroom_core.events import Totals, to_log, to_opentelemetry, to_prometheus
from headroom_core.types import Context, Part, Rewrite

ROWS = json.dumps([{"id": i, "owner": "ada.lovelace", "state": "open" if i % 9 else "failed"} for i in range(300)])
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


def test_listeners_share_the_counters_of_a_registry() -> None:
    """A second compressor counts into the same counters, as a web server's exposition shows them."""
    registry = CollectorRegistry()
    saved = _run(to_prometheus(registry), to_prometheus(registry))
    shown = generate_latest(registry).decode()
    assert f'headroom_tokens_total{{direction="saved",kind="log",tool="query"}} {4 * saved:.1f}' in shown
    assert 'headroom_skips_total{by="size"} 4.0' in shown
    to_prometheus()
    to_prometheus()  # the default registry as well


def test_the_global_meter_is_asked_where_none_is_given() -> None:
    """Without a provider OpenTelemetry counts nowhere, and nothing breaks."""
    assert _run(to_opentelemetry()) > 0


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


def test_every_decision_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    """At debug level: one record for each part, fields under ``headroom``, and no word of the content."""
    with caplog.at_level(logging.DEBUG, "headroom_core"):
        told = Compressor(strength="lossy", originals=None)(
            [{"role": "tool", "name": "orders", "content": ROWS}, {"role": "tool", "name": "ls", "content": "a b"}]
        )
    fields: list[Any] = [record.headroom for record in caplog.records if hasattr(record, "headroom")]
    assert fields == [*told.as_dict()["changes"], *told.as_dict()["skipped"]]
    big, small = fields
    assert (big["kind"], big["tool"], big["by"], big["at"]) == ("json", "orders", "json", [0, 0])
    assert (big["tokens_before"], big["tokens_after"]) == (told.changes[0].part.tokens, told.changes[0].tokens)
    assert big["reason"] == "shortened, its original is not stored"
    assert small["tokens_before"] == small["tokens_after"] > 0
    assert (small["by"], small["reason"]) == ("size", "it has fewer than 200 tokens")
    assert "json of tool orders at [0, 0]: " in caplog.messages[0]
    assert "owner" in told.changes[0].why  # what was left out quotes the content: the log must not
    for word in ("owner", "ada.lovelace", "state", "failed"):
        assert word not in caplog.text


def test_above_debug_level_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Decisions are for those who ask."""
    with caplog.at_level(logging.INFO, "headroom_core"):
        compress(ROWS)
    assert not caplog.records


def test_reasons_name_what_became_of_the_original() -> None:
    """Nothing lost, stored, or not stored."""
    store = open_originals("memory://")
    outcomes = [
        compress(ROWS, strength="lossless"),
        compress(ROWS, originals=store, retrievable=True),
        compress(ROWS),
    ]
    reasons = [outcome.as_dict()["changes"][0]["reason"] for outcome in outcomes]
    assert reasons == [
        "written shorter, nothing lost",
        "shortened, its original is stored",
        "shortened, its original is not stored",
    ]
    assert "lovelace" not in json.dumps([outcome.as_dict() for outcome in outcomes])


def test_a_failure_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    """Where it failed and with what, but not the message, which may quote the content."""

    class Fails:
        name = "fails"

        def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
            raise ValueError(f"cannot read {part.text[:60]!r}")

    transforms: Any = {"json": Fails()}
    with caplog.at_level(logging.DEBUG, "headroom_core"):
        outcome = compress(ROWS, transforms=transforms)
    assert outcome.skipped[0].reason == "compression failed with ValueError"
    assert "ValueError" in caplog.text
    assert "test_events.py" in caplog.text
    assert "lovelace" not in caplog.text
