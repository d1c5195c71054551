"""Cut a text into pages of bounded length, at line ends where there are any. Pure; joined pages are the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_CHARACTERS_PER_TOKEN = 4  # first guess
_TRIES = 12


def page_ends(text: str, max_tokens: int, count: Callable[[str], int]) -> Iterator[int]:
    """The character after each page; at least one page. Every page moves on, whatever ``count`` says."""
    start = 0
    while True:
        end = _page_end(text, start, max_tokens, count)
        yield end
        if end >= len(text):
            return
        start = end


def _page_end(text: str, start: int, max_tokens: int, count: Callable[[str], int]) -> int:
    length = max_tokens * _CHARACTERS_PER_TOKEN
    for _ in range(_TRIES):
        piece = text[start : start + length]
        tokens = count(piece)
        if tokens <= max_tokens:
            break
        length = max(1, int(len(piece) * max_tokens / tokens * 0.97))
    else:
        length = max(1, max_tokens // _CHARACTERS_PER_TOKEN)  # no token of any text is longer than its bytes
    end = start + length
    if end >= len(text):
        return len(text)
    line_end = text.rfind("\n", start + length // 2, end)
    return line_end + 1 if line_end >= 0 else end
