"""A file read twice, a log printed again: the later copy refers to the earlier one."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from headroom_core import Compressor
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.types import Context, Part, Rewrite


class _Leave:
    """A transform that leaves everything, so that only repetition is at work."""

    name = "leave"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return None


class _Head:
    """A transform that keeps the first lines."""

    name = "head"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return Rewrite.of("\n".join(part.text.split("\n")[:30]), "the rest")


KINDS: Any = ("json", "log", "search", "diff", "code", "table", "html", "config", "tree", "trace", "prose")


def _text(seed: int = 1) -> str:
    r = random.Random(seed)
    return "\n".join(f"entry {i} holds {r.getrandbits(48):x} and {r.getrandbits(32):x}" for i in range(80))


def _call(
    transform: Any, *texts: str, questions: tuple[str, ...] = ("What?",), **options: Any
) -> tuple[Any, Originals]:
    originals = Originals(MemoryBlobs(), key=b"k" * 32)
    compressor = Compressor(
        originals=originals, retrievable=True, transforms=dict.fromkeys(KINDS, transform), strict=True, **options
    )
    messages: list[dict[str, Any]] = []
    for i, text in enumerate(texts):
        if i < len(questions):
            messages.append({"role": "user", "content": questions[i]})
        messages.append({"role": "tool", "name": "read_file", "content": text})
    return compressor(messages, namespace="n"), originals


def test_exact_copy_refers_to_the_earlier_one_and_comes_back() -> None:
    """The second copy is a line; its own reference gives the original byte for byte."""
    outcome, originals = _call(_Leave(), _text(), _text())
    (change,) = outcome.changes
    assert change.by == "repeats"
    assert change.tokens < 100
    assert "read_file" in outcome.messages[2]["content"]
    assert originals.get(change.ref, namespace="n").decode() == _text()


def test_changed_copy_shows_every_changed_line() -> None:
    """A line that changed, one that was added and one that went are all shown; the rest is not."""
    lines = _text().split("\n")
    changed = [*lines[:10], "entry 10 holds NOTHING", *lines[11:40], "a new line", *lines[40:60], *lines[61:]]
    outcome, _ = _call(_Leave(), _text(), "\n".join(changed))
    shown = outcome.messages[2]["content"]
    for line in ("+entry 10 holds NOTHING", f"-{lines[10]}", "+a new line", f"-{lines[60]}"):
        assert line in shown
    assert lines[5] not in shown


def test_copy_compressed_for_another_question_is_not_referred_to() -> None:
    """What was shortened for one question may lack what the next one needs."""
    asked = ("What is at the start?", "What is at the end?")
    outcome, _ = _call(_Head(), _text(), _text(), questions=asked)
    assert [change.by for change in outcome.changes] == ["head", "head"]


def test_whole_copy_serves_every_question() -> None:
    """What went out whole can be referred to whatever is asked."""
    outcome, _ = _call(_Leave(), _text(), _text(), questions=("One?", "Two?"))
    assert [change.by for change in outcome.changes] == ["repeats"]


@pytest.mark.parametrize("other", [_text(2), "short", ""])
def test_other_text_is_no_repeat(other: str) -> None:
    """Text that shares no lines is left alone."""
    outcome, _ = _call(_Leave(), _text(), other)
    assert not outcome.changes


def test_lossless_never_refers() -> None:
    """In the lossless strength every message stands for itself."""
    outcome, _ = _call(_Leave(), _text(), _text(), strength="lossless")
    assert not outcome.changes


def test_repetitive_texts_are_compared_in_bounded_time() -> None:
    """Sixteen outputs that share their lines a hundred times over do not take longer than a moment."""
    rows = [
        "\n".join(f'  {{\n    "page": 3,\n    "id": {i * 7 + n},\n    "ok": true\n  }},' for i in range(100))
        for n in range(16)
    ]
    start = time.process_time()
    _call(_Leave(), *rows)
    assert time.process_time() - start < 3


def test_lossless_forms_of_equal_texts_are_compared_as_they_go_out() -> None:
    """Two equal arrays that shrink without loss: the later refers to the earlier at once, not only on a second pass."""
    rows = json.dumps([{"id": i, "name": f"order-{i:04d}", "state": "open", "note": ""} for i in range(12)])
    originals = Originals(MemoryBlobs(), key=b"k" * 32)
    compressor = Compressor(originals=originals, retrievable=True, min_tokens=40, strict=True)
    messages: list[Any] = []
    for question in ("Which one?", "And why?"):
        messages += [{"role": "user", "content": question}, {"role": "tool", "name": "query", "content": rows}]
    once = compressor(messages, namespace="n")
    assert [change.by for change in once.changes] == ["json", "repeats"]
    again = compressor(once.messages, namespace="n")
    assert list(again.messages) == list(once.messages)


def test_excluded_tools_are_never_replaced_by_a_reference() -> None:
    """What the policy keeps stays, repeated or not."""
    outcome, _ = _call(_Leave(), _text(), _text(), exclude_tools=("read_file",))
    assert not outcome.changes
