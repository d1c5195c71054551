"""Lists of web hits: blocks of title, address and snippet. The best keep their snippet, the others title and address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headroom_core.transforms._search import rank
from headroom_core.types import Context, Part, Rewrite

_ADDRESS = re.compile(r"https?://[^\s)>\]\"'<]{3,}")
_HEAD = re.compile(
    r"\s{0,4}(?:\[?\d{1,3}[\].):]{1,2}\s+\S|(?:#{1,4} |[-*] )?(?:\*\*)?(?:Title|Result \d+|Source \d+|Name)(?:\*\*)?\s*:|#{1,4} \[?\S|[-*] \[[^\]\n]+\]\(http)",
    re.IGNORECASE,
)
_FULL: Final = 0.22
_TITLES: Final = 0.12


@dataclass(frozen=True, slots=True)
class WebHit:
    """One block: its text, the first line that names it, and its address."""

    text: str
    title: str
    address: str


def read_web(text: str) -> list[WebHit]:
    """The hits of a list of web results in order; empty where the text does not look like one."""
    if text.count("http") < 3:
        return []
    blocks: list[list[str]] = []
    for line in text.split("\n"):
        if _HEAD.match(line):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    hits: list[WebHit] = []
    for block in blocks:
        body = "\n".join(block).rstrip("\n-= ")
        address = _ADDRESS.search(body, 0, 1200)
        if address is None:
            if not hits:
                return []
            last = hits[-1]
            hits[-1] = WebHit(f"{last.text}\n{body}", last.title, last.address)
        else:
            hits.append(WebHit(body, block[0].strip(), address[0]))
    return hits if len(hits) >= 3 and len(hits) * 3 >= len(blocks) else []


def pick(hits: Sequence[WebHit], part: Part, context: Context) -> Rewrite | None:
    """Whole hits by score while the budget lasts, title and address of the next ones, a count of the rest."""
    density = part.tokens / max(1, len(part.text))
    share = _FULL + _TITLES if context.target_ratio is None else context.target_ratio
    budget = max(300.0, share * part.tokens) if context.target_ratio is None else share * part.tokens
    score = rank.scores([hit.text for hit in hits], [hit.address for hit in hits], context.query)
    order = sorted(range(len(hits)), key=lambda at: (-score[at], at))
    form: dict[int, str] = {}
    left = budget * _FULL / (_FULL + _TITLES)
    for at in order:
        cost = len(hits[at].text) * density
        if cost <= left or not form:
            form[at] = hits[at].text
            left -= cost
        elif left < 40:
            break
    full = len(form)
    left = max(0.0, left) + budget * _TITLES / (_FULL + _TITLES)
    for at in order:
        if at in form:
            continue
        line = _line(hits[at])
        if (cost := len(line) * density * 1.2) <= left:
            form[at] = line
            left -= cost
    if full == len(hits):
        return None
    body = "\n\n".join(form[at] for at in sorted(form))
    gone = len(hits) - len(form)
    left_out = f"the snippets of {len(hits) - full} of {len(hits)} results" + (
        f", {gone} of them whole" if gone else ""
    )
    return Rewrite.of(body, left_out)


def _line(hit: WebHit) -> str:
    """Title and address on one line."""
    return hit.title[:160] if hit.address in hit.title else f"{hit.title[:160]} {hit.address}"
