"""How many small faults the tests find: a seeded sample of mutants of the transforms, select, marks and fuse.

    python -m tests.mutation [--sample 160] [--seed 7] [--only transforms/diff] [--out mutants.json]

A run that was broken off goes on where ``--out`` ends. Each mutant is one edit by an operator of Cosmic Ray, in a copy of the tree, run against the tests of its own area; a
mutant that no test notices survives. Left out: edits that change nothing when the program runs (annotations, under
``from __future__ import annotations``) and duplicates. Everything else counts, also edits that no test could notice
(another way to write the same) and tuned constants, so the score is a lower bound.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_T = "headroom_core/transforms"
_C = "tests/transforms/test_canonical.py::test_results_are_the_same_word_for_word"
_WITH_ARGUMENTS = ("VariableInserter", "VariableReplacer")

AREAS: tuple[tuple[tuple[str, ...], tuple[str, ...], float], ...] = (
    (
        (f"{_T}/json_.py", f"{_T}/_json/*.py"),
        (f"{_C}[json]", "tests/transforms/test_json*.py", "tests/transforms/test_odd_inputs.py"),
        1,
    ),
    (
        (f"{_T}/logs.py", f"{_T}/_logs/*.py"),
        (
            f"{_C}[logs]",
            "tests/transforms/test_logs*.py",
        ),
        1,
    ),
    (
        (f"{_T}/search.py", f"{_T}/_search/*.py"),
        (f"{_C}[search]", "tests/transforms/test_search*.py", "tests/transforms/test_tree.py"),
        1,
    ),
    (
        (f"{_T}/diff.py", f"{_T}/_unified.py"),
        (
            f"{_C}[diff]",
            "tests/transforms/test_diff*.py",
            "tests/transforms/test_mixed.py",
            "tests/transforms/test_odd_inputs.py",
        ),
        1,
    ),
    (
        (f"{_T}/code.py", f"{_T}/_code/*.py"),
        (
            f"{_C}[code]",
            "tests/transforms/test_code*.py",
        ),
        1,
    ),
    (
        (f"{_T}/table.py", f"{_T}/_table/*.py"),
        (
            f"{_C}[table]",
            "tests/transforms/test_table*.py",
        ),
        1,
    ),
    (
        (f"{_T}/html.py", f"{_T}/_html/*.py"),
        (
            f"{_C}[html]",
            "tests/transforms/test_html*.py",
        ),
        1,
    ),
    (
        (f"{_T}/config.py", f"{_T}/_settings_lines.py"),
        (
            f"{_C}[config]",
            "tests/transforms/test_config*.py",
        ),
        1,
    ),
    (
        (f"{_T}/tree.py", f"{_T}/_tree/*.py"),
        (f"{_C}[tree]", "tests/transforms/test_tree*.py", "tests/transforms/test_odd_inputs.py"),
        1,
    ),
    (
        (f"{_T}/trace.py",),
        (f"{_C}[trace]", "tests/transforms/test_trace*.py", "tests/transforms/test_odd_inputs.py"),
        1,
    ),
    (
        (f"{_T}/mixed.py",),
        (f"{_C}[mixed]", "tests/transforms/test_mixed*.py", "tests/transforms/test_odd_inputs.py"),
        1,
    ),
    (("headroom_core/ccr/selections.py",), ("tests/ccr/test_selections.py", "tests/ccr/test_retrieve.py"), 3),
    (("headroom_core/ccr/marks.py",), ("tests/ccr/test_marks.py",), 20),
    (("headroom_core/kompress/select.py",), ("tests/kompress/test_select*.py", "tests/kompress/test_fuse.py"), 8),
    (("headroom_core/kompress/fuse.py",), ("tests/kompress/test_fuse.py", "tests/kompress/test_select*.py"), 3),
    (("headroom_core/image/fuse.py",), ("tests/image/test_fuse*.py",), 6),
)
"""Files, the tests that answer for them, and how much more than by its size an area weighs in the sample."""

_PLUGINS = ("no:cacheprovider", "pytest_asyncio.plugin", "pytest_socket", "pytest_timeout", "_hypothesis_pytestplugin")
_QUICK = "not megabytes and not bounded"  # tests of time find no wrong result
_SETTINGS = {
    "CI": "1",  # the same examples each time
    "OMP_NUM_THREADS": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit: the file, its new text, and what to show of it."""

    path: str
    tests: tuple[str, ...]
    operator: str
    shown: str
    text: str


def places(path: str) -> Iterator[tuple[str, int]]:
    """Every (operator, occurrence) in a file."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes = list(ast_nodes(get_ast((ROOT / path).read_text(encoding="utf-8"))))
    for name in sorted(operator_names()):
        if not name.endswith(_WITH_ARGUMENTS):
            operator = get_operator(name)()
            for occurrence in range(sum(1 for node in nodes for _ in operator.mutation_positions(node))):
                yield name, occurrence


def made(path: str, tests: tuple[str, ...], operator: str, occurrence: int) -> Mutant | None:
    """The edit, or None where it changes nothing that runs."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (ROOT / path).read_text(encoding="utf-8")
    text = mutate_code(source, get_operator(operator)(), occurrence)
    try:
        changes = bool(text) and _runs(text) != _runs(source)
    except SyntaxError:
        return None
    return Mutant(path, tests, operator.rpartition("/")[2], _shown(source, text), text) if changes else None


def _runs(source: str) -> str:
    """What of a source matters when it runs."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant("")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.dump(tree)


def _shown(before: str, after: str) -> str:
    old, new = before.split("\n"), after.split("\n")
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)) - 1)
    return f"{at + 1}: {old[at].strip()[:90]}  →  {new[at].strip()[:90]}"


def sample(size: int, seed: int, only: str) -> list[Mutant]:
    """Mutants drawn without replacement, areas by their size and weight."""
    chance = random.Random(seed)
    drawn: list[tuple[float, str, tuple[str, ...], str, int]] = []
    for patterns, tests, weight in AREAS:
        files = (str(p.relative_to(ROOT)) for pattern in tests if "::" not in pattern for p in ROOT.glob(pattern))
        chosen = (*(each for each in tests if "::" in each), *sorted(files))
        for file in sorted(str(p.relative_to(ROOT)) for pattern in patterns for p in ROOT.glob(pattern)):
            drawn += [(chance.random() ** (1 / weight), file, chosen, *place) for place in places(file)]
    found: dict[tuple[str, str], Mutant] = {}
    for _, *place in sorted(drawn, reverse=True):
        mutant = made(*place) if only in place[0] and len(found) < size else None
        if mutant is not None:
            found.setdefault((mutant.path, _runs(mutant.text)), mutant)
    return list(found.values())


class Copy:
    """A copy of the tree in which files may be broken."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for name in ("headroom_core", "headroom_integrations", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        self._times: dict[tuple[str, ...], float] = {}

    def passes(self, tests: Sequence[str], limit_s: float) -> bool:
        """Do the tests pass in time?"""
        plugins = [word for name in _PLUGINS for word in ("-p", name)]
        command = [sys.executable, "-m", "pytest", "-x", "-q", *plugins, "-k", _QUICK, *tests]
        environment = {**os.environ, **_SETTINGS}
        try:
            done = subprocess.run(
                command, cwd=self.root, env=environment, timeout=limit_s, capture_output=True, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def limit_s(self, tests: tuple[str, ...]) -> float:
        """Time that the tests may take with a mutant: three times what they take without one, and half a minute."""
        if tests not in self._times:
            start = time.monotonic()
            if not self.passes(tests, 900):
                raise SystemExit(f"The tests fail without any mutant: {' '.join(tests)}")
            self._times[tests] = time.monotonic() - start
        return 3 * self._times[tests] + 30

    def kills(self, mutant: Mutant) -> bool:
        """Does a test notice the mutant?"""
        limit, file = self.limit_s(mutant.tests), self.root / mutant.path
        before = file.read_text(encoding="utf-8")
        file.write_text(mutant.text, encoding="utf-8")
        try:
            return not self.passes(mutant.tests, limit)
        finally:
            file.write_text(before, encoding="utf-8")


def main() -> None:
    """Draw, run, report."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sample", type=int, default=160)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--only", default="", help="part of a path")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    os.nice(19)
    drawn = sample(given.sample, given.seed, given.only)
    told: list[dict[str, object]] = (
        json.loads(given.out.read_text(encoding="utf-8")) if given.out and given.out.exists() else []
    )
    known = {(each["path"], each["operator"], each["shown"]) for each in told}
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for mutant in drawn:
            if (mutant.path, mutant.operator, mutant.shown) in known:
                continue
            dead = copy.kills(mutant)
            told.append({**asdict(mutant), "killed": dead, "text": None})
            print(
                f"{len(told)}/{len(drawn)} {'killed  ' if dead else 'SURVIVED'} {mutant.path}:{mutant.shown}",
                flush=True,
            )
            if given.out:
                given.out.write_text(json.dumps(told, indent=1), encoding="utf-8")
    _report(told)


def _report(told: Sequence[Mapping[str, object]]) -> None:
    """The share of killed mutants, by file and in all."""
    of = Counter(str(each["path"]) for each in told)
    killed = Counter(str(each["path"]) for each in told if each["killed"])
    print("\n".join(f"{killed[path]:3} of {of[path]:3}  {path}" for path in sorted(of)))
    print(f"{killed.total()} of {len(told)} killed: {killed.total() / max(1, len(told)):.0%}")


if __name__ == "__main__":
    main()
