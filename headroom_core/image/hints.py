"""Words that leave little doubt about what a question needs, and that the classifier's training rows seldom hold.

Each hint is a row: the technique it speaks for, the words, and its votes beside the classifier's one. The first that
fits counts. Tasks that are done on a screen, and questions about looks, need the picture; a lone name of a field is a
question for its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .decision import Technique

_LONGEST = 300
_SIDE = r"(?:top|bottom|upper|lower|left|right|leftmost|rightmost|outer|inner)"
_POLITE = (
    r"^(?:(?:please|now|then|next|ok(?:ay)?|hey|hi|can you|could you|would you|i (?:want|need) you to|i'?d like you to|let'?s"
    r"|help me|help me to|go ahead and)[, ]+)*"
)
_READS = r"(?!.*\b(?:csv|json|markdown|table|list|summary|transcript(?:ion)?|spreadsheet|text|report|notes?)\b)"
_FORMS = r"csv|tsv|json|yaml|xml|markdown|latex|spreadsheet|excel"


@dataclass(frozen=True, slots=True)
class Hint:
    """``votes`` for a technique where ``words`` are found; the classifier's shares are one vote together."""

    technique: Technique
    votes: float
    words: re.Pattern[str]


def _hint(technique: Technique, votes: float, words: str) -> Hint:
    return Hint(technique, votes, re.compile(words, re.IGNORECASE))


HINTS = (
    _hint(Technique.CROP, 2, rf"\b(?:in|for|on|of) the (?:{_SIDE} ){{1,2}}(?:sub)?(?:plot|panel|chart|graph|figure|corner)\b"),
    # goods and their names, number plates
    _hint(
        Technique.PRESERVE, 2,
        r"^(?!.*\b(?:says?|read|written|label)\b).*\b(?:this|these|a|the) (?:can|bottle|box|jar|package|packet|bag|carton|tube)s?\b"
        r"(?: of\b|\W*$)|\b(?:number|licen[cs]e) ?plate\b|\bhow many \w+ (?:have|are) (?:a |an )?\w+ (?:icon|next to)",
    ),
    # something is to be done on the screen
    _hint(
        Technique.PRESERVE, 9,
        _POLITE + r"(?:click|log ?(?:in|out)(?:to)?\b|sign (?:in|up|out)\b|scroll|navigate|go (?:to|back)|turn (?:on|off)|implement|recreate"
        r"|redesign|replicate|refactor|debug"
        r"|(?:book|press|tap|open|close|add|move|change|update|send|post|build|style|order|set|start|stop|run|reserve|schedule"
        r"|cancel|upload|download|type|enter|select|choose|pick|submit|delete|remove|replace|fix|make|fill) (?:(?:in|out|up) )?"
        r"(?:the|it|this|that|an?|my|me|us|on|all|these|those|one|two)\b)" + _READS,
    ),
    # looks, and where things stand on a screen
    _hint(
        Technique.PRESERVE, 9,
        r"\b(?:layout|fonts?|typefaces?|mis-?align\w*|alignment|cent(?:er|re)d|spacing|padding|css|tailwind|mock-?up|wireframe|user interface"
        r"|ui|render(?:s|ed|ing)?|in bold|bold(?:ed)? \w+|are bold|italics?|underlined|crossed out|struck (?:out|through)|strikethrough"
        r"|formatted|coordinates?|handwriting|real or fake|fake|forged|genuine|photoshopped)\b"
        r"|\blooks? (?:right|wrong|broken|off|ok|okay|good|bad|weird|odd)\b|\b(?:page|image|picture)s? (?:still )?load(?:ed|ing)\b"
        r"|\bwhere\b.*\b(?:button|icon|link|field|box|menu|tab|switch|toggle|slider|on (?:the|this) (?:page|screen|picture|image|form))\b"
        r"|\b(?:chang|differ)\w+ between\b.*\b(?:screen ?shots?|pictures?|images?|photos?|versions?|these|two)\b",
    ),
    # the name of a field or of a form of text, and nothing else
    _hint(
        Technique.TRANSCODE, 9,
        r"^\W*(?:(?:please|pls|just|the|as|an?|to|give me|show me|make|create) )*(?:(?:sub|grand)[ -]?total|total(?: amount| due)?"
        r"|amount(?: due)?|(?:due |expiry |issue )?date|(?:invoice|order|receipt|phone|account) (?:number|no)|invoice id|address|phone|e-?mail"
        r"|prices?|tax|vat|gst|vendor(?: name)?|merchant(?: name)?|company(?: name)?|(?:all )?(?:the )?text|ocr|read|summari[sz]e|summary|tl;?dr"
        rf"|transcri(?:be|pt|ption)|table|{_FORMS})(?: (?:please|pls|it|this|that|of (?:this|it)|of the (?:image|page|document)))*\W*$",
    ),
)  # fmt: skip


def hinted(query: str, shares: Mapping[Technique, float]) -> dict[Technique, float]:
    """The shares with the votes of the first hint that fits; long texts are judged by the classifier alone."""
    found = next((hint for hint in HINTS if hint.words.search(query)), None) if len(query) <= _LONGEST else None
    votes = {
        technique: share + (found.votes if found and technique is found.technique else 0.0)
        for technique, share in shares.items()
    }
    total = sum(votes.values())
    return {technique: vote / total for technique, vote in votes.items()}
