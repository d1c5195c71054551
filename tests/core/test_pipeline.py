"""The one flow: what is compressed, what is left alone, and what the outcome says of both."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from headroom_core import Compressor, Message, Outcome, Text, compress
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.errors import InvalidInput, StoreError, TransformError
from headroom_core.types import Context, Part, Rewrite


class Head:
    """Keeps the first line, and counts how often it was asked."""

    name = "head"

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        self.calls += 1
        return Rewrite.of(part.text.split("\n")[0], "all but the first line")


class Broken:
    """Fails."""

    name = "broken"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        raise ZeroDivisionError("secret content")


class Longer:
    """Makes it longer."""

    name = "longer"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return Rewrite.of(part.text * 2, "nothing")


class Down(MemoryBlobs):
    """A store that is away."""

    def put(self, *args: Any, **options: Any) -> None:
        raise StoreError("the store is away")

    touch = put  # type: ignore[assignment]


KINDS: Any = ("json", "log", "search", "diff", "code", "table", "html", "config", "tree", "trace", "prose")
LOG = "\n".join(f"2026-05-04 12:00:{i % 60:02d} INFO pool - request {i} handled" for i in range(200))
TOOL = {"role": "tool", "tool_call_id": "c1", "name": "query", "content": LOG}


def everywhere(transform: Any) -> Any:
    return dict.fromkeys(KINDS, transform)


def store() -> Originals:
    return Originals(MemoryBlobs(), key=b"k" * 32)


def test_reversible_result_ends_in_a_marker_that_resolves() -> None:
    """The marker names the reference of the change; the store gives the original back."""
    originals = store()
    outcome = Compressor(originals=originals, retrievable=True, transforms=everywhere(Head()))([TOOL], namespace="n")
    (change,) = outcome.changes
    assert change.ref is not None
    assert outcome.messages[0]["content"].splitlines()[-1].startswith("[left out: all but the first line")
    assert f'headroom_retrieve(ref="{change.ref}")' in outcome.messages[0]["content"]
    assert originals.get(change.ref, namespace="n").decode() == LOG


def test_without_a_retrieve_tool_only_lossless_is_left() -> None:
    """A compressor that nobody can ask back leaves lossy rewrites alone and says so."""
    outcome = Compressor(originals=store(), transforms=everywhere(Head()))([TOOL])
    assert outcome.messages[0] is TOOL
    assert "lossless" in outcome.skipped[0].reason


def test_lossy_says_what_went_without_a_marker_and_keeps_the_original() -> None:
    """compress() returns the text, one readable last line, and the original on the change."""
    outcome = compress(LOG, transforms=everywhere(Head()))
    assert outcome.text.endswith("\n[left out: all but the first line]")
    assert "headroom_retrieve" not in outcome.text
    assert outcome.changes[0].part.text == LOG
    assert outcome.changes[0].ref is None


def test_lossy_with_a_store_stores_the_original() -> None:
    """Law 1: with a store at hand a lossy result's original is kept, its reference on the change."""
    originals = store()
    outcome = compress(LOG, originals=originals, namespace="n", transforms=everywhere(Head()))
    assert outcome.changes[0].ref is not None
    assert originals.get(outcome.changes[0].ref, namespace="n").decode() == LOG


def test_audit_changes_nothing_and_stores_nothing() -> None:
    """Audit mode counts what would be saved; messages and store stay as they were."""
    blobs = MemoryBlobs()
    compressor = Compressor(
        originals=Originals(blobs, key=b"k" * 32), retrievable=True, mode="audit", transforms=everywhere(Head())
    )
    outcome = compressor([TOOL])
    assert outcome.messages[0] is TOOL
    assert outcome.saved > 0
    assert outcome.audited
    assert not blobs.keys()
    assert "would become" in outcome.explain()


def test_kill_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEADROOM_DISABLE=1 sends everything as it came."""
    monkeypatch.setenv("HEADROOM_DISABLE", "1")
    outcome = Compressor(strength="lossy", transforms=everywhere(Head()))([TOOL])
    assert outcome.messages[0] is TOOL
    assert not outcome.changes


@pytest.mark.parametrize(
    ("message", "options", "reason"),
    [
        ({"role": "tool", "content": "short"}, {}, "fewer than 200 tokens"),
        (TOOL, {"min_tokens": 100_000}, "fewer than 100000 tokens"),
        (TOOL, {"exclude_tools": ("query",)}, "excluded"),
        ({**TOOL, "name": "headroom_retrieve"}, {}, "headroom_retrieve"),
        ({**TOOL, "status": "error"}, {}, "error"),
        (TOOL, {"transforms": everywhere(Longer())}, "not be smaller"),
    ],
)
def test_left_alone_with_the_reason(message: dict[str, Any], options: dict[str, Any], reason: str) -> None:
    """Small, excluded, protected and incompressible parts come out as the same object, each with its reason."""
    outcome = Compressor(strength="lossy", originals=None, **{"transforms": everywhere(Head()), **options})([message])
    assert outcome.messages[0] is message
    assert reason in outcome.skipped[0].reason


@pytest.mark.parametrize("role", ["system", "user", "assistant", "developer", "banana"])
def test_only_the_chosen_roles_change(role: str) -> None:
    """By default nothing but tool results is touched."""
    message = {"role": role, "content": LOG}
    outcome = Compressor(strength="lossy", originals=None, transforms=everywhere(Head()))([message])
    assert outcome.messages[0] is message


def test_failure_of_ours_leaves_the_part_and_says_why_without_content() -> None:
    """A broken transform costs nothing but the saving; the reason names the error's type, never its text."""
    outcome = compress(LOG, transforms=everywhere(Broken()))
    assert outcome.text == LOG
    assert "ZeroDivisionError" in outcome.skipped[0].reason
    assert "secret" not in outcome.explain()


def test_strict_raises() -> None:
    """In strict mode the same failure is an error with its cause."""
    with pytest.raises(TransformError) as caught:
        compress(LOG, transforms=everywhere(Broken()), strict=True)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_store_away_means_unchanged() -> None:
    """No original kept, no change: the reason names the store; strict mode raises."""
    away = Originals(Down(), key=b"k" * 32)
    compressor = Compressor(originals=away, retrievable=True, transforms=everywhere(Head()))
    outcome = compressor([TOOL])
    assert outcome.messages[0] is TOOL
    assert "store is away" in outcome.skipped[0].reason
    with pytest.raises(TransformError):
        compressor.with_options(strict=True)([TOOL])


def test_the_same_part_is_worked_out_once() -> None:
    """Twenty calls over a growing conversation ask the transform once; another question asks again."""
    head = Head()
    compressor = Compressor(strength="lossy", originals=None, transforms=everywhere(head))
    messages: list[Any] = [{"role": "user", "content": "Why?"}, TOOL]
    for turn in range(20):
        compressor(messages)
        messages.append({"role": "assistant", "content": f"turn {turn}"})
    assert head.calls == 1
    compressor([{"role": "user", "content": "When?"}, TOOL])
    assert head.calls == 2


def test_question_is_the_last_user_text_before_the_part() -> None:
    """A tool result is compressed for the question that stood when it came."""
    asked: list[str | None] = []

    class Asked(Head):
        def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
            asked.append(context.query)
            return None

    compressor = Compressor(strength="lossy", originals=None, transforms=everywhere(Asked()))
    compressor(
        [TOOL, {"role": "user", "content": "A?"}, {**TOOL, "content": LOG + "."}, {"role": "user", "content": "B?"}]
    )
    assert asked == [None, "A?"]


def test_safe_between_threads() -> None:
    """Eight threads get the same result from one compressor."""
    compressor = Compressor(originals=store(), retrievable=True, transforms=everywhere(Head()))
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(compressor([TOOL], namespace="n").messages[0]["content"]))
        for _ in range(8)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(set(results)) == 1
    assert len(results) == 8


def test_listeners_hear_of_every_call_and_cannot_break_it() -> None:
    """A listener gets the outcome; one that fails is not the user's problem."""
    heard: list[Outcome] = []

    def fails(outcome: Outcome) -> None:
        raise RuntimeError

    outcome = Compressor(strength="lossy", originals=None, listeners=(heard.append, fails))([TOOL])
    assert heard == [outcome]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: compress(b"bytes"), "decode"),  # type: ignore[arg-type]
        (lambda: compress("x", target_ratio=0.0), "target_ratio"),
        (lambda: compress("x", target_ratio=1.5), "target_ratio"),
        (lambda: compress("x", strength="brutal"), "brutal"),  # type: ignore[arg-type]
        (lambda: Compressor(strength="reversible", originals=None), "originals=None"),
        (lambda: Compressor(colour="red"), "colour"),
        (lambda: Compressor()("one text"), "compress(text)"),
        (lambda: compress("x", strength="reversible"), "retrievable"),
        (lambda: Compressor(counter="banana"), "banana"),
    ],
)
def test_bad_values_are_named_with_the_remedy(call: Any, told: str) -> None:
    """Each bad value gets a sentence that names it."""
    with pytest.raises(InvalidInput) as caught:
        call()
    assert told in str(caught.value)


def test_outcome_is_json_without_content() -> None:
    """as_dict() carries sums and reasons, never the text."""
    told = json.dumps(compress(LOG, transforms=everywhere(Head())).as_dict())
    assert "pool - request" not in told
    assert json.loads(told)["ratio"] < 0.1


def test_core_messages_keep_their_place() -> None:
    """Core messages go in and come out as core messages, unchanged ones as the same object."""
    first, second = Message("user", (Text("Why?"),)), Message("tool", (Text(LOG),))
    outcome = Compressor(strength="lossy", originals=None, transforms=everywhere(Head()))([first, second])
    assert outcome.messages[0] is first
    assert isinstance(outcome.messages[1], Message)
    assert outcome.text.startswith("Why?\n2026-05-04")


def test_fingerprint_tells_options_apart() -> None:
    """Two compressors that may give other results have other fingerprints."""
    base = Compressor(originals=None, strength="lossy")
    others = [
        base.with_options(target_ratio=0.5),
        base.with_options(min_tokens=7),
        base.with_options(strength="lossless"),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert base.fingerprint == Compressor(originals=None, strength="lossy").fingerprint


HEAVY = (
    "torch",
    "transformers",
    "onnxruntime",
    "PIL",
    "langchain_core",
    "llama_index",
    "numpy",
    "sqlite3",
    "redis",
    "tokenizers",
)


def test_import_is_light() -> None:
    """``import headroom_core`` loads none of the heavy packages; neither does naming the compressor."""
    code = f"import sys, headroom_core; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_remembered_decision_renews_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    """An original that was deleted meanwhile is stored again before its marker goes out a minute later."""
    now = [0.0]
    monkeypatch.setattr("headroom_core.flow.time.monotonic", lambda: now[0])
    originals = store()
    compressor = Compressor(originals=originals, retrievable=True, transforms=everywhere(Head()))
    ref = compressor([TOOL], namespace="n").changes[0].ref
    assert ref is not None
    originals.forget(ref, namespace="n")
    now[0] = 61.0
    assert compressor([TOOL], namespace="n").changes[0].ref == ref
    assert originals.get(ref, namespace="n").decode() == LOG
