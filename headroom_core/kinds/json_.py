"""JSON by its look: whole, cut off, in our own short form, or behind a short introduction."""

from __future__ import annotations

import re

from headroom_core.kinds.marks import DIFF

_START = re.compile(r"\s*(?:\{\s*(?:\"|\})|\[\s*(?:[\[{\"\]]|-?\d+(?:\.\d+)?\s*(?:,|\]\s*$)|true\b|false\b|null\b))")


# Our own short forms: a table under its header, and objects whose keys stand without quotes.
_SHORT = re.compile(r"\[\d+\]\{[^\n]{1,1990}|\{[A-Za-z_$][\w.$-]{0,80}:[^\s:/][^;\n]*,[\w.$-]+[:=,]")


def document(text: str) -> float | None:
    """JSON by its first and last characters and the look of its beginning; whole parsing is the transform's work."""
    head = text[:2000]
    if _SHORT.match(head):
        return 0.95
    if not _START.match(head):
        return _after_text(text)
    tail = text[-2000:].rstrip()
    if tail[-1:] in "}]":
        return 0.99
    quotes = head.count('"') + head.count(":")
    return 0.97 if quotes * 24 >= len(head) else None


def _after_text(text: str) -> float | None:
    """A short introduction, then JSON to the end."""
    tail = text[-200:].rstrip()
    if tail[-1:] not in ("}", "]"):
        return None
    head = text[:1000]
    if any(DIFF.match(line) for line in head.split("\n")):
        return None  # a diff whose last line closes something
    for match in re.finditer(r"(?:^|\n)[^\n]{0,200}?(?=[{\[])", head):
        at = match.end()
        if text[at - 1 : at].strip(":") and not text[at - 1].isspace():
            continue  # an index, an argument, a literal in a program
        if _START.match(text[at : at + 2000]) and len(text) - at > 4 * at:
            sample = text[at : at + 4000]
            if sample.count('"') * 40 >= len(sample) and re.search(r'"\s*:', sample):
                return 0.96
    return None
