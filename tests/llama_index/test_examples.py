"""The examples and the snippets of the documentation run, offline."""

from __future__ import annotations

import importlib.util
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.tools import FunctionTool

from headroom_integrations.llama_index.testing import ScriptedLLM, run_example, says
from tests.llama_index.conftest import TEXT, conversation
from tests.llama_index.test_postprocessor import CATS, PUMPS, QUESTION, Finds, nodes

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "llama_index").glob("*.md"))

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the framework's own


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADROOM_HOME", str(tmp_path))


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rag(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence that answers the question is still in the prompt; the original comes back."""
    module = example("llama_index_rag")
    assert module.main(module.scripted()) == "97 degrees."
    assert "The canteen opens at eleven" in capsys.readouterr().out


def test_agent(capsys: pytest.CaptureFixture[str]) -> None:
    """The agent calls back the row that was left out."""
    module = example("llama_index_agent")
    assert module.main(module.scripted()) == "Order 4711 cost 45.19 EUR."
    assert "net_saved" in capsys.readouterr().out


def test_streaming_chat(capsys: pytest.CaptureFixture[str]) -> None:
    """Text streams, calls of ours do not; old turns are small in memory."""
    module = example("llama_index_streaming_chat")
    assert module.main(module.scripted()).endswith("Job 77 failed.")
    out = capsys.readouterr().out
    assert "Let me look closer." in out
    assert " 0 turns" not in out


def test_compare(capsys: pytest.CaptureFixture[str]) -> None:
    """One row for each setting; with no postprocessor everything is kept; ours keeps the sentence that answers."""
    module = example("llama_index_compare")

    class Letters(module.Remembered):  # type: ignore[misc, name-defined]
        def embedded(self, texts: list[str]) -> list[list[float]]:
            counts = [[text.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts]
            return [[each / sum(row) for each in row] for row in counts]

    start = PUMPS.index("The pump B-88 ran")
    evidence = [(start, PUMPS.index(".", start) + 1)]
    documents = [{"text": PUMPS, "evidence": evidence}, {"text": CATS, "evidence": []}]
    rows = module.main([{"query": QUESTION, "documents": documents}], Letters())
    assert rows[0] == {"postprocessor": "none", "evidence": 1.0, "tokens_kept": 1.0, "ms_median": rows[0]["ms_median"]}
    ours = [row for row in rows if "Headroom" in row["postprocessor"]]
    assert all(row["evidence"] == 1.0 and row["tokens_kept"] < 0.6 for row in ours)
    assert [row["ms_median"] is None for row in rows if module.OPTIMIZER in row["postprocessor"]] == [False] + [
        True
    ] * 5
    assert capsys.readouterr().out.count("\n") == len(rows)


@pytest.mark.parametrize("name", ["llama_index_agent", "llama_index_rag", "llama_index_streaming_chat"])
def test_from_the_command_line(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments the script plays; ``--live`` asks for the model of that name."""
    monkeypatch.setattr("sys.argv", [name])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out
    seen: list[Any] = []
    monkeypatch.setattr("sys.argv", [name, "--live", "gpt-4o"])
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    run_example("", seen.append, dict)
    assert seen[0].model == "gpt-4o"


def users(page: int) -> str:
    """List users."""
    return TEXT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_documentation_runs(page: Path) -> None:
    """Every Python block of a page runs, one after the other, with a model, messages, nodes and tools at hand."""
    room: dict[str, Any] = {
        "llm": ScriptedLLM(script=[says("fine")]),
        "messages": conversation(),
        "nodes": nodes(),
        "retriever": Finds(),
        "tools": [FunctionTool.from_defaults(fn=users)],
    }
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks or page.stem == "index"
    for block in blocks:
        exec(compile(block, str(page), "exec"), room)
