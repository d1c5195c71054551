"""Windows of sentences."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from headroom_core.kompress.chunks import windows


@given(st.lists(st.integers(1, 120), min_size=1, max_size=60))
def test_windows_partition_the_sentences_within_the_limit(sizes: list[int]):
    """Windows follow each other; only a sentence that is too long alone breaks the limit."""
    found = windows(sizes, [1] * len(sizes), max_tokens=100, max_words=350)
    assert next(a for a, _ in found) == 0
    assert found[-1][1] == len(sizes)
    assert all(left[1] == right[0] for left, right in itertools.pairwise(found))
    assert all(sum(sizes[a:b]) <= 100 or b - a == 1 for a, b in found)
