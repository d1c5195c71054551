"""Which rows of a picture's text a question asks for: by the kind of answer that it expects, and by its words.

A question about a date keeps the rows with dates, one about a total the rows with sums, one about a company the head
of the page. Nothing is left out where the question wants everything, or where no row answers to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .layout import Row

_EVERYTHING = re.compile(
    r"\b(?:summar\w+|transcri\w+|ocr|everything|whole|entire|full text|all (?:the )?(?:text|items?|fields?|lines?|rows?|data)"
    r"|extract (?:the )?(?:text|table|data|fields)|translate|markdown|json|csv|describe|explain|about|list|read (?:it|this|the text)"
    r"|what does (?:it|this|the \w+) say|what is written|convert|compare|how many|difference|sum of|average|most|least"
    r"|highest|lowest|largest|smallest|first|last|before|after|next|between|each|every|which items?|items|(?:what|which|who|things?)\b.*\b(?:purchased|bought))\b",
    re.I,
)
_MONEY = re.compile(r"(?:[$€£¥₹]|\b(?:rm|usd|eur|gbp|myr|chf)\b)\s?\d|\d{1,3}(?:[ ,.']\d{3})*[.,]\s?\d{2}\b", re.I)
_MONTH = (
    r"(?<![a-z])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
_FULL_DATE = re.compile(
    rf"\d{{1,4}}\s?[-/.]\s?\d{{1,2}}\s?[-/.]\s?\d{{2,4}}|\d\s?(?:st|nd|rd|th)?[ ./-]*{_MONTH}|{_MONTH}[ ./-]*\d|年|月"
    r"|(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d(?!\d)|(?<!\d)[0-3]\d(?:0[1-9]|1[0-2])(?:19|20)\d\d(?!\d)",
    re.I,
)
_DATE = re.compile(rf"{_FULL_DATE.pattern}|{_MONTH}|\b(?:19|20)\d\d\b|\bdate\b", re.I)
_TIME = re.compile(r"\b\d{1,2}\s?[:.]\s?\d{2}\b|\b\d{1,2}\s?[ap]\.?m\b|\btime\b", re.I)
_PHONE = re.compile(r"\b(?:tel|phone|fax|call|mobile|hotline|hp|h/p|contact)\b|\+?\d[\d ()/-]{6,}\d", re.I)
_NET = re.compile(r"@|\bwww\b|https?:|\.(?:com|org|net|gov|edu|io|de|my|co)\b|\be-?mail\b|\bweb\b", re.I)
_NUMBER = re.compile(r"(?:\b(?:no|number|nr|id|ref|code|account|acct|order|invoice|receipt|bill|doc)\b|#).*\d", re.I)
_TOTAL = re.compile(
    r"\b(?:grand|sub|net|nett)?[ -]?t[o0]tal\w*|\bamount\b|\bdue\b|\bbalance\b|\bpa(?:y|id|yable|yment)\b|\bsales\b|\bsum\b|\bcash\b|\bnet\b"
    r"|\br[o0]unding|\bqty\b|\bquantity\b|\bchange\b|\bvisa\b|\bcard\b",
    re.I,
)
_PLAIN_TOTAL = re.compile(r"\bt[o0]tal\s*[:.]?\s*(?:rm|usd|[$€£])?\s*$", re.I)
_LETTERS = re.compile(r"[^\W\d_]{3}")
_TAX = re.compile(r"\btax\b|\bgst\b|\bvat\b|\bsst\b|%", re.I)
_FIRM = re.compile(
    r"\b(?:sdn|bhd|ltd|limited|llc|inc|corp|gmbh|co|plc|s/b|ag|sa|srl|bv|enterprise|trading|restaurant|store|shop|mart|company"
    r"|group|hotel|cafe)\b",
    re.I,
)
_ADDRESS = re.compile(
    r"\b(?:street|st|road|rd|avenue|ave|lane|drive|boulevard|blvd|suite|floor|lot|jalan|jln|taman|lorong|kampung|bandar|plaza|mall"
    r"|selangor|city|state|strasse|straße|platz|rue|via|calle|po box)\b|\b\d{5,6}\b|\b\d+[a-z]?,",
    re.I,
)
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the of in on at to for from by with and or is are was were be been what which who whom whose when where how why does do did"
        " this that these those it its shown picture image photo document page receipt invoice bill form name number please tell me"
        " give find show there any much many can you i my your according as has have had mentioned listed written",
    )
)
_FEW = 8
_QUOTE = re.compile(r"[\"“„«]([^\"”“»]{8,200})[\"”»]")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """``question`` recognises the kind of answer; ``keep`` says which rows may hold it."""

    question: re.Pattern[str]
    keep: Callable[[Sequence[Row]], set[int]]


def _matching(*patterns: re.Pattern[str]) -> Callable[[Sequence[Row]], set[int]]:
    def keep(rows: Sequence[Row]) -> set[int]:
        return {at for at, row in enumerate(rows) if any(pattern.search(row.text) for pattern in patterns)}

    return keep


def _dates(rows: Sequence[Row]) -> set[int]:
    """Rows with a date, a year or that word; none where no row shows a whole date: it was not read, so all stays."""
    return _matching(_DATE)(rows) if _matching(_FULL_DATE)(rows) else set()


def _totals(rows: Sequence[Row]) -> set[int]:
    """Rows that name a sum, and the rows with money among and next to them.

    Where a row says "total" and no money stands on it, nor alone on the row before or after, the figure was not read
    there: no row is given, so that the whole text stays.
    """
    named = {at for at, row in enumerate(rows) if _TOTAL.search(row.text)}
    money = _matching(_MONEY)(rows)
    alone = {at for at in money if not _LETTERS.search(rows[at].text)}
    for at in named:
        if _PLAIN_TOTAL.search(rows[at].text) and not alone & {at - 1, at + 1}:
            return set()
    if not named & money:
        return named | money if money else set()
    among = range(min(named & money) - 2, max(named) + 2)
    return named | (money & set(among))


def _head(rows: Sequence[Row], share: float = 0.22, least: int = 6) -> set[int]:
    """The rows at the top of the page."""
    top = min(row.box[1] for row in rows)
    limit = top + share * (max(row.box[3] for row in rows) - top)
    return {at for at, row in enumerate(rows) if at < least or row.box[1] <= limit}


def _issuer(rows: Sequence[Row]) -> set[int]:
    firms = _matching(_FIRM)(rows)
    return _head(rows) | _near(firms, rows, 1)


def _addresses(rows: Sequence[Row]) -> set[int]:
    """The head, rows below the name of a firm, and any run of at least two address-like rows."""
    like = _matching(_ADDRESS)(rows)
    runs = {at for at in like if at - 1 in like or at + 1 in like}
    firms = _matching(_FIRM)(rows)
    below = {at + step for at in firms for step in range(6) if at + step < len(rows)}
    return _head(rows, 0.3, 8) | _near(runs, rows, 1) | below


def _near(found: set[int], rows: Sequence[Row], reach: int) -> set[int]:
    return {at + step for at in found for step in range(-reach, reach + 1) if 0 <= at + step < len(rows)}


_KINDS = (
    _Wanted(re.compile(r"\b(?:date|when|what day|which day|issued on|expir\w+|year|month|deadline)\b", re.I), _dates),
    _Wanted(re.compile(r"\b(?:what time|time of|at what hour|how late)\b", re.I), _matching(_TIME, _DATE)),
    _Wanted(re.compile(r"\b(?:tax|gst|vat)\b", re.I), _matching(_TAX)),
    _Wanted(
        re.compile(r"\b(?:total|amount|sum|how much|balance|paid|pay|due|cash|change|subtotal)\b", re.I), _totals
    ),
    _Wanted(
        re.compile(r"\b(?:compan(?:y|ies)|vendor|merchant|store|shop|seller|business|supplier|issuer|restaurant|issued (?:by|this)|who issued)\b", re.I),
        _issuer,
    ),
    _Wanted(re.compile(r"\b(?:address|located|location|which street|which city|what city|post(?:al)? ?code|zip|where)\b", re.I), _addresses),
    _Wanted(re.compile(r"\b(?:phone|telephone|tel|fax|contact number|hotline|mobile)\b", re.I), _matching(_PHONE)),
    _Wanted(re.compile(r"\b(?:e-?mail|website|web site|url|homepage)\b", re.I), _matching(_NET)),
    _Wanted(
        re.compile(r"\b(?:invoice|receipt|order|account|reference|document|bill|registration|member|policy|case)\b.*\b(?:no|number|id|code)\b", re.I),
        _matching(_NUMBER),
    ),
)  # fmt: skip


def wants_everything(query: str | None) -> bool:
    """Does this question (or none at all) need the whole text?"""
    return not query or bool(_EVERYTHING.search(query))


def asked_rows(rows: Sequence[Row], query: str | None) -> list[int]:
    """Numbers of the rows that the question asks for, in order; all of them where that is not sure."""
    every = list(range(len(rows)))
    if query is None or wants_everything(query) or len(rows) < _FEW:
        return every
    quoted = _quoted(rows, query)
    typed = [kind.keep(rows) for kind in _KINDS if kind.question.search(query)]
    words = _words_of(query)
    if quoted:
        return sorted(quoted)
    if typed and all(typed):
        kept = set().union(*typed)
        alike = {at for at, row in enumerate(rows) if words & set(_WORD.findall(row.text.lower()))}
        return sorted(kept | _near(alike, rows, 1))
    return sorted(_keyed(rows, words)) or every if not typed else every


def _words_of(text: str) -> set[str]:
    """Words that a question is about; figures count whatever their length."""
    return {word for word in _WORD.findall(text.lower()) if (len(word) > 2 or word.isdigit()) and word not in _STOP}


def _keyed(rows: Sequence[Row], words: set[str]) -> set[int]:
    """Rows that hold every word of the question beside something else (a key with its value), with their surroundings.

    None where such a row is the head of a table: then the value may stand in any row below.
    """
    if not words:
        return set()
    found = set()
    for at, row in enumerate(rows):
        have = _WORD.findall(row.text.lower())
        if words <= set(have):
            if len(row.lines) >= 3 or len(have) <= len(words):
                return set()
            found.add(at)
    return _near(found, rows, 3) if len(found) <= 3 else set()


def _quoted(rows: Sequence[Row], query: str) -> set[int]:
    """Rows around a passage that the question quotes, where the rows hold most of its words."""
    kept: set[int] = set()
    for quote in _QUOTE.findall(query):
        words = [word for word in _WORD.findall(quote.lower()) if len(word) > 2]
        if len(words) < 3:
            return set()
        texts = [set(_WORD.findall(row.text.lower())) for row in rows]
        best, at = max(
            (sum(word in texts[at] | (texts[at + 1] if at + 1 < len(texts) else set()) for word in words), -at)
            for at in range(len(texts))
        )
        if best < 0.75 * len(words):
            return set()
        kept |= _near({-at, min(-at + 1, len(rows) - 1)}, rows, 2)
    return kept
