"""A corpus, whole: every row once, in order, whatever is killed on the way."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from headroom_core.bulk import compress_corpus, read_corpus
from headroom_core.bulk.rows import opened
from headroom_core.bulk.work import Gathered
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import open_originals
from headroom_core.errors import InvalidInput
from headroom_core.testing.stores import BlobsContract
from headroom_core.types import Blobs


def passage(number: int, lines_each: int = 60) -> dict[str, Any]:
    chance = random.Random(number)
    lines = [f"12:{i:02}:00 INFO request id={chance.randrange(10**6)} handled in {i} ms" for i in range(lines_each)]
    lines[chance.randrange(lines_each)] = f"12:00:00 ERROR passage {number} failed"
    return {"id": number, "text": "\n".join(lines)}


def corpus(path: Path, rows: int, lines_each: int = 60) -> Path:
    path.write_text("".join(json.dumps(passage(number, lines_each)) + "\n" for number in range(rows)))
    return path


class TestGathered(BlobsContract):
    """Values that are held back are read, listed, renewed and deleted like stored ones."""

    def make(self) -> Blobs:
        return _Flushing(MemoryBlobs(clock=self.clock))


class _Flushing(Gathered):
    """Flushes after each put, so that the store's clock rules."""

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        super().put(key, value, ttl_s=ttl_s)
        try:
            self.flush()
        except InvalidInput:
            self.delete(key)
            raise


def test_what_is_held_back_is_stored_only_by_flush() -> None:
    """Nothing reaches the store before, everything after; and it is readable all the time."""
    store = MemoryBlobs()
    held = Gathered(store)
    held.put("ns/a", b"1")
    held.put("ns/b", b"2")
    assert (held.get("ns/a"), held.touch("ns/b"), held.keys("ns/")) == (b"1", True, ["ns/a", "ns/b"])
    assert store.keys() == []
    held.flush()
    assert store.keys() == ["ns/a", "ns/b"]


def check(out: Path, rows: int, store: str, lines_each: int = 60) -> None:
    """Each row once and in order, and each original back byte for byte."""
    found = list(read_corpus(out))
    assert [row["id"] for row in found] == list(range(rows))
    originals = open_originals(store)
    smaller = 0
    for row in found:
        if row["headroom_ref"] is None:
            continue
        smaller += 1
        assert originals.get(row["headroom_ref"], namespace="bulk").decode() == passage(row["id"], lines_each)["text"]
        assert row["headroom_tokens"] < row["headroom_original_tokens"]
    assert smaller > rows / 2


@pytest.mark.parametrize("workers", [1, 2])
def test_every_row_comes_out_once_and_in_order(workers: int, tmp_path: Path) -> None:
    """JSONL in, JSONL out, with one worker and with several; the originals are in the store."""
    store = f"sqlite:///{tmp_path}/s.sqlite3"
    seen: list[int] = []
    report = compress_corpus(
        corpus(tmp_path / "in.jsonl", 60),
        tmp_path / "out",
        query="what failed?",
        store=store,
        namespace="bulk",
        workers=workers,
        rows_per_part=15,
        progress=lambda done, rows: seen.append(done.rows),
    )
    check(tmp_path / "out", 60, store)
    assert (report.totals.rows, report.resumed_rows, report.workers) == (60, 0, workers)
    assert report.totals.saved > 0.3
    assert sorted(seen) == seen
    assert seen[-1] == 60


def test_workers_change_nothing(tmp_path: Path) -> None:
    """One worker and two give the same bytes."""
    source = corpus(tmp_path / "in.jsonl", 30)
    for workers in (1, 2):
        compress_corpus(
            source, tmp_path / str(workers), namespace="bulk", workers=workers, rows_per_part=10, progress=False
        )
    parts = [{file.name: file.read_bytes() for file in (tmp_path / str(w)).glob("part-*")} for w in (1, 2)]
    assert parts[0] == parts[1]
    assert len(parts[0]) == 3


_JOB = """
import sys
from headroom_core.bulk import compress_corpus
if __name__ == "__main__":
    compress_corpus(sys.argv[1], sys.argv[2], store=sys.argv[3], namespace="bulk", workers=2,
                    rows_per_part=int(sys.argv[4]), progress=False)
"""


@pytest.mark.parametrize(
    ("rows", "rows_per_part", "kills", "lines_each"),
    [(120, 12, 2, 60), pytest.param(100_000, 500, 8, 12, marks=pytest.mark.full)],
)
def test_a_killed_job_goes_on_without_a_gap_or_a_duplicate(
    rows: int, rows_per_part: int, kills: int, lines_each: int, tmp_path: Path
) -> None:
    """kill -9 of the job at random moments, then the same call again, until it is done."""
    source, out, store = (
        corpus(tmp_path / "in.jsonl", rows, lines_each),
        tmp_path / "out",
        f"sqlite:///{tmp_path}/s.sqlite3",
    )
    program = tmp_path / "job.py"
    program.write_text(_JOB)
    command = [sys.executable, str(program), str(source), str(out), store, str(rows_per_part)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done: list[int] = []
    for kill in range(kills):
        started = subprocess.Popen(command, env=environment)
        wanted = len(list(out.glob("part-*"))) + 1 + kill
        end = time.monotonic() + 120
        while len(list(out.glob("part-*"))) < wanted and started.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        started.send_signal(signal.SIGKILL)
        started.wait(timeout=60)
        done.append(len(list(out.glob("part-*"))))
    assert done[-1] * rows_per_part < rows
    subprocess.run(command, env=environment, check=True, timeout=7000)
    check(out, rows, store, lines_each)
    leftovers = [file.name for file in out.iterdir() if file.name.startswith(".")]
    assert all(name.startswith(".part-") for name in leftovers)


def test_a_second_call_does_nothing_again(tmp_path: Path) -> None:
    """What is done is not made again; the totals are those of the whole corpus."""
    source = corpus(tmp_path / "in.jsonl", 50)
    first = compress_corpus(source, tmp_path / "out", workers=1, rows_per_part=20, progress=False)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("part-*")}
    again = compress_corpus(source, tmp_path / "out", workers=1, rows_per_part=20, progress=False)
    assert (again.resumed_rows, again.totals) == (50, first.totals)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("part-*")} == before


def test_another_job_does_not_mix_in(tmp_path: Path) -> None:
    """Another corpus or other options in the same folder are refused."""
    source = corpus(tmp_path / "in.jsonl", 30)
    compress_corpus(source, tmp_path / "out", workers=1, progress=False)
    with pytest.raises(InvalidInput, match="another job"):
        compress_corpus(source, tmp_path / "out", workers=1, progress=False, target_ratio=0.5)
    with pytest.raises(InvalidInput, match="another job"):
        compress_corpus(corpus(tmp_path / "other.jsonl", 30), tmp_path / "out", workers=1, progress=False)


def test_parquet_in_parquet_out(tmp_path: Path) -> None:
    """A Parquet corpus keeps its columns and types, across row groups, and gains three."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{**passage(number), "score": None if number % 2 else 0.5} for number in range(70)]
    table = arrow.Table.from_pylist(rows)
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=16)
    store = f"sqlite:///{tmp_path}/s.sqlite3"
    compress_corpus(
        tmp_path / "in.parquet",
        tmp_path / "out",
        store=store,
        namespace="bulk",
        workers=1,
        rows_per_part=30,
        progress=False,
    )
    check(tmp_path / "out", 70, store)
    assert [row["score"] for row in read_corpus(tmp_path / "out")] == [row["score"] for row in rows]
    schemas = {str(parquet.read_schema(file)) for file in (tmp_path / "out").glob("part-*")}
    assert len(schemas) == 1


def test_documents_of_loaders(tmp_path: Path) -> None:
    """Loaders and documents of LangChain and LlamaIndex, texts and gzipped files."""
    documents = pytest.importorskip("langchain_core.documents")
    loaders = pytest.importorskip("langchain_core.document_loaders")
    schema = pytest.importorskip("llama_index.core.schema")

    class Loader(loaders.BaseLoader):  # type: ignore[misc, name-defined]
        def lazy_load(self) -> Any:
            for number in range(12):
                yield documents.Document(passage(number)["text"], metadata={"page": number})

    with gzip.open(tmp_path / "in.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(passage(number)) + "\n" for number in range(12))
    sources = {
        "loader": Loader(),
        "nodes": [schema.TextNode(text=passage(number)["text"]) for number in range(12)],
        "texts": (passage(number)["text"] for number in range(12)),
        "gzip": tmp_path / "in.jsonl.gz",
    }
    for name, source in sources.items():
        report = compress_corpus(source, tmp_path / name, workers=1, rows_per_part=5, progress=False)
        assert report.totals.rows == 12, name
        assert report.totals.changed > 6, name
    assert [row["metadata"]["page"] for row in read_corpus(tmp_path / "loader")] == list(range(12))


def test_rows_without_text_and_odd_text_pass(tmp_path: Path) -> None:
    """Missing, empty and other values stay; lone surrogates and odd line ends survive."""
    rows = [
        {"id": 0},
        {"id": 1, "text": ""},
        {"id": 2, "text": 5},
        {"id": 3, "text": "\ud83d\u2028 x"},
        {"id": 4, "text": "中"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    compress_corpus(tmp_path / "in.jsonl", tmp_path / "out", workers=1, rows_per_part=2, progress=False)
    found = list(read_corpus(tmp_path / "out"))
    assert [{name: row[name] for name in ("id", "text") if name in row} for row in found] == rows


@pytest.mark.parametrize("content", ["not json\n", "[1]\n", '{"text": "x"}\n{"text": \n'])
def test_a_broken_corpus_is_said(content: str, tmp_path: Path) -> None:
    """A line that is no JSON object ends in a sentence that names the file, not its content."""
    (tmp_path / "in.jsonl").write_text(content)
    with pytest.raises(InvalidInput, match=r"in\.jsonl"):
        compress_corpus(tmp_path / "in.jsonl", tmp_path / "out", workers=1, progress=False)


def test_what_cannot_work_is_said_first(tmp_path: Path) -> None:
    """Missing files, stores of one process and sources that are none."""
    source = corpus(tmp_path / "in.jsonl", 2)
    for wrong, call in [
        ("no file", lambda: compress_corpus(tmp_path / "none.jsonl", tmp_path / "o1")),
        ("memory", lambda: compress_corpus(source, tmp_path / "o2", store="memory://")),
        ("at least 1", lambda: compress_corpus(source, tmp_path / "o3", workers=0)),
        ("no corpus", lambda: compress_corpus(5, tmp_path / "o4")),
        ("not int", lambda: compress_corpus([5], tmp_path / "o5")),
    ]:
        with pytest.raises(InvalidInput, match=wrong):
            call()


def test_an_empty_corpus_is_done_at_once(tmp_path: Path) -> None:
    """No rows, no parts, no error."""
    (tmp_path / "in.jsonl").write_text("")
    assert compress_corpus(tmp_path / "in.jsonl", tmp_path / "out").totals.rows == 0
    assert list(read_corpus(tmp_path / "out")) == []


def test_slices_cover_the_source(tmp_path: Path) -> None:
    """Whatever the size of a part, the slices joined are the rows."""
    source = corpus(tmp_path / "in.jsonl", 23)
    for size in (1, 5, 23, 100):
        cut = opened(source, tmp_path / "spool", size)
        assert [row["id"] for part in range(len(cut.starts)) for row in cut.slice(part)] == list(range(23))
