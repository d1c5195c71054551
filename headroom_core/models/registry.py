"""The models that the library knows: one row each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from headroom_core.errors import InvalidInput, ModelError

BUNDLED = Path(__file__).resolve().parent / "bundled"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model: its files with their SHA-256, its size, licence and source. ``folder`` is set for bundled ones."""

    name: str
    layout: str
    licence: str
    source: str
    files: Mapping[str, str]
    bytes: int
    folder: Path | None = None

    def verify(self, folder: Path) -> None:
        """Raises ``ModelError`` where a file is missing or is not the one of this row."""
        for file, digest in self.files.items():
            path = folder / file
            if not path.is_file():
                raise ModelError(f"The model {self.name} lacks {path}. Install the package again.")
            if digest and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                raise ModelError(f"{path} is not the file of the model {self.name}: its SHA-256 differs.")


class MLModelRegistry:
    """Rows by name. The bundled model is there from the start; ``add`` makes others known for this registry."""

    def __init__(self) -> None:
        self._rows: dict[str, ModelRow] = {row.name: row for row in bundled_rows()}

    def __iter__(self) -> Iterator[ModelRow]:
        return iter(self._rows.values())

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def add(self, row: ModelRow) -> None:
        """Make a model known; a name is given once."""
        if row.name in self._rows:
            raise InvalidInput(f"A model named {row.name!r} is already known. Give the row another name.")
        self._rows[row.name] = row

    def get(self, name: str) -> ModelRow:
        """The row of this name. Raises ``InvalidInput`` with the known names."""
        if name not in self._rows:
            raise InvalidInput(f"No model is named {name!r}; known are {', '.join(sorted(self._rows))}.")
        return self._rows[name]


def bundled_rows() -> list[ModelRow]:
    """Rows of what lies in the package, read from each bundle's ``model.json``."""
    found = []
    for manifest in sorted(BUNDLED.glob("*/model.json")):
        row = json.loads(manifest.read_text(encoding="utf-8"))["row"]
        size = sum((manifest.parent / file).stat().st_size for file in row["files"])
        found.append(
            ModelRow(
                row["name"], row["layout"], row["licence"], row["source"], dict(row["files"]), size, manifest.parent
            )
        )
    return found
