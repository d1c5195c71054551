"""The doors of the command line: what is missing or broken is said with its remedy, on a terminal and as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from headroom_core import cli, open_originals, settings
from headroom_core.cli import doctor
from headroom_core.cli.commands import commands
from headroom_core.errors import InvalidInput
from headroom_core.models import registry


def _run(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(commands, list(arguments))
    assert done.exit_code == code, done.output
    return done


def test_the_entry_point_runs_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the installed program calls."""
    monkeypatch.setattr(sys, "argv", ["headroom-core", "--version"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert "headroom-core, version" in capsys.readouterr().out


def test_doctor_on_a_terminal_has_a_line_for_each_check() -> None:
    """A sign, a name, and what was found."""
    lines = _run("doctor").stdout.strip().splitlines()
    assert len(lines) > 12
    assert all(line[0] in "✓·✗" for line in lines)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("headroom_core.compress", "compression"),
        ("headroom_core.open_originals", "originals store"),
    ],
)
def test_doctor_says_what_is_broken(broken: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something needed that fails is named with its error, and the exit code is 1."""

    def fails(*_: Any, **__: Any) -> Any:
        raise InvalidInput("no disk is left")

    monkeypatch.setattr(broken, fails)
    told = json.loads(_run("doctor", "--json", code=1).stdout)
    assert [check["told"] for check in told if check["name"] == named] == ["no disk is left"]
    assert [check["name"] for check in told if check["state"] == "broken"] == [named]


def test_doctor_says_where_compression_and_store_do_not_do_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that gives back something else, or an array that does not shrink, is broken without any error."""
    store = open_originals("memory://")
    monkeypatch.setattr(store, "get", lambda ref, namespace: b"other")
    monkeypatch.setattr("headroom_core.open_originals", lambda: store)
    monkeypatch.setenv("HEADROOM_DISABLE", "1")
    told = {check["name"]: check for check in json.loads(_run("doctor", "--json", code=1).stdout)}
    assert "gave back something else" in told["originals store"]["told"]
    assert "did not shrink" in told["compression"]["told"]


def test_doctor_gives_the_pip_line_of_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optional packages that are away are no failure."""
    real: Callable[..., Any] = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if name in ("redis", "tiktoken"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(doctor, "import_module", without)
    monkeypatch.setattr("headroom_core.tokens.text.counter", lambda name: without("tiktoken"))
    found = {check.name: check for check in doctor.checks()}
    assert found["Redis store"].state == found["exact o200k counter"].state == "missing"
    assert "pip install 'headroom-integrations[redis]'" in found["Redis store"].told
    assert doctor.exit_code(list(found.values())) == 0


def test_doctor_names_versions_where_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that was installed without its metadata works as well."""
    told = {check.name: check.told for check in doctor.checks()}
    assert told["LlamaIndex adapter"] == f"llama-index-core {metadata.version('llama-index-core')}"

    def unknown(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", unknown)
    assert {check.name: check.told for check in doctor.checks()}["LlamaIndex adapter"] == "llama-index-core"


def test_a_stored_picture_comes_back_as_its_bytes(tmp_path: Path) -> None:
    """``retrieve`` of an image writes the image itself, so that it can be sent into a file."""
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 7), "red").save(path)
    ref = open_originals().put(path.read_bytes(), namespace=settings.namespace(), kind="image")
    assert _run("retrieve", ref).stdout_bytes == path.read_bytes()


def test_a_bundled_model_has_a_folder() -> None:
    """``models download`` prints where a model lies, on a terminal as in JSON."""
    folder = Path(_run("models", "download", "kompress", "--offline").stdout.strip())
    assert any(folder.iterdir())
    assert json.loads(_run("models", "download", "kompress", "--offline", "--json").stdout)["folder"] == str(folder)


def test_a_model_that_is_not_on_this_machine_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """``models verify`` calls it absent."""
    away = [replace(row, folder=None) for row in registry.MLModelRegistry()]
    monkeypatch.setattr(registry.MLModelRegistry, "__iter__", lambda self: iter(away))
    monkeypatch.setattr(registry.MLModelRegistry, "get", lambda self, name: away[0])
    told = json.loads(_run("models", "verify", "--json").stdout)
    assert {row["state"] for row in told} == {"absent"}
    assert _run("models", "verify", "kompress").stdout.startswith(f"· {away[0].name}")
