"""What a page may take for granted: the objects that its reader has already."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def room(page: Path) -> dict[str, Any]:
    """The names that stand for the reader's own objects on this page."""
    return {"README": _readme, "fleet": _fleet}.get(page.stem, dict)()


def _readme() -> dict[str, Any]:
    from langchain_core.messages import AIMessage

    from headroom_core.evals.bench_inputs import cases
    from headroom_integrations.langchain.testing import ScriptedChatModel

    return {
        "model": ScriptedChatModel(script=[AIMessage("fine")]),
        "tools": [],
        "log": cases(0)["log"][0],
    }


def _fleet() -> dict[str, Any]:
    from langchain_core.stores import InMemoryByteStore

    from headroom_core.ccr import MemoryBlobs

    return {"your_store": InMemoryByteStore(), "MyStore": MemoryBlobs}
