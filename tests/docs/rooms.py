"""What a page may take for granted: the objects that its reader has already."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def room(page: Path) -> dict[str, Any]:
    """The names that stand for the reader's own objects on this page."""
    return {"README": _readme, "fleet": _fleet}.get(page.stem, dict)()


def _readme() -> dict[str, Any]:
    from langchain_core.messages import AIMessage

    from headroom_integrations.langchain.testing import ScriptedChatModel

    log = "\n".join(f"2026-05-04 12:{i // 60:02d}:{i % 60:02d} INFO step {i} done" for i in range(900))
    return {
        "model": ScriptedChatModel(script=[AIMessage("fine")]),
        "tools": [],
        "log": log + "\nERROR disk full: /var/lib/build",
    }


def _fleet() -> dict[str, Any]:
    from langchain_core.stores import InMemoryByteStore

    from headroom_core.ccr import MemoryBlobs

    return {"your_store": InMemoryByteStore(), "MyStore": MemoryBlobs}
