"""Rows of a corpus: read in slices by whoever works on them, written as parts that are there whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from headroom_core.errors import InvalidInput, MissingExtra

Row: TypeAlias = dict[str, Any]
Format: TypeAlias = Literal["jsonl", "parquet"]

ADDED = {"headroom_ref": "string", "headroom_original_tokens": "int64", "headroom_tokens": "int64"}
"""What each row gets: the reference of its original, if something was left out, and its tokens before and after."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows and where its slices begin. ``starts`` are byte offsets (JSONL) or row numbers (Parquet)."""

    path: str
    format: Format
    rows: int
    starts: tuple[int, ...]

    def slice(self, part: int) -> list[Row]:
        """The rows of one part."""
        first = self.starts[part]
        last = self.starts[part + 1] if part + 1 < len(self.starts) else None
        if self.format == "parquet":
            return _parquet_rows(self.path, first, self.rows if last is None else last)
        with open(self.path, "rb") as file:
            file.seek(first)
            raw = file.read() if last is None else file.read(last - first)
        return [_row(line, self.path) for line in io.BytesIO(raw) if line.strip()]


def opened(source: Any, spool: Path, rows_per_part: int) -> Source:
    """A source that any process can read in slices.

    A ``.jsonl`` or ``.parquet`` file is read where it lies. Anything else (``.jsonl.gz``, a loader of LangChain or
    LlamaIndex, an iterable of documents or rows) is first written to ``spool``, once: a loader may give another order
    the next time, and a resumed job must not.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}. Give a .jsonl, .jsonl.gz or .parquet file, or a loader.")
        if path.suffix == ".parquet":
            return _parquet(path, rows_per_part)
        if path.suffix != ".gz":
            return _jsonl(path, rows_per_part)
        if not spool.exists():
            with gzip.open(path, "rb") as packed:
                write_whole(spool, packed)
    elif not spool.exists():
        write_whole(spool, (_line(document_row(item)) for item in _items(source)))
    return _jsonl(spool, rows_per_part)


def document_row(item: Any) -> Row:
    """A row of a mapping, a text, or a document of LangChain or LlamaIndex."""
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, str):
        return {"text": item}
    if hasattr(item, "page_content"):
        return {"text": item.page_content, "id": getattr(item, "id", None), "metadata": item.metadata}
    if hasattr(item, "get_content"):
        return {"text": item.get_content(), "id": item.node_id, "metadata": item.metadata}
    raise InvalidInput(f"A corpus holds rows, texts or documents, not {type(item).__name__}.")


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file so that it is there complete and flushed to the disk, or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(draft, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_part(path: Path, rows: Sequence[Row], source: Source) -> None:
    """Write the rows of one part in the format of the source; a Parquet part keeps its schema and adds three columns."""
    if source.format == "parquet":
        arrow, parquet = _pyarrow()
        schema = parquet.read_schema(source.path)
        for name, kind in ADDED.items():
            schema = schema.append(arrow.field(name, getattr(arrow, kind)()))
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(list(rows), schema=schema), buffer)
        write_whole(path, [buffer.getvalue()])
    else:
        write_whole(path, map(_line, rows))


def read_corpus(out: str | os.PathLike[str]) -> Iterator[Row]:
    """The rows of a finished (or half-finished) job in the order of the source."""
    for path in sorted(Path(out).glob("part-*")):
        if path.suffix == ".parquet":
            yield from _parquet_rows(str(path), 0, None)
        else:
            with path.open("rb") as file:
                yield from (_row(line, str(path)) for line in file)


def _line(row: Row) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # lone surrogates: only as escapes
        return json.dumps(row).encode("ascii") + b"\n"


def _jsonl(path: Path, rows_per_part: int) -> Source:
    starts: list[int] = []
    rows = at = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                if rows % rows_per_part == 0:
                    starts.append(at)
                rows += 1
            at += len(line)
    return Source(str(path.resolve()), "jsonl", rows, tuple(starts))


def _parquet(path: Path, rows_per_part: int) -> Source:
    _, parquet = _pyarrow()
    rows = parquet.ParquetFile(path).metadata.num_rows
    return Source(str(path.resolve()), "parquet", rows, tuple(range(0, rows, rows_per_part)))


def _parquet_rows(path: str, first: int, last: int | None) -> list[Row]:
    """Rows first to last (excluded); reads only the row groups that hold them."""
    _, parquet = _pyarrow()
    file = parquet.ParquetFile(path)
    found: list[Row] = []
    at = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if at + size > first and (last is None or at < last):
            table = file.read_row_group(group)
            low, high = max(0, first - at), size if last is None else min(size, last - at)
            found.extend(table.slice(low, high - low).to_pylist())
        at += size
    return found


def _items(source: Any) -> Iterator[Any]:
    for method in ("lazy_load", "lazy_load_data", "load", "load_data"):
        load = getattr(source, method, None)
        if callable(load):
            try:
                return iter(load())
            except NotImplementedError:
                continue
    if not isinstance(source, Iterable):
        raise InvalidInput(f"{type(source).__name__} is no corpus: give a file, a loader or an iterable of documents.")
    return iter(source)


def _row(line: bytes, path: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InvalidInput(f"{path} holds a line that is not JSON.") from error
    if not isinstance(row, dict):
        raise InvalidInput(f"{path} holds a line that is no JSON object but a {type(row).__name__}.")
    return row


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtra("pyarrow", "bulk") from error
    return pa, pq
