"""Detection measured: a confusion matrix over the data files and texts made on this machine (kinds x sources).

Run: ``python -m headroom_core.evals.kinds [--wrong]``
"""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
import sysconfig
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from headroom_core.evals import data
from headroom_core.kinds import detect

Labelled = tuple[str, str, str]
"""kind, source, text."""


def labelled(seed: int = 1) -> Iterator[Labelled]:
    """All texts whose kind is known: the data files, then outputs of tools run here."""
    yield from _from_data(random.Random(seed))
    yield from _from_machine(random.Random(seed))
    yield from _made(random.Random(seed))


def _from_data(r: random.Random) -> Iterator[Labelled]:
    for name in ("ci_train", "ci_dev"):
        for row in data.rows("logs", f"{name}.jsonl.gz"):
            yield "log", name, row["log"]
    for file in sorted(data.path("logs", "loghub").glob("*_2k.log")):
        text = file.read_text(encoding="utf-8", errors="replace")
        yield "log", "loghub", text
        yield "log", "loghub_short", "\n".join(text.split("\n")[100:130])
        templates = file.with_name(file.name + "_templates.csv")
        yield "table", "loghub_csv", templates.read_text(encoding="utf-8", errors="replace")
    for row in data.rows("agent", "tau_bench.jsonl.gz"):
        if row["is_json"] and len(row["output"]) >= 200:
            yield "json", "tau", row["output"]
    for row in data.rows("agent", "json_payloads.jsonl.gz"):
        value = row["json"] if not isinstance(row["json"], str) else json.loads(row["json"])
        yield "json", row["source"], json.dumps(value)
        pretty = json.dumps(value, indent=2)
        yield "json", "pretty", pretty
        if len(pretty) > 2000:
            yield "json", "truncated", pretty[: len(pretty) * 2 // 3]
            yield "json", "after_text", "Here is the result of the call:\n" + pretty
    for name in ("patches", "patches_bugsinpy_dev"):
        for row in data.rows("code", f"{name}.jsonl.gz"):
            yield "diff", name, row["patch"]
    for row in data.rows("code", "files", "INDEX.jsonl"):
        text = data.path(*row["file"].split("/")).read_text(encoding="utf-8", errors="replace")
        yield "code", row["language"], text
        lines = text.split("\n")
        for _ in range(4):
            start = r.randrange(max(1, len(lines) - 80))
            yield "code", row["language"] + "_part", "\n".join(lines[start : start + 80])
    for name in ("qa_dev", "qa_research_dev"):
        for row in data.rows("text", f"{name}.jsonl.gz"):
            if r.random() < 0.3:
                yield "prose", row["source"], "\n\n".join(d["text"] for d in row["documents"])
    for row in data.rows("text", "extractive.jsonl.gz"):
        if r.random() < 0.2:
            yield "prose", row["source"], row["text"]


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, check=False).stdout.decode("utf-8", "replace")


def _from_machine(r: random.Random) -> Iterator[Labelled]:
    site = Path(sysconfig.get_paths()["purelib"])
    library = Path(sysconfig.get_paths()["stdlib"])
    packages = [p for p in sorted(site.iterdir()) if (p / "__init__.py").exists()][:60]
    for package in packages:
        for flags, source in (
            (["-rn"], "grep"),
            (["-rn", "-C2"], "grep_context"),
            (["-r"], "grep_plain"),
            (["-rnA1"], "grep_after"),
        ):
            word = r.choice(["import", "return", "raise", "self", "None", "error", "if ", "TODO"])
            text = _run("grep", "-I", "--include=*.py", *flags, word, package.name, cwd=site)
            if text.count("\n") > 5:
                yield "search", source, text
                if source == "grep":
                    yield "search", "heading", _headed(text)
                    yield "search", "windows", text.replace("/", "\\")
        for command in (["ls", "-R"], ["find"], ["ls", "-l"]):
            text = _run(*command, package.name, cwd=site)
            if text.count("\n") > 8:
                yield "tree", "_".join(command), text
        text = _tree(package)
        if text.count("\n") > 8:
            yield "tree", "tree", text
    for pattern, kind, limit in (("*.toml", "config", 20), ("*.yaml", "config", 40), ("*.yml", "config", 40), ("*.cfg", "config", 10), ("*.md", "prose", 60),
                                 ("*.rst", "prose", 40), ("*.csv", "table", 40), ("*.xml", "html", 10), ("*.js", "code", 30), ("*.h", "code", 40), ("*.pyi", "code", 30)):  # fmt: skip
        files = sorted(f for f in site.rglob(pattern) if 300 < f.stat().st_size < 400_000)
        for file in r.sample(files, min(limit, len(files))):
            yield kind, "site" + pattern, file.read_text(encoding="utf-8", errors="replace")
    for file in r.sample(sorted(library.glob("*.py")), 60):
        yield "code", "stdlib", file.read_text(encoding="utf-8", errors="replace")
    yield from _from_system(r)
    for command in (["git", "log", "-p", "-3"], ["git", "show"]):
        yield "diff", "git", _run(*command, cwd=Path(__file__).parent)
    yield "table", "ps", _run("ps", "aux", cwd=site)
    yield "table", "df", _run("df", "-h", cwd=site)
    yield "table", "pip", _run(sys.executable, "-m", "pip", "list", cwd=site)
    for line in Path(library / "heapq.py").read_text().split("\n")[:60:3]:
        try:
            json.loads("{" + line)
        except ValueError:
            yield "trace", "python", traceback.format_exc()


def _from_system(r: random.Random) -> Iterator[Labelled]:
    """Files that a Linux machine often has: other languages, configuration, logs, HTML documentation."""
    places = [("/usr/share/perl", "*.pm", "code", 40), ("/usr/share/vim", "*.vim", "code", 40), ("/usr", "*.sh", "code", 40), ("/usr/include", "*.h", "code", 30), ("/etc", "*.conf", "config", 60),
              ("/usr/lib/systemd", "*.service", "config", 30), ("/var/log", "*.log", "log", 10), ("/tmp", "*.log", "log", 10), (str(Path.home() / ".rustup"), "*.html", "html", 60)]  # fmt: skip
    for folder, pattern, kind, limit in places:
        files = sorted(
            f
            for f in Path(folder).rglob(pattern)
            if f.is_file() and "fonts" not in f.parts and 200 < f.stat().st_size < 400_000
        )
        for file in r.sample(files, min(limit, len(files))):
            yield kind, "system" + pattern, file.read_text(encoding="utf-8", errors="replace")


def _headed(text: str) -> str:
    """The same hits as ripgrep prints them on a terminal."""
    groups: dict[str, list[str]] = {}
    for line in text.splitlines():
        path, _, rest = line.partition(":")
        groups.setdefault(path, []).append(rest)
    return "\n\n".join("\n".join([path, *hits]) for path, hits in groups.items())


def _tree(folder: Path, prefix: str = "") -> str:
    """As ``tree`` prints a folder."""
    out = [str(folder.name)] if not prefix else []
    entries = sorted(p for p in folder.iterdir())[:30]
    for entry in entries:
        last = entry == entries[-1]
        out.append(prefix + ("└── " if last else "├── ") + entry.name)
        if entry.is_dir() and len(prefix) < 8:
            below = _tree(entry, prefix + ("    " if last else "│   "))
            if below:
                out.append(below)
    return "\n".join(out)


def _made(r: random.Random) -> Iterator[Labelled]:
    sys.path.insert(0, str(data.root() / "peers"))
    import inputs  # type: ignore[import-not-found]
    import json_cases  # type: ignore[import-not-found]

    for seed in range(5):
        for kind, (text, _, _) in inputs.make_inputs(seed).items():
            yield kind.split("_")[0], "inputs", text
        for text, *_ in json_cases.cases(seed):
            yield "json", "json_cases", text
    for _ in range(30):
        yield from _tables(r)
        yield (
            "config",
            "env",
            "\n".join(
                f"{r.choice(['DB', 'APP', 'AWS'])}_{r.choice(['HOST', 'KEY', 'URL'])}_{i}={r.random()}"
                for i in range(12)
            ),
        )
        yield "trace", "java", _java_trace(r)
        yield "trace", "node", _node_trace(r)
        yield (
            "log",
            "log_with_trace",
            "\n".join(f"2026-03-01 10:{i:02d}:00 INFO worker - job {r.random()} done" for i in range(60))
            + "\n"
            + _java_trace(r),
        )
        yield (
            "json",
            "ndjson_log",
            "\n".join(json.dumps({"ts": i, "level": "info", "msg": f"m {r.random()}"}) for i in range(40)),
        )


def _tables(r: random.Random) -> Iterator[Labelled]:
    names = ["id", "name", "city", "amount", "created"]
    rows = [
        [
            str(i),
            f"user {r.randint(1, 99)}",
            r.choice(["Lyon", "Turin", "New York"]),
            f"{r.random() * 100:.2f}",
            f"2026-01-{1 + i % 28:02d}",
        ]
        for i in range(25)
    ]
    for delimiter, source in ((",", "csv"), ("\t", "tsv"), (";", "semicolon")):
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter).writerows([names, *rows])
        yield "table", source, out.getvalue()
    yield "table", "markdown", "\n".join("| " + " | ".join(row) + " |" for row in [names, ["---"] * 5, *rows])
    widths = [4, 10, 10, 8, 12]
    psql = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in [names, *rows]]
    yield (
        "table",
        "psql",
        "\n".join(
            [" " + psql[0], "-+-".join("-" * w for w in widths), *(" " + line for line in psql[1:]), "(25 rows)"]
        ),
    )
    yield (
        "table",
        "fixed",
        "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
            for row in [[n.upper() for n in names], *rows]
        ),
    )


def _java_trace(r: random.Random) -> str:
    frames = [
        f"\tat org.example.{r.choice(['core', 'web', 'db'])}.Thing{r.randint(1, 9)}.call(Thing.java:{r.randint(1, 400)})"
        for _ in range(25)
    ]
    return "\n".join(
        [
            "java.lang.IllegalStateException: pool is closed",
            *frames,
            "Caused by: java.io.IOException: refused",
            *frames[:5],
            "\t... 20 more",
        ]
    )


def _node_trace(r: random.Random) -> str:
    frames = [
        f"    at {r.choice(['Object.run', 'async load', 'Module._compile'])} (/app/src/file{r.randint(1, 9)}.js:{r.randint(1, 99)}:{r.randint(1, 40)})"
        for _ in range(12)
    ]
    return "\n".join(["TypeError: Cannot read properties of undefined (reading 'id')", *frames])


def main(arguments: Sequence[str] = ()) -> None:
    """Print the matrix, accuracy by source where it is not whole, calibration and time."""
    matrix: dict[str, Counter[str]] = defaultdict(Counter)
    sources: dict[tuple[str, str], list[bool]] = defaultdict(list)
    sure, times = [], []
    for kind, source, text in labelled():
        start = time.perf_counter()
        found = detect(text)
        times.append((time.perf_counter() - start) * 1000)
        matrix[kind][found.kind] += 1
        sources[kind, source].append(found.kind == kind)
        sure.append((found.confidence, found.kind == kind))
        if "--wrong" in arguments and found.kind != kind:
            print(f"--- {kind} from {source} taken for {found.kind} ({found.confidence:.2f})\n{text[:600]}\n")
    for kind, row in sorted(matrix.items()):
        print(f"{kind:8s} {row[kind] / sum(row.values()):7.1%}  " + "  ".join(f"{k} {n}" for k, n in row.most_common()))
    for (kind, source), right in sorted(sources.items()):
        if not all(right):
            print(f"  {kind}/{source}: {sum(right)} of {len(right)}")
    balanced = sum(row[kind] / sum(row.values()) for kind, row in matrix.items()) / len(matrix)
    for low, high in ((0.0, 0.6), (0.6, 0.8), (0.8, 0.92), (0.92, 0.96), (0.96, 1.01)):
        inside = [(c, ok) for c, ok in sure if low <= c < high]
        if inside:
            print(
                f"confidence {low:.2f}-{high:.2f}: {len(inside):5d} texts, stated {sum(c for c, _ in inside) / len(inside):.3f}, right {sum(ok for _, ok in inside) / len(inside):.3f}"
            )
    print(
        f"all {sum(ok for _, ok in sure) / len(sure):.2%} of {len(sure)}, mean of kinds {balanced:.2%}, mean confidence {sum(c for c, _ in sure) / len(sure):.3f}, ms mean {sum(times) / len(times):.2f} max {max(times):.2f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
