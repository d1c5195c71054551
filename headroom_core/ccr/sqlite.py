"""Blobs in one SQLite file, shared by the threads and processes of one machine.

Durability: write-ahead log with ``synchronous=FULL``. A put returns after its log record was flushed to the disk, so
neither ``kill -9`` nor a loss of power takes an acknowledged original. (``NORMAL`` would survive the kill only.)

Privacy: the file and its -wal and -shm companions are mode 0600; deleted bytes are overwritten (``secure_delete``)
and the log is emptied after each deletion that a caller asked for.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headroom_core import forks, settings
from headroom_core.ccr.blobs import Clock, Item, check_key, check_ttl
from headroom_core.errors import InvalidInput, StoreError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs (
    key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, expires REAL, size INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS blobs_by_expiry ON blobs (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS held (one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO held VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS blob_added AFTER INSERT ON blobs BEGIN
    UPDATE held SET bytes = bytes + new.size;
END;
CREATE TRIGGER IF NOT EXISTS blob_removed AFTER DELETE ON blobs BEGIN
    UPDATE held SET bytes = bytes - old.size;
END;
"""
_OVERHEAD_BYTES = 100  # of one row, index included
_PURGE_AT_ONCE = 200  # expired rows that one put removes at most
_FREE_PAGES_AT_ONCE = 4096
_RENEW_BELOW = 0.9  # a touch writes when less than this share of the life is left: reads stay cheap


class SqliteBlobs:
    """A store in the file ``path``, at most ``max_bytes`` of values.

    An entry that is still alive is never dropped: a full store refuses with ``StoreError``, and the part goes out
    unchanged. ``touch`` may leave up to a tenth of the life unrenewed. ``timeout_s`` bounds the wait for other
    processes. One connection per process, closed before a fork and opened again when it is needed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int | None = 2 << 30,
        timeout_s: float = 10.0,
        clock: Clock = time.time,
    ) -> None:
        self._path = Path(
            os.path.abspath(path)
        )  # a change of the folder, or a name like ":memory:", leads nowhere else
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        forks.follow(self)

    @classmethod
    def from_url(cls, url: str, *, max_bytes: int | None = 2 << 30, timeout_s: float = 10.0) -> SqliteBlobs:
        """``sqlite:///relative/path`` or ``sqlite:////absolute/path``."""
        path = url[len("sqlite://") :]
        if not path.startswith("/") or len(path) < 2:
            raise InvalidInput("A SQLite url is sqlite:///relative/path or sqlite:////absolute/path.")
        if any(character in path for character in "\0?#%\\") or ".." in path.split("/"):
            raise InvalidInput(
                r"The path in a SQLite url holds no '..', '?', '#', '%', '\' or NUL. Use SqliteBlobs(path)."
            )
        return cls(path[1:], max_bytes=max_bytes, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"SqliteBlobs({str(self._path)!r})"

    def get(self, key: str, /) -> bytes | None:
        """Return the value, or None where there is none or its life is over."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT value FROM blobs WHERE key = ? AND (expires IS NULL OR expires > ?)", (key, self._clock())
            ).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Store one value; durable when it returns."""
        self.put_many([(key, value, ttl_s)])

    def put_many(self, items: Sequence[Item], /) -> None:
        """One transaction: all or none are stored."""
        now = self._clock()
        rows = [
            (check_key(key), value, None if check_ttl(ttl_s) is None else now + (ttl_s or 0.0), _size(key, value))
            for key, value, ttl_s in items
        ]
        with self._writing() as connection:
            _purge(connection, now, _PURGE_AT_ONCE)
            connection.executemany("DELETE FROM blobs WHERE key = ?", [(row[0],) for row in rows])
            connection.executemany("INSERT INTO blobs (key, value, expires, size) VALUES (?, ?, ?, ?)", rows)
            self._check_budget(connection, now)

    def delete(self, key: str, /) -> None:
        """Delete one key; one that is not there is no error."""
        self.delete_many([key])

    def delete_many(self, keys: Sequence[str], /) -> None:
        """Delete the keys; their bytes are gone from file and log when it returns.

        Raises ``StoreError`` where the keys are deleted but another process reads an older state of the file for so long
        that the log cannot be emptied.
        """
        with self._writing() as connection:
            connection.executemany("DELETE FROM blobs WHERE key = ?", [(key,) for key in keys])
        with self._reading() as connection:
            connection.executescript(f"PRAGMA incremental_vacuum({_FREE_PAGES_AT_ONCE});")
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise StoreError(
                    f"What was deleted is out of reach, but its bytes are still in the log of {self._path}, which another "
                    "process is reading. Delete once more when it is done."
                )

    def keys(self, prefix: str = "", /) -> list[str]:
        """List the living keys that begin with the prefix, in order."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT key FROM blobs WHERE key >= ? AND key < ? AND (expires IS NULL OR expires > ?) ORDER BY key",
                (prefix, prefix + "\x7f", self._clock()),
            ).fetchall()
        return [row[0] for row in rows]

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Renew the life of a key; False where it is not there."""
        check_ttl(ttl_s)
        now = self._clock()
        with self._reading() as connection:
            row = connection.execute(
                "SELECT expires FROM blobs WHERE key = ? AND (expires IS NULL OR expires > ?)", (key, now)
            ).fetchone()
        if row is None:
            return False
        expires = None if ttl_s is None else now + ttl_s
        if row[0] == expires or (row[0] is not None and ttl_s is not None and _fresh(row[0] - now, ttl_s)):
            return True
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE blobs SET expires = ? WHERE key = ? AND (expires IS NULL OR expires > ?)", (expires, key, now)
            )
            return changed.rowcount > 0

    def close(self) -> None:
        """Close this process's connection; the store opens again when it is used again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def before_fork(self) -> None:
        """Close the connection and hold the lock.

        A child must not inherit a connection: SQLite keeps its locks in the memory of the process, so one that another
        thread is just using would stay locked in the child for ever.
        """
        self._lock.acquire()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def after_fork(self, *, child: bool) -> None:
        """Go on; the connection opens again when it is needed."""
        self._lock.release()

    def _check_budget(self, connection: sqlite3.Connection, now: float) -> None:
        """Inside the transaction, so that several processes cannot overshoot together."""
        if self._max_bytes is None or _held(connection) <= self._max_bytes:
            return
        _purge(connection, now, -1)
        held = _held(connection)
        if held > self._max_bytes:
            raise StoreError(
                f"The store {self._path} is full: {held} bytes would be held, max_bytes is {self._max_bytes}. "
                "Give it more, originals a shorter ttl_s, or forget what is done with."
            )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            yield self._connected()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._prepare_file()
            self._connection = self._connect()
        return self._connection

    def _prepare_file(self) -> None:
        """SQLite gives -wal and -shm the mode of the main file, so that one is made first, and privately."""
        settings.make_private_folder(self._path.parent)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            handle = os.open(self._path, flags, 0o600)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StoreError(
                f"Cannot open the store {self._path} ({reason}). Name a file that you own, no link."
            ) from error
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(f"The store {self._path} is no regular file. Name another path.")
            if os.name == "posix" and status.st_mode & 0o077:
                os.fchmod(handle, 0o600)
        finally:
            os.close(handle)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        try:
            _persistently(self._timeout_s, connection, "PRAGMA auto_vacuum=INCREMENTAL")
            _persistently(self._timeout_s, connection, "PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'blob_removed'").fetchone()[0] == 0:
                _persistently(self._timeout_s, connection, f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says into a sentence with the remedy; SQLite's own words hold no content."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(f"The store {self._path} failed ({error}). {_remedy(str(error))}") from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise StoreError(f"The store {self._path} failed ({error}).") from error
            raise StoreError(
                f"The store {self._path} is damaged ({error}). Move it away together with its -wal and -shm files; a "
                "new one is made. What it held is lost unless a backup exists."
            ) from error


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD_BYTES


def _fresh(left_s: float, ttl_s: float) -> bool:
    return _RENEW_BELOW * ttl_s < left_s <= ttl_s


def _held(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT bytes FROM held").fetchone()[0])


def _purge(connection: sqlite3.Connection, now: float, at_most: int) -> None:
    """Remove expired rows; -1 for all."""
    connection.execute(
        "DELETE FROM blobs WHERE rowid IN (SELECT rowid FROM blobs WHERE expires <= ? LIMIT ?)", (now, at_most)
    )


def _persistently(timeout_s: float, connection: sqlite3.Connection, script: str) -> None:
    """Run a script; changes of the journal mode answer "locked" at once where others open the file too."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            connection.executescript(script)
            return
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if ("locked" not in str(error) and "busy" not in str(error)) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _remedy(error: str) -> str:
    for sign, remedy in _REMEDIES:
        if sign in error:
            return remedy
    return "Check that its folder exists and that you own it."


_REMEDIES = (
    ("full", "The disk is full: make room, or name another path."),
    ("readonly", "It cannot be written: check its owner and mode, or name another path."),
    ("locked", "Another process holds it for too long: raise timeout_s, or give each its own file."),
    ("malformed", "It is damaged: move it away together with its -wal and -shm files; a new one is made."),
    ("disk I/O", "The disk failed, or the file was removed while in use: check both, then open the store again."),
)
