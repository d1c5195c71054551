"""The door of the package: cheap to pass, and plain about what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import headroom_integrations.langchain as door
from headroom_core.errors import MissingExtra


def test_importing_the_package_loads_no_framework() -> None:
    """Each name loads its own module when it is used; the import itself loads neither LangChain nor LangGraph."""
    code = (
        "import sys, headroom_integrations.langchain\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'langchain', 'langchain_core', 'langgraph', 'torch', 'onnxruntime', 'PIL'}))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_every_name_of_the_table_exists() -> None:
    """What ``__all__`` promises can be had; anything else is no attribute."""
    for name in door.__all__:
        assert getattr(door, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        door.nothing  # noqa: B018


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without langchain the middleware says which line installs it; langchain-core alone is enough for the rest."""
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    monkeypatch.delitem(vars(door), "HeadroomMiddleware", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'headroom-integrations\[langchain\]'"):
        door.HeadroomMiddleware  # noqa: B018
    from headroom_integrations.langchain import graph

    monkeypatch.setattr(graph, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="langgraph is not installed"):
        graph.compress_tool_node([])
