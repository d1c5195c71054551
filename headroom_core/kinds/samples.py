"""What is looked at of a text: lines of its head, middle and tail, so that the cost does not grow with the text."""

from __future__ import annotations

from headroom_core.kinds.marks import LINE

SAMPLE_LINES = 40
WINDOW = 12_000
"""Characters of head, middle and tail each."""


def sample(text: str) -> list[str]:
    """Up to ``SAMPLE_LINES`` non-blank lines of head, middle and tail each, cut to ``LINE`` characters."""
    parts = pieces(text, WINDOW)
    limit = SAMPLE_LINES if len(parts) > 1 else 3 * SAMPLE_LINES
    lines: list[str] = []
    for piece in parts:
        found = _filled(piece, limit if len(parts) > 1 else len(piece))
        if len(found) > limit:
            third = limit // 3
            middle = (len(found) - third) // 2
            found = found[:third] + found[middle : middle + third] + found[-third:]
        lines += found[:limit]
    return [cut for line in lines if (cut := line.rstrip("\r"))]


def pieces(text: str, window: int) -> list[str]:
    """Head, middle and tail of a text, ``window`` characters each; all of it where it is no longer than the three."""
    if len(text) <= 3 * window:
        return [text]
    middle = len(text) // 2
    return [text[:window], _from_line(text[middle : middle + window]), _from_line(text[-window:])]


def _filled(piece: str, most: int) -> list[str]:
    """The first lines, cut to ``LINE`` characters, that are not blank then. No more of the piece is cut up than it takes."""
    found: list[str] = []
    while piece and len(found) < most:
        *lines, piece = piece.split("\n", most) if piece.count("\n") >= most else [*piece.split("\n"), ""]
        found += [cut for line in lines if (cut := line[:LINE]) and not cut.isspace()]
    return found[:most]


def _from_line(piece: str) -> str:
    """A piece of text from its first whole line on."""
    cut = piece.find("\n")
    return piece[cut + 1 :] if 0 <= cut < len(piece) - 1 else piece
