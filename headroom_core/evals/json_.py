"""JSON measured: needles kept at what share of the tokens, on planted arrays and on real agent tool outputs.

    python -m headroom_core.evals json_ [--seeds 5]

Look-ups ask a value by another field of its row; anomalies ask for nothing in particular. The agent's outputs
(tau-bench) are judged by the values that the agent used later. The peer's figures on the planted inputs come from
``python -m headroom_core.evals inputs``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from headroom_core import compress
from headroom_core.evals import data, metrics
from headroom_core.evals.inputs import _module as module

_LEAST_TOKENS = 250


def planted(seeds: int) -> Iterator[tuple[str, str, str, list[str]]]:
    """(group, text, query, needles) of the planted inputs and cases."""
    inputs, cases = module("inputs"), module("json_cases")
    for seed in range(1, seeds + 1):
        text, query, needles = inputs.make_inputs(seed)["json"]
        yield "planted failure", text, query, needles
        for text, query, needles, kind in cases.cases(seed):
            yield kind, text, query, needles


def agent_outputs() -> Iterator[tuple[str, str | None, list[str]]]:
    """(output, last thing the user said, values used later) of the JSON tool outputs that are worth compressing."""
    for row in data.rows("agent", "tau_bench.jsonl.gz"):
        if row["is_json"] and metrics.tokens(row["output"]) >= _LEAST_TOKENS:
            said = row["user_messages_so_far"]
            yield row["output"], said[-1] if said else None, [used["value"] for used in row["used_later"]]


def planted_table(seeds: int) -> str:
    """Markdown: per group the median tokens and share, the mean recall, the median milliseconds."""
    groups: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for group, text, query, needles in planted(seeds):
        before = metrics.tokens(text)
        for name, strength in (("", None), (", lossless", "lossless")):
            start = time.perf_counter()
            out = compress(text, query=query, strength=strength).text  # type: ignore[arg-type]
            ms = (time.perf_counter() - start) * 1000
            after = metrics.tokens(out)
            groups[group + name].append((after, after / before, metrics.needle_recall(needles, out) or 0.0, ms))
    lines = ["| case | n | tokens | share | needles kept | ms |", "|---|--:|--:|--:|--:|--:|"]
    for group, found in groups.items():
        counts, shares, recalls, times = zip(*found, strict=True)
        lines.append(
            f"| {group} | {len(found)} | {statistics.median(counts):,.0f} | {statistics.median(shares):.1%} "
            f"| {statistics.fmean(recalls):.1%} | {statistics.median(times):.1f} |"
        )
    return "\n".join(lines)


def agent_table() -> str:
    """Markdown: share of all tokens and values used later that stay visible, beside plain minification."""
    before: list[int] = []
    after: dict[str, list[int]] = defaultdict(list)
    kept: dict[str, list[float]] = defaultdict(list)
    for text, query, used in agent_outputs():
        before.append(metrics.tokens(text))
        outs = {
            "minified": json.dumps(_plain(text), ensure_ascii=False, separators=(",", ":")),
            "ours, lossless": compress(text, query=query, strength="lossless").text,
            "ours": compress(text, query=query).text,
        }
        for name, out in outs.items():
            after[name].append(metrics.tokens(out))
            recall = metrics.needle_recall(used, out)
            if recall is not None:
                kept[name].append(recall)
    lines = [f"| agent tool outputs ({len(before)}) | share of all tokens | values used later |", "|---|--:|--:|"]
    for name, tokens in after.items():
        lines.append(f"| {name} | {sum(tokens) / sum(before):.1%} | {statistics.fmean(kept[name]):.2%} |")
    return "\n".join(lines)


def _plain(text: str) -> Any:
    return json.loads(text)


def main(arguments: list[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m headroom_core.evals json_", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    print(planted_table(chosen.seeds))
    print()
    print(agent_table())


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
