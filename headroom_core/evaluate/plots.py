"""Plots as inline SVG, by hand: they scale, follow the page's colours, and say what they show to a screen reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH = 540
_LABEL = 116
_ROW = 44
_BAR = 15


def number(value: float) -> str:
    """Tokens for people: 940, 12.3k, 4.1M."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{sign}" if value < 1000 * size else f"{value / size:,.0f}{sign}"
    return f"{value:,.0f}"


def frame(title: str, told: str, height: float, body: Sequence[str]) -> str:
    """An SVG with its name and its description in words."""
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height:.0f}" aria-label="{escape(title, True)}">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{''.join(body)}</svg>"
    )


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    """A label."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def bar(x: float, y: float, width: float, height: float, kind: str, told: str) -> str:
    """A bar that tells its value to whoever points at it."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" rx="3" class="{kind}">'
        f"<title>{escape(told)}</title></rect>"
    )


def pairs(title: str, rows: Sequence[tuple[str, int, int]]) -> str:
    """Two bars for each name: before and after."""
    most = max((before for _, before, _ in rows), default=0) or 1
    room = _WIDTH - _LABEL - 110
    body: list[str] = []
    for at, (name, before, after) in enumerate(rows):
        y = 8 + at * _ROW
        shown = name if len(name) <= 15 else f"{name[:14]}…"
        body.append(text(_LABEL - 12, y + 22, shown, "name", "end"))
        for step, (value, kind) in enumerate(((before, "before"), (after, "after"))):
            width = room * value / most
            body.append(bar(_LABEL, y + step * 18, width, _BAR, kind, f"{name}: {value:,} tokens {kind}"))
            share = f" · {after / before:.0%}" if kind == "after" and before else ""
            body.append(text(_LABEL + width + 8, y + step * 18 + 12, number(value) + share, f"value {kind}"))
    told = "; ".join(f"{name}: {before:,} tokens before, {after:,} after" for name, before, after in rows)
    return frame(title, told, 16 + len(rows) * _ROW, body)


def stacks(title: str, rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """One bar of money for each name, put together from named pieces; the legend stands below."""
    sums = [sum(value for _, value in pieces) for _, pieces in rows]
    most = max(sums, default=0.0) or 1.0
    room = _WIDTH - _LABEL - 110
    body: list[str] = []
    for at, ((name, pieces), whole) in enumerate(zip(rows, sums, strict=True)):
        y, x = 8 + at * 52, float(_LABEL)
        body.append(text(_LABEL - 12, y + 21, name, "name", "end"))
        for kind, value in pieces:
            width = room * value / most
            if value:
                body.append(bar(x, y, max(width - 1.5, 1), 32, f"part {kind}", f"{name}, {kind}: {dollars(value)}"))
            x += width
        body.append(text(x + 8, y + 21, dollars(whole), "value"))
    y, x = 26 + len(rows) * 52, float(_LABEL)
    for kind, _ in rows[0][1] if rows else ():
        body += [bar(x, y - 10, 12, 12, f"part {kind}", kind), text(x + 18, y, kind, "legend")]
        x += 34 + 7.2 * len(kind)
    told = "; ".join(
        f"{name}: " + ", ".join(f"{kind} {dollars(value)}" for kind, value in pieces) for name, pieces in rows
    )
    return frame(title, told, y + 12, body)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten, so that a quarter of it reads well."""
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 4, 8, 10) if step * size >= value)


def dollars(value: float) -> str:
    """Money: cents from one dollar on, three digits below."""
    return f"${value:,.2f}" if value >= 1 else f"${value:.3g}"


def lines(title: str, without: Sequence[float], with_us: Sequence[float]) -> str:
    """Two lines over the calls of a conversation: without and with compression."""
    left, right, top, bottom = 48.0, 30.0, 22.0, 300.0
    most = _round_up(max([*without, *with_us, 1]))
    step = (_WIDTH - left - right) / max(1, len(without) - 1)
    body: list[str] = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = bottom - (bottom - top) * share
        body.append(f'<line x1="{left}" x2="{_WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        body.append(text(left - 8, y + 4, number(most * share), "tick", "end"))
    for values, kind in ((without, "before"), (with_us, "after")):
        points = [(left + at * step, bottom - (bottom - top) * value / most) for at, value in enumerate(values)]
        body.append(f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
        for (x, y), value, at in zip(points, values, range(1, len(values) + 1), strict=True):
            if len(points) <= 40:
                told = f"call {at}: {value:,.0f} prompt tokens {kind}"
                body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{kind}"><title>{told}</title></circle>')
        if points:
            x, y = points[-1]
            near = abs(with_us[-1] - without[-1]) < most / 12
            body.append(
                text(
                    x + 8,
                    y + (18 if near and kind == "after" else -8),
                    {"before": "without", "after": "with"}[kind],
                    f"value {kind}",
                    "end",
                )
            )
    last = len(without) - 1
    named = range(last + 1) if last < 8 else sorted({0, last // 3, last * 2 // 3, last})
    body += [text(left + at * step, bottom + 20, f"call {at + 1}", "tick", "middle") for at in named]
    told = (
        f"from {without[0]:,.0f} to {without[-1]:,.0f} without, from {with_us[0]:,.0f} to {with_us[-1]:,.0f} with"
        if without
        else ""
    )
    return frame(title, told, bottom + 30, body)
