"""The closest peer, as a program of its own in its own virtual environment, measured beside us in one run."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer's variant made of a text, and how long it took."""

    text: str
    ms: float
    error: str | None


def peer_python() -> Path | None:
    """The Python of the virtual environment with ``headroom-ai``: HEADROOM_PEER_PYTHON; None where it is not set."""
    named = os.environ.get("HEADROOM_PEER_PYTHON")
    return Path(named) if named and Path(named).exists() else None


class Peer:
    """A running peer: one request a line in, one answer a line out."""

    def __init__(self, python: Path) -> None:
        program = Path(__file__).with_name("peer_program.py").read_text(encoding="utf-8")
        self._run = subprocess.Popen(
            [str(python), "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.terminate()
        self._run.wait()

    def ask(self, kind: str, text: str, query: str | None) -> dict[str, Answer]:
        """Every variant's answer. The first request of a kind warms it up: ask twice."""
        assert self._run.stdin is not None
        assert self._run.stdout is not None
        self._run.stdin.write(json.dumps({"kind": kind, "text": text, "query": query}) + "\n")
        self._run.stdin.flush()
        line = ""
        while not line.startswith('{"variants"'):  # the peer's libraries may print lines of their own
            line = self._run.stdout.readline()
            if not line:
                raise RuntimeError("the peer stopped; run peer_program.py with its Python to see why")
        found: dict[str, dict[str, Any]] = json.loads(line)["variants"]
        return {name: Answer(**answer) for name, answer in found.items()}
