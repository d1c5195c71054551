"""What stores, keys and retrieval do at their edges: bad settings, damage, forks, symbols, pages, remedies."""

from __future__ import annotations

import os
import sqlite3
import struct
import traceback
from pathlib import Path

import pytest

from headroom_core.ccr import frames
from headroom_core.ccr.bridge import BridgedBlobs, bridge
from headroom_core.ccr.guard import GuardedBlobs
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals, open_originals
from headroom_core.ccr.retrieve import answer, retrieve
from headroom_core.ccr.slices_json import pointer, rows_of
from headroom_core.ccr.sqlite import SqliteBlobs
from headroom_core.errors import InvalidInput, StoreError, UnknownReference
from headroom_core.testing.stores import FakeClock, FaultyBlobs

KEY = b"k" * 32
CODE = '''import math


class Pier:
    """A pier."""

    def depth(self, at):
        """Metres."""
        return math.floor(at) + 3


def depth(pier):
    return pier.depth(0)
'''


def _originals() -> Originals:
    return Originals(MemoryBlobs(), key=KEY)


# ------------------------------------------------------------------ retrieval
def test_a_symbol_is_given_as_it_stands() -> None:
    """A method by its qualified name comes with its indentation, and the heading says whose it is and where it stood."""
    store = _originals()
    ref = store.put(CODE.encode(), namespace="ns", kind="code")
    found = retrieve(ref, originals=store, namespace="ns", symbol="Pier.depth")
    assert found.text == '    def depth(self, at):\n        """Metres."""\n        return math.floor(at) + 3\n'
    assert found.what.startswith("Pier.depth, ")


def test_a_symbol_that_is_not_defined_is_said() -> None:
    """The error names it and the ways that work; so it is where the original is no code."""
    store = _originals()
    code = store.put(CODE.encode(), namespace="ns", kind="code")
    with pytest.raises(InvalidInput, match=r"defines no 'tide'.*by lines"):
        retrieve(code, originals=store, namespace="ns", symbol="tide")
    prose = store.put(b"The ferry leaves at seven.", namespace="ns")
    assert answer({"ref": prose, "symbol": "tide"}, originals=store, namespace="ns").startswith("Not retrieved: ")


def test_two_functions_of_one_name_are_both_given() -> None:
    """A name alone gives every definition of it, one after the other."""
    store = _originals()
    ref = store.put(CODE.encode(), namespace="ns", kind="code")
    found = retrieve(ref, originals=store, namespace="ns", symbol="depth")
    assert "return pier.depth(0)" in found.text


def test_the_heading_leads_to_the_next_page() -> None:
    """A long original says which page this is, what remains, and how to go on; the last page does not."""
    store = _originals()
    ref = store.put(b"The ferry leaves at seven.\n" * 400, namespace="ns")
    first = retrieve(ref, originals=store, namespace="ns", max_tokens=500)
    assert f"page 1 of {first.pages}" in first.heading
    assert f"about {first.remaining:,} tokens remain, next: page=2" in first.heading
    last = retrieve(ref, originals=store, namespace="ns", max_tokens=500, page=first.pages)
    assert "remain" not in last.heading
    assert str(last).startswith(last.heading + "\n")


def test_line_ranges_that_touch_or_overlap_are_one() -> None:
    """Lines that are asked for twice are shown once, in order."""
    store = _originals()
    ref = store.put("\n".join(f"line {i}" for i in range(1, 41)).encode(), namespace="ns")
    found = retrieve(ref, originals=store, namespace="ns", lines="9-12,3-5,5-6,7,12-13")
    assert [line for line in found.text.split("\n") if line.startswith("line ")] == [
        f"line {i}" for i in (*range(3, 8), *range(9, 14))
    ]


def test_a_question_to_a_table_that_is_none_reads_it_as_text() -> None:
    """An original that was noted as JSON and holds no rows is searched by passages."""
    store = _originals()
    ref = store.put(b'{"note": "The ferry of Lenvik leaves at seven."}', namespace="ns", kind="json")
    assert "ferry of Lenvik" in retrieve(ref, originals=store, namespace="ns", query="when does the ferry leave").text


def test_a_store_that_fails_while_an_expired_reference_is_explained_does_not_raise() -> None:
    """The tool still answers in a sentence."""
    faulty = FaultyBlobs(MemoryBlobs())
    store = Originals(faulty, key=KEY)
    ref = store.ref(b"data", namespace="ns")
    reads = []

    def fail_later() -> None:
        reads.append(1)
        faulty.fault = StoreError("the store is away") if len(reads) > 1 else None

    faulty.before = fail_later
    said = answer({"ref": ref}, originals=store, namespace="ns")
    assert said == "No original is kept here under this reference. Copy it exactly from the line that names it."


def test_pointers_and_rows_of_odd_documents() -> None:
    """A scalar has no rows; a step into an array that is no index, and one past the end, lead to nothing."""
    assert rows_of('"a text"') is None
    assert rows_of("{") is None
    assert pointer('{"a": [1, 2]}', "/a/1") == "2"
    for where in ("/a/2", "/a/01", "/a/x", "/b", "a", "/a/-"):
        assert pointer('{"a": [1, 2]}', where) is None, where
    assert pointer('{"a": {"b": 1}}', "/a/b/c") is None


# ------------------------------------------------------------------ originals
def test_an_original_that_is_no_text_says_so() -> None:
    """Asking a picture for its text raises a sentence with its size and kind."""
    store = _originals()
    ref = store.put(b"\x89PNG\xff\xfe", namespace="ns", kind="image")
    with pytest.raises(InvalidInput, match="no text but 6 bytes of kind image"):
        _ = store.entry(ref, namespace="ns").text


def test_renewing_what_has_no_form_of_a_reference() -> None:
    """Nothing is asked of the store for a text that is no reference."""
    blobs = FaultyBlobs(MemoryBlobs())
    assert Originals(blobs, key=KEY).renew("not a reference", namespace="ns") is False
    assert blobs.calls == 0


def test_leaving_the_block_closes_a_store_that_can_be_closed(tmp_path: Path) -> None:
    """``with open_originals(...)``: afterwards the connection is gone; a store without ``close`` is left."""
    with open_originals(f"sqlite:///{tmp_path}/kept.sqlite3", key=KEY) as store:
        ref = store.put(b"data", namespace="ns")
    again = open_originals(f"sqlite:///{tmp_path}/kept.sqlite3", key=KEY)
    assert again.get(ref, namespace="ns") == b"data"
    again.close()
    with _originals() as memory:
        assert memory.put(b"data", namespace="ns")


@pytest.mark.parametrize("cut", [3, -1, -4], ids=["head", "last byte", "tail"])
def test_a_frame_that_was_cut_is_damaged(cut: int) -> None:
    """A frame that lost bytes raises ``StoreError`` and never gives other bytes."""
    frame = frames.pack(b"data " * 200, "prose", {}, lambda header: b"t" * 16)
    with pytest.raises(StoreError):
        frames.unpack(frame[:cut], None, lambda header, data, tag: True)


def test_a_frame_with_another_header_is_damaged() -> None:
    """Wherever one byte of a kept frame is another one, reading raises ``StoreError``: data, kind and index are proved."""
    blobs = MemoryBlobs()
    store = Originals(blobs, key=KEY)
    ref = store.put(b"data", namespace="ns", index={"rows": [1]})
    frame = blobs.get(f"ns/o.{ref}")
    assert frame is not None
    for at in range(len(frame)):
        blobs.put(f"ns/o.{ref}", frame[:at] + bytes([frame[at] ^ 0x15]) + frame[at + 1 :])
        with pytest.raises(StoreError):
            store.get(ref, namespace="ns")


# ------------------------------------------------------------------ stores
def test_bad_settings_of_stores_are_named() -> None:
    """Each value that cannot be used raises ``InvalidInput`` before anything is stored."""
    with pytest.raises(InvalidInput, match="evict"):
        MemoryBlobs(evict="oldest")  # type: ignore[arg-type]
    for bad in ({"timeout_s": -1.0}, {"rest_s": 0.0}, {"failures": 0}, {"at_once": 0}):
        with pytest.raises(InvalidInput, match="positive"):
            GuardedBlobs(MemoryBlobs(), **bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="is no ByteStore"):
        bridge(object())


def test_memory_sweeps_what_has_expired() -> None:
    """After some hundred puts expired entries are gone, without anybody asking for them."""
    clock = FakeClock()
    blobs = MemoryBlobs(clock=clock)
    for number in range(100):
        blobs.put(f"ns/old{number}", b"x" * 1000, ttl_s=10.0)
    clock.advance(60.0)
    for _ in range(1200):
        blobs.put("ns/new", b"y")
    assert "entries=1," in repr(blobs)


def test_the_guard_closes_the_store_behind_it(tmp_path: Path) -> None:
    """Closing the guard closes the store; one that cannot be closed is left."""
    store = SqliteBlobs(tmp_path / "kept.sqlite3")
    guarded = GuardedBlobs(store)
    guarded.put("ns/k", b"v")
    guarded.close()
    assert store.get("ns/k") == b"v", "it opens again when it is used again"
    store.close()
    GuardedBlobs(MemoryBlobs()).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_gets_threads_of_its_own(tmp_path: Path) -> None:
    """A child of a process that used a guarded store reads and writes through it."""
    guarded = GuardedBlobs(SqliteBlobs(tmp_path / "kept.sqlite3"))
    guarded.put("ns/parent", b"1")
    child = os.fork()
    if child == 0:
        good = guarded.get("ns/parent") == b"1"
        guarded.put("ns/child", b"2")
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert guarded.get("ns/child") == b"2"
    guarded.close()


class _Plain:
    """A store of LangChain's interface over a dict."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def mget(self, keys: list[str]) -> list[bytes | None]:
        return [self.held.get(key) for key in keys]

    def mset(self, pairs: list[tuple[str, bytes]]) -> None:
        self.held.update(pairs)

    def mdelete(self, keys: list[str]) -> None:
        for key in keys:
            self.held.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> list[str]:
        return [key for key in self.held if key.startswith(prefix or "")]


def _bridged() -> tuple[BridgedBlobs, _Plain, FakeClock]:
    clock, plain = FakeClock(), _Plain()
    return bridge(plain, clock=clock), plain, clock


def test_purging_a_bridged_store_removes_what_has_expired_and_nothing_else() -> None:
    """Expired values leave the store behind; living ones stay."""
    blobs, plain, clock = _bridged()
    blobs.put("ns/short", b"1", ttl_s=10.0)
    blobs.put("ns/long", b"2", ttl_s=1000.0)
    blobs.put("ns/ever", b"3")
    clock.advance(60.0)
    assert len(plain.held) == 3
    assert blobs.purge() == 1
    assert len(plain.held) == 2
    assert blobs.purge() == 0
    assert blobs.get("ns/long") == b"2"


def test_many_keys_of_a_bridged_store_go_at_once() -> None:
    """Those that are there are deleted, those that are not are no error."""
    blobs, plain, _ = _bridged()
    for name in "abc":
        blobs.put(f"ns/{name}", b"v")
    blobs.delete_many(["ns/a", "ns/c", "ns/never"])
    assert list(blobs.keys("ns/")) == ["ns/b"]
    assert len(plain.held) == 1


def test_a_value_that_something_else_wrote_is_damage() -> None:
    """A value too short to be ours raises ``StoreError``; one whose time is up is none."""
    blobs, plain, clock = _bridged()
    blobs.put("ns/k", b"v")
    name = next(iter(plain.held))
    plain.held[name] = b"x"
    with pytest.raises(StoreError, match="damaged"):
        blobs.get("ns/k")
    plain.held[name] = struct.pack(">d", clock() - 1) + b"v"
    assert blobs.get("ns/k") is None


def test_what_a_store_behind_a_bridge_raises_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own errors, which may quote values, become StoreError at every operation; the retrieve tool answers all the same."""
    blobs, plain, _ = _bridged()
    blobs.put("ns/k", b"v")

    def fail(*given: object, **named: object) -> None:
        raise RuntimeError("INSERT INTO t VALUES ('private')")

    for name in ("mget", "mset", "mdelete", "yield_keys"):
        monkeypatch.setattr(plain, name, fail)
    calls = (
        lambda: blobs.get("ns/k"),
        lambda: blobs.put("ns/k", b"w"),
        lambda: blobs.delete("ns/k"),
        lambda: blobs.touch("ns/k"),
        lambda: blobs.keys(),
        lambda: blobs.purge(),
    )
    for call in calls:
        with pytest.raises(StoreError, match=r"behind the bridge failed \(RuntimeError\)") as caught:
            call()
        assert "INSERT" not in "".join(traceback.format_exception(caught.value))
    said = answer({"ref": "hr_" + "a" * 16}, originals=Originals(blobs, key=KEY), namespace="ns")
    assert said.startswith("Not retrieved: The store behind")


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder or a device in the place of the store is named, with the remedy."""
    with pytest.raises(StoreError, match="Name a"):
        SqliteBlobs(tmp_path).put("ns/k", b"v")
    with pytest.raises(StoreError, match="regular file"):
        SqliteBlobs("/dev/null").put("ns/k", b"v")


def test_a_file_whose_tables_are_others_is_explained(tmp_path: Path) -> None:
    """A foreign SQLite file raises a sentence, not SQLite's exception."""
    path = tmp_path / "foreign.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE blobs (something TEXT)")
    connection.close()
    store = SqliteBlobs(path)
    with pytest.raises(StoreError, match="Check that its folder exists"):
        store.put("ns/k", b"v")
    store.close()


def test_purging_makes_room_in_a_full_file(tmp_path: Path) -> None:
    """A put that would exceed the bound first removes what has expired, and then fits; else it refuses."""
    clock = FakeClock()
    store = SqliteBlobs(tmp_path / "kept.sqlite3", max_bytes=250_000, clock=clock)
    for number in range(400):
        store.put(f"ns/{number}", b"x" * 400, ttl_s=10.0)
    with pytest.raises(StoreError, match="is full"):
        store.put("ns/large", b"y" * 120_000)
    clock.advance(60.0)
    store.put("ns/large", b"y" * 120_000)
    assert list(store.keys("ns/")) == ["ns/large"]
    store.close()


def test_an_unknown_reference_reads_as_a_sentence() -> None:
    """Its text is not quoted like a missing key of a dict."""
    with pytest.raises(UnknownReference) as caught:
        _originals().get("hr_" + "a" * 16, namespace="ns")
    assert str(caught.value).startswith("No original is kept")
    assert str(UnknownReference()) == ""
