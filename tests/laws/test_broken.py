"""A law that cannot fail says nothing: each one fails on a copy that is broken on purpose."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headroom_core import Compressor, Outcome
from headroom_core.ccr.memory import MemoryBlobs
from headroom_core.ccr.originals import Originals
from headroom_core.testing import laws
from headroom_core.types import Context, Part, Rewrite

KEY = b"k" * 32


def _log() -> str:
    return "\n".join(
        f"2026-05-04 12:{i // 60:02d}:{i % 60:02d} INFO pool - request id={i * 7919} handled" for i in range(200)
    )


def _messages() -> list[dict[str, Any]]:
    call = {"id": "c1", "type": "function", "function": {"name": "query", "arguments": "{}"}}
    return [
        {"role": "user", "content": "What happened?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": _log()},
        {"role": "user", "content": "And which request came last?"},
        {"role": "tool", "tool_call_id": "c1", "content": _log() + "\nERROR done"},
    ]


class _Forgetful(Originals):
    """Gives back something else than it was given."""

    def get(self, ref: str, *, namespace: str) -> bytes:
        return super().get(ref, namespace=namespace)[:-1]


class _Shared(Originals):
    """Knows only one tenant."""

    def ref(self, data: bytes, *, namespace: str) -> str:
        return super().ref(data, namespace="all")

    def put(self, data: bytes, **given: Any) -> str:
        return super().put(data, **given | {"namespace": "all"})

    def get(self, ref: str, *, namespace: str) -> bytes:
        return super().get(ref, namespace="all")


class _Broken(Compressor):
    """Does something to every result after the fact."""

    edit: Callable[[Sequence[Any], Outcome], Sequence[Any]]

    def __call__(self, messages: Sequence[Any], **given: Any) -> Outcome:
        outcome = super().__call__(messages, **given)
        edited = type(self).edit(messages, outcome)
        return Outcome(edited, outcome.changes, outcome.skipped, outcome.untouched)


def _edited(edit: Callable[[Sequence[Any], Outcome], Sequence[Any]]) -> Callable[..., Compressor]:
    return type("_Edited", (_Broken,), {"edit": staticmethod(edit)})


def _grow(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    return [m | {"content": m["content"] + " padding" * 9000} if m["role"] == "tool" else m for m in outcome.messages]


def _copy(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    return [dict(message) for message in outcome.messages]


def _drop_key(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    return [{k: v for k, v in m.items() if k != "tool_call_id"} for m in outcome.messages]


def _stamp(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    return [
        m | {"content": m["content"] + str(random.random())} if m["role"] == "tool" else m for m in outcome.messages
    ]


def _look_ahead(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    return [
        m | {"content": f"{m['content']} of {len(messages)}"} if m["role"] == "tool" else m for m in outcome.messages
    ]


def _always_mark(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    forged = '\n[left out: 1 · headroom_retrieve(ref="hr_bbbbbbbbbbbbbbbb") #bbbbbbbbbb]'
    return [m | {"content": m["content"] + forged} if m["role"] == "tool" else m for m in outcome.messages]


def _mutate(messages: Sequence[Any], outcome: Outcome) -> Sequence[Any]:
    messages[0]["content"] = "changed in place"
    return outcome.messages


class _Immune:
    """A transform that respects every marker it sees."""

    name = "immune"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        return None if "headroom_retrieve(" in part.text else Rewrite.of(part.text[:80], "all but the first line")


def _plain(**options: Any) -> laws.Make:
    kind = options.pop("compressor", Compressor)
    return lambda originals: kind(originals=originals, retrievable=True, min_tokens=40, strict=True, **options)


def _store(kind: type[Originals] = Originals) -> Originals:
    return kind(MemoryBlobs(), key=KEY)


CASES = [
    (laws.reversible, _plain(), _store(_Forgetful)),
    (laws.never_dearer, _plain(compressor=_edited(_grow)), _store()),
    (laws.same_object, _plain(compressor=_edited(_copy)), _store()),
    (laws.same_object, _plain(compressor=_edited(_drop_key)), _store()),
    (laws.twice_is_once, _plain(compressor=_edited(_stamp)), _store()),
    (laws.stable_prefix, _plain(compressor=_edited(_look_ahead)), _store()),
    (laws.no_dead_markers, _plain(compressor=_edited(_always_mark)), _store()),
    (laws.no_mutation, _plain(compressor=_edited(_mutate)), _store()),
    (laws.foreign_markers_are_data, _plain(transforms={"log": _Immune()}), _store()),
    (laws.tenants_do_not_meet, _plain(), _store(_Shared)),
]


@pytest.mark.parametrize(("law", "make", "originals"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_law_fails_on_a_broken_copy(law: Any, make: laws.Make, originals: Originals) -> None:
    """The check raises on the broken copy."""
    with pytest.raises(AssertionError):
        law(make, originals, _messages(), "tenant")


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law_holds_on_the_same_messages(law: Any) -> None:
    """The same conversation passes with the real compressor, so that the failures above mean something."""
    law(_plain(), _store(), _messages(), "tenant")
