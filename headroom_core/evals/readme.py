"""Writes the benchmark's table into README.md and its picture beside the documentation.

    python -m headroom_core.evals readme [options of bench]

``differences`` compares the README's table with another run: it tells of another winner, of facts that are lost, and of
sizes of another order of magnitude, not of noise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .bench import ROOT, options_of, run
from .bench_rows import Row, cells

README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "bench.svg"
COLUMNS = ("ours", "ours lossless", "headroom-ai default", "headroom-ai direct", "BM25 10 % of lines")
_MARKS = re.compile(r"(?P<head><!-- table: )(?:inputs|bench)( -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
_CELL = re.compile(r"(?P<share>[\d.]+)% · (?P<quality>\d+)% · (?P<ms>[\d.,]+) ms")
_FACTOR = 3.0
_FEWER_FACTS = 0.34

Cell = tuple[float, float]
"""Share of tokens, share of facts."""


def table(rows: Sequence[Row]) -> str:
    """Markdown: a row for each kind of output, a column for each method; tokens kept · facts kept · milliseconds."""
    inputs = [row for row in rows if row.section == "inputs" and row.share is not None]
    methods = [name for name in COLUMNS if any(row.method == name for row in inputs)]
    lines = ["| tool output | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for kind in dict.fromkeys(row.case for row in inputs):
        by = {row.method: row for row in inputs if row.case == kind}
        lines.append(f"| {kind} | " + " | ".join(_cell(by.get(name), by) for name in methods) + " |")
    return "\n".join(lines)


def _cell(row: Row | None, beside: dict[str, Row]) -> str:
    """One cell; bold where no method that keeps as many facts takes fewer tokens."""
    if row is None:
        return "–"
    share, quality, ms = cells(row)
    told = f"{share} · {quality} · {ms} ms"
    return (
        f"**{told}**"
        if row.method == _winner({name: (each.share or 0, each.quality or 0) for name, each in beside.items()})
        else told
    )


def _winner(by: dict[str, Cell]) -> str:
    """The method that keeps most facts, and of those takes the fewest tokens."""
    return min(by, key=lambda name: (-by[name][1], by[name][0]))


def read(text: str) -> dict[str, dict[str, Cell]]:
    """The table between the marks of a README: share and facts by kind and method; empty where there is none."""
    found = _MARKS.search(text)
    lines = [line.strip("| ").split(" | ") for line in (found[0] if found else "").split("\n") if line.startswith("| ")]
    if not lines or lines[0][0] != "tool output":
        return {}
    made: dict[str, dict[str, Cell]] = {}
    for kind, *values in lines[1:]:
        for name, value in zip(lines[0][1:], values, strict=True):
            if cell := _CELL.search(value):
                made.setdefault(kind, {})[name] = (float(cell["share"]) / 100, float(cell["quality"]) / 100)
    return made


def differences(told: dict[str, dict[str, Cell]], fresh: dict[str, dict[str, Cell]]) -> list[str]:
    """What a fresh run says otherwise in kind, one sentence each; only methods and kinds that both have are compared."""
    found = [f"{kind} is not in the README's table" for kind in fresh if kind not in told]
    for kind in fresh.keys() & told.keys():
        both = [name for name in told[kind] if name in fresh[kind]]
        for name in both:
            (share, facts), (new_share, new_facts) = told[kind][name], fresh[kind][name]
            if max(share, new_share) > _FACTOR * max(min(share, new_share), 0.001):
                found.append(f"{kind}, {name}: {share:.1%} of tokens in the README, {new_share:.1%} now")
            if abs(facts - new_facts) > _FEWER_FACTS and name.startswith("ours"):
                found.append(f"{kind}, {name}: {facts:.0%} of facts in the README, {new_facts:.0%} now")
        before, after = (_winner({name: cells[kind][name] for name in both}) for cells in (told, fresh))
        if before != after and before.startswith("ours") != after.startswith("ours"):
            found.append(f"{kind}: {before} wins in the README, {after} now")
    return sorted(found)


def main(arguments: list[str]) -> None:
    """Measure, replace what stands between the table marks, and draw the picture."""
    from .bench_picture import picture

    rows = run(options_of(arguments))
    text = README.read_text(encoding="utf-8")
    made = _MARKS.sub(lambda marks: f"{marks['head']}bench -->\n{table(rows)}\n{marks['end']}", text)
    README.write_text(made, encoding="utf-8")
    PICTURE.write_text(picture(rows), encoding="utf-8")
    print(table(rows))
    skips = [row for row in rows if row.note.startswith("skipped")]
    print("\n".join(f"{row.section}, {row.case}: {row.note}" for row in skips))
