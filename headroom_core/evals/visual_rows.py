"""Finished rows of the visual-token tables on disk: a command that was stopped goes on where it stopped.

A row counts only for the code and the weights that made it: their digest is in the name of the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from headroom_core.visual_tokens.learned.weights import FOLDER

_EVALS = Path(__file__).parent
_MODULES = _EVALS.parent / "visual_tokens"


class Rows:
    """Rows by name, each JSON.

    Args:
        folder: where they are kept; None keeps nothing.
        table: the first part of the file's name.
        about: everything else that the rows depend on: numbers of scenes or questions, folders of models.
        weights: folder of the trained modules that they depend on.
    """

    def __init__(self, folder: Path | None, table: str, *about: object, weights: Path = FOLDER) -> None:
        self._file, self._found = None, dict[str, Any]()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = folder / f"{table}_{_digest(about, weights)}.json"
            if self._file.exists():
                self._found = json.loads(self._file.read_text())

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """The row of that name, made when it is not there yet."""
        if name not in self._found:
            self._found[name] = make()
            if self._file is not None:
                part = self._file.with_suffix(".part")
                part.write_text(json.dumps(self._found))
                part.replace(self._file)
        return self._found[name]


def _digest(about: Iterable[object], weights: Path) -> str:
    code = sorted([*_MODULES.rglob("*.py"), *_EVALS.glob("visual*.py"), _EVALS / "metrics.py", _EVALS / "data.py"])
    found = hashlib.sha256(repr(tuple(about)).encode())
    for file in [*code, *sorted(weights.glob("*.safetensors"))]:
        found.update(file.name.encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:12]
