"""Hits grouped by file, without loss: each path once as a heading, then ``12:text``, as ripgrep prints on a terminal.

    src/a.py            src/a.py:3:def f():
    3:def f():     <-   src/a.py:9:    f()
    9:    f()

``ungroup(group(text)) == text`` byte for byte; where a text could not come back, ``group`` returns None.
"""

from __future__ import annotations

import re

from headroom_core.transforms._search.hits import Hits, read

_NUMBER = re.compile(r"(\d{1,9})([:=-])")
_OTHER = "| "
"""Before a line that is no hit, so that it is not taken for a heading."""


def group(text: str) -> str | None:
    """The grouped form of numbered or plain hits; None where there is nothing to gain or to be sure of."""
    hits = read(text)
    return None if hits is None else group_hits(text, hits)


def group_hits(text: str, hits: Hits) -> str | None:
    """As ``group``, for hits that are read already."""
    if hits.style == "headed":
        return None
    out: list[str] = []
    current = ""
    for path, number, mark, rest in hits.lines:
        if not mark:
            out.append(rest if rest in ("", "--") else _OTHER + rest)
            continue
        if path != current:
            if _NUMBER.match(path) or path.startswith((_OTHER, ":", "-")):
                return None
            out.append(path)
            current = path
        out.append(f"{number}{mark}{rest}")
    grouped = "\n".join(out)
    return grouped if len(grouped) < len(text) and ungroup(grouped) == text else None


def ungroup(text: str) -> str:
    """The hits as the tool printed them: the path before each line again."""
    out: list[str] = []
    path = ""
    for line in text.split("\n"):
        if line in ("", "--"):
            out.append(line)
        elif match := _NUMBER.match(line):
            out.append(f"{path}{match[2]}{line}")
        elif line[0] in ":-":
            out.append(path + line)
        elif line.startswith(_OTHER):
            out.append(line[len(_OTHER) :])
        else:
            path = line
    return "\n".join(out)
