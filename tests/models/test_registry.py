"""The rows of the models and the way to their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headroom_core.errors import InvalidInput, ModelError
from headroom_core.models.registry import BUNDLED, MLModelRegistry, ModelRow
from headroom_core.models.resolve import resolve


def test_the_bundled_text_model_is_what_its_row_says():
    """Every file is there with its SHA-256, and the graphs stay within 25 MB."""
    row = MLModelRegistry().get("kompress")
    assert row.folder is not None
    row.verify(row.folder)
    assert row.licence == "Apache-2.0"
    assert sum((row.folder / name).stat().st_size for name in row.files if name.endswith(".onnx")) <= 25_000_000
    assert (row.folder / "CARD.md").is_file()


def test_an_altered_file_is_refused(tmp_path: Path):
    """One changed byte raises a ``ModelError`` that names the file."""
    row = MLModelRegistry().get("kompress")
    shutil.copytree(BUNDLED / "kompress", tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        row.verify(tmp_path / "copy")


def test_paths_come_before_names(tmp_path: Path):
    """A folder is itself; a bundled name is its folder; anything else is named in the error."""
    assert resolve(tmp_path) == tmp_path
    assert resolve("kompress") == BUNDLED / "kompress"
    with pytest.raises(ModelError, match="no model"):
        resolve("no-such-model")


def test_a_hub_id_that_is_not_cached_is_refused_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``local_only`` never asks the network."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="not in the local cache"):
        resolve("nobody/nothing-here", local_only=True)


def test_a_name_is_given_once():
    """Adding a known name raises, unknown names are listed with the known ones."""
    registry = MLModelRegistry()
    row = ModelRow("mine", "published", "MIT", "here", {}, 0)
    registry.add(row)
    assert registry.get("mine") is row
    with pytest.raises(InvalidInput, match="already known"):
        registry.add(row)
    with pytest.raises(InvalidInput, match="kompress"):
        registry.get("other")
