"""An agent that looks at screenshots: pictures in tool results go out as what the question needs of them.

python examples/langchain_vision_agent.py                             # offline: a scripted model
python examples/langchain_vision_agent.py --live openai:gpt-5-mini    # a real model (its key in the environment)
"""

from __future__ import annotations

import argparse
import base64
import re
from io import BytesIO
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from PIL import Image, ImageDraw, ImageFont

from headroom_integrations.langchain import HeadroomMiddleware
from headroom_integrations.langchain.testing import ScriptedChatModel

QUESTION = "Read the error message in the screenshot."


def picture() -> bytes:
    """A window with an error in it, as PNG."""
    image = Image.new("RGB", (1280, 800), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 40), fill="#335577")
    font = ImageFont.load_default(28)
    lines = ["Backup of volume data-7", "Error 28: no space left on device", "Free at least 12 GB and try again"]
    for n, line in enumerate(lines):
        draw.text((60, 120 + 60 * n), line, fill="black", font=font)
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@tool
def screenshot() -> list[dict[str, Any]]:
    """Take a screenshot."""
    data = base64.b64encode(picture()).decode("ascii")
    return [{"type": "text", "text": "The screen now:"}, {"type": "image", "base64": data, "mime_type": "image/png"}]


def scripted() -> BaseChatModel:
    """Looks once, calls the whole picture back where it was replaced, and answers."""

    def ask_back(messages: list[BaseMessage]) -> AIMessage:
        shown = next(str(m.content) for m in reversed(messages) if isinstance(m, ToolMessage))
        found = re.search(r'ref=\\?"(hr_\w+)', shown)
        if found is None:
            return AIMessage("Error 28: no space left on device.")
        call = {"name": "headroom_retrieve", "args": {"ref": found[1]}, "id": "call_2"}
        return AIMessage("", tool_calls=[call])

    call = {"name": "screenshot", "args": {}, "id": "call_1"}
    return ScriptedChatModel(
        script=[AIMessage("", tool_calls=[call]), ask_back, AIMessage("Error 28: no space left on device.")]
    )


def main(model: BaseChatModel) -> dict[str, Any]:
    """Run the agent and show which forms the picture took."""
    agent = create_agent(model, [screenshot], middleware=[HeadroomMiddleware()])
    state = agent.invoke({"messages": [{"role": "user", "content": QUESTION}]})
    for message in state["messages"]:
        blocks = message.content if isinstance(message.content, list) else [message.content]
        for block in blocks:
            shown = block if isinstance(block, str) else block.get("text") or f"<{block.get('type')}>"
            print(f"[{message.type}] {shown[:300]}")
    print(state["headroom"])
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", metavar="MODEL", help="a real chat model, for example openai:gpt-5-mini")
    name = parser.parse_args().live
    main(init_chat_model(name) if name else scripted())
