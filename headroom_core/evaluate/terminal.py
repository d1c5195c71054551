"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .facts import CATEGORIES
from .page import verdict
from .report import Report, Row
from .views import plain


def show(report: Report, console: Console, *, contents: bool = True, cases: int = 5) -> None:
    """Print the worst cases first, then the tables, then the verdict."""
    console.print(tables(report, contents=contents, cases=cases))


def tables(report: Report, *, contents: bool, cases: int) -> RenderableType:
    """Everything to be printed, in order."""
    made: list[RenderableType] = []
    if report.worst:
        made.append(_worst(report, contents, cases))
    made += [_rows("kind", report.by_kind), _rows("tool", report.by_tool), _facts(report.by_kind), _bill(report)]
    if report.untouched:
        made.append(_untouched(report))
    if report.live:
        made.append(_live(report))
    return Group(*made, Text(f"\n{verdict(report)}", style="bold"))


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for at, head in enumerate(heads):
        table.add_column(
            head, justify="right" if at else "left", overflow="fold", no_wrap=bool(at), min_width=0 if at else 12
        )
    return table


def _worst(report: Report, contents: bool, cases: int) -> Text:
    """A line for each case, and one for what was not visible."""
    text = Text("\nWorst cases first\n", style="bold")
    for piece in report.worst[:cases]:
        missing, lost = len(piece.missing), len(piece.lost)
        text.append(f"{plain(piece.tool)} ", style="not bold cyan")
        text.append(f"({piece.kind}) {piece.tokens_before:,} → {piece.tokens_after:,}", style="not bold")
        if lost:
            text.append(f" · {lost} lost", style="not bold red")
        if missing > lost:
            text.append(f" · {missing - lost} called back", style="not bold yellow")
        text.append(f" · {plain(piece.conversation)} @{piece.at[0]}\n", style="not bold dim")
        if contents and missing:
            values = ", ".join(plain(use.value) for use in piece.missing[:6])
            text.append(f"  not visible: {values}\n", style="not bold dim")
    return text


def _rows(title: str, rows: Sequence[Row]) -> Table:
    table = _table(" ", [f"by {title}", "outputs", "before", "after", "kept", "used later, visible"])
    for row in rows:
        used = f"{row.visible:,} of {row.used:,}" if row.used else "–"
        numbers = (f"{row.outputs:,}", f"{row.before:,}", f"{row.after:,}", f"{row.ratio:.0%}", used)
        table.add_row(escape(plain(row.name)), *numbers)
    return table


def _facts(rows: Sequence[Row]) -> Table:
    table = _table("\nWhat still stands in outputs that changed", ["", *CATEGORIES])
    for row in rows:
        shares = (row.facts[name] for name in CATEGORIES)
        table.add_row(escape(plain(row.name)), *(f"{kept:,}/{of:,}" if of else "–" for kept, of in shares))
    return table


def _bill(report: Report) -> Table:
    table = _table(
        "\nPrompt tokens by what they cost", ["", "calls", "cached", "written", "uncached", "output", "cost"]
    )
    for name, bill in (("without", report.without), ("with", report.with_us)):
        tokens = (bill.calls, bill.cached, bill.written, bill.uncached, bill.output)
        table.add_row(name, *(f"{value:,}" for value in tokens), f"${bill.cost(report.prices):,.4f}")
    return table


def _untouched(report: Report) -> Table:
    table = _table("\nLeft as they were", ["reason", "outputs", "tokens"])
    for why, (count, tokens) in report.untouched.items():
        table.add_row(escape(plain(why)), f"{count:,}", f"{tokens:,}")
    return table


def _live(report: Report) -> Table:
    table = _table("\nAsked live", ["", "right", "prompt tokens", "retrievals"])
    count = len(report.live)
    table.add_row(
        "without",
        f"{sum(one.without_right for one in report.live)}/{count}",
        f"{sum(one.tokens_without for one in report.live):,}",
        "–",
    )
    table.add_row(
        "with",
        f"{sum(one.with_us_right for one in report.live)}/{count}",
        f"{sum(one.tokens_with for one in report.live):,}",
        f"{sum(one.retrievals for one in report.live):,}",
    )
    return table
