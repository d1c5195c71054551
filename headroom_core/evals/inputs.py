"""All kinds in one run: synthetic tool outputs with planted needles, our strengths beside the peer and the simple ways.

    python -m headroom_core.evals inputs [--seeds 5] [--json FILE]

Set HEADROOM_PEER_PYTHON to the Python of a virtual environment with ``headroom-ai`` to run the peer in the same run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headroom_core import compress
from headroom_core.tokens.estimate import estimate
from headroom_core.transforms import transform_for
from headroom_core.types import Context, Kind, Part, Text

from . import data, metrics
from .peers import Peer, peer_python

_BUDGETED = frozenset(("json", "log", "search", "prose"))
"""Kinds of which a share of the tokens is kept."""

Case = tuple[str, str, list[str]]
"""(text, query, needles that must stay visible)"""


@dataclass(frozen=True, slots=True)
class Run:
    """One method on one case."""

    kind: str
    method: str
    tokens: int
    share: float
    kept: float
    ms: float


def cases(seed: int) -> dict[str, Case]:
    """The planted inputs of one seed, by kind."""
    made: dict[str, Case] = _module("inputs").make_inputs(seed)
    return made


def _module(name: str) -> Any:
    """A module that lies with the data, not in the package."""
    spec = importlib.util.spec_from_file_location(name, data.root() / "peers" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def simple_methods() -> dict[str, Callable[[str, str], str]]:
    """What anybody could do in a line or ten."""
    return {
        "first 10 %": lambda text, query: text[: len(text) // 10],
        "last 10 %": lambda text, query: text[-len(text) // 10 :],
        "grep error ± 3": lambda text, query: _grep(text),
        "BM25 10 % of lines": lambda text, query: _bm25_lines(text, query, 0.1),
    }


def our_methods() -> dict[str, Callable[[str, str], str]]:
    """Our strengths, with defaults otherwise."""
    return {
        "ours lossless": lambda text, query: compress(text, query=query, strength="lossless").text,
        "ours": lambda text, query: compress(text, query=query).text,
    }


def direct(kind: Kind) -> Callable[[str, str], str]:
    """Our transform for a kind without detection, store and closing line, as the peer's compressors are called.

    Tokens are counted where the transform's budget needs them.
    """
    transform = transform_for(kind)
    assert transform is not None

    def shortened(text: str, query: str) -> str:
        part = Part((0, 0), kind, Text(text), estimate(text) if kind in _BUDGETED else 0)
        rewrite = transform(part, Context(count=estimate, query=query))
        return text if rewrite is None else rewrite.text

    return shortened


def _grep(text: str) -> str:
    lines = text.split("\n")
    keep: set[int] = set()
    for at, line in enumerate(lines):
        if re.search(r"error|fail|exception", line, re.IGNORECASE):
            keep.update(range(max(0, at - 3), min(len(lines), at + 4)))
    return "\n".join(lines[at] for at in sorted(keep))


def _bm25_lines(text: str, query: str, share: float) -> str:
    """The best lines by BM25 (k1 1.2, b 0.75) up to a share of the characters."""
    lines = text.split("\n")
    bags = [Counter(metrics.words(line)) for line in lines]
    mean = statistics.fmean(sum(bag.values()) for bag in bags) or 1.0
    found = Counter(word for bag in bags for word in bag)
    asked = set(metrics.words(query))

    def score(bag: Counter[str]) -> float:
        norm = 1.2 * (0.25 + 0.75 * sum(bag.values()) / mean)
        return sum(
            math.log(1 + (len(lines) - found[word] + 0.5) / (found[word] + 0.5)) * bag[word] * 2.2 / (bag[word] + norm)
            for word in asked & bag.keys()
        )

    left, keep = share * len(text), set()
    for at in sorted(range(len(lines)), key=lambda at: (-score(bags[at]), at)):
        left -= len(lines[at]) + 1
        if left < 0:
            break
        keep.add(at)
    return "\n".join(lines[at] for at in sorted(keep))


def runs(seeds: int) -> Iterator[Run]:
    """Every method on every case; each kind is warmed up once."""
    methods = simple_methods() | our_methods()
    python = peer_python()
    with ExitStack() as stack:
        peer = stack.enter_context(Peer(python)) if python else None
        warm: set[str] = set()
        for seed in range(1, seeds + 1):
            for kind, (text, query, needles) in cases(seed).items():
                before = metrics.tokens(text)
                kind_of: Kind = kind.split("_")[0]  # type: ignore[assignment]
                here = methods | {"ours direct": direct(kind_of)}
                if kind not in warm:
                    warm.add(kind)
                    [method(text, query) for method in here.values()]
                    _ = peer and peer.ask(kind, text, query)
                yield Run(kind, "original", before, 1.0, 1.0, 0.0)
                for name, method in here.items():
                    start = time.perf_counter()
                    out = method(text, query)
                    ms = (time.perf_counter() - start) * 1000
                    yield _run(kind, name, out, before, needles, ms)
                for name, answer in (peer.ask(kind, text, query) if peer else {}).items():
                    yield _run(kind, f"peer {name}", answer.text, before, needles, answer.ms)


def _run(kind: str, method: str, out: str, before: int, needles: list[str], ms: float) -> Run:
    after = metrics.tokens(out)
    return Run(kind, method, after, after / before, metrics.needle_recall(needles, out) or 0.0, ms)


def table(found: list[Run]) -> str:
    """Markdown: per kind and method the median tokens and share, the needles kept, the median milliseconds."""
    groups: Mapping[tuple[str, str], list[Run]] = defaultdict(list)
    for run in found:
        groups[run.kind, run.method].append(run)
    lines = ["| kind | method | tokens | share | needles kept | ms |", "|---|---|--:|--:|--:|--:|"]
    for (kind, method), group in groups.items():
        tokens, share, ms = (
            statistics.median(getattr(run, name) for run in group) for name in ("tokens", "share", "ms")
        )
        kept = statistics.fmean(run.kept for run in group)
        lines.append(f"| {kind} | {method} | {tokens:,.0f} | {share:.1%} | {kept:.0%} | {ms:.1f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m headroom_core.evals inputs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    found = list(runs(chosen.seeds))
    print(table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(run) for run in found], indent=1))
