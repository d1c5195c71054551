"""What a traced run shows: metadata ``headroom.*`` on the run itself, in LangSmith and every tracer of LangChain's kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer
from langchain_core.utils.uuid import uuid7

from headroom_core.outcome import Outcome, decision
from headroom_core.types import Change, Skip
from headroom_integrations._bridge import Note, add_notes, note

_PREFIX: Final = "headroom."
_SHOWN: Final = 50
_adding: Final = Lock()
_run: Final[ContextVar[tuple[Any, UUID | None]]] = ContextVar("headroom_run", default=(None, None))


@dataclass(frozen=True, slots=True)
class Account:
    """What compressing one request came to: sums that add up, and the decisions behind them."""

    note: Note
    outcomes: tuple[Outcome, ...]

    @classmethod
    def of(cls, outcome: Outcome) -> Account:
        """The account of one outcome."""
        return cls(note(outcome), (outcome,))

    def __add__(self, other: Account) -> Account:
        return Account(add_notes(self.note, other.note), self.outcomes + other.outcomes)

    def metadata(self) -> dict[str, Any]:
        """The sums and the decisions, those that saved most first."""
        made = metadata_of(self.note)
        changes = [change for outcome in self.outcomes for change in outcome.changes]
        skips = [skip for outcome in self.outcomes for skip in outcome.skipped]
        changes.sort(key=lambda change: change.tokens - change.part.tokens)
        skips.sort(key=lambda skip: -skip.part.tokens)
        return made | {
            f"{_PREFIX}changes": [_line(change) for change in changes[:_SHOWN]],
            f"{_PREFIX}unchanged": [_line(skip) for skip in skips[:_SHOWN]],
        }


def metadata_of(note: Mapping[str, Any], prefix: str = _PREFIX) -> dict[str, Any]:
    """Sums under their names in metadata; nested ones get a dot, so that a trace can be searched for each."""
    made: dict[str, Any] = {}
    for key, value in note.items():
        made |= metadata_of(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return made


def show(manager: Any, run_id: UUID | None, told: Account | Note, *, more: bool = False) -> None:
    """Write metadata onto a run that has begun, wherever a tracer holds it; without a tracer nothing is even built.

    ``more``: add to what stands there, where several tools answer inside one run.
    """
    runs = list(_traced(manager, run_id))
    metadata = (told.metadata() if isinstance(told, Account) else metadata_of(told)) if runs else {}
    for run in runs:
        with _adding:
            before = run.metadata if more else {}
            run.add_metadata({key: before[key] + value if key in before else value for key, value in metadata.items()})


def show_in(config: RunnableConfig, told: Account, *, more: bool = False) -> None:
    """As ``show``, for the run that a config's callbacks belong to."""
    manager = config.get("callbacks")
    show(manager, getattr(manager, "parent_run_id", None), told, more=more)


def known_run(
    manager_type: type[CallbackManager | AsyncCallbackManager], config: RunnableConfig | None, callbacks: Any
) -> tuple[RunnableConfig, Any, UUID]:
    """The config of a run that is about to begin, its callbacks, and its id.

    LangChain does not tell a streaming model which run it streams for, so the run is named before it begins.
    """
    settled = ensure_config(config)
    manager = manager_type.configure(settled.get("callbacks"), callbacks)
    run_id = settled.get("run_id") or uuid7()
    return {**settled, "callbacks": manager, "run_id": run_id}, manager, run_id


@contextmanager
def belonging_to(manager: Any, run_id: UUID | None) -> Iterator[None]:
    """Inside, ``teller`` knows the run that a model works for, where LangChain does not hand it down."""
    token = _run.set((manager, run_id))
    try:
        yield
    finally:
        _run.reset(token)


def teller(run_manager: Any) -> Callable[[Account | Note], None]:
    """What writes onto the run of a model."""
    manager, run_id = (run_manager, run_manager.run_id) if run_manager else _run.get()
    return partial(show, manager, run_id)


def _traced(manager: Any, run_id: UUID | None) -> Iterator[Any]:
    for handler in getattr(manager, "handlers", ()):
        run = handler.run_map.get(str(run_id)) if isinstance(handler, BaseTracer | AsyncBaseTracer) else None
        if run is not None:
            yield run


def _line(entry: Change | Skip) -> str:
    told = decision(entry)
    source = f"{told['kind']} from {told['tool']}" if told["tool"] else told["kind"]
    return f"{source}: {told['tokens_before']:,} → {told['tokens_after']:,} tokens by {told['by']}: {told['reason']}"
