"""The code blocks of the pages: found, run, and their printed output compared with what the page shows.

A ``python`` block that is followed by a ``text`` block prints exactly that text; a ``console`` block shows what its
``$ headroom-core`` lines print, run in the folder in which the page's Python ran. A block under ``<!-- not run: reason -->``
is only compiled. ``python -m tests.docs.pages`` writes the shown outputs anew; read the difference before committing it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
KEY = "the key with which the pages are written"
_BLOCK = re.compile(
    r"(?P<note><!-- not run: (?P<reason>[^\n]+) -->\n+)?^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where its text stands in the page, and why it is not run, if it is not."""

    language: str
    text: str
    start: int
    end: int
    line: int
    not_run: str | None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found["language"],
            found["text"],
            found.start("text"),
            found.end("text"),
            text.count("\n", 0, found.start("text")),
            found["reason"],
        )
        for found in _BLOCK.finditer(text)
    ]


def run(page: Path, room: Mapping[str, Any] | None = None) -> Iterator[tuple[Block, str]]:
    """Run the Python blocks of a page in one namespace; yields each block that shows an output, and what was printed."""
    module = ModuleType(f"page_{page.stem}")  # a real one: dataclasses and pickle look for their classes in it
    sys.modules[module.__name__] = module
    vars(module).update(room or {})
    try:
        yield from _run(page, vars(module))
    finally:
        del sys.modules[module.__name__]


def _run(page: Path, names: dict[str, Any]) -> Iterator[tuple[Block, str]]:
    printed: str | None = None
    for block in blocks(page):
        if block.language == "text" and printed is not None:
            yield block, printed
        printed = None
        if block.language == "console":
            yield block, _typed(block.text)
        if block.language != "python":
            continue
        code = compile("\n" * block.line + block.text, str(page), "exec")
        if block.not_run is None:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, names)
            printed = out.getvalue()


def _typed(text: str) -> str:
    """The commands of a console block, each with what it prints on a terminal."""
    from click.testing import CliRunner

    from headroom_core.cli.commands import commands

    shown: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            words = shlex.split(line[2:])
            assert words[0] == "headroom-core", line
            result = CliRunner().invoke(commands, words[1:], prog_name="headroom-core", catch_exceptions=False)
            shown.append(f"{line}\n{result.output}")
    return "".join(text if text.endswith("\n") else text + "\n" for text in shown)


def environment(home: Path) -> dict[str, str]:
    """What makes references in the shown outputs the same everywhere."""
    return {"HEADROOM_HOME": str(home), "HEADROOM_KEY": KEY, "HEADROOM_NAMESPACE": "docs"}


def pages() -> list[Path]:
    """The pages whose blocks run without stand-ins for a framework's objects."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    return [page for page in found if page.parent.name not in ("langchain", "llama_index")]


def write(page: Path, room: Mapping[str, Any] | None = None) -> None:
    """Write the printed outputs into the page."""
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(list(run(page, room))):
        text = text[: block.start] + printed + text[block.end :]
    page.write_text(text, encoding="utf-8")


def main(names: list[str]) -> None:
    """Write the outputs of the named pages, or of all."""
    from tests.docs.rooms import room

    chosen = [Path(name).resolve() for name in names] or [*pages(), ROOT / "README.md"]
    for page in chosen:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.update(environment(Path(folder) / "home"))
            os.chdir(folder)
            write(page, room(page))
            os.chdir(ROOT)


if __name__ == "__main__":
    main(sys.argv[1:])
