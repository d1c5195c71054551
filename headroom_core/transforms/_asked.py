"""What a query names: identifiers as they stand in code, and plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$~][\w$]*)*(?:\[\w{1,80}\])?")
_QUOTED = re.compile(r"[`'\"“‘]([^`'\"“”‘’\n]{2,80})[`'\"”’]")
_FRAMED = re.compile(
    r"\b(?:where\s+(?:is|are)|how\s+(?:does|do|is|are)|what\s+(?:does|do|is|are)|who\s+calls|explain|show(?:\s+me)?|"
    r"find|locate|implementation\s+of|definition\s+of|body\s+of|source\s+of|callers\s+of|calls\s+to|uses\s+of)\s+"
    r"(?:the\s+)?(?:(?:function|method|class|struct|interface|type|trait|enum|macro|constant|variable|field|key|"
    r"setting|option|file)\s+)?[`'\"“‘]?"
    r"([A-Za-z_$~][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$~][\w$]*)*)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\b(?:is|are|does|do)\s+(?:the\s+)?[`'\"“‘]?([A-Za-z_$~][\w$]*(?:(?:\.|::|->|#)[A-Za-z_$~][\w$]*)*)[`'\"”’]?(?:\(\))?"
    r"\s+(?:defined|declared|implemented|work|works|do)\b",
    re.IGNORECASE,
)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STOP = frozenset(
    """
    a about actually after all also an and any are as at be been before being between but by call called calls can
    cause change changed changes class code constant could defined definition describe diff do does doing done each
    enum error explain field fields file files find for from function functions get give had handle happen happens
    has have her here hers him his how i if implementation implemented in into interface is it its key keys kind
    lines list look made make many me method methods more most much my no not of on one only or our out over please
    return returns row rows run section see set setting settings she show should so some such summarise summarize
    table tell than that the their them then there these they this those to tool type under up us use used uses
    using value values variable was we were what when where whether which while who whom whose why will with work
    works would you your
    """.split()  # noqa: SIM905 - a list of words reads better as text
)


@dataclass(frozen=True, slots=True)
class Asked:
    """``names`` are meant literally (framed, quoted or shaped like identifiers); ``words`` are other content."""

    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.words)


@lru_cache(256)
def asked(query: str | None) -> Asked:
    """Names and words of a query, in order of appearance; empty for None. Only the first 4,000 characters are read."""
    if not query:
        return Asked()
    query = query[:4000]
    framed = [m.group(1) for m in _SUBJECT.finditer(query)]
    framed += [m.group(1) for m in _FRAMED.finditer(query) if m.group(1).lower() not in _STOP]
    quoted = [m.group(1).strip() for m in _QUOTED.finditer(query)]
    every = [form for m in _NAME.finditer(query) for form in dict.fromkeys((m.group(0), m.group(0).partition("[")[0]))]
    shaped = [name for name in every if looks_like_identifier(name)]
    words = [w for w in re.findall(r"\w+", query.lower()) if len(w) > 1 and w not in _STOP]
    return Asked(tuple(dict.fromkeys([*shaped, *quoted, *framed])), tuple(dict.fromkeys(words)))


def looks_like_identifier(word: str) -> bool:
    """snake_case, camelCase, dotted, with digits or dollars: a shape that plain words do not have."""
    if any(mark in word for mark in ("_", "$", "::", "->", "#", "[")) or re.search(r"\w\.\w", word):
        return True
    mixed = any(c.isupper() for c in word[1:]) and any(c.islower() for c in word)
    return mixed or any(c.isdigit() for c in word)


def subwords(name: str) -> tuple[str, ...]:
    """``addHTTPHeader_v2`` → ``add http header v 2``."""
    return tuple(part.lower() for part in _PART.findall(name))


def pattern(asked_for: Asked) -> re.Pattern[str] | None:
    """Matches any asked name, or any word, at word boundaries; None where nothing is asked."""
    if not asked_for:
        return None
    parts = [re.escape(x) for x in dict.fromkeys([*asked_for.names, *asked_for.words])]
    return re.compile(r"(?<![^\W_])(?:" + "|".join(sorted(parts, key=lambda p: (-len(p), p))) + r")(?![^\W_])", re.I)
