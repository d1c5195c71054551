"""The command line, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from headroom_core import settings
from headroom_core.cli.commands import commands

SAMPLES = str(Path(__file__).resolve().parents[1] / "evaluate" / "samples" / "openai.json")
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
    """--help answers without numpy, onnxruntime, the terminal's tables, the pipeline or the evaluation."""
    code = (
        "import sys\nfrom headroom_core.cli import main\nsys.argv=['headroom-core','--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy=('numpy','onnxruntime','PIL','rich','headroom_core.pipeline','headroom_core.evaluate','headroom_core.evals')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_models_are_listed_and_verified() -> None:
    """Every bundled model has its row, and its files are the ones of the row."""
    rows = json.loads(run("models", "list", "--json"))
    assert {"kompress", "technique_router"} <= {row["name"] for row in rows}
    assert all(row["licence"] and row["source"] and row["bytes"] for row in rows)
    assert "kompress" in run("models", "list")
    found = json.loads(run("models", "verify", "--json"))
    assert {one["state"] for one in found} == {"ok"}
    assert run("models", "verify", "kompress").startswith("✓ kompress")


def test_an_altered_model_is_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is not the one of its row is named, and the exit code tells scripts."""
    from headroom_core.models import registry

    row = next(iter(registry.MLModelRegistry()))
    altered = registry.ModelRow(row.name, row.layout, row.licence, row.source, row.files, row.bytes, tmp_path)
    monkeypatch.setattr(registry, "bundled_rows", lambda: [altered])
    (found,) = json.loads(run("models", "verify", "--json", code=1))
    assert found["state"] == "broken"
    assert str(tmp_path) in found["told"]


def test_models_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An unknown name is a wrong call; a hub id that is not cached fails offline; a folder is itself."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    run("models", "verify", "nonsense", code=2)
    run("models", "download", "nobody/nothing-here", "--offline", code=1)
    assert json.loads(run("models", "download", str(tmp_path), "--json"))["folder"] == str(tmp_path)


def test_evaluate_prints_tables_json_and_a_page(tmp_path: Path) -> None:
    """One call measures the samples: tables on the terminal, JSON, and a page of its own."""
    html = tmp_path / "report.html"
    shown = run("evaluate", SAMPLES, "--html", str(html), "--provider", "anthropic")
    assert "Worst cases first" in shown
    assert "come back by retrieval; none is lost" in " ".join(shown.split())
    assert html.read_text().startswith("<!doctype html>")
    told = json.loads(run("evaluate", SAMPLES, "--json", "--cases", "1"))
    assert told["conversations"] == 1
    assert len(told["worst"]) == 1
    assert told["total"]["tokens_after"] < told["total"]["tokens_before"] / 10


def test_evaluate_at_the_users_prices() -> None:
    """Named prices stand; a price for input alone keeps the preset's proportions."""
    told = json.loads(run("evaluate", SAMPLES, "--json", "--price-input", "2.5"))["prices_per_million"]
    assert told == {"input": 2.5, "cached": 0.25, "write": 2.5, "output": 20.0, "minimum": 1024}
    given = ("--provider", "anthropic", "--price-write", "6", "--cache-minimum", "4096")
    told = json.loads(run("evaluate", SAMPLES, "--json", *given))["prices_per_million"]
    assert (told["input"], told["write"], told["minimum"]) == (3.0, 6.0, 4096)
    run("evaluate", SAMPLES, "--price-input", "-1", code=2)


def test_evaluate_as_a_gate() -> None:
    """--check is code 1 where a used value is lost, and 0 where it comes back."""
    run("evaluate", SAMPLES, "--check", "--json")
    run("evaluate", SAMPLES, "--check", "--json", "--strength", "lossy", code=1)


def test_evaluate_without_contents(tmp_path: Path) -> None:
    """--no-contents keeps the texts out of terminal, JSON and page."""
    html = tmp_path / "report.html"
    shown = run("evaluate", SAMPLES, "--no-contents", "--html", str(html))
    shown += run("evaluate", SAMPLES, "--no-contents", "--json") + html.read_text()
    assert "TRK" not in shown
    assert "ORD-" not in shown


def test_evaluate_names_what_it_cannot_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is not there, a file of another shape, and a model without a key are wrong calls, in one line each."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    other = tmp_path / "other.json"
    other.write_text('{"hello": 1}')
    for arguments in (
        ["none.json"],
        [str(other)],
        [SAMPLES, "--live", "openai:some-model"],
        [SAMPLES, "--live", "some"],
    ):
        done = CliRunner().invoke(commands, ["evaluate", *arguments])
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output


def test_every_command_has_json() -> None:
    """Whatever prints a result can print it as JSON."""
    from headroom_core.cli.models import models

    for group in (commands, models):
        for name, command in group.commands.items():
            options = {option for parameter in command.params for option in parameter.opts}
            assert "--json" in options or name in ("completion", "models", "bench"), name


def test_the_entry_point_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without click the program ends with the pip line instead of a traceback."""
    from importlib import util

    from headroom_core import cli

    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install"):
        cli.main()


def test_the_diff_on_a_terminal_has_colours(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where somebody looks on, the diff is coloured; piped, it is plain."""
    from headroom_core.cli import commands as module

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    module._show_diff("a\nb", "a\nc")
    assert "-b" in capsys.readouterr().out


def test_stats_on_a_terminal(file: str) -> None:
    """Names and values, one a line."""
    assert "originals    0" in run("stats")


def test_a_stores_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Urls of stores are shown without their login, by every command."""
    monkeypatch.setenv("HEADROOM_STORE", "redis://app:hunter2@store.example:6379/0?timeout=1")
    assert settings.store_place() == "redis://store.example:6379/0?timeout=1"
    monkeypatch.setenv("HEADROOM_STORE", "memory://")
    assert settings.store_place() == "memory://"
    monkeypatch.delenv("HEADROOM_STORE")
    assert json.loads(run("stats", "--json"))["store"] == str(settings.home())


def test_the_diff_of_json_on_one_line_is_by_lines(tmp_path: Path) -> None:
    """JSON without line breaks is laid out before it is compared: what went is not one line of everything."""
    path = tmp_path / "flat.json"
    path.write_text(json.dumps(ROWS) + "\n")
    lines = run("compress", str(path), "-q", "Which order failed?", "--diff").splitlines()
    assert len(lines) > len(ROWS)
    assert max(map(len, lines)) < 200
