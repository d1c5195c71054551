"""Tables, pages, settings and mixtures measured on texts made here: asked values, outliers, words of the page.

python -m headroom_core.evals tables [--seeds 5]
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import mean, median

from headroom_core import compress
from headroom_core.evals import metrics

Case = tuple[str, str, list[str]]
"""(text, query, needles that must stay visible)"""

_WORDS = (
    "amber",
    "basalt",
    "cedar",
    "dune",
    "ember",
    "fjord",
    "grove",
    "heath",
    "inlet",
    "jetty",
    "knoll",
    "larch",
    "marsh",
)


def _rows(r: random.Random, count: int) -> list[list[str]]:
    rows = [["id", "name", "state", "size", "ratio"]]
    for i in range(count):
        name = f"{r.choice(_WORDS)}-{r.choice(_WORDS)}-{i}"
        rows.append([f"{4000 + i}", name, "ready", f"{r.randint(100, 900)}", f"{r.random():.3f}"])
    rows[r.randrange(count // 3, count)][2:4] = ["evicted", "7340032"]
    return rows


def _separated(rows: list[list[str]], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _padded(rows: list[list[str]], bar: str, rule: str) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [bar.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if rule:
        lines.insert(1, rule.join("-" * (width + len(bar) - 1) for width in widths))
    return "\n".join(lines) + "\n"


_LAYOUTS: dict[str, Callable[[list[list[str]]], str]] = {
    "csv": lambda rows: _separated(rows, ","),
    "tsv": lambda rows: _separated(rows, "\t"),
    "psql": lambda rows: _padded(rows, " | ", "+") + f"({len(rows) - 1} rows)\n",
    "columns": lambda rows: _padded(rows, "   ", ""),
}


def tables(seed: int) -> Iterator[tuple[str, Case]]:
    """Each layout, asked for a cell by the name of its row; the outlier is a needle too."""
    r = random.Random(seed)
    for name, layout in _LAYOUTS.items():
        rows = _rows(r, 300)
        asked = r.choice(rows[1:])
        yield name, (layout(rows), f"What is the ratio of {asked[1]}?", [asked[1], asked[4], "evicted", "7340032"])


def page(seed: int) -> Case:
    """A page with chrome on all sides, asked for one of its facts."""
    r = random.Random(seed)
    links = "".join(f'<li class="nav-item"><a href="/{w}/{i}">{w}</a></li>' for i, w in enumerate(_WORDS))
    facts = [
        f"The {r.choice(_WORDS)} station was built in {1850 + i} and has {r.randint(2, 99)} platforms"
        for i in range(60)
    ]
    body = "".join(
        f'<div class="row c{i}"><p>{fact}. <a href="/more/{i}">More</a></p></div>\n' for i, fact in enumerate(facts)
    )
    script = "<script>" + "window.dataLayer.push({event:'view'});" * 60 + "</script>"
    text = f"<!doctype html><html><head><title>Stations</title>{script}</head><body><nav><ul>{links}</ul></nav><main>{body}</main>"
    return text + f"<footer>{links}</footer>{script}</body></html>", "Which station was built in 1877?", facts


def settings(seed: int) -> Case:
    """A long YAML file, asked for one key of one service."""
    r = random.Random(seed)
    names = [f"{r.choice(_WORDS)}_{i}" for i in range(60)]
    text = "version: 2\nservices:\n" + "".join(
        f"  {name}:\n    # How {name} runs.\n    image: registry.example/{name}:{i}\n    limits:\n      memory: {100 + i}Mi\n      cpu: {i}\n"
        for i, name in enumerate(names)
    )
    return text, f"What is the memory limit of {names[31]}?", [f"{names[31]}:", "memory: 131Mi"]


def cases(seed: int) -> Iterator[tuple[str, Case]]:
    """All cases of a seed, by name."""
    yield from tables(seed)
    yield "html", page(seed)
    yield "yaml", settings(seed)


def main(arguments: Sequence[str] = ()) -> None:
    """Print tokens before and after, share, needles kept and time for each kind of text."""
    parser = argparse.ArgumentParser(prog="headroom_core.evals tables")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    found: dict[str, list[tuple[int, int, float, float]]] = {}
    for seed in range(options.seeds):
        for name, (text, query, needles) in cases(seed):
            start = time.perf_counter()
            out = compress(text, query=query).text
            spent = (time.perf_counter() - start) * 1000
            kept = metrics.needle_recall(needles, out) or 0.0
            found.setdefault(name, []).append((metrics.tokens(text), metrics.tokens(out), kept, spent))
    for name, rows in found.items():
        before, after, kept_all, times = zip(*rows, strict=True)
        print(
            f"{name:8} {median(before):8,.0f} -> {median(after):6,.0f} tokens, share {median(after) / median(before):.3f},"
            f" needles {mean(kept_all):.3f}, ms median {median(times):.1f}"
        )
