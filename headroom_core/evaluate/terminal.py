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
    made += [_rows("kind", report.by_kind), _rows("tool", report.by_tool), _bill(report)]
    if report.untouched:
        made.append(_untouched(report))
    if report.live:
        made.append(_live(report))
    return Group(*made, Text(f"\n{verdict(report)}", style="bold"))


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", overflow="fold", no_wrap=bool(at))
    return table


def _worst(report: Report, contents: bool, cases: int) -> Table:
    table = _table("\nWorst cases first", ["tool", "kind", "before", "after", "lost", "called back", "where"])
    for piece in report.worst[:cases]:
        missing, lost = len(piece.missing), len(piece.lost)
        where = f"{piece.conversation} @{piece.at[0]}"
        table.add_row(escape(plain(piece.tool)), piece.kind, f"{piece.tokens_before:,}", f"{piece.tokens_after:,}",
                      f"[red]{lost}[/]" if lost else "0", f"[yellow]{missing - lost}[/]" if missing > lost else "0",
                      escape(plain(where)))  # fmt: skip
        if contents and missing:
            values = ", ".join(plain(use.value) for use in piece.missing[:6])
            table.add_row(Text(f"  not visible: {values}", style="dim"))
    return table


def _rows(title: str, rows: Sequence[Row]) -> Table:
    heads = [f"by {title}", "outputs", "before", "after", "kept", "used later", *CATEGORIES]
    table = _table("", heads)
    for row in rows:
        shares = [f"{kept / of:.0%}" if of else "–" for kept, of in (row.facts[name] for name in CATEGORIES)]
        used = f"{row.visible:,}/{row.used:,}" if row.used else "–"
        table.add_row(
            escape(plain(row.name)),
            f"{row.outputs:,}",
            f"{row.before:,}",
            f"{row.after:,}",
            f"{row.ratio:.0%}",
            used,
            *shares,
        )
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
