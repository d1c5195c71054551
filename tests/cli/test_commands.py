"""The command line, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from headroom_core.cli.commands import commands

ROWS = [{"id": i, "state": "done" if i != 77 else "failed", "amount": i * 3 % 50} for i in range(200)]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(ROWS, indent=1))
    return str(path)


def run(*arguments: str, code: int = 0, **options: object) -> str:
    done = CliRunner().invoke(commands, list(arguments), **options)  # type: ignore[arg-type]
    assert done.exit_code == code, done.output
    return done.stdout


def test_compress_prints_the_result_and_explains_on_stderr(file: str) -> None:
    """The text goes to standard output alone, so that it can be piped."""
    done = CliRunner().invoke(commands, ["compress", file, "-q", "Which order failed?"])
    assert done.exit_code == 0
    assert "failed" in done.stdout
    assert "saved" in done.stderr
    assert "saved" not in done.stdout


def test_reversible_result_is_called_back_byte_for_byte(file: str) -> None:
    """What --strength reversible leaves out comes back through the retrieve command: rows and whole."""
    told = json.loads(run("compress", file, "-q", "Which order failed?", "--strength", "reversible", "--json"))
    ref = told["changes"][0]["ref"]
    whole = "".join(
        json.loads(run("retrieve", ref, "--json", "--page", str(page)))["text"]
        for page in range(1, json.loads(run("retrieve", ref, "--json"))["pages"] + 1)
    )
    assert json.loads(whole) == ROWS
    assert '"id": 5' in run("retrieve", ref, "--rows", "5")
    assert json.loads(run("stats", "--json"))["originals"] == 1


def test_standard_input(file: str) -> None:
    """A dash reads standard input."""
    assert "failed" in run("compress", "-", "-q", "Which failed?", input=Path(file).read_text())


def test_diff_shows_what_went(file: str) -> None:
    """--diff shows removed lines with a minus."""
    assert any(line.startswith("-") for line in run("compress", file, "--diff").splitlines())


def test_unknown_reference_is_one_line_and_code_1() -> None:
    """No traceback for a reference that is not there."""
    done = CliRunner().invoke(commands, ["retrieve", "hr_aaaaaaaaaaaaaaaa"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "Traceback" not in done.output


def test_wrong_call_is_code_2() -> None:
    """A wrong option is the caller's mistake."""
    run("compress", "--nonsense", code=2)
    run("bench", "nonsense", code=2)


def test_doctor_tries_things_and_names_remedies() -> None:
    """Needed parts work here; every missing one names its pip line."""
    found = json.loads(run("doctor", "--json"))
    assert {check["state"] for check in found[:4]} == {"ok"}, found
    assert all(
        "install" in check["told"] or "TIKTOKEN" in check["told"] for check in found if check["state"] == "missing"
    )


def test_completion_scripts() -> None:
    """Each shell gets its script."""
    for shell in ("bash", "zsh", "fish"):
        assert "headroom" in run("completion", shell)


def test_help_loads_nothing_heavy() -> None:
    """--help answers without numpy, onnxruntime or the pipeline."""
    code = (
        "import sys\nfrom headroom_core.cli import main\nsys.argv=['headroom-core','--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy','onnxruntime','PIL','headroom_core.pipeline') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
