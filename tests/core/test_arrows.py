"""Imports point one way, and there is one broad except."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "headroom_core"

# Lower layers first: a module may import from its own layer and from those above it in this list.
LAYERS = [
    {"types", "errors", "forks"},
    {"settings", "cache", "tokens", "anchors", "models", "outcome", "events", "syntax", "language"},
    {"kinds", "parts", "dialects", "repeats"},
    {"ccr", "kompress", "image"},
    {"transforms"},
    {"options", "flow", "pipeline"},
    {"testing", "bulk", "evaluate", "cli", "evals", "training", "visual_tokens"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
APART = {"visual_tokens", "training", "evals"}  # nothing in the message path imports them


def _modules() -> Iterator[tuple[str, Path]]:
    for file in sorted(CORE.rglob("*.py")):
        first = file.relative_to(CORE).parts[0].removesuffix(".py")
        if first != "__init__":
            yield first, file


def _imported(file: Path) -> Iterator[str]:
    """The first name below ``headroom_core`` of everything a file imports, lazily or not, typing aside."""
    package = file.relative_to(ROOT).parts[:-1]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            names = [[*module, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "headroom_integrations":
                yield "headroom_integrations"
            elif name[0] == "headroom_core" and len(name) > 1:
                yield name[1]


def test_imports_point_one_way() -> None:
    """No module of the core imports from a layer above its own, or from the adapters."""
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for module, file in _modules()
        for name in _imported(file)
        if name == "headroom_integrations" or (name in LEVEL and LEVEL[name] > LEVEL[module])
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_has_its_layer() -> None:
    """A new module must say where it stands."""
    assert sorted({module for module, _ in _modules()} - LEVEL.keys()) == []


def test_message_path_is_free_of_training_and_evaluation() -> None:
    """What runs in a user's call never imports training, evaluation or visual token code."""
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for module, file in _modules()
        if module not in APART | {"cli"}
        for name in _imported(file)
        if name in APART
    ]
    assert not wrong, "\n".join(wrong)


def test_one_broad_except() -> None:
    """The pipeline's guard is the only place in a user's call that catches everything and goes on."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for package in (CORE, ROOT / "headroom_integrations")
        for file in sorted(package.rglob("*.py"))
        if file.relative_to(package).parts[0] not in APART
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
        and not isinstance(node.body[-1], ast.Raise)
        and "set_exception(error)" not in ast.unparse(node.body[-1])  # handed to the caller, who raises it
    ]
    assert len(found) == 1, found
    assert found[0].startswith("headroom_core/pipeline.py")


def test_one_file_reads_the_environment() -> None:
    """Only settings reads environment variables; the counter sets the one that tiktoken reads its folder from."""
    found = [
        str(file.relative_to(ROOT))
        for module, file in _modules()
        if module not in APART | {"settings", "tokens"} and "os.environ" in file.read_text(encoding="utf-8")
    ]
    assert not found
