"""Prose by its sentences, where its lines look like something else: wrapped ones like a log, rows between them like a table."""

from __future__ import annotations

import re
from collections import Counter

from headroom_core.kinds.samples import WINDOW, pieces
from headroom_core.language.lexical import STOPWORDS
from headroom_core.language.sentences import sentences
from headroom_core.language.tables import tables

_SHARE, _BETWEEN, _RATHER = 0.5, 0.25, 0.4
"""Least share of running sentences in what stands outside of tables; the same where tables make up ``_TABLED`` and more; and
in all, where the text would be a table otherwise."""
_TABLED = 0.3
_LEAST = 40
"""Characters of running sentences without which nothing is prose."""
_SAME = 0.3
"""Share of lines with the same first word that no prose has."""
_CELL = re.compile(r"[|\t]")
_FIRST = re.compile(r"\W*([^\W\d_]*)")


def sentences_tell(text: str, *, rather_than_table: bool = False) -> float | None:
    """How sure head, middle and tail of a text are prose that is wrapped, stands around tables, or is one long line."""
    beside: list[str] = []
    whole = rows = 0
    for part in pieces(text, WINDOW // 3):
        units = sentences(part)
        inside = {i for table in tables(part, units) for i in (*table.head, *table.rows)}
        beside += [part[start:end] for i, (start, end) in enumerate(units) if i not in inside]
        whole, rows = whole + len(part), rows + len(inside)
    running = [unit for unit in beside if _running(unit)]
    wrapped = "\n" not in text or any("\n" in unit for unit in running)
    if not rows and (rather_than_table or not wrapped):
        return None
    around, size = sum(map(len, beside)), sum(map(len, running))
    needed = (_BETWEEN if around < (1 - _TABLED) * whole else _SHARE) * around
    if size < max(needed, _LEAST, _RATHER * whole if rather_than_table else 0) or _alike("\n".join(beside)):
        return None
    return 0.9


def _running(unit: str) -> bool:
    """A sentence of eight words and more, one in four of them such as every sentence needs; no cells."""
    words = unit.lower().split()
    return len(words) >= 8 and sum(word in STOPWORDS for word in words) * 4 >= len(words) and not _CELL.search(unit)


def _alike(text: str) -> bool:
    """Do many lines begin with the same word, as those of logs and records do? Articles and the like tell nothing."""
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("|")]
    first = Counter(_FIRST.match(line)[1].lower() for line in lines)  # type: ignore[index]
    most = max((times for word, times in first.items() if word not in STOPWORDS), default=0)
    return len(lines) >= 4 and most > max(2, _SAME * len(lines))
