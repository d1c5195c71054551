"""The report as one self-contained HTML page: no script, nothing loaded, every text of the user's escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

from . import plots, views
from .cost import Bill
from .facts import CATEGORIES
from .measure import Piece
from .report import Graded, Report, Row
from .views import shown

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(report: Report, *, contents: bool = True, cases: int = 20) -> str:
    """The whole page. Without ``contents`` it shows numbers alone and can be passed on."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    body = "\n".join(
        [
            _head(report),
            _plots(report),
            _tables(report),
            *_cases(report, contents, cases),
            *_live(report, contents),
            _method(report),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,">'
        f"<title>Compression on your traffic</title><style>{style}</style></head>\n"
        f'<body><a class="skip" href="#worst">Skip to the worst cases</a>{body}</body></html>\n'
    )


def verdict(report: Report) -> str:
    """The result in plain words."""
    total, share = report.total, report.saved_money
    lost = sum(len(piece.lost) for piece in report.pieces)
    money = f"{share:.0%} less" if share >= 0.005 else f"{-share:.1%} more" if share <= -0.005 else "the same"
    said = f"Tool outputs shrink to {total.ratio:.0%} of their tokens. Net of retrievals and of prompt caches these calls cost {money}."
    if total.used:
        said += f" Of {total.used:,} values that the model used later, {total.visible:,} stay visible"
        said += f", {total.returned:,} come back by retrieval" if total.returned else ""
        said += f" and {lost:,} are lost." if lost else "; none is lost."
    return said


def _head(report: Report) -> str:
    total, bills = report.total, (report.without.cost(report.prices), report.with_us.cost(report.prices))
    sources = ", ".join(sorted({one.conversation.source for one in report.measured}))
    lost = sum(len(piece.lost) for piece in report.pieces)
    cards = [
        ("Tool output tokens", f"{1 - total.ratio:+.0%}".replace("+", "−") if total.ratio < 1 else "±0 %",
         f"{total.before:,} → {total.after:,}", "good" if total.ratio < 1 else ""),
        ("Cost, net", f"{-report.saved_money:+.1%}".replace("-", "−"), f"{plots.dollars(bills[0])} → {plots.dollars(bills[1])}",
         "good" if report.saved_money > 0 else "bad"),
        ("Used later, visible", f"{total.visible / total.used:.1%}" if total.used else "–",
         f"{total.visible:,} of {total.used:,}; {total.returned:,} called back", ""),
        ("Used later, lost", f"{lost:,}", "neither visible nor called back", "bad" if lost else "good"),
    ]  # fmt: skip
    made = "".join(
        f'<div class="card {kind}"><dt>{name}</dt><dd><b>{value}</b><span>{told}</span></dd></div>'
        for name, value, told, kind in cards
    )
    count = len(report.measured)
    return (
        f'<header><p class="over">headroom-core evaluate</p><h1>Compression on your traffic</h1>'
        f'<p class="verdict">{shown(verdict(report))}</p><p class="under">{count:,} conversation{"s" if count != 1 else ""} '
        f"({shown(sources)}), {report.without.calls:,} model calls, {total.outputs:,} tool outputs</p><dl>{made}</dl></header><main>"
    )


def _plots(report: Report) -> str:
    rows = [(row.name, row.before, row.after) for row in report.by_kind if row.before][:8]
    turns = report.by_turn()
    bills = [(name, _money(bill, report)) for name, bill in (("without", report.without), ("with", report.with_us))]
    figures = [
        ("Tokens of tool outputs, by kind", plots.pairs("Tokens by kind, before and after", rows), "Grey before, green after; the share is what is kept."),
        ("What the calls cost", plots.stacks("Cost without and with compression", bills),
         f"At your prices for a million tokens: input ${report.prices.input:g}, cached ${report.prices.cached:g}, written ${report.prices.write:g}, output ${report.prices.output:g}. Retrievals are among the calls."),
    ]  # fmt: skip
    if len(turns) > 1:
        chart = plots.lines("Prompt tokens by call", [a for a, _ in turns], [b for _, b in turns])
        figures.append(
            (
                "Prompt tokens, call by call",
                chart,
                "All conversations added up; the line falls where conversations end.",
            )
        )
    made = "".join(
        f"<figure><h3>{title}</h3>{svg}<figcaption>{told}</figcaption></figure>" for title, svg, told in figures
    )
    return f'<section aria-label="Plots" class="plots">{made}</section>'


def _money(bill: Bill, report: Report) -> list[tuple[str, float]]:
    """The bill's pieces in money."""
    prices = report.prices
    amounts = (
        (bill.cached, prices.cached),
        (bill.written, prices.write),
        (bill.uncached, prices.input),
        (bill.output, prices.output),
    )
    names = ("cached", "written", "uncached", "output")
    return [(name, tokens * price / 1e6) for name, (tokens, price) in zip(names, amounts, strict=True)]


def _tables(report: Report) -> str:
    bills = [("without", report.without), ("with", report.with_us)]
    rows = [
        [
            name,
            *(f"{value:,}" for value in (bill.calls, bill.cached, bill.written, bill.uncached, bill.output)),
            f"${bill.cost(report.prices):,.4f}",
        ]
        for name, bill in bills
    ]
    heads = ["", "calls", "cached", "written", "uncached", "output", "cost"]
    reasons = [[why, f"{count:,}", f"{tokens:,}"] for why, (count, tokens) in report.untouched.items()]
    made = [
        _rows_table("By kind", report.by_kind), _rows_table("By tool", report.by_tool),
        _table("Prompt tokens by what they cost", heads, rows),
    ]  # fmt: skip
    if reasons:
        made.append(_table("Left as they were", ["reason", "outputs", "tokens"], reasons))
    told = "Shares of numbers, names, identifiers and errors are those that still stand in outputs that changed. Most are meant to go; <b>used later</b> tells whether those that mattered went."
    return f"<section><h2>Numbers</h2><p class='under'>{told}</p>{''.join(made)}</section>"


def _rows_table(caption: str, rows: Sequence[Row]) -> str:
    heads = [caption[3:], "outputs", "changed", "before", "after", "kept", "used later, visible", *CATEGORIES]
    made = [
        [row.name, f"{row.outputs:,}", f"{row.changed:,}", f"{row.before:,}", f"{row.after:,}", f"{row.ratio:.0%}",
         f"{row.visible:,} / {row.used:,}" if row.used else "–",
         *(f"{kept / of:.0%}" if of else "–" for kept, of in (row.facts[name] for name in CATEGORIES))]
        for row in rows
    ]  # fmt: skip
    return _table(caption, heads, made)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{shown(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{shown(first)}</th>{"".join(f"<td>{shown(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f'<div class="table" tabindex="0" role="region" aria-label="{shown(caption)}"><table><caption>{shown(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cases(report: Report, contents: bool, cases: int) -> list[str]:
    chosen = report.worst[:cases]
    if not chosen:
        return ['<section id="worst"><h2>Worst cases</h2><p>No output changed.</p></section>']
    told = "What the model used later and could no longer see comes first, then errors that went, then size."
    made = [_case(piece, contents, at == 0) for at, piece in enumerate(chosen)]
    more = f"<p>{len(report.worst) - len(chosen):,} more are not shown.</p>" if len(report.worst) > len(chosen) else ""
    return [f'<section id="worst"><h2>Worst cases first</h2><p>{told}</p>{"".join(made)}{more}</section>']


def _case(piece: Piece, contents: bool, first: bool) -> str:
    tags = [f'<span class="tag">{shown(piece.kind)}</span>']
    for count, name, kind in (
        (len(piece.lost), "lost", "bad"),
        (len(piece.missing) - len(piece.lost), "called back", "warn"),
    ):
        if count:
            tags.append(f'<span class="tag {kind}">{count} {name}</span>')
    if not piece.missing and piece.uses:
        count = len(piece.uses)
        said = f"all {count} used values visible" if count > 1 else "the used value is visible"
        tags.append(f'<span class="tag good">{said}</span>')
    gone = ", ".join(f"{len(goes):,} {name}" for name, goes in piece.goes.items() if goes) or "no facts"
    head = (
        f'<summary><b>{shown(piece.tool)}</b> <span class="mono">{piece.tokens_before:,} → {piece.tokens_after:,}</span> {"".join(tags)}'
        f'<span class="where">{shown(piece.conversation)}, message {piece.at[0]}</span></summary>'
    )
    body = f'<p class="gone-line">Gone: {gone}. By {shown(piece.by)}.</p>'
    if contents:
        values = "".join(f"<code>{shown(use.value)}</code> " for use in piece.missing[:12])
        body += f"<p>Used later but not visible: {values}</p>" if values else ""
        panes = (
            ("Before", piece.tokens_before, views.before(piece)),
            ("After", piece.tokens_after, views.after(piece)),
        )
        body += '<div class="panes">' + "".join(
            f'<div><h3>{name} <span class="mono">{tokens:,} tokens</span></h3><pre tabindex="0" aria-label="{name}" dir="ltr">{text}</pre></div>'
            for name, tokens, text in panes
        ) + "</div>"  # fmt: skip
    return f"<details{' open' if first else ''}>{head}{body}</details>"


def _live(report: Report, contents: bool) -> list[str]:
    if not report.live:
        return []
    count = len(report.live)
    right = [sum(one.without_right for one in report.live), sum(one.with_us_right for one in report.live)]
    told = f"A model answered {count} last question{'s' if count > 1 else ''}: {right[0]} right with the whole context, {right[1]} with ours, with {sum(one.retrievals for one in report.live)} retrievals."
    heads = ["question", "expected", "without", "", "with", ""]
    rows = [_answers(one) for one in sorted(report.live, key=lambda one: (one.with_us_right, not one.without_right))]
    return [
        f"<section><h2>Asked live</h2><p>{told}</p>{_table('Answers, worst first', heads, rows) if contents else ''}</section>"
    ]


def _answers(one: Graded) -> list[str]:
    cut = [
        text if len(text) <= 300 else f"{text[:299]}…"
        for text in (one.question, one.expected, one.without, one.with_us)
    ]
    return [cut[0], cut[1], cut[2], "✓" if one.without_right else "✗", cut[3], "✓" if one.with_us_right else "✗"]


def _method(report: Report) -> str:
    broken = sum(one.prefix_breaks for one in report.measured)
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    return f"""<section class="method"><h2>How this was measured</h2><ul>
<li>Each conversation was compressed as it grew, call by call ({shown(settings)}). A call's prompt counts as cached as far as it begins with the call before it; {broken:,} of {report.without.calls:,} calls broke the prefix.</li>
<li><b>Used later</b>: numbers, names, identifiers and arguments that the model wrote and that stood in no message but a tool output. Visible means that the value still stands in some output as it was sent.</li>
<li><b>Called back</b>: the value was not visible and the retrieve tool, asked for it, returns it. That call, and its result in every later prompt, are in the cost, as are the tool's own definition ({report.retrievals:,} such calls).</li>
<li><b>Lost</b>: not visible and not called back. Shares of numbers, names, identifiers and errors count distinct ones in outputs that changed; most of them are meant to go.</li>
<li>Not simulated: a cache that runs out between two turns, and caches that conversations share.</li>
</ul></section></main>"""
