"""Search results measured: is the asked hit still there, with path and line number, and at what share of the tokens?

Run: ``python -m headroom_core.evals.search [--wrong]``. Outputs of grep are made over the code files of the data and over
the installed packages; one hit of each is asked for by words of its line, inflected, and sometimes by its path.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from headroom_core.evals import data
from headroom_core.tokens.text import counter, estimate
from headroom_core.transforms.search import Search
from headroom_core.types import Context, Part, Text

PATTERNS = [
    "timeout",
    "return",
    "raise",
    "self\\.",
    "error",
    "import",
    "def ",
    "class ",
    "config",
    "None",
    "cache",
    "request",
    "token",
    "assert",
    "if ",
    "for ",
]
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]{2,}|\d{2,}")
_COMMON = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "in",
        "is",
        "it",
        "for",
        "on",
        "as",
        "with",
        "if",
        "not",
        "or",
        "and",
        "def",
        "self",
        "return",
        "none",
        "true",
        "false",
        "class",
        "import",
        "from",
        "raise",
        "else",
        "str",
        "int",
    ]
)


@dataclass(frozen=True, slots=True)
class Case:
    """A grep output, the question, and the hit that answers it."""

    source: str
    text: str
    query: str
    path: str
    line: int
    hit: str


def cases(seed: int = 1, per_output: int = 3) -> Iterator[Case]:
    """Questions over outputs of 2,000 to 200,000 characters."""
    r = random.Random(seed)
    site = Path(sysconfig.get_paths()["purelib"])
    folders = [
        (data.path("code", "files"), name) for name in ("python", "javascript", "typescript", "go", "java", "rust", "c")
    ]
    folders += [(site, p.parent.name) for p in sorted(site.glob("*/__init__.py"))[:90:3]]
    for cwd, folder in folders:
        for pattern in r.sample(PATTERNS, 4):
            flags = r.choice([["-rn"], ["-rn"], ["-rni"], ["-rn", "-C1"]])
            text = subprocess.run(
                ["grep", "-I", "--include=*.*", *flags, "-e", pattern, folder],
                cwd=cwd,
                capture_output=True,
                check=False,
            ).stdout.decode("utf-8", "replace")
            if 2000 <= len(text) <= 200_000:
                yield from _ask(r, folder, text, per_output)


def _ask(r: random.Random, source: str, text: str, count: int) -> Iterator[Case]:
    """Questions of three to five words of one hit that together stand in at most three hits."""
    hits = [match.groups() for line in text.split("\n") if (match := re.match(r"([^\s:]+):(\d+):(.*)", line))]
    words = [{w.lower() for w in _WORD.findall(body)} for _, _, body in hits]
    for _ in range(count * 4):
        at = r.randrange(len(hits))
        path, line, body = hits[at]
        own = sorted(w for w in words[at] if w not in _COMMON and len(w) > 2)
        if len(own) < 3 or len(body) > 300:
            continue
        chosen = r.sample(own, min(len(own), r.choice([3, 4, 5])))
        if sum(set(chosen) <= other for other in words) > 3:
            continue
        yield Case(source, text, _phrase(r, chosen, path), path, int(line), body.strip())
        count -= 1
        if not count:
            return


def _phrase(r: random.Random, words: list[str], path: str) -> str:
    """A question that holds the words, some of them inflected, and in one of four the name of the file."""
    inflected = [_inflect(r, word) if r.random() < 0.4 else word for word in words]
    middle = " ".join(inflected[:-1]) + " " + r.choice(["and the", "with", "of", "for"]) + " " + inflected[-1]
    where = f" in {Path(path).stem}" if r.random() < 0.25 else ""
    return r.choice(
        [
            "Where is the {}{}?",
            "Which line handles {}{}?",
            "Find the place that deals with {}{}.",
            "How does the code treat {}{}?",
        ]
    ).format(middle, where)


def _inflect(r: random.Random, word: str) -> str:
    if word.isdigit() or len(word) < 4:
        return word
    if word.endswith("e"):
        return word + r.choice(["s", "d"])
    return word + r.choice(["s", "ed", "ing"])


def main(arguments: Sequence[str] = ()) -> None:
    """Print the share of the tokens, recall, and time."""
    sys.path.insert(0, str(data.root() / "measures"))
    import metrics  # type: ignore[import-not-found]

    exact, search = counter("o200k"), Search()
    shares, recalls, times = [], [], []
    for case in cases():
        part = Part((0, 0), "search", Text(case.text), estimate(case.text))
        start = time.perf_counter()
        rewrite = search(part, Context(estimate, query=case.query))
        times.append((time.perf_counter() - start) * 1000)
        out = (
            case.text
            if rewrite is None
            else rewrite.text + (f"\n[left out: {rewrite.left_out}]" if rewrite.left_out else "")
        )
        recall = metrics.location_recall([{"path": case.path, "line": case.line, "text": case.hit}], out)
        shares.append(exact(out) / exact(case.text))
        recalls.append(recall)
        if "--wrong" in arguments and recall < 1:
            print(
                f"--- {case.source} {exact(case.text)} -> {exact(out)} tokens\n{case.query}\n{case.path}:{case.line}:{case.hit}\n{out[-900:]}\n"
            )
    print(
        f"{len(shares)} questions: recall {mean(recalls):.3f}, share median {median(shares):.3f} mean {mean(shares):.3f} max {max(shares):.3f}, ms median {median(times):.2f} max {max(times):.1f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
