"""A long string in few words: how it begins, what it says about the query or about trouble, how it ends, how long it is."""

from __future__ import annotations

from headroom_core.anchors import TROUBLE_WORDS, Asked

LONG = 400
_HEAD, _WINDOW, _TAIL, _WINDOWS = 150, 130, 60, 2


def preview(text: str, wanted: Asked) -> str:
    """At most about 600 characters of a longer text, joined by ``…``; the text itself where it is short."""
    if len(text) <= LONG + 100:
        return text
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = text
    spans = [(0, _word_end(text, _HEAD))]
    for piece in (*wanted.exact, *wanted.words, *TROUBLE_WORDS):
        at = lowered.find(piece)
        if at >= 0 and not any(start <= at < end for start, end in spans):
            spans.append((_word_start(text, max(0, at - 40)), _word_end(text, min(len(text), at + _WINDOW))))
            if len(spans) > _WINDOWS:
                break
    spans.append((_word_start(text, len(text) - _TAIL), len(text)))
    spans.sort()
    parts, last = [], 0
    for start, end in spans:
        start = max(start, last)
        if start < end:
            parts.append((" … " if start > last else "") + text[start:end].strip())
            last = end
    return "".join(parts) + f" ({len(text):,} characters)"


def _word_end(text: str, at: int) -> int:
    end = text.find(" ", at, at + 20)
    return end if end >= 0 else at


def _word_start(text: str, at: int) -> int:
    start = text.rfind(" ", max(0, at - 20), at)
    return start + 1 if start >= 0 else at
