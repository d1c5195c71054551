"""Code measured on real files: the asked function verbatim, every signature, no new syntax error, and the tokens.

    python -m headroom_core.evals code [--each 5] [--wrong]

Each file is asked for some of its functions, evenly spread; its share is the mean over these questions.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from headroom_core import compress
from headroom_core.evals import data, metrics
from headroom_core.syntax import _tree
from headroom_core.syntax.outline import Outline, Symbol, outline

QUESTIONS = ("Where is {} defined?", "How does {} work?")


@dataclass(slots=True)
class Tally:
    """Sums over the files of one language."""

    before: float = 0
    after: float = 0
    asked: list[bool] = field(default_factory=list)
    signatures: list[bool] = field(default_factory=list)
    parses: list[bool] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


def sources() -> Iterator[tuple[str, str, str]]:
    """Language, file name and text of each code file of the data pack."""
    for row in data.rows("code", "files", "INDEX.jsonl"):
        yield row["language"], row["file"], (data.root() / "data" / row["file"]).read_bytes().decode()


def functions(made: Outline) -> list[Symbol]:
    """Named functions and methods."""
    return [s for s in made.symbols if s.kind == "function" and s.name and s.style != "macro"]


def signature(made: Outline, item: Symbol) -> str:
    """A function's head on one line."""
    return " ".join(made.data[item.start : item.fold[0]].decode().split()).rstrip("{ ")


def ask(source: str, made: Outline, each: int, tally: Tally) -> list[str]:
    """Add one file's numbers to ``tally``; the names of functions that did not stay verbatim."""
    found, wrong, tokens = functions(made), [], []
    for k, item in enumerate(found[:: max(1, len(found) // each)][:each] or [None]):
        name = item.name.rsplit(".", 1)[-1] if item else "main"
        start = time.perf_counter()
        out = compress(source, query=QUESTIONS[k % 2].format(name))
        tally.times.append((time.perf_counter() - start) * 1000)
        text = out.text
        tokens.append(metrics.tokens(text))
        if item:
            tally.asked.append(made.data[item.start : item.end].decode() in text)
            wrong += [] if tally.asked[-1] else [name]
        flat = " ".join(text.split())
        tally.signatures += [signature(made, s) in flat for s in found]
        code = text.rsplit("\n[left out: ", 1)[0]
        tally.parses.append((_tree.errors(code.encode(), made.language) or 0) <= made.broken)
    tally.before += metrics.tokens(source)
    tally.after += mean(tokens)
    return wrong


def main(arguments: Sequence[str] = ()) -> None:
    """Print one line per language and one for all."""
    parser = argparse.ArgumentParser(prog="headroom_core.evals code")
    parser.add_argument("--each", type=int, default=5, help="questions per file")
    parser.add_argument("--wrong", action="store_true", help="name the functions that did not stay verbatim")
    options = parser.parse_args(arguments)
    tallies: dict[str, Tally] = defaultdict(Tally)
    for language, file, source in sources():
        made = outline(source)
        if made is None:
            continue
        wrong = ask(source, made, options.each, tallies[language])
        if wrong and options.wrong:
            print(f"not verbatim in {file}: {', '.join(wrong)}")
    whole = Tally()
    for tally in tallies.values():
        whole.before += tally.before
        whole.after += tally.after
        whole.asked += tally.asked
        whole.signatures += tally.signatures
        whole.parses += tally.parses
        whole.times += tally.times
    for name, tally in [*sorted(tallies.items()), ("all", whole)]:
        print(
            f"{name:11} share {tally.after / tally.before:.3f}, asked verbatim {mean(tally.asked):.3f} of {len(tally.asked)},"
            f" signatures {mean(tally.signatures):.4f}, parses {mean(tally.parses):.3f}, ms median {median(tally.times):.1f}"
        )
