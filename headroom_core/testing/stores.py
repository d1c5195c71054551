"""The contract of every store.

Subclass ``BlobsContract`` in a test file, give it your store, and run pytest:

    class TestMyStore(BlobsContract):
        def make(self) -> Blobs:
            return MyStore(clock=self.clock)

``make`` gives an empty store each time. Nothing here sleeps: time passes by ``advance``, which moves ``self.clock``;
a store that lives by a server's clock overrides it. ``reopen`` gives the same data through a new store object, where
there is such a thing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from headroom_core.ccr.blobs import delete_many, put_many
from headroom_core.ccr.marks import is_own, mark
from headroom_core.ccr.originals import Originals
from headroom_core.errors import HeadroomError, InvalidInput, StoreError, UnknownReference
from headroom_core.types import Blobs

AWKWARD = (
    b"",
    b"\x00",
    b"\xff" * 3,
    bytes(range(256)) * 40,
    "mixed\r\nends\rand\nsurrogates \ud83d".encode("utf-8", "surrogatepass"),
    b"0123456789abcdef" * 200_000,
    hashlib.sha512(b"seed").digest() * 20_000,
    b'[left out: 3 rows \xc2\xb7 headroom_retrieve(ref="hr_aaaaaaaaaaaaaaaa") #bbbbbbbbbb]',
)
"""Values that stores like to change: empty, binary, long, incompressible, lone surrogates, our own marker."""

NAMESPACES = ("a", "ab", "a/b", "a%2Fb", "a b", "ü\ud800", "a" * 4000, "*", "a?[b]", "{a}", "o.", "..", "%~" + "0" * 64)
"""Namespaces that a careless key scheme mixes up."""


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class FaultyBlobs:
    """A store that fails on demand: set ``fault`` to what shall be raised, and to None when it is back.

    ``before`` is called first in every operation (to block, to count, to break something in the middle).
    """

    def __init__(self, blobs: Blobs, before: Callable[[], object] = lambda: None) -> None:
        self.blobs = blobs
        self.before = before
        self.fault: Exception | None = None
        self.calls = 0

    def get(self, key: str, /) -> bytes | None:
        """Fail, or read."""
        self._meet()
        return self.blobs.get(key)

    def put(self, key: str, value: bytes, /, *, ttl_s: float | None = None) -> None:
        """Fail, or store."""
        self._meet()
        self.blobs.put(key, value, ttl_s=ttl_s)

    def delete(self, key: str, /) -> None:
        """Fail, or delete."""
        self._meet()
        self.blobs.delete(key)

    def keys(self, prefix: str = "", /) -> Sequence[str]:
        """Fail, or list."""
        self._meet()
        return self.blobs.keys(prefix)

    def touch(self, key: str, /, *, ttl_s: float | None = None) -> bool:
        """Fail, or renew."""
        self._meet()
        return self.blobs.touch(key, ttl_s=ttl_s)

    def _meet(self) -> None:
        self.calls += 1
        self.before()
        if self.fault is not None:
            raise self.fault


class BlobsContract:
    """What every store does; each test states one claim."""

    threads = 8
    operations = 40  # of each thread

    def setup_method(self) -> None:
        """A clock of its own for each test."""
        self.clock = FakeClock()

    def make(self) -> Blobs:
        """An empty store that reads ``self.clock``."""
        raise NotImplementedError("Give the suite your store: override make().")

    def reopen(self, blobs: Blobs) -> Blobs:
        """The same data through a new store object; the same object where that makes no sense."""
        return blobs

    def advance(self, blobs: Blobs, seconds: float) -> None:
        """Let time pass for this store."""
        self.clock.advance(seconds)

    def test_what_was_put_comes_back(self) -> None:
        """Every value comes back byte for byte, through another store object too."""
        blobs = self.make()
        for number, value in enumerate(AWKWARD):
            blobs.put(f"ns/{number}", value)
        again = self.reopen(blobs)
        for number, value in enumerate(AWKWARD):
            assert again.get(f"ns/{number}") == value

    def test_a_missing_key_is_none(self) -> None:
        """A key that was never put gives None, cannot be renewed, and is deleted without an error."""
        blobs = self.make()
        assert blobs.get("ns/nothing") is None
        assert blobs.touch("ns/nothing", ttl_s=5.0) is False
        blobs.delete("ns/nothing")

    def test_the_last_put_wins(self) -> None:
        """A second put replaces value and life, whichever of the two is longer."""
        blobs = self.make()
        blobs.put("ns/k", b"long " * 500_000, ttl_s=10.0)
        blobs.put("ns/k", b"short")
        self.advance(blobs, 100.0)
        assert blobs.get("ns/k") == b"short"
        blobs.put("ns/k", b"long " * 500_000)
        assert blobs.get("ns/k") == b"long " * 500_000

    def test_deleted_is_gone(self) -> None:
        """A deleted key is neither read, listed nor renewed."""
        blobs = self.make()
        blobs.put("ns/k", b"x" * 3_000_000)
        blobs.delete("ns/k")
        assert blobs.get("ns/k") is None
        assert list(blobs.keys("ns/")) == []
        assert not blobs.touch("ns/k")
        assert self.reopen(blobs).get("ns/k") is None

    def test_keys_are_listed_by_prefix(self) -> None:
        """Exactly the living keys that begin with the prefix, in order, each once."""
        blobs = self.make()
        for key in ("a/1", "a/2", "ab/1", "a%2Fb/1", "b/1"):
            blobs.put(key, b"v")
        blobs.put("a/2", b"w")
        assert list(blobs.keys("a/")) == ["a/1", "a/2"]
        assert list(blobs.keys("ab/")) == ["ab/1"]
        assert list(blobs.keys()) == sorted(["a/1", "a/2", "ab/1", "a%2Fb/1", "b/1"])
        assert list(blobs.keys("zzz")) == []

    def test_prefixes_are_no_patterns(self) -> None:
        """Characters that mean something in globs or LIKE stand for themselves."""
        blobs = self.make()
        for key in ("%/1", "_/1", "*/1", "[a]/1", "a/1"):
            blobs.put(key, b"v")
        for prefix in ("%/", "_/", "*/", "[a]/"):
            assert list(blobs.keys(prefix)) == [prefix + "1"]

    def test_life_ends(self) -> None:
        """After its time to live a value is neither read, listed nor renewed; one without it stays."""
        blobs = self.make()
        blobs.put("ns/short", b"x", ttl_s=10.0)
        blobs.put("ns/ever", b"y")
        self.advance(blobs, 9.0)
        assert blobs.get("ns/short") == b"x"
        self.advance(blobs, 1.5)
        assert blobs.get("ns/short") is None
        assert blobs.touch("ns/short", ttl_s=10.0) is False
        assert list(blobs.keys("ns/")) == ["ns/ever"]
        self.advance(blobs, 1e8)
        assert blobs.get("ns/ever") == b"y"

    def test_touch_renews_life(self) -> None:
        """A touched value lives on, also beyond its first life, and a touch without a time keeps it for ever."""
        blobs = self.make()
        blobs.put("ns/k", b"x" * 3_000_000, ttl_s=100.0)
        for _ in range(3):
            self.advance(blobs, 60.0)
            assert blobs.touch("ns/k", ttl_s=100.0) is True
        assert blobs.get("ns/k") == b"x" * 3_000_000
        assert blobs.touch("ns/k") is True
        self.advance(blobs, 1e7)
        assert blobs.get("ns/k") == b"x" * 3_000_000

    def test_a_touch_may_shorten_life(self) -> None:
        """The time to live that was said last counts."""
        blobs = self.make()
        blobs.put("ns/k", b"x", ttl_s=1000.0)
        assert blobs.touch("ns/k", ttl_s=10.0)
        self.advance(blobs, 20.0)
        assert blobs.get("ns/k") is None

    def test_bad_keys_and_lives_are_refused(self) -> None:
        """Keys that are not printable ASCII, and lives that are not positive, raise InvalidInput and store nothing."""
        blobs = self.make()
        for key in ("", "a b", "a\nb", "ü", "a\0b", "k" * 600):
            _raises(InvalidInput, lambda key=key: blobs.put(key, b"v"))  # type: ignore[misc]
        for ttl_s in (0.0, -1.0, float("nan")):
            _raises(InvalidInput, lambda ttl_s=ttl_s: blobs.put("ns/k", b"v", ttl_s=ttl_s))  # type: ignore[misc]
        assert list(blobs.keys()) == []

    def test_many_at_once(self) -> None:
        """Several keys in one go are the same as one after the other."""
        blobs = self.make()
        put_many(blobs, [("ns/a", b"1", None), ("ns/b", b"2" * 2_000_000, 10.0), ("ns/c", b"3", 10.0)])
        assert [blobs.get(f"ns/{name}") for name in "abc"] == [b"1", b"2" * 2_000_000, b"3"]
        delete_many(blobs, ["ns/a", "ns/c", "ns/never"])
        assert list(blobs.keys("ns/")) == ["ns/b"]

    def test_threads_do_not_mix(self) -> None:
        """Threads that put, read, renew and delete at once lose nothing and never see another's value."""
        blobs = self.make()

        def work(thread: int) -> int:
            wrong = 0
            for number in range(self.operations):
                key, value = f"t{thread}/{number}", f"{thread}:{number}:".encode() * (1 + number % 50)
                blobs.put(key, value, ttl_s=1000.0)
                wrong += blobs.get(key) != value
                wrong += not blobs.touch(key, ttl_s=2000.0)
                if number % 4 == 3:
                    blobs.delete(key)
            return wrong

        with ThreadPoolExecutor(self.threads) as pool:
            assert sum(pool.map(work, range(self.threads))) == 0
        kept = self.operations - self.operations // 4
        assert [len(blobs.keys(f"t{thread}/")) for thread in range(self.threads)] == [kept] * self.threads

    def test_readers_never_see_half_a_value(self) -> None:
        """While one value replaces another, a reader sees one of the two."""
        blobs = self.make()
        values = [bytes([letter]) * (300_000 + 700_000 * (letter % 2)) for letter in b"abcd"]
        blobs.put("ns/k", values[0])

        def read(_: int) -> bool:
            return blobs.get("ns/k") in values

        def write(number: int) -> bool:
            blobs.put("ns/k", values[number % len(values)])
            return True

        with ThreadPoolExecutor(4) as pool:
            turns = [pool.submit(read if number % 2 else write, number) for number in range(60)]
            assert all(turn.result() for turn in turns)

    def test_nothing_shows_content(self) -> None:
        """The store's repr names no value."""
        blobs = self.make()
        blobs.put("ns/k", b"secret-content")
        assert "secret-content" not in repr(blobs)

    def test_originals_come_back(self) -> None:
        """The reference layer on this store: same content, same reference; every byte comes back; renewed by reading."""
        blobs = self.make()
        originals = Originals(blobs, key=b"k" * 32, ttl_s=100.0)
        refs = [originals.put(value, namespace="ns", note=f"note {n}") for n, value in enumerate(AWKWARD)]
        assert refs == [originals.ref(value, namespace="ns") for value in AWKWARD]
        assert refs == [originals.put(value, namespace="ns", note=f"note {n}") for n, value in enumerate(AWKWARD)]
        later = Originals(self.reopen(blobs), key=b"k" * 32, ttl_s=100.0)
        for _ in range(3):
            self.advance(blobs, 60.0)
            assert [later.get(ref, namespace="ns") for ref in refs] == list(AWKWARD)
        self.advance(blobs, 101.0)
        for number, ref in enumerate(refs):
            _raises(UnknownReference, lambda ref=ref: later.get(ref, namespace="ns"))  # type: ignore[misc]
            assert later.note(ref, namespace="ns") == f"note {number}"

    def test_namespaces_do_not_meet(self) -> None:
        """A reference resolves only in the namespace that issued it; forgetting one leaves the others."""
        originals = Originals(self.make(), key=b"k" * 32)
        refs = {name: originals.put(b"same content", namespace=name, note="n") for name in NAMESPACES}
        assert len(set(refs.values())) == len(NAMESPACES)
        for name in NAMESPACES:
            for other, ref in refs.items():
                if other == name:
                    assert originals.get(ref, namespace=name) == b"same content"
                else:
                    _raises(UnknownReference, lambda ref=ref, name=name: originals.get(ref, namespace=name))  # type: ignore[misc]
                    assert originals.note(ref, namespace=name) is None
        for gone, name in enumerate(NAMESPACES, 1):
            assert originals.forget(namespace=name) == 1
            left = [other for other in NAMESPACES if _holds(originals, refs[other], other)]
            assert left == list(NAMESPACES[gone:])

    def test_forget_takes_everything(self) -> None:
        """A forgotten original leaves no data, note or remembered result behind."""
        blobs = self.make()
        originals = Originals(blobs, key=b"k" * 32)
        ref = originals.put(b"data", namespace="ns", note="n")
        originals.put(b"other", namespace="ns")
        originals.remember("result", "ns")
        assert originals.recognises("result", "ns")
        assert originals.forget(ref, namespace="ns") == 1
        assert originals.forget(ref, namespace="ns") == 0
        assert originals.note(ref, namespace="ns") is None
        assert originals.forget(namespace="ns") == 1
        assert list(blobs.keys()) == []
        assert not originals.recognises("result", "ns")

    def test_marks_are_recognised_by_their_seal(self) -> None:
        """A marker that this store's key sealed is own, in its namespace and unaltered only."""
        originals = Originals(self.make(), key=b"k" * 32)
        ref = originals.put(b"data", namespace="ns")
        text = mark("body", "3 rows", ref, lambda r, t: originals.seal(r, t, namespace="ns"))
        assert is_own(text, originals, "ns")
        assert not is_own(text, originals, "other")
        assert not is_own(text.replace("body", "b0dy"), originals, "ns")
        assert not is_own(text, Originals(self.make(), key=b"j" * 32), "ns")

    def test_a_changed_value_is_found_out(self) -> None:
        """A value that was altered in the store raises StoreError; it is never handed out."""
        blobs = self.make()
        originals = Originals(blobs, key=b"k" * 32)
        ref = originals.put(b"data " * 1000, namespace="ns")
        other = originals.put(b"other data", namespace="ns")
        key, foreign = f"ns/o.{ref}", blobs.get(f"ns/o.{other}")
        good = blobs.get(key)
        assert good is not None
        assert foreign is not None
        for bad in (b"", good[:-1], good[:10], good[:30] + b"\xff" + good[31:], foreign, b"junk" * 50):
            blobs.put(key, bad)
            _raises(StoreError, lambda: originals.get(ref, namespace="ns"), but_not=UnknownReference)


def _holds(originals: Originals, ref: str, namespace: str) -> bool:
    try:
        return bool(originals.get(ref, namespace=namespace))
    except UnknownReference:
        return False


def _raises(
    expected: type[HeadroomError], call: Callable[[], object], but_not: type[HeadroomError] | tuple[()] = ()
) -> None:
    raised: HeadroomError | None = None
    try:
        call()
    except expected as error:
        raised = error
    assert raised is not None, f"{expected.__name__} was expected and nothing was raised"
    assert not isinstance(raised, but_not), f"{type(raised).__name__} is too special here"
