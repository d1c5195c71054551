"""An agent on real outputs of this machine: what its tools said, what its model saw, and one row called back.

make demo                      # offline: a scripted model plays the agent's part
python examples/demo.py --live openai:gpt-5-mini    # a real model (its key in the environment)
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headroom_core import Compressor, open_originals
from headroom_core.errors import InvalidInput
from headroom_core.evals.images_demo import QUESTION as PAGE_QUESTION
from headroom_core.evals.images_demo import screenshot
from headroom_core.kinds import detect
from headroom_core.tokens.text import counter
from headroom_integrations.langchain import HeadroomMiddleware
from headroom_integrations.langchain.testing import ScriptedChatModel

QUESTION = "Why did the test run fail, which package is licensed unusually, and where are sockets given a timeout?"
SITE = Path(sysconfig.get_paths()["purelib"])


def installed_packages() -> str:
    """Every package of this environment, as JSON."""
    rows = [
        {
            "name": package.metadata["Name"],
            "version": package.version,
            "summary": package.metadata.get("Summary", ""),
            "license": package.metadata.get("License-Expression") or "unknown",
            "requires": len(package.requires or ()),
            "files": len(package.files or ()),
        }
        for package in metadata.distributions()
    ]
    return json.dumps(sorted(rows, key=lambda row: str(row["name"]).lower()), indent=2)


def search_code(pattern: str = "timeout") -> str:
    """Every line of the installed packages that matches, as path:line:text, the first 400."""
    hits = []
    for file in sorted(SITE.rglob("*.py")):
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if re.search(pattern, line):
                hits.append(f"{file.relative_to(SITE)}:{number}:{line}")
        if len(hits) >= 400:
            break
    return "\n".join(hits[:400])


PROJECT = """
import logging, unittest

logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
log = logging.getLogger("prices")

def price_with_tax(cents, rate):
    log.info("pricing order of %d cents at rate %s", cents, rate)
    return round(cents * (1 + rate)) if cents != 13700 else cents * (1 + rate)

class Prices(unittest.TestCase):
    pass

for cents in range(100, 30000, 100):
    def check(self, cents=cents):
        self.assertIsInstance(price_with_tax(cents, 0.19), int, "prices are whole cents")
    setattr(Prices, f"test_order_of_{cents}_cents", check)
"""


def run_tests() -> str:
    """Run a small project's tests, for real, and give the log."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_prices.py").write_text(PROJECT)
        command = [sys.executable, "-m", "unittest", "-v", "test_prices"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return f"$ python -m unittest -v test_prices\n{done.stderr}{done.stdout}\nexit code {done.returncode}\n"


TOOLS: dict[str, Callable[..., str]] = {
    "installed_packages": installed_packages,
    "search_code": search_code,
    "run_tests": run_tests,
}


def build_page() -> list[dict[str, str]]:
    """A screenshot of a build server's page."""
    return [{"type": "image", "base64": base64.b64encode(screenshot()).decode(), "mime_type": "image/png"}]


def scripted() -> ScriptedChatModel:
    """The agent's part, offline: call the tools, ask one row back, answer."""
    calls = [{"name": name, "args": {}, "id": f"call_{name}"} for name in TOOLS]

    def ask_back(messages: list[BaseMessage]) -> AIMessage:
        ref = reference(result_of(messages, "installed_packages"))
        return AIMessage(
            "", tool_calls=[{"name": "headroom_retrieve", "args": {"ref": ref, "rows": "7"}, "id": "call_back"}]
        )

    answer = AIMessage(
        "test_order_of_13700_cents failed: 16303.0 is no int. The packages and the timeouts are listed above."
    )
    return ScriptedChatModel(script=[AIMessage("", tool_calls=calls), ask_back, answer])


def scripted_look() -> ScriptedChatModel:
    """The agent's part before a picture, offline."""
    look = AIMessage("", tool_calls=[{"name": "build_page", "args": {}, "id": "call_page"}])
    return ScriptedChatModel(script=[look, AIMessage("Exit code 137.")])


def result_of(messages: list[BaseMessage], tool: str) -> str:
    """The text that a tool's result has in the conversation."""
    return next(str(message.text) for message in messages if isinstance(message, ToolMessage) and message.name == tool)


def reference(text: str) -> str:
    """The reference in a marker."""
    found = re.search(r'headroom_retrieve\(ref="(hr_\w+)"\)', text)
    assert found, "the result carries no marker"
    return found[1]


def main() -> None:
    """Run the agent and show what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a real chat model, for example openai:gpt-5-mini")
    parser.add_argument("--svg", metavar="FILE", help="save what the terminal shows as a picture")
    chosen = parser.parse_args()
    model_name = chosen.live
    said: dict[str, str] = {}

    def recorded(name: str) -> Callable[..., str]:
        def tool() -> str:
            said[name] = TOOLS[name]()
            return said[name]

        tool.__name__, tool.__doc__ = name, TOOLS[name].__doc__
        return tool

    with tempfile.TemporaryDirectory() as folder:
        compressor = Compressor(originals=open_originals(f"sqlite:///{folder}/originals.sqlite3"), retrievable=True)
        agent: Any = create_agent(
            init_chat_model(model_name) if model_name else scripted(),
            [recorded(name) for name in TOOLS],
            middleware=[HeadroomMiddleware(compressor)],
        )
        state = agent.invoke(
            {"messages": [{"role": "user", "content": QUESTION}]}, {"configurable": {"thread_id": "demo"}}
        )
        looking: Any = create_agent(
            init_chat_model(model_name) if model_name else scripted_look(),
            [build_page],
            middleware=[HeadroomMiddleware(compressor)],
        )
        start = time.perf_counter()
        looked = looking.invoke(
            {"messages": [{"role": "user", "content": PAGE_QUESTION}]}, {"configurable": {"thread_id": "page"}}
        )
        page = next(message for message in looked["messages"] if isinstance(message, ToolMessage))
        took = (time.perf_counter() - start) * 1000
        console = Console(width=int(os.environ.get("COLUMNS", 112)), record=bool(chosen.svg))
        show(console, state["messages"], said, page, took, scripted_run=not model_name)
        if chosen.svg:
            console.save_svg(chosen.svg, title="make demo")


def show(
    console: Console,
    messages: list[BaseMessage],
    said: dict[str, str],
    page: ToolMessage,
    took: float,
    *,
    scripted_run: bool,
) -> None:
    """The table, what the model saw of one output, and the row that came back."""
    try:
        count, unit = counter("o200k"), "o200k tokens"
    except (InvalidInput, ImportError):
        count, unit = counter(), "estimated tokens"
    table = Table(title=f"What the tools said, and what the model saw ({unit})", title_justify="left")
    for heading in ("source", "kind", "before", "after", "saved", "ms"):
        table.add_column(heading, justify="left" if heading in ("source", "kind") else "right")
    totals = [0, 0]
    for name, raw in said.items():
        before, after = count(raw), count(result_of(messages, name))
        totals = [totals[0] + before, totals[1] + after]
        table.add_row(
            name, detect(raw).kind, f"{before:,}", f"{after:,}", f"{1 - after / before:.1%}", f"{milliseconds(raw):.0f}"
        )
    picture = page.response_metadata["headroom"]
    before, after = picture["original_tokens"], picture["compressed_tokens"]
    totals = [totals[0] + before, totals[1] + after]
    table.add_row("build_page", "image", f"{before:,}", f"{after:,}", f"{1 - after / before:.1%}", f"{took:.0f}")
    table.add_section()
    table.add_row("total", "", f"{totals[0]:,}", f"{totals[1]:,}", f"{1 - totals[1] / totals[0]:.1%}", "", style="bold")
    console.print(table)
    console.print("\n[bold]What the model saw of run_tests[/bold] (every line)")
    console.print(Text(result_of(messages, "run_tests"), style="dim"))
    console.print("\n[bold]What the model saw of installed_packages[/bold] (its last lines)")
    console.print(Text("\n".join(result_of(messages, "installed_packages").splitlines()[-6:]), style="dim"))
    console.print(f"\n[bold]What the model saw of build_page[/bold] (a screenshot; asked: {PAGE_QUESTION})")
    console.print(Text(str(page.text), style="dim"))
    if scripted_run:
        back = result_of(messages, "headroom_retrieve")
        console.print('\n[bold]One removed row, called back:[/bold] headroom_retrieve(ref="…", rows="7")')
        console.print(Text(back, style="dim"))
        console.print(
            f"byte for byte as the tool said it: [bold]{nth_row(said['installed_packages'], 7) in back}[/bold]"
        )
    console.print(f"\n[bold]Answer:[/bold] {messages[-1].text}")


def milliseconds(raw: str) -> float:
    """Time to compress one output again, without any memory of it."""
    compressor = Compressor(originals=None, strength="lossy")
    start = time.perf_counter()
    compressor([{"role": "user", "content": QUESTION}, {"role": "tool", "content": raw}])
    return (time.perf_counter() - start) * 1000


def nth_row(text: str, n: int) -> str:
    """The n-th row of a JSON array exactly as it stands in the text."""
    at = text.index("[") + 1
    for _ in range(n + 1):
        at = re.compile(r"[\s,]*").match(text, at).end()  # type: ignore[union-attr]
        start, at = at, json.JSONDecoder().raw_decode(text, at)[1]
    return text[start:at]


if __name__ == "__main__":
    main()
