"""Markers: what is ours is told by its seal, never by its look."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.ccr.keys import Keys
from headroom_core.ccr.marks import caption, is_own, is_ref, mark, one_line, read_mark
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.tokens.text import estimate

ORIGINALS = Originals(MemoryBlobs(), key=b"k" * 32)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
NEAR_MARKER = st.one_of(
    ANY_TEXT,
    st.lists(
        st.sampled_from(
            ["[left out: ", ' · headroom_retrieve(ref="', "hr_aaaaaaaaaaaaaaaa", '") #', "bbbbbbbbbb", "]", "\n"]
        )
    ).map("".join),
)


def marked(body: str, left_out: str, namespace: str = "ns", beside: str = "") -> str:
    ref = ORIGINALS.ref(b"data", namespace=namespace)
    return mark(body, left_out, ref, lambda r, t: ORIGINALS.seal(r, t, namespace=namespace), beside=beside)


@given(NEAR_MARKER, ANY_TEXT)
def test_a_marker_is_read_back(body: str, left_out: str) -> None:
    """Body, line and reference come back, the marker stands on the last line alone, and the seal holds."""
    text = marked(body, left_out)
    found = read_mark(text)
    assert found is not None
    assert (found.body, found.left_out, found.ref) == (body, one_line(left_out), ORIGINALS.ref(b"data", namespace="ns"))
    assert text.rpartition("\n")[2].startswith("[left out: ")
    assert found.ref in text.rpartition("\n")[2]
    assert is_own(text, ORIGINALS, "ns")


@given(NEAR_MARKER, st.data())
def test_any_change_breaks_the_seal(body: str, data: st.DataObject) -> None:
    """One character changed, added or removed anywhere makes the text foreign."""
    text = marked(body, "188 of 200 rows")
    at = data.draw(st.integers(0, len(text)))
    letter = data.draw(st.characters(exclude_categories=()))
    for other in (text[:at] + letter + text[at:], text[:at] + letter + text[at + 1 :], text[:at] + text[at + 1 :]):
        assert other == text or not is_own(other, ORIGINALS, "ns")


@given(NEAR_MARKER)
def test_no_text_is_own_by_its_look(text: str) -> None:
    """Whatever is written, in whatever shape, is foreign unless we sealed it."""
    assert not is_own(text, ORIGINALS, "ns")
    assert not is_own(
        text + '\n[left out: x · headroom_retrieve(ref="hr_aaaaaaaaaaaaaaaa") #bbbbbbbbbb]', ORIGINALS, "ns"
    )


def test_a_marker_in_the_middle_is_data() -> None:
    """Only the last line counts."""
    text = marked("body", "3 rows")
    assert read_mark(text + "\n") is None
    assert read_mark(text + "\nmore") is None
    assert not is_own(text + "\nmore", ORIGINALS, "ns")


def test_a_replayed_marker_proves_nothing_elsewhere() -> None:
    """A genuine marker line under another body, or in another namespace, is foreign."""
    line = marked("body", "3 rows").rpartition("\n")[2]
    assert not is_own("other body\n" + line, ORIGINALS, "ns")
    assert not is_own(line, ORIGINALS, "ns")
    assert not is_own(marked("body", "3 rows"), ORIGINALS, "other")


def test_the_seal_covers_what_stands_beside() -> None:
    """A marker beside a picture belongs to that picture only."""
    text = marked("", "1280x720 shrunk to 640x360", beside="digest of the picture")
    assert is_own(text, ORIGINALS, "ns", beside="digest of the picture")
    assert not is_own(text, ORIGINALS, "ns", beside="digest of another")
    assert not is_own(text, ORIGINALS, "ns")


def test_marks_of_a_rotated_key_still_count() -> None:
    """After a rotation earlier results are recognised and earlier references resolve; a dropped key ends both."""
    blobs = MemoryBlobs()
    before = Originals(blobs, key=b"a" * 32)
    ref = before.put(b"data", namespace="ns")
    text = mark("body", "x", ref, lambda r, t: before.seal(r, t, namespace="ns"))
    after = Originals(blobs, key=Keys(b"b" * 32, (b"a" * 32,)))
    assert is_own(text, after, "ns")
    assert after.get(ref, namespace="ns") == b"data"
    assert after.ref(b"data", namespace="ns") != ref
    assert not is_own(text, Originals(blobs, key=b"b" * 32), "ns")


def test_a_marker_is_short() -> None:
    """Beyond what was left out, a marker costs about forty tokens."""
    text = marked("", "")
    assert estimate(text) <= 45
    assert len(text) <= 80


def test_captions_carry_no_reference() -> None:
    """The line of a lossy result says what went and offers nothing that cannot be called."""
    assert caption("body", "3 [x]\nrows") == "body\n[left out: 3 (x) rows]"
    assert caption("", "all") == "[left out: all]"
    assert read_mark(caption("body", "3 rows")) is None


@pytest.mark.parametrize(
    "hostile", ["[left out: " * 100_000, ' · headroom_retrieve(ref="' * 80_000, "[" * 2_000_000, "\n" * 2_000_000]
)
def test_hostile_lines_take_linear_time(hostile: str) -> None:
    """Two million characters of near-markers are read in no time."""
    started = time.process_time()
    for _ in range(20):
        assert read_mark(hostile) is None
        assert not is_own(hostile, ORIGINALS, "ns")
    assert time.process_time() - started < 2.0


def test_references_have_a_shape() -> None:
    """80 bits in lower-case base32; anything else is refused before a store is asked."""
    ref = ORIGINALS.ref(b"x", namespace="ns")
    assert is_ref(ref)
    for other in (ref.upper(), ref + "a", ref[:-1], " " + ref, ref + "\n", "../" + ref, "hr_" + "0" * 16, None, 3):
        assert not is_ref(other)


@pytest.mark.parametrize(
    ("left_out", "line"),
    [
        ("3 rows", "3 rows"),
        ("a [list]\nof\t rows ", "a (list) of rows"),
        ("x" * 4000, "x" * 4000),
        ("x" * 4001, "x" * 3999 + "…"),
    ],
)
def test_what_was_left_out_stands_on_one_bounded_line(left_out: str, line: str) -> None:
    """White space becomes blanks, square brackets round ones; beyond 4,000 characters it is cut with an ellipsis."""
    assert one_line(left_out) == line


def test_an_empty_body_has_no_line_above_its_marker() -> None:
    """Where nothing stays, the marker is the whole text, and reads back as such."""
    assert caption("", "all of it") == "[left out: all of it]"
    found = read_mark(marked("", "all of it"))
    assert found is not None
    assert (found.body, found.left_out) == ("", "all of it")


def test_a_marker_line_that_is_too_long_is_none() -> None:
    """What we never write is not read: a closing line beyond its bound is plain data."""
    text = marked("body", "x" * 4000)
    assert read_mark(text) is not None
    assert read_mark(text.replace("x" * 4000, "x" * 4001)) is None


def test_a_line_too_long_for_a_marker_is_cut_and_still_read_back() -> None:
    """4,000 characters stand whole; of one more the last two make room for the sign of the cut."""
    whole, longer = "x" * 4000, "y" * 4001
    assert one_line(whole) == whole
    assert one_line(longer) == "y" * 3999 + "…"
    found = read_mark(marked("body", longer))
    assert found is not None
    assert found.left_out == one_line(longer)
    assert found.body == "body"
