"""``HeadroomEventHandler``: what was saved, in total and by query, net of what was called back."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from inspect import BoundArguments
from threading import Lock
from typing import Any, Final

from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.callbacks.schema import CBEventType
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from pydantic import Field, PrivateAttr

from headroom_integrations._bridge import Note, add_notes

Hook = Callable[[Note], None]
"""Hears of each note: sums of one request, of one cut, or of one retrieval."""

_SUMS: Final = ("requests", "original_tokens", "compressed_tokens", "saved", "retrievals", "retrieved_tokens")
_GROUPS: Final = ("by_kind", "by_tool", "skipped")
_QUERIES_KEPT: Final = 1000

_dispatcher = get_dispatcher(__name__)


class HeadroomEvent(BaseEvent):
    """Says what one of our surfaces saved: sums only, never content. ``surface``: llm, tool, nodes or retrieve."""

    note: dict[str, Any] = Field(default_factory=dict)
    surface: str = ""

    @classmethod
    def class_name(cls) -> str:
        """Name of the event."""
        return "HeadroomEvent"


def tell(note: Note, surface: str, callback_manager: Any = None) -> None:
    """Send the note to the handlers of the dispatcher, and to ours in a legacy callback manager."""
    if not any(isinstance(value, int) and value for value in note.values()):
        return
    _dispatcher.event(HeadroomEvent(note=note, surface=surface))
    for handler in getattr(callback_manager, "handlers", ()):
        if isinstance(handler, HeadroomCallbackHandler):
            handler.add(note)


class Ledger:
    """The sums, in total and for each query; the oldest queries are forgotten. Safe between threads."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self._hooks = tuple(hooks)
        self._lock = Lock()
        self._total: Note = {}
        self._queries: OrderedDict[str, Note] = OrderedDict()

    def add(self, note: Note, query: str | None = None) -> None:
        """Count a note, for a query where one is known."""
        with self._lock:
            self._total = add_notes(self._total, note)
            if query is not None:
                self._queries[query] = add_notes(self._queries.get(query), note)
                while len(self._queries) > _QUERIES_KEPT:
                    self._queries.popitem(last=False)
        for hook in self._hooks:
            hook(note)

    def as_dict(self, query: str | None = None) -> Note:
        """The sums in total, or of one query."""
        with self._lock:
            note = self._total if query is None else self._queries.get(query, {})
            made = {key: note.get(key, 0) for key in _SUMS} | {key: dict(note.get(key, {})) for key in _GROUPS}
            return made | {"net_saved": made["saved"] - made["retrieved_tokens"]}

    @property
    def queries(self) -> list[str]:
        """Span ids of the queries with anything to tell, oldest first."""
        with self._lock:
            return list(self._queries)


class _Roots(BaseSpanHandler[BaseSpan]):
    """Knows the outermost span of every open span."""

    _root_of: dict[str, str] = PrivateAttr(default_factory=dict)

    def root(self, span_id: str | None) -> str | None:
        return None if span_id is None else self._root_of.get(span_id, span_id)

    def new_span(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any | None = None,
        parent_span_id: str | None = None,
        tags: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BaseSpan | None:
        self._root_of[id_] = self._root_of.get(parent_span_id, parent_span_id) if parent_span_id else id_
        return None

    def prepare_to_exit_span(
        self, id_: str, bound_args: BoundArguments, instance: Any | None = None, result: Any | None = None, **_: Any
    ) -> None:
        self._root_of.pop(id_, None)

    def prepare_to_drop_span(
        self, id_: str, bound_args: BoundArguments, instance: Any | None = None, err: Any = None, **_: Any
    ) -> None:
        self._root_of.pop(id_, None)


class HeadroomEventHandler(BaseEventHandler):
    """Counts what our surfaces save, by query. Observes only: it changes nothing.

    ``HeadroomEventHandler().attach()`` listens on the root dispatcher; ``hooks`` are functions of each note.
    """

    hooks: list[Any] = Field(default_factory=list, exclude=True)
    _ledger: Ledger = PrivateAttr()
    _roots: _Roots = PrivateAttr(default_factory=_Roots)

    def model_post_init(self, context: Any, /) -> None:
        """Nothing of this is the caller's to set."""
        self._ledger = Ledger(self.hooks)

    @classmethod
    def class_name(cls) -> str:
        """Name of the handler."""
        return "HeadroomEventHandler"

    def attach(self, dispatcher: Any = None) -> HeadroomEventHandler:
        """Listen on a dispatcher, the root one by default."""
        home = dispatcher or get_dispatcher()
        home.add_span_handler(self._roots)
        home.add_event_handler(self)
        return self

    def detach(self, dispatcher: Any = None) -> None:
        """Stop listening."""
        home = dispatcher or get_dispatcher()
        home.span_handlers = [each for each in home.span_handlers if each is not self._roots]
        home.event_handlers = [each for each in home.event_handlers if each is not self]

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Count an event of ours; all others pass."""
        if isinstance(event, HeadroomEvent):
            self._ledger.add(event.note, self._roots.root(event.span_id))

    def as_dict(self, query: str | None = None) -> Note:
        """Tokens before, after and saved, by kind and tool, retrievals and ``net_saved``; in total or of one query."""
        return self._ledger.as_dict(query)

    @property
    def queries(self) -> list[str]:
        """Ids of the outermost spans that were observed (a query, a chat, an agent's run), oldest first."""
        return self._ledger.queries

    def __str__(self) -> str:
        """The total as one log line."""
        return "headroom " + json.dumps(self.as_dict(), sort_keys=True)


class HeadroomCallbackHandler(BaseCallbackHandler):
    """The same for the legacy ``CallbackManager``: sums by trace. Observes only."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        super().__init__(event_starts_to_ignore=[], event_ends_to_ignore=[])
        self.ledger = Ledger(hooks)
        self._trace: str | None = None

    def add(self, note: Note) -> None:
        """Count a note for the trace that is open."""
        self.ledger.add(note, self._trace)

    def as_dict(self, trace: str | None = None) -> Note:
        """The sums in total, or of all traces of one name ("query", "chat", ...)."""
        return self.ledger.as_dict(trace)

    def on_event_start(
        self,
        event_type: CBEventType,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        parent_id: str = "",
        **kwargs: Any,
    ) -> str:
        """Nothing to do."""
        return event_id

    def on_event_end(
        self, event_type: CBEventType, payload: dict[str, Any] | None = None, event_id: str = "", **kwargs: Any
    ) -> None:
        """Nothing to do."""

    def start_trace(self, trace_id: str | None = None) -> None:
        """A query or chat begins."""
        self._trace = trace_id

    def end_trace(self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None) -> None:
        """It ends."""
        self._trace = None
