"""The examples and the snippets of the documentation run, offline."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever

from headroom_integrations.langchain.testing import ScriptedChatModel
from tests.langchain.conftest import TEXT
from tests.langchain.test_middleware import users

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "langchain").glob("*.md"))


def example(name: str) -> Any:
    file = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_agent(capsys: pytest.CaptureFixture[str]) -> None:
    """The agent sees both failures, and gets the row that was left out."""
    module = example("langchain_agent")
    state = module.main(module.scripted())
    shown = next(m for m in state["messages"] if isinstance(m, ToolMessage))
    assert "4657" in shown.content
    assert "4780" in shown.content
    assert "left out" in shown.content
    assert state["messages"][-1].content.endswith("Order 4711 cost 45.17 EUR.")
    assert state["headroom"]["saved"] > 10_000
    assert "net_saved" in capsys.readouterr().out


def test_rag() -> None:
    """The reading that answers the question is still in the prompt."""
    module = example("langchain_rag")
    assert module.main(module.scripted()) == "Pump B-88 ran hot, at 97 degrees."


def test_vision_agent() -> None:
    """A screenshot in a tool result is handled, and the agent answers."""
    module = example("langchain_vision_agent")
    assert "no space left" in module.main(module.scripted())["messages"][-1].text


def test_streaming_chat(capsys: pytest.CaptureFixture[str]) -> None:
    """Text streams, calls of ours do not; the original was called back on the way."""
    module = example("langchain_streaming_chat")
    whole = module.main(module.scripted())
    assert whole.tool_calls == []
    assert whole.response_metadata["headroom"]["retrievals"] == 1
    assert "Let me look closer." in capsys.readouterr().out


def test_graph() -> None:
    """The second session resolves the reference of the first."""
    module = example("langchain_graph")
    messages = module.main(module.scripted())
    assert "waited 149 s for lock" in messages[-2].content


class _Finds(BaseRetriever):
    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(TEXT)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_documentation_runs(page: Path) -> None:
    """Every Python block of a page runs, one after the other, with a model, tools and a retriever at hand."""
    from langchain.agents import create_agent

    model = ScriptedChatModel(script=[AIMessage("fine")])
    room: dict[str, Any] = {"model": model, "tools": [users], "retriever": _Finds(), "create_agent": create_agent}
    room["agent"] = create_agent(model, [users])
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks or page.stem == "index"
    for block in blocks:
        exec(compile(block, str(page), "exec"), room)
