"""``HeadroomCallbackHandler``: what was saved, by run, kind and tool, net of what was called back."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult

from headroom_core.ccr.retrieve import TOOL_NAME
from headroom_core.events import global_meter, prometheus_counter
from headroom_integrations._bridge import EVENT, Note, add_notes, retrieval_note
from headroom_integrations.langchain.messages import note_of

Hook = Callable[[Note], None]
"""Hears of each note: sums of one request, or of one retrieval."""

_RUNS_KEPT: Final = 1000


class Ledger:
    """The sums, in total and for each outermost run; the oldest runs are forgotten. Safe between threads."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self._hooks = tuple(hooks)
        self._lock = Lock()
        self._total: Note = {}
        self._runs: OrderedDict[UUID, Note] = OrderedDict()
        self._roots: OrderedDict[UUID, UUID] = OrderedDict()
        self._retrieving: set[UUID] = set()

    def begins(self, run_id: UUID, parent_run_id: UUID | None, tool: str | None = None) -> None:
        """A run begins: it belongs to the outermost run of its parent."""
        with self._lock:
            self._roots[run_id] = self._roots.get(parent_run_id, parent_run_id) if parent_run_id else run_id
            while len(self._roots) > 100 * _RUNS_KEPT:
                self._roots.popitem(last=False)
            if tool == TOOL_NAME:
                self._retrieving.add(run_id)

    def tool_ends(self, run_id: UUID, output: Any) -> None:
        """A tool has answered; an answer of ours counts against the savings."""
        with self._lock:
            ours = run_id in self._retrieving
            self._retrieving.discard(run_id)
        if ours:
            self.add(run_id, retrieval_note(getattr(output, "content", output)))

    def add(self, run_id: UUID, note: Note) -> None:
        """Count a note for this run's outermost run."""
        with self._lock:
            root = self._roots.get(run_id, run_id)
            self._total = add_notes(self._total, note)
            self._runs[root] = add_notes(self._runs.get(root), note)
            while len(self._runs) > _RUNS_KEPT:
                self._runs.popitem(last=False)
        for hook in self._hooks:
            hook(note)

    def as_dict(self, run_id: UUID | str | None = None) -> Note:
        """The sums in total, or of one outermost run."""
        with self._lock:
            note = self._total if run_id is None else self._runs.get(UUID(str(run_id)), {})
            made: Note = {key: note.get(key, 0) for key in _SUMS}
            made |= {key: dict(note.get(key, {})) for key in _GROUPS}
            return made | {"net_saved": made["saved"] - made["retrieved_tokens"]}

    @property
    def runs(self) -> list[UUID]:
        """The outermost runs with anything to tell, oldest first."""
        with self._lock:
            return list(self._runs)


_SUMS: Final = (
    "requests",
    "original_tokens",
    "compressed_tokens",
    "saved",
    "retrievals",
    "retrieved_tokens",
    "escalations",
)
_GROUPS: Final = ("by_kind", "by_tool")


class _Reported:
    """What both handlers offer besides the callbacks."""

    ledger: Ledger

    def as_dict(self, run_id: UUID | str | None = None) -> Note:
        """Tokens before, after and saved, by kind and tool, retrievals and ``net_saved``; in total or of one run."""
        return self.ledger.as_dict(run_id)

    @property
    def runs(self) -> list[UUID]:
        """Ids of the outermost runs that were observed, oldest first."""
        return self.ledger.runs

    def __str__(self) -> str:
        """The total as one log line."""
        return "headroom " + json.dumps(self.as_dict(), sort_keys=True)

    def _tell(self, run_id: UUID, response: LLMResult) -> None:
        for generation in (each for group in response.generations for each in group):
            note = note_of(generation.message) if isinstance(generation, ChatGeneration) else {}
            if "saved" in note:
                self.ledger.add(run_id, add_notes({"requests": 1}, note))


class HeadroomCallbackHandler(_Reported, BaseCallbackHandler):
    """Counts what HeadroomChatModel and HeadroomMiddleware save. Observes only: it changes nothing.

    ``hooks`` are functions of each note, for example ``log_hook(logger)``, ``prometheus_hook()``,
    ``opentelemetry_hook()``. Works in sync and async runs.
    """

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self.ledger = Ledger(hooks)

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember whose run it is."""
        self.ledger.begins(run_id, parent_run_id)

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember whose run it is."""
        self.ledger.begins(run_id, parent_run_id)

    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember whose run it is, and whether it is ours."""
        self.ledger.begins(run_id, parent_run_id, (serialized or {}).get("name"))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what a retrieval brought back."""
        self.ledger.tool_ends(run_id, output)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what a HeadroomChatModel noted on its answer."""
        self._tell(run_id, response)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what a HeadroomMiddleware tells of a request."""
        if name == EVENT:
            self.ledger.add(run_id, data)


class AsyncHeadroomCallbackHandler(_Reported, AsyncCallbackHandler):
    """``HeadroomCallbackHandler`` for code that wants its handlers async."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self.ledger = Ledger(hooks)

    async def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember whose run it is."""
        self.ledger.begins(run_id, parent_run_id)

    async def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember whose run it is."""
        self.ledger.begins(run_id, parent_run_id)

    async def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember whose run it is, and whether it is ours."""
        self.ledger.begins(run_id, parent_run_id, (serialized or {}).get("name"))

    async def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what a retrieval brought back."""
        self.ledger.tool_ends(run_id, output)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what a HeadroomChatModel noted on its answer."""
        self._tell(run_id, response)

    async def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count what a HeadroomMiddleware tells of a request."""
        if name == EVENT:
            self.ledger.add(run_id, data)


def log_hook(logger: logging.Logger, level: int = logging.INFO) -> Hook:
    """A hook that writes one JSON line for each note."""

    def hook(note: Note) -> None:
        logger.log(level, "headroom %s", json.dumps(note, sort_keys=True))

    return hook


def prometheus_hook(registry: Any = None) -> Hook:
    """A hook that counts into ``headroom_request_tokens_total{direction}``: "in", "saved" and "retrieved"."""
    description = "Tokens of the compressible parts of requests"
    tokens = prometheus_counter("headroom_request_tokens", description, ("direction",), registry)

    def hook(note: Note) -> None:
        for direction, key in _DIRECTIONS:
            tokens.labels(direction).inc(max(0, note.get(key, 0)))

    return hook


def opentelemetry_hook(meter: Any = None) -> Hook:
    """A hook that counts into the OpenTelemetry counter ``headroom.request.tokens`` (the global meter if none is given)."""
    meter = meter or global_meter("headroom_integrations")
    tokens = meter.create_counter("headroom.request.tokens", unit="{token}")

    def hook(note: Note) -> None:
        for direction, key in _DIRECTIONS:
            tokens.add(max(0, note.get(key, 0)), {"direction": direction})

    return hook


_DIRECTIONS: Final = (("in", "original_tokens"), ("saved", "saved"), ("retrieved", "retrieved_tokens"))
