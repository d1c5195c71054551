"""The tables of the visual-token command: finished rows are kept for the code and the weights that made them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from headroom_core.evals import visual_speed
from headroom_core.evals.visual_rows import Rows, digest


def _made(rows: Rows, value: int) -> int:
    found: int = rows.get("row", lambda: value)
    return found


def test_a_row_is_made_once_for_the_same_code_weights_and_arguments(tmp_path: Path) -> None:
    """A second command reads the row; other arguments, other weights and another table make their own."""
    weights = tmp_path / "one.safetensors"
    weights.write_bytes(b"1")
    assert _made(Rows(tmp_path, "task", 400, digest(weights)), 1) == 1
    assert _made(Rows(tmp_path, "task", 400, digest(weights)), 2) == 1
    assert _made(Rows(tmp_path, "task", 500, digest(weights)), 3) == 3
    assert _made(Rows(tmp_path, "speed", 400, digest(weights)), 4) == 4
    weights.write_bytes(b"2")
    assert _made(Rows(tmp_path, "task", 400, digest(weights)), 5) == 5


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one command are made once; the next command makes them again, and no file appears."""
    monkeypatch.chdir(tmp_path)
    rows = Rows(None, "task")
    assert (_made(rows, 1), _made(rows, 2), _made(Rows(None, "task"), 3)) == (1, 1, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_speed_table_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows of a side that was timed come back as they were; a new side is timed; no verdict below 576 tokens."""
    pytest.importorskip("transformers")
    small = ["--width", "128", "--layers", "1", "--repeats", "1", "--modules", "ToMe", "--cache", str(tmp_path)]

    def rows(*sides: str) -> list[str]:
        visual_speed.main([*small, "--sides", *sides])
        return capsys.readouterr().out.splitlines()[2:]

    first = rows("4")
    both = rows("4", "6")
    assert len(first) == 1
    assert both[0] == first[0]
    assert both[1].startswith("| 36 | 9 | ToMe |")
    assert len(both) == 2
