"""SQLite under many writers, forks, kills and damage: acknowledged means kept."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headroom_core.ccr.originals import Originals
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.errors import StoreError

_WRITER = """
import sys, os
from headroom_core.ccr.originals import Originals
from headroom_core.ccr.sqlite import SqliteBlobs
path, seed = sys.argv[1], int(sys.argv[2])
originals = Originals(SqliteBlobs(path), key=b"k" * 32)
number = 0
while True:
    data = b"%d:%d:" % (seed, number) * (1 + number * 37 % 3000)
    ref = originals.put(data, namespace="ns", note=f"note {number}")
    os.write(1, b"%d %s\\n" % (number, ref.encode()))
    number += 1
"""


def _expected(seed: int, number: int) -> bytes:
    return b"%d:%d:" % (seed, number) * (1 + number * 37 % 3000)


def killed_writer(path: Path, seed: int) -> int:
    """Start a writer, kill it at a random moment, and read back all that it acknowledged. Returns how many."""
    chance = random.Random(seed)
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(seed)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]
    killer = threading.Timer(chance.random() * 0.2, writer.send_signal, [signal.SIGKILL])
    killer.start()
    lines.extend(writer.stdout.readlines())
    killer.join()
    writer.wait(timeout=30)
    acknowledged = [line.split() for line in lines if line.endswith(b"\n")]
    originals = Originals(SqliteBlobs(path), key=b"k" * 32)
    for number, ref in acknowledged:
        assert originals.get(ref.decode(), namespace="ns") == _expected(seed, int(number))
        assert originals.note(ref.decode(), namespace="ns") == f"note {int(number)}"
    originals.close()
    return len(acknowledged)


@pytest.mark.parametrize("times", [6, pytest.param(200, marks=pytest.mark.full)])
def test_a_killed_writer_loses_nothing_it_acknowledged(times: int, tmp_path: Path) -> None:
    """kill -9 at a random moment, again and again on one file: every acknowledged original reads back."""
    acknowledged = sum(killed_writer(tmp_path / "s.sqlite3", seed) for seed in range(times))
    assert acknowledged >= times
    with sqlite3.connect(tmp_path / "s.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def hammer(make: object, process: int, threads: int, operations: int, wrong: object) -> None:
    """One process: threads that put and read their own and shared originals through one store."""
    originals = Originals(make(), key=b"k" * 32)  # type: ignore[operator]
    failures = []

    def work(thread: int) -> None:
        chance = random.Random(process * 1000 + thread)
        mine: list[tuple[str, bytes]] = []
        for number in range(operations):
            if mine and chance.random() < 0.5:
                ref, data = chance.choice(mine)
            else:
                shared = chance.random() < 0.3
                name = b"shared %d" % chance.randrange(50) if shared else b"%d %d %d" % (process, thread, number)
                data = name * chance.randrange(1, 60)
                ref = originals.put(data, namespace="ns")
                mine.append((ref, data))
            if originals.get(ref, namespace="ns") != data:
                failures.append(ref)

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wrong.put((process, len(failures)))  # type: ignore[attr-defined]


def hammered(make: object, processes: int, threads: int, operations: int) -> dict[int, int]:
    """Run ``hammer`` in fresh processes; failures by process. A process that died is missing."""
    context = multiprocessing.get_context("spawn")
    wrong = context.Queue()
    started = [context.Process(target=hammer, args=(make, p, threads, operations, wrong)) for p in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return dict(wrong.get(timeout=5) for process in started if process.exitcode == 0)


class _At:
    """Opens the store at a path; travels to another process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> SqliteBlobs:
        return SqliteBlobs(self.path, timeout_s=60)


@pytest.mark.parametrize(
    ("processes", "threads", "operations"),
    [(3, 4, 40), pytest.param(8, 8, 1000, marks=pytest.mark.full)],
)
def test_processes_and_threads_lose_and_mix_nothing(
    processes: int, threads: int, operations: int, tmp_path: Path
) -> None:
    """All write and read one file at once: nothing is lost, nothing mixed up, nobody fails."""
    done = hammered(_At(tmp_path / "s.sqlite3"), processes, threads, operations)
    assert done == dict.fromkeys(range(processes), 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection(tmp_path: Path) -> None:
    """Fork while another thread writes: parent and child both go on, and both see everything."""
    blobs = SqliteBlobs(tmp_path / "s.sqlite3")
    blobs.put("ns/before", b"x")
    stop = threading.Event()
    written = []

    def write() -> None:
        while not stop.is_set():
            blobs.put(f"ns/parent{len(written)}", b"p" * 1000)
            written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    children = []
    for number in range(5):
        child = os.fork()
        if child == 0:
            try:
                good = blobs.get("ns/before") == b"x"
                blobs.put(f"ns/child{number}", b"c")
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        children.append(child)
    states = [os.waitpid(child, 0)[1] for child in children]
    stop.set()
    writer.join()
    assert states == [0] * 5
    assert len(blobs.keys("ns/child")) == 5
    assert len(blobs.keys("ns/parent")) == len(written)


def test_files_are_private(tmp_path: Path) -> None:
    """Main file, log and index are mode 0600, also where the main file was wider; a new folder is 0700."""
    folder = tmp_path / "state"
    blobs = SqliteBlobs(folder / "s.sqlite3")
    blobs.put("ns/k", b"x")
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert modes == {"s.sqlite3": 0o600, "s.sqlite3-wal": 0o600, "s.sqlite3-shm": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    blobs.close()
    (folder / "s.sqlite3").chmod(0o644)
    assert blobs.get("ns/k") == b"x"
    assert (folder / "s.sqlite3").stat().st_mode & 0o777 == 0o600


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A store path that is a link to somewhere else, or a folder, is refused."""
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError, match="no link"):
        SqliteBlobs(tmp_path / "link").put("ns/k", b"x")
    with pytest.raises(StoreError):
        SqliteBlobs(tmp_path).put("ns/k", b"x")
    assert (tmp_path / "target").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "junk", [b"not a database at all, but long enough to be read as one" * 100, b"SQLite format 3\0" + b"\xff" * 8000]
)
def test_a_damaged_file_is_said_with_the_remedy(junk: bytes, tmp_path: Path) -> None:
    """Junk in place of the file raises StoreError that tells what to do, at every operation, and is not overwritten."""
    path = tmp_path / "s.sqlite3"
    path.write_bytes(junk)
    blobs = SqliteBlobs(path)
    for call in (
        lambda: blobs.get("k"),
        lambda: blobs.put("k", b"x"),
        lambda: blobs.keys(),
        lambda: blobs.touch("k"),
        lambda: blobs.delete("k"),
    ):
        with pytest.raises(StoreError, match="damaged"):
            call()
    assert path.read_bytes() == junk


def test_damage_in_the_middle_never_gives_wrong_bytes(tmp_path: Path) -> None:
    """Pages overwritten at random: each original reads back right, or StoreError says so."""
    path = tmp_path / "s.sqlite3"
    originals = Originals(SqliteBlobs(path), key=b"k" * 32)
    data = {
        originals.put(random.Random(i).randbytes(5000), namespace="ns"): random.Random(i).randbytes(5000)
        for i in range(40)
    }
    originals.close()
    whole = path.read_bytes()
    for seed in range(15):
        chance = random.Random(seed)
        broken = bytearray(whole)
        for _ in range(5):
            at = chance.randrange(len(broken) - 600)
            broken[at : at + 600] = chance.randbytes(600)
        path.write_bytes(broken)
        again = Originals(SqliteBlobs(path), key=b"k" * 32)
        for ref, expected in data.items():
            try:
                assert again.get(ref, namespace="ns") == expected
            except StoreError:
                continue
        again.close()
        for name in ("-wal", "-shm"):
            Path(str(path) + name).unlink(missing_ok=True)


def test_a_read_only_store_still_reads(tmp_path: Path) -> None:
    """Where nothing can be written, putting raises StoreError with the remedy."""
    path = tmp_path / "s.sqlite3"
    blobs = SqliteBlobs(path)
    blobs.put("ns/k", b"x")
    connection = blobs._connected()
    connection.execute("PRAGMA query_only=ON")
    assert blobs.get("ns/k") == b"x"
    with pytest.raises(StoreError, match=r"owner and mode"):
        blobs.put("ns/other", b"y")


def test_another_holder_is_waited_for_and_then_named(tmp_path: Path) -> None:
    """A process that holds the file too long ends in StoreError within the timeout."""
    path = tmp_path / "s.sqlite3"
    SqliteBlobs(path).put("ns/k", b"x")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="Another process holds it"):
        SqliteBlobs(path, timeout_s=0.05).put("ns/k", b"y")
    holder.execute("ROLLBACK")
    holder.close()


def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    """No room on the disk raises StoreError; what was kept is still there."""
    blobs = SqliteBlobs(tmp_path / "s.sqlite3")
    blobs.put("ns/k", b"x")
    pages = blobs._connected().execute("PRAGMA page_count").fetchone()[0]
    blobs._connected().execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreError, match="full"):
        blobs.put("ns/large", b"y" * 100_000)
    assert blobs.get("ns/k") == b"x"


def test_freed_room_goes_back_to_the_disk(tmp_path: Path) -> None:
    """The file shrinks again when originals are forgotten."""
    blobs = SqliteBlobs(tmp_path / "s.sqlite3")
    for number in range(100):
        blobs.put(f"ns/{number}", b"x" * 20_000)
    blobs.delete_many(blobs.keys())
    large = 100 * 20_000
    for _ in range(3):
        blobs.delete_many([])
    assert (tmp_path / "s.sqlite3").stat().st_size < large / 2
