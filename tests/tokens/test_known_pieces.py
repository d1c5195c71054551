"""The bit table of known pieces: written by one hash, read by two, which must find the same places."""

from __future__ import annotations

import pytest

from headroom_core.tokens import estimate
from headroom_core.tokens.text import counter

PIECES = [b" the", b"the", b" harbor", b"ing", b"\n\n", b" function", b"():", b" \xc3\xbcber", b"ization", b" =="]


@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_a_single_token_of_the_exact_counter_is_known(piece: bytes) -> None:
    """The place that the table's writer computes is set, and the reader counts one token."""
    if counter("o200k")(piece.decode()) != 1:
        pytest.skip("not one token")
    at = estimate.piece_hash(piece)
    assert 0 <= at < 1 << estimate.BITS
    assert estimate._tables().known[at >> 3] >> (at & 7) & 1
    assert estimate._piece(piece) == 256


def test_hashes_tell_pieces_apart() -> None:
    """Neither the order nor the length of bytes may be lost."""
    assert len({estimate.piece_hash(piece) for piece in (b"ab", b"ba", b"a", b"aa", b"\0a", b"a\0")}) == 6
