"""The closest peer's image compressor, as a program of its own in its own virtual environment, beside ours in one run.

Its router's weights are not published with it, so offline it preserves and only aligns: that is the variant ``peer``.
``peer, told`` is given the right technique for fields of documents (text), so that its techniques themselves are seen.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headroom_core.dialects import read_messages
from headroom_core.image.decision import Technique
from headroom_core.image.ocr import Reader
from headroom_core.image.plan import tokens_of
from headroom_core.tokens.text import counter
from headroom_core.types import Image, Text

from . import images_answers as answers

VARIANTS = {"peer": None, "peer, told": Technique.TRANSCODE.value}
_SCRIPT = """
import json, os, sys, types
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HEADROOM_TELEMETRY="off")
out, sys.stdout = sys.stdout, sys.stderr
from headroom.image import ImageCompressor
from headroom.image.image_types import Technique
compressor = ImageCompressor()
plain = compressor._get_onnx_router
for line in sys.stdin:
    request = json.loads(line)
    told = request["technique"]
    decision = types.SimpleNamespace(technique=Technique(told), confidence=1.0) if told else None
    router = types.SimpleNamespace(classify=lambda *_: decision)
    compressor._get_onnx_router = (lambda: router) if told else plain
    try:
        made = compressor.compress(request["messages"], provider=request["provider"])
    except Exception as error:
        made = request["messages"]
    stated = compressor.last_result.original_tokens if compressor.last_result else None
    out.write(json.dumps({"messages": made, "stated": stated}) + "\\n")
    out.flush()
"""


Messages = list[dict[str, Any]]


@contextmanager
def opened(python: Path) -> Iterator[Callable[[Messages, str, str | None], tuple[Messages, int | None]]]:
    """A running peer: (messages, provider, technique that it is told) → its messages and the tokens that it stated."""
    with subprocess.Popen(
        [str(python), "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def ask(messages: Messages, provider: str, told: str | None) -> tuple[Messages, int | None]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"messages": messages, "provider": provider, "technique": told}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the peer stopped; run its script by hand to see why")
            made = json.loads(line)
            return made["messages"], made["stated"]

        yield ask
        process.terminate()


def run(
    questions: Sequence[answers.Asked], providers: Sequence[str], *, python: Path, reader: Reader
) -> Iterator[tuple[str, str, bool, int, int]]:
    """(variant, provider, reached, tokens before, tokens after) of every question."""
    with opened(python) as ask:
        for asked in questions:
            for provider in providers:
                for variant, told in VARIANTS.items():
                    out, _ = ask(answers.message(asked, provider), provider, told)
                    yield (variant, provider, *_measured(asked, out, provider, reader))


def _measured(asked: answers.Asked, out: Messages, provider: str, reader: Reader) -> tuple[bool, int, int]:
    """Did the answer reach the model, and the tokens before and after, by our formulas."""
    count = counter()
    before = pictures(answers.message(asked, provider))
    blocks = [block for block in read_messages(out)[0].blocks if not _is_question(block, asked)]
    text = "\n".join(block.text for block in blocks if isinstance(block, Text))
    sent = [block for block in blocks if isinstance(block, Image)]
    reached = answers.holds(text, asked.answer, asked.field) if text else False
    reached = reached or any(
        answers.holds(answers.reads(block, provider, reader), asked.answer, asked.field) for block in sent
    )
    after = sum(tokens_of(block, provider) for block in sent) + (count(text) if text else 0)
    return reached, sum(tokens_of(block, provider) for block in before), after


def _is_question(block: object, asked: answers.Asked) -> bool:
    return isinstance(block, Text) and block.text == asked.question


def pictures(messages: Messages) -> list[Image]:
    """The pictures of these messages."""
    return [block for message in read_messages(messages) for block in message.blocks if isinstance(block, Image)]
