"""The labelling rule of the query classifier: which technique keeps the answer to a question, judged by the question.

The guide that the hand labels follow, and that ``weak_label`` approximates for the training rows:

TRANSCODE  The answer is written in the picture: words, figures, dates, names that a reader of its text could quote.
           Look-ups in documents, forms, receipts and screens; "what does it say"; summaries and tables of a document;
           sums and counts over what is written there.
CROP       The question names a place (top right, bottom line, the middle of the screen) or one panel of several
           (subplot (c), the plot at row 2 and column 1): that region at full detail is enough.
FULL_LOW   The gist or the main objects: what is this, which room, sport, animal, colour, activity; what stands beside
           what; on which side something is; world knowledge about what is shown.
PRESERVE   Fine detail that neither text nor a smaller picture can be trusted with: counting things, charts (values,
           trends, comparisons), visual state of controls (selected, enabled, checked), brands, logos, models, plates,
           serial numbers, clocks, what a product is by its packaging. Also whatever is unclear or asks nothing.

Weak labels look at the kind of picture, the source and the area of the evidence beside the words; hand labels
(``data/router_dev_labels.jsonl``) were given by reading each question, before any training.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

TECHNIQUES = ("transcode", "crop", "full_low", "preserve")
"""The order of the classifier's outputs."""

_SIDE = r"(?:top|bottom|upper|lower|left|right|leftmost|rightmost|topmost)"
_WHOLE = r"(?:picture|image|photo|photograph|page|screen|document|form|screenshot|slide|receipt|figure|scan|table)"
_PANEL = r"(?:plot|subplot|panel|figure|graph|chart|inset|subfigure)"
_PLACE = re.compile(
    rf"\b(?:top|bottom|upper|lower)[ -](?:left|right|cent(?:er|re)|middle|most|corner|half|third|part|line|row|section|edge)\b"
    rf"|\bcorner\b|\b(?:in|at|on|near) the (?:very |far )?(?:top|bottom)\b"
    rf"|\bon the (?:far |upper |lower )?(?:left|right)\b|\b(?:left|right)[ -]?hand (?:side|part|corner)\b"
    rf"|\b{_SIDE} (?:side|part|half|edge|area|portion|section|corner|end) of the {_WHOLE}\b"
    rf"|\bin the (?:middle|cent(?:er|re)) of the {_WHOLE}\b"
    rf"|\bsub-?plot (?:at row|\(?[a-z0-9]\)?\b(?! (?:is|has|have|shows?)))|\bsubfigure \(?[a-z]\)?"
    rf"|\b(?:in|for|on|of) the (?:outer |inner )?(?:{_SIDE}|first|second|third|last|outer|inner)(?: \w+)? {_PANEL}\b"
    rf"|\b(?:in|for) (?:panel|plot|figure|graph) \(?[a-z0-9]\)?(?:\W|$)|\b(?:header|footer|heading) of\b",
    re.I,
)
_ASKS_PLACE = re.compile(
    r"\b(?:on|in) (?:which|what) (?:side|part|corner|half)|\bwhich (?:side|part|corner)\b"
    r"|\b(?:left or (?:to |on )?(?:the )?right|right or (?:to |on )?(?:the )?left|top or (?:the )?bottom|bottom or (?:the )?top)\b"
    r"|^(?:is|are) (?:the|there) [\w ]+ (?:on|in|at) the (?:left|right|top|bottom)(?:[\w ]*)\?*$",
    re.I,
)
_COUNT = re.compile(r"\bhow many\b|\bnumber of\b|\bcount\b|\bhow much\b.*\bleft\b", re.I)
_MARK = re.compile(
    r"\b(?:brand|logo|make of|manufacturer|company made|who makes|model|serial|licen[cs]e plate|number ?plate|plate number"
    r"|jersey number|player'?s? number|number (?:is )?on|flavou?rs?|emblem|airline|team|beer|soda|drink|wine|product)\b"
    r"|\bwhat time\b|\btime (?:is|does|on)\b|\bclock\b|\bwatch (?:say|show|read)|\bgauge\b|\bmeter\b|\bruler\b",
    re.I,
)
_SEEN_MARK = re.compile(
    r"\b(?:brand|logo|make of|manufacturer|company|who makes|model|serial|licen[cs]e plate|number ?plate|plate number"
    r"|jersey number|player'?s? number|number (?:is )?on|flavou?rs?|emblem|airline|team|product|expir\w+|ounces|calories)\b"
    r"|\bwhat time\b(?! of )|\btime (?:is|does|on)\b|\bclock (?:say|show|read)|\bwatch (?:say|show|read)|\bthermostat\b",
    re.I,
)
_THIS = re.compile(r"\b(?:this|that|these|those|here|i have)\b", re.I)
_GOODS = re.compile(
    r"\b(?:can|bottle|box|jar|packet|package|bag of|carton|tin|container|tube|vitamin|pill|tablet|medication|medicine"
    r"|supplement|spice|seasoning|soup|dinner|coffee|tea|sauce|cereal|snack|shampoo|conditioner|lotion|cigarette|yogurt"
    r"|beer|wine|soda|drink|juice|candy|cd|dvd|gift card|credit card)s?\b(?! (?:you|i|we|anybody|anyone|someone|be)\b)",
    re.I,
)
_READ = re.compile(
    r"\b(?:sa(?:y|ys|id)|saying|written|writing|spell(?:ed|s)?|label(?:s|ed)?|read (?:the|this|it|what|me|that)"
    r"|on (?:the|my|this) (?:\w+ )?(?:screen|display|monitor))\b",
    re.I,
)
_ASKS = re.compile(
    r"\?|\b(?:what|which|who|whose|where|when|why|how|tell|describe|identify|name|show|explain|can you|could you|is|are"
    r"|do|does|did|has|have|was|were|would|will)\b",
    re.I,
)
_SAYS = re.compile(
    r"\b(?:says?|saying|written|write|reads?|spell(?:ed|s|ing)?|words?|text|letters?|printed|label(?:ed|led)?|title[ds]?"
    r"|caption|headline|sign say|quote|transcribe|translate|phone number|website|url|address|author|date|year|price"
    r"|cost|published|edition|volume|chapter|page)\b",
    re.I,
)
_STATE = re.compile(
    r"\b(?:selected|checked|unchecked|ticked|enabled|disabled|highlighted|active|turned o(?:n|ff)|switched o(?:n|ff)"
    r"|status of|on or off|toggled?|grayed|greyed)\b",
    re.I,
)
_WIDGET = re.compile(
    r"\bhow many\b.*\b(?:icons?|buttons?|switch(?:es)?|toggles?|check ?box(?:es)?|hearts?|stars?|images?|pictures?|photos?"
    r"|inputs?|fields?|arrows?|dots?|colou?rs?|logos?|bars?|circles?|tabs?|lines? (?:are|in)|people in|thumbnails?|columns?)\b",
    re.I,
)
_VISUAL = re.compile(
    r"\b(?:colou?r(?:ed|s)?|logo|signatures?|handwritten|stamp(?:ed)?|seal|shape|symbol|icon|arrow|shaded?|picture of|photo of"
    r"|drawing|map|graph|chart|bar|pie|curve|diagram|legend)\b",
    re.I,
)
_COLOUR = re.compile(r"\bcolou?rs?\b", re.I)


def row_id(row: Mapping[str, Any]) -> str:
    """A stable name of a query row: digest of its source, picture and words."""
    text = f"{row['source']}|{row['image_id']}|{row['query']}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]


def weak_label(row: Mapping[str, Any]) -> str:
    """The technique that the rule gives to a row of the query sets (``query``, ``image_kind``, ``evidence_area``)."""
    query, kind = str(row["query"]), row["image_kind"]
    if _ASKS_PLACE.search(query) and kind != "chart":
        return "full_low"
    small = (row.get("evidence_area") or 0) <= 0.25
    if _PLACE.search(query) and small:
        return "crop"
    return _BY_KIND[kind](query)


def _chart(query: str) -> str:
    return "preserve"


def _photo(query: str) -> str:
    if _READ.search(query):
        return "transcode"
    goods = _THIS.search(query) and _GOODS.search(query) and not _COLOUR.search(query)
    if _COUNT.search(query) or _SEEN_MARK.search(query) or goods or not _ASKS.search(query):
        return "preserve"
    return "full_low"


def _scene(query: str) -> str:
    if _COLOUR.search(query):
        return "full_low"
    if _SAYS.search(query) and not re.search(r"\b(?:brand|flavou?r|logo)\b", query, re.I):
        return "transcode"
    return "preserve" if _COUNT.search(query) or _MARK.search(query) else "transcode"


def _document(query: str) -> str:
    return "preserve" if _VISUAL.search(query) or _WIDGET.search(query) else "transcode"


def _screen(query: str) -> str:
    return "preserve" if _STATE.search(query) or _WIDGET.search(query) or _COLOUR.search(query) else "transcode"


_BY_KIND = {
    "chart": _chart,
    "diagram": _photo,
    "photo": _photo,
    "scene_text": _scene,
    "document": _document,
    "receipt": _document,
    "screenshot": _screen,
}
