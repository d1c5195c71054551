"""Compress a whole corpus on all cores or on a Ray cluster; a job that was killed goes on where it was.

    from headroom_core.bulk import compress_corpus, read_corpus
    report = compress_corpus("passages.jsonl", "out", query_field="question", target_ratio=0.5)
    for row in read_corpus("out"): ...

The folder ``out`` holds one file per slice of the source. A part is there whole or not at all, and its originals were
durable in the store before: so after any crash the same call makes what is missing, no row twice and none left out.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from headroom_core import __version__, settings
from headroom_core.bulk.rows import Row, opened, read_corpus, write_whole
from headroom_core.bulk.work import Job, Totals, Worker, missing, read_totals
from headroom_core.ccr.keys import Keys
from headroom_core.errors import InvalidInput, MissingExtra

__all__ = ["Report", "Row", "Totals", "compress_corpus", "read_corpus"]

_IN_FLIGHT = 2  # parts per worker: memory stays flat however long the corpus is


@dataclass(frozen=True, slots=True)
class Report:
    """What a call did: totals of the whole corpus, how many rows were done before, and how long it took."""

    totals: Totals
    resumed_rows: int
    seconds: float
    workers: int

    @property
    def rows_per_second(self) -> float:
        """Rows of this call by its time."""
        return (self.totals.rows - self.resumed_rows) / self.seconds if self.seconds else 0.0


Progress: TypeAlias = Callable[[Totals, int], object]
"""Called after each part with the totals so far and the rows of the corpus."""


def compress_corpus(
    source: Any,
    out: str | os.PathLike[str],
    *,
    column: str = "text",
    query: str | None = None,
    query_field: str | None = None,
    store: str | None = None,
    namespace: str | None = None,
    workers: int | None = None,
    rows_per_part: int = 500,
    progress: bool | Progress = True,
    cluster: Literal["local", "ray"] = "local",
    **options: Any,
) -> Report:
    """Compress the text in ``column`` of every row; originals go to ``store`` (a url; default: this account's store).

    ``source`` is a ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file, a loader of LangChain or LlamaIndex, or an iterable
    of documents, rows or texts. The question is ``query``, or that in ``query_field`` of each row. ``workers`` defaults
    to all cores, or all CPUs of the Ray cluster that this program is connected to. ``options`` are those of
    ``Compressor``; results are lossy without a marker unless they say otherwise, and the reference of the original
    stands in ``headroom_ref``.

    Raises ``InvalidInput`` where ``out`` holds another job, ``StoreError`` where the store fails; the same call then
    goes on where this one ended.
    """
    if rows_per_part < 1 or (workers is not None and workers < 1):
        raise InvalidInput("rows_per_part and workers are at least 1.")
    url = store or settings.store_url()
    if url is not None and url.startswith("memory:"):
        raise InvalidInput("A memory store belongs to one process; give a sqlite:/// or redis:// url.")
    folder = Path(out)
    (folder / "_totals").mkdir(parents=True, exist_ok=True)
    job = Job(
        opened(source, folder / "_source.jsonl", rows_per_part),
        str(folder.resolve()),
        column,
        query,
        query_field,
        url,
        namespace or settings.namespace(),
        options,
        Keys.of(None),
    )
    _claim(folder / "_job.json", job, rows_per_part)
    return _run(job, workers, progress, cluster)


def _run(job: Job, workers: int | None, progress: bool | Progress, cluster: str) -> Report:
    started = time.monotonic()
    left = set(missing(job))
    done = sum((read_totals(job, part) for part in range(len(job.source.starts)) if part not in left), Totals())
    resumed = done.rows
    shown = progress if callable(progress) else _Bar(started, resumed) if progress else None
    workers, made = _on_ray(job, sorted(left), workers) if cluster == "ray" else _locally(job, sorted(left), workers)
    for totals in made:
        done += totals
        if shown is not None:
            shown(done, job.source.rows)
    if isinstance(shown, _Bar):
        shown.close()
    return Report(done, resumed, time.monotonic() - started, workers)


def _claim(file: Path, job: Job, rows_per_part: int) -> None:
    """Note what this folder is for, so that another corpus or other options are not mixed into it."""
    about = {
        "version": __version__,
        "source": job.source.path,
        "rows": job.source.rows,
        "bytes": Path(job.source.path).stat().st_size,
        "rows_per_part": rows_per_part,
        "column": job.column,
        "query": job.query,
        "query_field": job.query_field,
        "namespace": job.namespace,
        "options": {name: repr(value) for name, value in sorted(job.options.items())},
    }
    if file.exists():
        before = json.loads(file.read_bytes())
        other = sorted(name for name in about if before.get(name) != about[name])
        if other:
            raise InvalidInput(f"{file.parent} holds another job (other {', '.join(other)}). Name another folder.")
    else:
        write_whole(file, [json.dumps(about, indent=1).encode()])


def _locally(job: Job, parts: Sequence[int], workers: int | None) -> tuple[int, Iterator[Totals]]:
    count = min(workers or os.cpu_count() or 1, max(1, len(parts)))
    if count == 1:
        worker = Worker(job) if parts else None
        return 1, (worker.make(part) for part in parts if worker is not None)
    return count, _pooled(job, parts, count)


def _pooled(job: Job, parts: Sequence[int], workers: int) -> Iterator[Totals]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(job,)) as pool:
        turns: set[Future[Totals]] = set()
        try:
            for part in parts:
                turns.add(pool.submit(_make, part))
                if len(turns) >= workers * _IN_FLIGHT:
                    ended, turns = wait(turns, return_when=FIRST_COMPLETED)
                    yield from (turn.result() for turn in ended)
            for turn in turns:
                yield turn.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_worker: Worker | None = None


def _begin(job: Job) -> None:
    """In a worker process: build once, and end when the parent is gone, however it went."""
    global _worker
    threading.Thread(target=_follow, args=(multiprocessing.parent_process(),), daemon=True).start()
    _worker = Worker(job)


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _make(part: int) -> Totals:
    assert _worker is not None
    return _worker.make(part)


def _on_ray(job: Job, parts: Sequence[int], workers: int | None) -> tuple[int, Iterator[Totals]]:
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "ray", "ray") from error  # Ray Data wants more than ray itself
    if not ray.is_initialized():
        ray.init(address="auto", log_to_driver=False)
    count = workers or int(ray.cluster_resources().get("CPU", 1))
    return min(count, max(1, len(parts))), _by_actors(ray.data, job, parts, min(count, max(1, len(parts))))


def _by_actors(data: Any, job: Job, parts: Sequence[int], actors: int) -> Iterator[Totals]:
    """Actors of Ray Data, each with one worker, read their slices and write their parts on a file system all share."""
    if not parts:
        return
    rows = data.from_items([{"part": part} for part in parts], override_num_blocks=len(parts))
    made = rows.map_batches(
        _Actor,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=actors),
    )
    for row in made.iter_rows():
        yield Totals(**{name: int(row[name]) for name in Totals.__dataclass_fields__})


class _Actor:
    """A worker in the shape that Ray Data calls."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[int]]:
        made = [self._worker.make(int(part)) for part in batch["part"]]
        return {name: [getattr(totals, name) for totals in made] for name in Totals.__dataclass_fields__}


class _Bar:
    """One line on the terminal; nothing where there is none."""

    def __init__(self, started: float, resumed: int) -> None:
        self._started = started
        self._resumed = resumed
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: Totals, rows: int) -> None:
        if not self._terminal:
            return
        share = done.rows / rows if rows else 1.0
        speed = (done.rows - self._resumed) / max(1e-9, time.monotonic() - self._started)
        bar = ("█" * round(share * 20)).ljust(20, "░")
        sys.stderr.write(f"\r{bar} {done.rows:,} of {rows:,} rows, {done.saved:.0%} saved, {speed:,.0f} rows/s ")
        sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self._terminal:
            sys.stderr.write("\n")
