"""Listings measured: is the asked file still there with its folder, do the counts add up, and at what share of the tokens?

    python -m headroom_core.evals trees [--wrong]

Listings of the packages installed here and of the standard library, as ``find``, ``ls -R``, ``ls -lR`` and ``tree`` (two
styles) print them. One file of each is asked for: by name, by the words of its name, or by these and its folder.
"""

from __future__ import annotations

import random
import re
import subprocess
import sysconfig
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from headroom_core import compress
from headroom_core.evals import metrics
from headroom_core.transforms._tree.entries import Entry, read

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]{2,}")
_COUNTED = re.compile(r"^.+/: (\d+) ", re.M)
_MOST_LINES = 4_000
_GLYPHS = {"tree": ("├── ", "└── ", "│   ", "    "), "tree ascii": ("|-- ", "`-- ", "|   ", "    ")}


@dataclass(frozen=True, slots=True)
class Case:
    """A listing, the question, and the entry that answers it."""

    source: str
    text: str
    query: str
    entry: Entry


def cases(seed: int = 1, packages: int = 40) -> Iterator[Case]:
    """Three questions on each listing of 100 to 4,000 lines."""
    r = random.Random(seed)
    site = Path(sysconfig.get_paths()["purelib"])
    folders = r.sample([p.parent for p in sorted(site.glob("*/__init__.py"))], packages)
    folders += [p.parent for p in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*/__init__.py"))][:packages:4]
    for folder in folders:
        for source, text in listings(folder):
            entries = read(text)
            if 100 <= text.count("\n") <= _MOST_LINES and entries:
                yield from ask(r, source, text, entries)


def listings(folder: Path) -> Iterator[tuple[str, str]]:
    """What the usual tools print of a folder."""
    for source, command in (("find", ["find"]), ("ls -R", ["ls", "-R"]), ("ls -lR", ["ls", "-lR"])):
        shown = subprocess.run([*command, folder.name], cwd=folder.parent, capture_output=True, check=True).stdout
        yield source, shown.decode("utf-8", "replace")
    for source, glyphs in _GLYPHS.items():
        yield source, "\n".join([folder.name, *_drawn(folder, "", glyphs)])


def _drawn(folder: Path, before: str, glyphs: tuple[str, str, str, str]) -> Iterator[str]:
    branch, last, pipe, blank = glyphs
    entries = sorted(folder.iterdir())
    for entry in entries:
        ends = entry == entries[-1]
        yield before + (last if ends else branch) + entry.name
        if entry.is_dir():
            yield from _drawn(entry, before + (blank if ends else pipe), glyphs)


def ask(r: random.Random, source: str, text: str, entries: Sequence[Entry], count: int = 3) -> Iterator[Case]:
    """Questions whose words, together, stand in the paths of at most three entries."""
    paths = [entry.path.lower() for entry in entries]
    for entry in r.sample(entries, min(len(entries), 8 * count)):
        name = re.sub(r" -> .*", "", entry.name)
        words = sorted({word.lower() for word in _WORD.findall(name.rsplit(".", 1)[0])})
        if "__pycache__" in entry.path or not words or sum(all(w in path for w in words) for path in paths) > 3:
            continue
        above = entry.folder.rsplit("/", 1)[-1]
        asked = [
            f"Where is {name}?",
            f"Which file is about the {' and the '.join(words)}?",
            f"Is there a file for {' '.join(words)} under {above}?",
        ]
        yield Case(source, text, r.choice(asked), entry)
        count -= 1
        if not count:
            return


def told(out: str, entry: Entry) -> bool:
    """Does the entry stand in ``out`` with its folder: as a path, or below the line of its folder, or as in the listing?"""
    if entry.path in out:
        return True
    found = [(at.folder, at.name) for at in read(out)]
    if (entry.folder, entry.name) in found:
        return True
    folder = ""
    for line in out.split("\n"):
        if not line.startswith(" "):
            folder = line.split("/:", 1)[0]
        elif folder == (entry.folder or ".") and line.strip() in (entry.name, entry.line):
            return True
    return False


def main(arguments: Sequence[str] = ()) -> None:
    """Print recall, share of the tokens, whether folded counts add up, and time, by tool."""
    rows: dict[str, list[tuple[bool, float, bool, float]]] = defaultdict(list)
    for case in cases():
        start = time.perf_counter()
        out = compress(case.text, query=case.query, kind="tree").text
        ms = (time.perf_counter() - start) * 1000
        share = metrics.tokens(out) / metrics.tokens(case.text)
        gone = re.search(r"left out: ([\d,]+) of", out)
        sums = sum(map(int, _COUNTED.findall(out)))
        right = gone is None or sums == 0 or sums >= int(gone[1].replace(",", ""))
        rows[case.source].append((told(out, case.entry), share, right, ms))
        if "--wrong" in arguments and not (rows[case.source][-1][0] and right):
            print(f"--- {case.source}: {case.query}\n{case.entry.path}\n{out[-1200:]}\n")
    rows["all"] = [row for found in rows.values() for row in found]
    for source, found in rows.items():
        recall, shares, sums_right, times = zip(*found, strict=True)
        print(
            f"{source:10} {len(found):4} questions: recall {mean(recall):.3f}, share median {median(shares):.3f}"
            f" max {max(shares):.3f}, counts right {mean(sums_right):.3f}, ms median {median(times):.1f} max {max(times):.1f}"
        )


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
