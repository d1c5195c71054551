"""The flow at its edges: forms that compress further, remembered results whose store is gone, deep nesting, listeners."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headroom_core import Compressor, Message, Outcome, Text, compress
from headroom_core.bulk import compress_corpus, read_corpus
from headroom_core.bulk.rows import document_row, opened
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.errors import InvalidInput, MissingExtra, StoreError
from headroom_core.events import to_log, to_opentelemetry, to_prometheus
from headroom_core.testing import laws
from headroom_core.testing.stores import FaultyBlobs
from headroom_core.tokens.text import counter, encoding
from headroom_core.types import Context, Part, Rewrite

LOG = "\n".join(f"2026-05-04 12:{i // 60:02d}:{i % 60:02d} INFO pool - request {i} handled" for i in range(300))
KEY = b"k" * 32


def _tool(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "What happened?"}, {"role": "tool", "tool_call_id": "c", "content": text}]


class _Halves:
    """Lossless by its word: half of the text, again and again."""

    name = "halves"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return Rewrite.of(part.text[: len(part.text) // 2]) if len(part.text) > 100 else None


class _TwoSteps:
    """First a lossless form, then a lossy one of that."""

    name = "two-steps"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        if part.text.startswith("short "):
            return Rewrite.of("short", "the rest of it")
        return Rewrite.of("short " + part.text[: len(part.text) * 2 // 3])


class _Nests:
    """Compresses its text inside of itself, as deep as it may."""

    name = "nests"
    depth = 0

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        self.depth += 1
        inner = context.nested(part.text[1:], kind="log")
        return inner or Rewrite.of("bottom", "everything")


# ------------------------------------------------------------------ forms and nesting
def test_a_form_that_shrinks_for_ever_is_refused() -> None:
    """A lossless form that its own transform shortens again and again would break "twice is once": it stays out."""
    messages = _tool(LOG)
    outcome = Compressor(strength="lossless", transforms={"log": _Halves()})(messages)
    assert outcome.messages[1] is messages[1]


def test_a_form_that_ends_small_is_taken() -> None:
    """Once it is below the smallest size nobody would touch it again, so it may go out."""
    text = LOG[:2400]
    outcome = Compressor(strength="lossless", transforms={"log": _Halves()}, kind="log", min_tokens=500)(_tool(text))
    assert outcome.changes
    assert len(outcome.messages[1]["content"]) < len(text)


def test_a_lossless_form_that_would_be_cut_next_time_is_cut_at_once() -> None:
    """Where the form itself compresses lossily, that result goes out, with its line about what is gone."""
    compressor = Compressor(strength="lossy", originals=None, transforms={"log": _TwoSteps()}, kind="log")
    once = compressor(_tool(LOG))
    assert once.messages[1]["content"] == "short\n[left out: the rest of it]"
    assert once.changes[0].why == "the rest of it"


def test_nesting_ends_after_three_levels() -> None:
    """A transform that compresses its own text inside of itself does not go on for ever."""
    transform = _Nests()
    outcome = Compressor(strength="lossy", originals=None, transforms={"log": transform}, kind="log")(_tool(LOG))
    assert outcome.messages[1]["content"].startswith("bottom")
    assert transform.depth == 4


def test_a_remembered_result_whose_store_is_gone_goes_out_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a minute the original's life is renewed; where that fails the part goes out as it came, and says why."""
    now = [1000.0]
    monkeypatch.setattr("headroom_core.flow.time.monotonic", lambda: now[0])
    blobs = FaultyBlobs(MemoryBlobs())
    compressor = Compressor(originals=Originals(blobs, key=KEY), retrievable=True, namespace="ns")
    messages = _tool(LOG)
    first = compressor(messages)
    assert first.changes
    now[0] += 30.0
    calls = blobs.calls
    assert compressor(messages).messages == first.messages
    assert blobs.calls == calls, "within a minute nothing is asked of the store"
    now[0] += 90.0
    blobs.fault = StoreError("the store is away")
    outcome = compressor(messages)
    assert outcome.messages[1] is messages[1]
    assert "store failed" in outcome.skipped[0].reason
    blobs.fault = None
    assert compressor(messages).messages == first.messages


def test_compress_takes_messages_too() -> None:
    """A list of messages keeps the usual smallest size; a text is compressed however short it is."""
    outcome = compress([*_tool(LOG), Message("tool", (Text("ok"),))], query="request 7")
    assert len(outcome.changes) == 1
    assert outcome.skipped[0].by == "size"
    assert outcome.text == "ok", "messages of other forms are not part of .text"


# ------------------------------------------------------------------ the laws as a tool
def test_all_laws_at_once_give_the_outcome() -> None:
    """``check_all`` runs the nine checks and returns what came of the conversation."""
    messages = [*_tool(LOG), Message("tool", (Text(LOG),)), {"role": "user", "content": "Thanks."}]

    def make(originals: Originals) -> Compressor:
        return Compressor(originals=originals, retrievable=True)

    outcome = laws.check_all(make, Originals(MemoryBlobs(), key=KEY), messages)
    assert isinstance(outcome, Outcome)
    assert outcome.saved > 0


# ------------------------------------------------------------------ listeners
def test_the_log_listener_is_silent_above_its_level(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is formatted where nobody listens."""
    quiet = logging.getLogger("tests.quiet")
    quiet.setLevel(logging.WARNING)
    compressor = Compressor(strength="lossy", originals=None, listeners=[to_log(quiet)])
    compressor(_tool(LOG))
    assert not [record for record in caplog.records if record.name == "tests.quiet"]
    quiet.setLevel(logging.INFO)
    with caplog.at_level(logging.INFO, "tests.quiet"):
        compressor(_tool(LOG))
    assert any('"saved": ' in record.getMessage() for record in caplog.records if record.name == "tests.quiet")


@pytest.mark.parametrize(
    ("package", "make"), [("prometheus_client", to_prometheus), ("opentelemetry.metrics", to_opentelemetry)]
)
def test_a_listener_without_its_package_names_the_pip_line(
    package: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named, and nothing else fails."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"pip install 'headroom-integrations\[observe\]'"):
        make()


def test_opentelemetry_counts_into_the_global_meter() -> None:
    """Without a meter of one's own the global one is used; a call goes through it."""
    outcome = Compressor(strength="lossy", originals=None, listeners=[to_opentelemetry()])(_tool(LOG))
    assert outcome.changes


def test_tiktoken_missing_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exact counter asks for its package by name; the caller's folder setting is put back after loading."""
    monkeypatch.setattr("headroom_core.tokens.text.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="tiktoken"):
        encoding("o200k_base")


def test_loading_an_exact_counter_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """``TIKTOKEN_CACHE_DIR`` is what it was before, set or not."""
    pytest.importorskip("tiktoken")
    for before in (None, "/nowhere"):
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
        if before:
            monkeypatch.setenv("TIKTOKEN_CACHE_DIR", before)
        try:
            encoding("cl100k_base")
        except InvalidInput:
            pytest.skip("no encoding file is on this machine")
        assert os.environ.get("TIKTOKEN_CACHE_DIR") == before
    assert counter("cl100k")("The ferry leaves at seven.") == 6


# ------------------------------------------------------------------ corpora
def _corpus(folder: Path, rows: int = 12) -> Path:
    file = folder / "corpus.jsonl"
    file.write_text("".join(json.dumps({"id": i, "text": LOG + f"\nERROR {i}"}) + "\n" for i in range(rows)))
    return file


def test_the_progress_line_says_rows_share_and_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal one line is written over itself and ended; elsewhere nothing is."""

    class _Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    report = compress_corpus(_corpus(tmp_path), tmp_path / "out", workers=1, rows_per_part=4)
    shown = terminal.getvalue()
    assert "12 of 12 rows" in shown
    assert "% saved" in shown
    assert shown.endswith("\n")
    assert report.rows_per_second > 0
    again = compress_corpus(_corpus(tmp_path), tmp_path / "out", workers=1, rows_per_part=4)
    assert again.totals.rows == report.totals.rows
    assert len(list(read_corpus(tmp_path / "out"))) == 12


def test_ray_missing_names_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster is asked for and Ray is not there."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"\[ray\]"):
        compress_corpus(_corpus(tmp_path), tmp_path / "out", cluster="ray")


def test_parquet_without_its_package_names_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parquet file is given and pyarrow is not there."""
    file = tmp_path / "corpus.parquet"
    file.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"\[bulk\]"):
        opened(file, tmp_path / "spool", 10)


def test_a_spooled_source_is_read_once(tmp_path: Path) -> None:
    """A job that goes on reads what was spooled, also when the loader gives something else now."""
    spool = tmp_path / "spool.jsonl"
    first = opened([{"text": "one"}, {"text": "two"}], spool, 10)
    again = opened([{"text": "three"}], spool, 10)
    assert first.rows == again.rows == 2
    packed = tmp_path / "corpus.jsonl.gz"
    packed.write_bytes(b"never read, since the spool is there")
    assert opened(packed, spool, 10).rows == 2


class _Loader:
    """A loader whose lazy way is not implemented."""

    def lazy_load(self) -> Any:
        raise NotImplementedError

    def load(self) -> list[str]:
        return ["one", "two", "three"]


def test_loaders_and_rows_of_all_forms(tmp_path: Path) -> None:
    """A loader falls back to its other method; mappings are copied; what is no document is named."""
    assert opened(_Loader(), tmp_path / "spool", 10).rows == 3
    row = {"text": "one"}
    assert document_row(row) == row
    assert document_row(row) is not row
    with pytest.raises(InvalidInput, match="not int"):
        document_row(7)
    with pytest.raises(InvalidInput, match="is no corpus"):
        opened(7, tmp_path / "other", 10)
