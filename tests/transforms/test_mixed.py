"""Mixtures: each segment by its own transform, everything else byte for byte."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core import compress
from headroom_core.kinds import detect
from headroom_core.transforms.mixed import Mixed, segments
from headroom_core.types import Context, Kind, Part, Rewrite, Strength, Text

ROWS = "[\n" + ",\n".join(f'  {{"id": {i}, "name": "row {i}", "ok": true}}' for i in range(60)) + "\n]\n"
DIFF = (
    "diff --git a/m.py b/m.py\nindex 1..2 100644\n--- a/m.py\n+++ b/m.py\n@@ -1,40 +1,40 @@\n"
    + "".join(f" line {i} of the file\n" for i in range(39))
    + "-old\n+new\n"
)
LOG = "".join(
    f"2026-05-04 12:{i // 60:02d}:{i % 60:02d} INFO http - request id={i} handled in {i % 90} ms\n" for i in range(200)
)
TRACE = "Traceback (most recent call last):\n" + "".join(f'  File "/app/m{i}.py", line {i}, in f{i}\n    call_{i}()\n' for i in range(20)) + (
    "ValueError: broken\n"
)  # fmt: skip


def shorten(
    text: str, kind: Kind = "prose", strength: Strength = "lossy"
) -> tuple[Rewrite | None, list[tuple[str, Kind | None]]]:
    """The rewrite with every segment replaced by its kind, and the segments that were asked for."""
    seen: list[tuple[str, Kind | None]] = []

    def nested(inner: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
        seen.append((inner + "\n", kind))
        return Rewrite.of(f"<{kind}>", "most of it")

    context = Context(count=len, strength=strength, nested=nested)
    return Mixed()(Part((0, 0), kind, Text(text), len(text) // 4), context), seen


def test_fenced_blocks_go_by_their_language() -> None:
    """The inside of each fence is one segment; fences and prose around stay as they are."""
    text = f"# Report\n\nSome words.\n\n```json\n{ROWS}```\nMore words.\n~~~~diff\n{DIFF}~~~~\nThe end"
    result, seen = shorten(text)
    assert seen == [(ROWS, "json"), (DIFF, "diff")]
    assert result is not None
    assert result.text == (
        "# Report\n\nSome words.\n\n```json\n<json>\n(left out: most of it)\n```\nMore words.\n"
        "~~~~diff\n<diff>\n(left out: most of it)\n~~~~\nThe end"
    )


def test_a_diff_a_trace_and_json_inside_a_log_are_segments() -> None:
    """Boundaries are exact: nothing of the log is in the diff, nothing of the diff in the log."""
    text = LOG + DIFF + LOG + TRACE + "12:00 INFO next\n" + ROWS + LOG
    result, seen = shorten(text)
    assert [kind for _, kind in seen] == ["log", "diff", "log", "trace", "json", "log"]
    assert [inner for inner, _ in seen][:5] == [LOG, DIFF, LOG, TRACE, ROWS]
    assert result is not None
    assert "12:00 INFO next\n" in result.text


def test_a_report_that_looks_like_a_diff_is_a_mixture_where_its_words_are_prose() -> None:
    """A fenced diff in a report is a segment; fences in a diff's own lines are not."""
    report = f"# Report\n\nWe changed the way in which files are read.\n\n```diff\n{DIFF}```\nPlease review it.\n"
    assert [kind for _, kind in shorten(report, "diff")[1]] == ["diff"]
    assert (
        shorten(DIFF.replace(" line 3 ", " ```\n line 3 ").replace(" line 33 ", " ```\n line 33 "), "diff")[0] is None
    )


@pytest.mark.parametrize("fence", ["```", "```log", "~~~"])
def test_a_log_inside_a_fence_leaves_the_words_around_it_alone(fence: str) -> None:
    """However much longer the log is, the report that quotes it stays; a log that prints fences is one log."""
    text = f"# Incident\n\nThis is what it wrote.\n\n{fence}\n{LOG}{fence[:3]}\n\nMaria will look at it on Monday.\n"
    result, seen = shorten(text, "log")
    assert seen == [(LOG, "log")]
    assert result is not None
    assert result.text == text.replace(LOG, "<log>\n(left out: most of it, lines counted from line 6)\n")
    assert detect(text).kind == "log"
    assert "Maria will look at it on Monday." in compress(text, query="Which request took longest?").text
    assert shorten(f"{LOG}{fence}\n{LOG}{fence[:3]}\n{LOG}", "log") == (None, [])


def test_in_a_log_traces_stay_with_their_lines() -> None:
    """What is known to be a log gives its diffs and documents away, and keeps its traces."""
    seen = shorten(LOG + TRACE + LOG + DIFF + LOG, "log")[1]
    assert seen == [(LOG + TRACE + LOG, "log"), (DIFF, "diff"), (LOG, "log")]
    assert shorten(LOG + TRACE + LOG, "log") == (None, [])


def test_short_blocks_and_open_fences_stay() -> None:
    """A small block is not worth a segment; a fence that never closes is none."""
    assert shorten("words\n```json\n[1, 2]\n```\n" * 40)[0] is None
    assert shorten("words\n```json\n" + "never closed\n" * 100)[0] is None


def test_texts_of_one_kind_and_lossless_are_left() -> None:
    """A whole diff is no mixture, and mixtures have no lossless form."""
    assert shorten(DIFF, "diff")[0] is None
    assert shorten(f"a\n```json\n{ROWS}```\n", strength="lossless")[0] is None


LINES = ["```json", "```", "~~~", "````", "{", "}", "[", "]", '{"a": 1}', "diff --git a/x b/x", "--- a/x", "+++ b/x", "@@ -1,2 +1,2 @@",
         " x", "+x", "-x", "Traceback (most recent call last):", '  File "x", line 1', "ValueError: x", "words", "", "\r", "\f", "\x85"]  # fmt: skip


@given(st.lists(st.sampled_from(LINES)), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_segments_are_the_text(lines: list[str], end: str, closed: bool) -> None:
    """Whatever the lines, the segments joined are the text, byte for byte."""
    text = end.join(lines) + (end if closed else "")
    assert "".join(segment.text for segment in segments(text)) == text


BAD = ["", "```\n" * 100_000, "{\n" * 100_000, "[{" * 100_000, "x" * 5_000_000, "\ud800\n" * 1000, "\x00" * 5000, "diff --git a b\n" * 20_000,
       "Traceback (most recent call last):\n" * 50_000, "@@ -1 +1 @@\n" * 50_000, ROWS[:-30] * 30]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_input_takes_bounded_time(text: str) -> None:
    """Broken and huge mixtures neither raise nor hang."""
    start = time.process_time()
    shorten(text + "\nwords\n")
    assert time.process_time() - start < 5


def test_the_module_may_be_imported_before_the_pipeline() -> None:
    """A program that names the class first compresses as any other."""
    code = (
        "from headroom_core.transforms.mixed import Mixed; from headroom_core import compress; "
        "print(compress('02:49:05 INFO the ferry left\\n' * 300, kind='log', strict=True).ratio < 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
