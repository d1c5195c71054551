"""Measure the log transform: labelled failures of CI logs, planted needles, and templates.

python -m headroom_core.evals.logs [--set ci_dev] [--every 1] [--ratio 0.03] [--templates]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from headroom_core.evals import data
from headroom_core.transforms.logs import Log
from headroom_core.types import Context, Part, Text

QUESTION = "Why did the build fail?"


def beside(folder: str, name: str) -> ModuleType:
    """A module of the measures or peers folder that lies beside the data."""
    spec = importlib.util.spec_from_file_location(f"_{folder}_{name}", data.root() / folder / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{folder}/{name}.py is not at hand under {data.root()}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shown(text: str, question: str | None, count: Callable[[str], int], ratio: float | None = None) -> str:
    """What a model sees of a log: the excerpt and the line about the rest; the text itself where nothing changes."""
    part = Part((0, 0), "log", Text(text), count(text))
    made = Log()(part, Context(count=count, query=question, target_ratio=ratio))
    return text if made is None else f"{made.text}\n[left out: {made.left_out}]"


def ci(name: str, ratio: float | None, every: int) -> list[dict[str, Any]]:
    """Per log: its repository, share of tokens kept, recall of the labelled lines, milliseconds."""
    metrics = beside("measures", "metrics")
    out = []
    for k, row in enumerate(data.rows("logs", f"{name}.jsonl.gz")):
        if k % every:
            continue
        before = metrics.tokens(row["log"])
        start = time.perf_counter()
        text = shown(row["log"], QUESTION, metrics.tokens, ratio)
        took = (time.perf_counter() - start) * 1000
        body = row["log"].split("\n")
        recall = metrics.line_recall([body[i - 1] for i in row["chunk_lines"]], text)
        out.append({"repo": row["repo"], "id": row["id"], "tokens": before, "recall": recall, "ms": took})
        out[-1]["share"] = metrics.tokens(text) / before
    return out


def needles(seeds: Sequence[int] = (7, 8, 9, 10, 11)) -> list[tuple[int, int, float]]:
    """(tokens before, tokens after, share of needles visible) for generated service logs."""
    metrics, inputs = beside("measures", "metrics"), beside("peers", "inputs")
    out = []
    for seed in seeds:
        text, question, wanted = inputs.make_inputs(seed)["log"]
        seen = shown(text, question, metrics.tokens)
        out.append((metrics.tokens(text), metrics.tokens(seen), metrics.needle_recall(wanted, seen)))
    return out


def grouping() -> list[tuple[str, float, float]]:
    """(system, accuracy of our templates, of "digits masked") on the labelled 2,000-line logs.

    Accuracy is the share of lines whose group holds exactly the lines of their labelled template (Zhu et al. 2019).
    """
    import csv
    import re

    import numpy as np

    from headroom_core.transforms._logs import lines, tokens

    out = []
    for file in sorted(data.path("logs", "loghub").glob("*_2k.log")):
        raw = file.read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")
        with (file.parent / f"{file.name}_templates.csv").open(encoding="utf-8") as table:
            fixed = [row["EventTemplate"].split("<*>") for row in csv.DictReader(table)]
        fixed.sort(key=lambda parts: -sum(map(len, parts)))
        truth = [next((k for k, parts in enumerate(fixed) if _fits(parts, line)), -1) for line in raw]
        text = lines.read("\n".join(raw))
        ours = tokens.read(text).line_hashes(len(text))[1].tolist()
        plain = [re.sub(r"\d+", "0", line) for line in raw]
        labelled = np.array(truth) >= 0
        out.append((file.name, _agreement(truth, ours, labelled), _agreement(truth, plain, labelled)))
    return out


def _fits(parts: Sequence[str], line: str) -> bool:
    """Do the fixed parts of a template stand in the line in order, the last one at its end? Linear."""
    at = 0
    for part in parts[:-1]:
        at = line.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return line.rstrip().endswith(parts[-1].rstrip()) and len(line) - len(parts[-1]) >= at


def _agreement(truth: Sequence[Any], guess: Sequence[Any], use: Any) -> float:
    groups: dict[Any, set[int]] = {}
    gold: dict[Any, set[int]] = {}
    for k, (a, b) in enumerate(zip(truth, guess, strict=True)):
        if use[k]:
            gold.setdefault(a, set()).add(k)
            groups.setdefault(b, set()).add(k)
    right = sum(len(group) for group in groups.values() if gold[truth[min(group)]] == group)
    return right / max(1, int(use.sum()))


def report(rows: Sequence[dict[str, Any]]) -> str:
    """Mean recall, median share, and the repositories with the lowest recall."""
    by: dict[str, list[float]] = {}
    for row in rows:
        by.setdefault(row["repo"], []).append(row["recall"])
    worst = sorted((statistics.mean(v), k) for k, v in by.items())[:6]
    return (
        f"{len(rows)} logs: recall {100 * statistics.mean(r['recall'] for r in rows):.1f} % "
        f"(mean over repositories {100 * statistics.mean(statistics.mean(v) for v in by.values()):.1f}), "
        f"tokens median {100 * statistics.median(r['share'] for r in rows):.2f} % "
        f"mean {100 * statistics.mean(r['share'] for r in rows):.2f} %, "
        f"{statistics.median(r['ms'] for r in rows):.1f} ms; "
        f"lowest: {', '.join(f'{k} {100 * v:.0f}' for v, k in worst)}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the measures."""
    parser = argparse.ArgumentParser(description="Measure the log transform")
    parser.add_argument("--set", default="ci_dev", choices=["ci_dev", "ci_train"])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--ratio", type=float, action="append")
    parser.add_argument("--templates", action="store_true")
    options = parser.parse_args(argv)
    for ratio in [None, *(options.ratio or [0.03])]:
        label = "default" if ratio is None else f"target_ratio={ratio}"
        print(f"{options.set}, {label}: {report(ci(options.set, ratio, options.every))}", flush=True)
    for before, after, found in needles():
        print(f"service log: {before} -> {after} tokens, needles {100 * found:.0f} %")
    if options.templates:
        for name, ours, plain in grouping():
            print(f"templates {name}: {100 * ours:.0f} %, digits masked {100 * plain:.0f} %")


if __name__ == "__main__":
    main()
