"""Finished rows of the visual-token tables on disk: a command that was stopped goes on where it stopped.

A row counts only for the code and the weights that made it: digests of both are in the names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_EVALS = Path(__file__).parent
_MODULES = _EVALS.parent / "visual_tokens"


class Rows:
    """Rows by name, each JSON.

    Args:
        folder: where they are kept; None keeps nothing.
        table: the first part of the file's name.
        about: what all rows depend on beside the code: numbers of scenes or questions, digests of weights.
    """

    def __init__(self, folder: Path | None, table: str, *about: object) -> None:
        self._file, self._found = None, dict[str, Any]()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            key = hashlib.sha256(f"{_code()} {about!r}".encode()).hexdigest()
            self._file = folder / f"{table}_{key[:12]}.json"
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


def digest(*files: Path) -> str:
    """12 digits for the contents of files."""
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:12]


def _code() -> str:
    code = [*_MODULES.rglob("*.py"), *_EVALS.glob("visual*.py"), _EVALS / "metrics.py", _EVALS / "data.py"]
    return digest(*sorted(code))
