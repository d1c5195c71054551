"""Every code block of the documentation runs, offline, and prints what the page shows."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
from pathlib import Path

import click
import pytest

from headroom_core import compress
from headroom_core.cli.commands import commands
from tests.docs.pages import ROOT, blocks, environment, pages, run
from tests.docs.rooms import room

ALL = [ROOT / "README.md", *pages()]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", ALL, ids=_name)
def test_python_blocks_run_and_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of one page share a namespace; the ``text`` block after one is its output.

    Where only the shown output differs, ``python -m tests.docs.pages`` writes it anew.
    """
    for name, value in environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    wrong = []
    for block, printed in run(page, room(page)):
        if block.text != printed:
            shown = difflib.unified_diff(block.text.splitlines(), printed.splitlines(), "page", "printed", lineterm="")
            wrong.append("\n".join([f"{_name(page)}:{block.line}", *shown]))
    assert not wrong, "\n\n".join(wrong)


def test_every_block_that_is_not_run_says_why_and_compiles() -> None:
    """A reason of a few words stands above it, and its Python is Python."""
    for page in dict.fromkeys([*ALL, *(ROOT / "docs").rglob("*.md")]):
        for block in blocks(page):
            if block.language == "python":
                ast.parse(block.text, _name(page))
            if block.not_run is not None:
                assert len(block.not_run.split()) >= 3, f"{_name(page)}:{block.line}"


def _typed(page: Path) -> list[tuple[str, list[str]]]:
    """The calls of our command in shell blocks, with their arguments."""
    found = []
    for block in blocks(page):
        if block.language in ("bash", "console", "sh"):
            for line in block.text.replace("\\\n", " ").splitlines():
                for call in re.split(r"[|;&]+", line.removeprefix("$ ")):
                    words = shlex.split(call, comments=True)
                    if words and words[0] == "headroom-core":
                        found.append((f"{_name(page)}:{block.line}", words[1:]))
    return found


TYPED = [
    pytest.param(words, id=where)
    for page in dict.fromkeys([*ALL, *(ROOT / "docs").rglob("*.md")])
    for where, words in _typed(page)
]


@pytest.mark.parametrize("words", TYPED)
def test_printed_commands_are_understood(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each printed call of ``headroom-core`` names a command and options that exist, with values of their type."""
    monkeypatch.chdir(tmp_path)
    for word in words:  # the files that the command line speaks of
        if word.endswith("/"):
            Path(word).mkdir()
        elif re.fullmatch(r"\w[\w-]*\.\w{1,6}", word):
            Path(word).write_text("INFO fine\n")
    context = click.Context(commands, info_name="headroom-core")
    if words and words[0].startswith("-"):
        return
    name, command, rest = commands.resolve_command(context, words)
    assert command is not None, name
    with command.make_context(str(name), list(rest), parent=context):
        pass


def test_the_saving_that_the_readme_shows_is_that_of_its_log() -> None:
    """The comment behind ``explain`` is what the block prints for the benchmark's log."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [told] = re.findall(r"outcome\.explain\(\)\)  # (.*\))", text)
    outcome = compress(room(ROOT / "README.md")["log"], query="Why did the build fail?")
    assert outcome.explain().startswith(told)


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_to_files_lead_somewhere(page: str) -> None:
    """Each relative link of a page that stands outside of the site names a file that is there."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), f"{page}: {target}"


def test_tests_that_the_security_page_names_exist() -> None:
    """Each claim there names its test: a file, and functions that are defined in the tests."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for file in re.findall(r"`(tests/[\w/]+\.py)", text):
        assert (ROOT / file).is_file(), file
    suites = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "headroom_core" / "testing").rglob("*.py")]
    defined = "".join(file.read_text(encoding="utf-8") for file in suites)
    for name in re.findall(r"\b(test_\w+)(?=`)", text):
        assert f"def {name}(" in defined or f"/{name}.py" in text or (name + ".py") in text, name
