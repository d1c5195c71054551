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
_TERMS = 24


def named(lines: Lines, seen: Features, query: str | None) -> NDArray[np.float64] | None:
    """A weight per node from the question's words, or None where it names nothing that is rare in this log."""
    wanted = asked(query)
    terms = [name.lower() for name in wanted.names]
    terms += [word for word in wanted.words if word not in _GENERAL]
    terms = [t for t in dict.fromkeys(terms) if t not in _GENERAL and len(t) > 1][:_TERMS]
    n = len(seen.line)
    if not terms or not n:
        return None
    low = lines.data.lower()
    weight = np.zeros(n)
    limit = max(8, n // 50)
    for term in terms:
        nodes = _holding(low, term.encode("utf-8", "surrogatepass"), lines, seen, limit)
        if len(nodes):
            weight[nodes] += math.log(1 + n / len(nodes)) * (1.5 if any(c.isdigit() for c in term) else 1.0)
    return weight if weight.any() else None


def _holding(low: bytes, term: bytes, lines: Lines, seen: Features, limit: int) -> NDArray[np.int64]:
    """Nodes whose line holds the term as a word or the start of one; none where more than ``limit`` do."""
    stem = term[:-1] if len(term) > 4 and term.endswith(b"s") else term
    found: list[int] = []
    at = low.find(stem)
    while at >= 0 and len(found) <= 4 * limit:
        if at == 0 or not low[at - 1 : at].isalnum():
            found.append(at)
        at = low.find(stem, at + len(stem))
    rows = np.unique(np.searchsorted(lines.start, np.array(found, np.int64), "right") - 1)
    nodes = np.unique(np.maximum(np.searchsorted(seen.line, rows, "right") - 1, 0))
    return nodes if len(nodes) <= limit else nodes[:0]
