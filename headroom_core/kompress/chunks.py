"""Windows of whole sentences for a model of limited length. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from headroom_core.language.span import Span


def windows(tokens: Sequence[int], words: Sequence[int], *, max_tokens: int, max_words: int) -> list[Span]:
    """Ranges of sentences, each range within both limits where its sentences allow it.

    ``tokens[i]`` and ``words[i]`` size sentence ``i``. A sentence that is too long alone gets a window of its own; the
    caller cuts it. Windows are balanced: a text a little over one window becomes two halves, not one and a scrap.
    """
    if not tokens:
        return []
    total_tokens, total_words = sum(tokens), sum(words)
    pieces = max(-(-total_tokens // max_tokens), -(-total_words // max_words), 1)
    soft_tokens = min(max_tokens, int(total_tokens / pieces * 1.15) + 24)
    soft_words = min(max_words, int(total_words / pieces * 1.15) + 16)
    found: list[Span] = []
    first = have_tokens = have_words = 0
    for i, (size, count) in enumerate(zip(tokens, words, strict=True)):
        if i > first and (have_tokens + size > soft_tokens or have_words + count > soft_words):
            found.append((first, i))
            first, have_tokens, have_words = i, 0, 0
        have_tokens += size
        have_words += count
    found.append((first, len(tokens)))
    return found
