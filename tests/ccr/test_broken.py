"""The tests of attacks themselves: each fails on a copy of the library that has the weakness it looks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headroom_core import flow
from headroom_core.ccr import frames, marks, originals, sqlite
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Entry, Originals
from headroom_core.errors import StoreError
from headroom_core.pipeline import Compressor
from headroom_core.testing.stores import BlobsContract
from headroom_core.types import Blobs, Context, Part, Rewrite

from . import test_attacks, test_deletion, test_originals, test_sqlite

Store = type[Originals]
MARKED = marks.read_mark


class Careless(Originals):
    """Reads any namespace, the caller's last."""

    def get(self, ref: str, *, namespace: str) -> bytes:
        for other in ("victim", namespace):
            if self._blobs.get(f"{other}/o.{ref}") is not None:
                return super().get(ref, namespace=other)
        return super().get(ref, namespace=namespace)

    def entry(self, ref: str, *, namespace: str) -> Entry:
        return Entry(self.get(ref, namespace=namespace), "prose")


class Lenient(Originals):
    """Takes a reference that is nearly right, and a seal that begins right."""

    def get(self, ref: str, *, namespace: str) -> bytes:
        near = [key for key in self._blobs.keys(f"{namespace}/o.{ref[:15]}") if key.startswith(f"{namespace}/o.")]
        return super().get(near[0].partition("o.")[2] if near else ref, namespace=namespace)

    def verifies(self, ref: str, text: str, seal: str, *, namespace: str) -> bool:
        return self.seal(ref, text, namespace=namespace)[:2] == seal[:2]


class Alarmed:
    """Keeps whatever line shouts."""

    name = "alarmed"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        kept = [line for line in part.text.split("\n") if "ERROR" in line]
        return Rewrite.of("\n".join(kept), "quiet lines")


def store(kind: Store = Originals) -> Originals:
    return kind(MemoryBlobs(), key=b"k" * 32)


def compressor(kept: Originals, **options: Any) -> Compressor:
    return Compressor(originals=kept, retrievable=True, namespace="ns", **options)


def with_store(test: Callable[..., None], kind: Store = Originals, **options: Any) -> None:
    """Run a test that asks for a compressor and its store."""
    kept = store(kind)
    test(compressor=compressor(kept, **options), originals=kept)


def by_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "is_own", lambda text, *rest, **options: MARKED(text) is not None)


def forged(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    by_look(monkeypatch)
    with_store(
        lambda **given: test_attacks.test_a_forged_marker_protects_nothing(
            lambda text: text + "\n" + test_attacks.FORGED, **given
        )
    )


def replayed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    by_look(monkeypatch)
    test_attacks.test_a_replayed_marker_protects_nothing(compressor(store()))


def foreign(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with_store(test_attacks.test_a_foreign_reference_is_never_resolved, Careless)


def guessed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    test_attacks.test_references_cannot_be_guessed(2_000, store(Lenient))


def sealed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    test_attacks.test_seals_cannot_be_guessed(20_000, store(Lenient))


def timed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert test_attacks._probed(store(Careless), 4_000) <= 0.54


def malformed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(originals, "is_ref", lambda text: True)
    test_attacks.test_a_malformed_reference_never_reaches_the_store(store())


def buried(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with_store(test_attacks.test_a_flood_does_not_bury_its_neighbour, transforms={"log": Alarmed()})


def ordered(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(test_attacks, "answer", lambda given, **rest: "All of it:\n" + rest["originals"].get(given["ref"], namespace="ns").decode())  # fmt: skip
    with_store(test_attacks.test_orders_in_an_original_stay_data)


def mixed_up(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    class Mixed(BlobsContract):
        def make(self) -> Blobs:
            return MemoryBlobs(clock=self.clock)

    monkeypatch.setattr(originals, "prefix_of", lambda namespace: "all/")
    suite = Mixed()
    suite.setup_method()
    suite.test_namespaces_do_not_meet()


def inflated(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(frames, "_LONGEST_HEADER", 1 << 40)
    test_originals.test_a_frame_that_lies_about_its_length_inflates_no_more()


def altered(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(originals, "_tag", lambda *fields: b"t" * 16)
    test_originals.test_what_is_said_of_an_original_cannot_be_altered(store())


def shown(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(Entry, "__repr__", lambda self: f"Entry({self.data!r})")
    test_originals.test_errors_and_reprs_hold_no_content(store())


def linked(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sqlite.os, "O_NOFOLLOW", 0)
    test_sqlite.test_links_are_not_followed(folder)


def undeleted(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def only_rows(self: sqlite.SqliteBlobs, keys: list[str], /) -> None:
        with self._writing() as connection:
            connection.executemany("DELETE FROM blobs WHERE key = ?", [(key,) for key in keys])

    monkeypatch.setattr(sqlite.SqliteBlobs, "delete_many", only_rows)
    test_deletion.test_deleted_bytes_are_gone_from_the_disk(folder)


ATTACKS = (
    forged, replayed, foreign, guessed, sealed, timed, malformed, buried, ordered, mixed_up, inflated, altered, shown,
    linked, undeleted,
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_that_works_is_noticed(
    attack: Callable[[pytest.MonkeyPatch, Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the weakness built in, the test of the attack fails."""
    with pytest.raises((AssertionError, pytest.fail.Exception, StoreError)):
        attack(monkeypatch, tmp_path)
