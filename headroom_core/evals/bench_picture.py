"""The benchmark as one picture: SVG written by hand, in light and dark, for the README and for a browser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from .bench_rows import Row

_WIDTH = 1080
_CELL, _HIGH = 250, 196
_LEFT, _TOP = 30, 118
_ACROSS = 4
_LOWEST = 0.002
_STYLE = """
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;fill:#1d2321}
.h1{font-size:22px;font-weight:700;letter-spacing:-.02em}.h2{font-size:14px;font-weight:650}.soft{fill:#5d6763}.tick{fill:#5d6763;font-size:11px}
.bg{fill:#fff}.panel{fill:#f7f7f4}.grid{stroke:#dfe2dd}.ours{fill:#0b7a5b}.lossless{fill:none;stroke:#0b7a5b;stroke-width:2.5}.peer{fill:#c9611a}.simple{fill:#9aa39e}.name{font-weight:600}
@media (prefers-color-scheme:dark){text{fill:#e8ece9}.soft,.tick{fill:#a3aea9}.bg{fill:#121614}.panel{fill:#1a201d}.grid{stroke:#2d3531}.ours{fill:#4fc79f}.lossless{stroke:#4fc79f}.peer{fill:#f09a5c}.simple{fill:#77827d}}
"""
_LEGEND = (
    ("ours", "ours"),
    ("lossless", "ours, lossless"),
    ("peer", "headroom-ai, embedding filters, other encoders"),
    ("simple", "BM25, grep, lead, random"),
)


def picture(rows: Sequence[Row]) -> str:
    """Left above is best: few tokens, all facts. Below: milliseconds, shorter is better."""
    panels = _panels(rows)
    below = [(title, some) for title, some in _timed(rows) if some]
    deep = math.ceil(len(panels) / _ACROSS)
    bars = max((len(some) for _, some in below), default=0)
    height = _TOP + deep * (_HIGH + 14) + (70 + 26 * bars if below else 0) + 20
    body = [f'<rect class="bg" width="{_WIDTH}" height="{height}" rx="14"/>', *_head()]
    for at, (title, some) in enumerate(panels):
        x, y = _LEFT + at % _ACROSS * (_CELL + 7), _TOP + at // _ACROSS * (_HIGH + 14)
        body += _scatter(x, y, title, some)
    y = _TOP + deep * (_HIGH + 14) + 18
    for at, (title, some) in enumerate(below):
        body += _bars(
            _LEFT + at * (_WIDTH - 2 * _LEFT) / len(below), y, (_WIDTH - 2 * _LEFT) / len(below) - 24, title, some
        )
    told = "; ".join(
        f"{row.case}, {row.method}: {row.share:.1%} of tokens, {row.quality:.0%} of facts"
        for _, some in panels
        for row in some
        if row.ours
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">'
        f"<title>Quality against tokens, and speed</title><desc>{escape(told)}</desc><style>{_STYLE}</style>{''.join(body)}</svg>\n"
    )


def _head() -> Iterator[str]:
    yield f'<text class="h1" x="{_LEFT}" y="42">Facts that stay visible, against tokens that are sent</text>'
    yield f'<text class="soft" x="{_LEFT}" y="66">Each point is a method on one kind of tool output; its share of tokens runs from left (few, log scale) to right (all). Best is top left.</text>'
    x = float(_LEFT)
    for kind, said in _LEGEND:
        yield _dot(x + 6, 90, kind, said)
        yield f'<text x="{x + 18}" y="94.5">{said}</text>'
        x += 38 + 7.1 * len(said)


def _class(row: Row) -> str:
    if row.ours:
        return "lossless" if "lossless" in row.method else "ours"
    others = ("headroom-ai", "LangChain", "LlamaIndex", "ModernBERT", "XLM-R")
    return "peer" if row.method.startswith(others) else "simple"


def _panels(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """A panel for each kind of output and for the questions."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.section in ("inputs", "questions") and row.share is not None and row.quality is not None:
            found.setdefault(row.case, []).append(row)
    return list(found.items())


def _timed(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    titles = {
        "encoders": "Milliseconds for 512 tokens, one thread",
        "wrapper": "Milliseconds for a call of a long conversation",
    }
    return [
        (title, [row for row in rows if row.section == section and row.ms is not None])
        for section, title in titles.items()
    ]


def _x(share: float) -> float:
    """0 to 1 on a log scale."""
    return (math.log(max(share, _LOWEST)) - math.log(_LOWEST)) / -math.log(_LOWEST)


def _scatter(x: float, y: float, title: str, rows: Sequence[Row]) -> Iterator[str]:
    left, top, wide, high = x + 46, y + 38, _CELL - 66, _HIGH - 66
    yield f'<rect class="panel" x="{x}" y="{y}" width="{_CELL}" height="{_HIGH}" rx="10"/>'
    yield f'<text class="h2" x="{x + 12}" y="{y + 22}">{escape(title)}</text>'
    for quality in (0, 0.5, 1):
        at = top + high * (1 - quality)
        yield f'<line class="grid" x1="{left}" x2="{left + wide}" y1="{at:.1f}" y2="{at:.1f}"/><text class="tick" x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{quality:.0%}</text>'
    for share in (0.01, 0.1, 1):
        at = left + wide * _x(share)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{top + high}"/><text class="tick" x="{at:.1f}" y="{top + high + 17}" text-anchor="middle">{share:.0%}</text>'
    order = {"simple": 0, "peer": 1, "lossless": 2, "ours": 3}
    for row in sorted(rows, key=lambda row: order[_class(row)]):
        assert row.share is not None
        assert row.quality is not None
        told = f"{row.method}: {row.share:.1%} of tokens, {row.quality:.0%}"
        yield _dot(left + wide * _x(min(row.share, 1)), top + high * (1 - row.quality), _class(row), told)


def _dot(x: float, y: float, kind: str, told: str) -> str:
    size = {"ours": 6.5, "lossless": 5, "peer": 5, "simple": 4}[kind]
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size}"><title>{escape(told)}</title></circle>'


def _bars(x: float, y: float, wide: float, title: str, rows: Sequence[Row]) -> Iterator[str]:
    most = max((row.ms or 0 for row in rows), default=1) or 1
    yield f'<text class="h2" x="{x}" y="{y + 12}">{escape(title)}</text>'
    for at, row in enumerate(rows):
        ms, line = row.ms or 0, y + 36 + 26 * at
        width = max(2, (wide - 290) * ms / most)
        yield f'<text x="{x + 205}" y="{line + 4}" text-anchor="end">{escape(row.method)}</text>'
        yield f'<rect class="{_class(row)}" x="{x + 214}" y="{line - 7}" width="{width:.1f}" height="14" rx="3"><title>{ms:.1f} ms</title></rect>'
        yield (
            f'<text class="soft" x="{x + 222 + width:.1f}" y="{line + 4}">{ms:,.0f} ms</text>'
            if ms >= 10
            else f'<text class="soft" x="{x + 222 + width:.1f}" y="{line + 4}">{ms:.2g} ms</text>'
        )
