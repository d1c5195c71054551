"""Lines that a question names: rare words and identifiers, weighed by how few lines hold them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from headroom_core.transforms._asked import asked
from headroom_core.transforms._logs.features import Features
from headroom_core.transforms._logs.lines import Lines

# Words that ask for a failure or for logs in general: the ranker answers those.
_GENERAL = frozenset(
    """
    abort aborted bad break broke broken build built cause ci command commands compile compilation crash crashed
    deploy did error errors exception exceptions fail failed failing fails failure failures fault go happened
    incident issue job jobs log logged logs message messages night output pipeline problem problems reason red run
    running step steps stop stopped test tests today went workflow wrong yesterday
    """.split()  # noqa: SIM905 - a list of words reads better as text
)
_WRITTEN = {"warning": "warn", "warnings": "warn"}  # a level as it stands in lines: WARN, WARNING
_TERMS, _MOST = 24, 2000


def named(lines: Lines, query: str | None) -> list[tuple[float, NDArray[np.int64]]]:
    """(weight, lines) for each word of the question that is rare in this log; nothing for other questions."""
    wanted = asked(query)
    terms = [name.lower() for name in wanted.names]
    terms += [word for word in wanted.words if word not in _GENERAL]
    terms = [t for t in dict.fromkeys(terms) if t not in _GENERAL and len(t) > 1][:_TERMS]
    if not terms:
        return []
    low, n = lines.data.lower(), len(lines)
    limit = min(max(8, n // 50), _MOST)
    out = []
    for term in terms:
        rows = _holding(low, _WRITTEN.get(term, term).encode("utf-8", "surrogatepass"), lines, limit)
        if len(rows):
            weight = math.log(1 + n / len(rows)) * (1.5 if any(c.isdigit() for c in term) else 1.0)
            out.append((weight, rows))
    return out


def on_nodes(found: list[tuple[float, NDArray[np.int64]]], seen: Features) -> NDArray[np.float64] | None:
    """The sum of the weights per node; None where nothing was found."""
    if not found or not len(seen.line):
        return None
    weight = np.zeros(len(seen.line))
    for value, rows in found:
        weight[np.unique(np.maximum(np.searchsorted(seen.line, rows, "right") - 1, 0))] += value
    return weight


def _holding(low: bytes, term: bytes, lines: Lines, limit: int) -> NDArray[np.int64]:
    """Lines that hold the term as a word or the start of one; none where more than ``limit`` do."""
    stem = term[:-1] if len(term) > 4 and term.endswith(b"s") else term
    found: list[int] = []
    at = low.find(stem)
    while at >= 0 and len(found) <= 4 * limit:
        if at == 0 or not low[at - 1 : at].isalnum():
            found.append(at)
        at = low.find(stem, at + len(stem))
    rows = lines.holding(found)
    return rows if len(rows) <= limit else rows[:0]
