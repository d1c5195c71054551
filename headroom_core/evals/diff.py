"""Diffs measured: is every changed line outside lock and generated files still there, and at what share of the tokens?

    python -m headroom_core.evals diff [--repo PATH ...] [--commits 100]

Reads the patches of the data pack and the history of git repositories (default: the one that holds this file).
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from headroom_core import compress
from headroom_core.evals import data, metrics
from headroom_core.transforms.diff import noise


def history(repo: Path, commits: int) -> Iterator[str]:
    """The diffs of the last commits of a repository, as ``git show`` prints them."""
    git = ["git", "-C", str(repo)]
    ids = subprocess.run(
        [*git, "rev-list", f"-n{commits}", "--no-merges", "HEAD"], capture_output=True, check=True
    ).stdout
    for commit in ids.decode().split():
        shown = subprocess.run(
            [*git, "show", "--no-color", "--format=", commit], capture_output=True, check=True
        ).stdout
        yield shown.decode("utf-8", "replace")


def changed_lines(diff: str) -> list[str]:
    """Added and removed lines with their marks, outside lock and generated files."""
    path, lines = "", []
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            path = line.rsplit(" b/", 1)[-1]
        elif line[:1] in ("+", "-") and not line.startswith(("+++ ", "--- ")) and not noise(path):
            lines.append(line)
    return lines


def measure(name: str, diffs: Sequence[str]) -> str:
    """One line: how many diffs, changed lines kept, median share of the tokens by default and lossless, time."""
    shares, lossless, times = [], [], []
    kept = wanted = 0
    for diff in diffs:
        before = metrics.tokens(diff)
        start = time.perf_counter()
        out = compress(diff).text
        times.append((time.perf_counter() - start) * 1000)
        shares.append(metrics.tokens(out) / before)
        lossless.append(metrics.tokens(compress(diff, strength="lossless").text) / before)
        lines, shown = changed_lines(diff), set(out.split("\n"))
        wanted += len(lines)
        kept += sum(line in shown for line in lines)
    return (
        f"{name:34} {len(diffs):5} diffs, changed lines {kept:,} of {wanted:,}, share median {median(shares):.3f}"
        f" (lossless {median(lossless):.3f}), ms median {median(times):.2f} max {max(times):.1f}"
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Print one line per source."""
    parser = argparse.ArgumentParser(prog="headroom_core.evals diff")
    parser.add_argument("--repo", type=Path, action="append", help="a git repository whose history is measured")
    parser.add_argument("--commits", type=int, default=100)
    options = parser.parse_args(arguments)
    for file in ("patches.jsonl.gz", "patches_bugsinpy_dev.jsonl.gz"):
        if data.have("code", file):
            print(measure(file, [row["patch"] for row in data.rows("code", file)]), flush=True)
    for repo in options.repo or [Path(__file__).resolve().parents[2]]:
        diffs = [diff for diff in history(repo, options.commits) if diff]
        if diffs:
            print(measure(f"history of {repo.name}", diffs), flush=True)
