"""Encryption at rest: what lies in the store says nothing, and opens nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from headroom_core.ccr.encrypted import EncryptedBlobs
from headroom_core.ccr.keys import Keys
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import open_originals
from headroom_core.errors import StoreError, UnknownReference

pytest.importorskip("cryptography")


def test_no_content_lies_on_the_disk(tmp_path: Path) -> None:
    """Neither data nor note is in any file of the store; a plain store holds both."""
    for encrypted in (False, True):
        folder = tmp_path / str(encrypted)
        originals = open_originals(f"sqlite:///{folder}/s.sqlite3", key=b"k" * 32, encrypted=encrypted)
        ref = originals.put(b"secret-data", namespace="ns", note="secret-note")
        held = b"".join(file.read_bytes() for file in folder.iterdir())
        assert (b"secret-note" in held) is not encrypted
        assert originals.get(ref, namespace="ns") == b"secret-data"
        assert originals.note(ref, namespace="ns") == "secret-note"


def test_a_value_opens_only_where_it_was_put() -> None:
    """Copied to another key or namespace, altered, cut, or written in plain, it raises StoreError."""
    store = MemoryBlobs()
    blobs = EncryptedBlobs(store, key=b"k" * 32)
    blobs.put("a/1", b"value")
    sealed = store.get("a/1")
    assert sealed is not None
    for key in ("a/2", "b/1"):
        store.put(key, sealed)
        with pytest.raises(StoreError, match="altered or moved"):
            blobs.get(key)
    for bad in (sealed[:-1], sealed[:25], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", b"plain"):
        store.put("a/1", bad)
        with pytest.raises(StoreError) as caught:
            blobs.get("a/1")
        assert not isinstance(caught.value, UnknownReference)


def test_equal_values_look_different() -> None:
    """Two puts of one value give unrelated bytes."""
    store = MemoryBlobs()
    blobs = EncryptedBlobs(store, key=b"k" * 32)
    blobs.put("a/1", b"value" * 100)
    first = store.get("a/1")
    blobs.put("a/1", b"value" * 100)
    assert store.get("a/1") != first


def test_rotated_keys_still_open() -> None:
    """What the old key encrypted opens while it is listed; without it the error says which settings to check."""
    store = MemoryBlobs()
    EncryptedBlobs(store, key=b"a" * 32).put("ns/1", b"value")
    both = EncryptedBlobs(store, key=Keys(b"b" * 32, (b"a" * 32,)))
    assert both.get("ns/1") == b"value"
    both.put("ns/2", b"new")
    only_new = EncryptedBlobs(store, key=b"b" * 32)
    assert only_new.get("ns/2") == b"new"
    with pytest.raises(StoreError, match="HEADROOM_OLD_KEYS"):
        only_new.get("ns/1")
