"""What users call: ``Compressor``, built once, and ``compress``, the same in one line."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import settings
from .cache import BoundedCache, digest
from .dialects import read_messages
from .errors import HeadroomError, InvalidInput, TransformError
from .events import Listener
from .flow import Flow
from .options import Options
from .outcome import Outcome
from .tokens.text import Counter
from .tokens.text import counter as counter_for
from .transforms import mixture, transform_for
from .types import Change, Kind, Message, Skip, Strength, Text, Transform

if TYPE_CHECKING:
    from .ccr.originals import Originals

T = TypeVar("T")

_log = logging.getLogger("headroom_core")
_CACHE_BYTES: Final = 32_000_000


class DefaultStore:
    """Stands for "the default store of this user account", opened when it is first needed."""


DEFAULT_STORE: Final = DefaultStore()


class Compressor:
    """Messages in, smaller messages out. Built once, called often, safe between threads.

    ``originals`` defaults to the store of this user account; None means that nothing is kept, so only lossless
    results (or ``strength="lossy"``) are possible. ``counter`` is "estimate", a tiktoken encoding or a callable.
    """

    def __init__(
        self,
        *,
        originals: Originals | DefaultStore | None = DEFAULT_STORE,
        counter: str | Callable[[str], int] = "estimate",
        transforms: Mapping[Kind, Transform] | None = None,
        listeners: Sequence[Listener] = (),
        **options: Any,
    ) -> None:
        known = {field.name for field in fields(Options)}
        for name in options:
            if name not in known:
                raise InvalidInput(f"Compressor has no option {name!r}; it knows {', '.join(sorted(known))}")
        self.options = Options(**options)
        if self.options.strength == "reversible" and originals is None:
            raise InvalidInput("strength='reversible' keeps originals, but originals=None; give a store or use 'lossy'")
        self._originals = originals
        self._counter_name = counter
        self._count = counter_for(counter)
        self._transforms = dict(transforms or {})
        self._listeners = tuple(listeners)
        self._cache: BoundedCache[tuple[Change | Skip, float]] = BoundedCache(_CACHE_BYTES)

    # ------------------------------------------------------------------ what users call
    def __call__(
        self,
        messages: Sequence[Any],
        *,
        query: str | None = None,
        namespace: str | None = None,
        strength: Strength | None = None,
        retrievable: bool | None = None,
    ) -> Outcome:
        """Compress a conversation of core messages or provider dicts.

        ``query`` replaces the question found in the conversation; ``namespace``, ``strength`` and ``retrievable``
        replace the compressor's own for this call. The caller's messages are never changed.
        """
        if isinstance(messages, (str, bytes)):
            raise InvalidInput("Compressor takes a list of messages; for one text call headroom_core.compress(text)")
        options = replace(
            self.options,
            namespace=namespace or self.options.namespace or settings.namespace(),
            strength=strength or self.options.strength,
            retrievable=self.options.retrievable if retrievable is None else retrievable,
        )
        if settings.disabled():
            return Outcome(messages)
        read = read_messages(messages)
        outcome = Flow(self, options).run(messages, read, query)
        for listener in self._listeners:
            self.guard("listener", lambda listener=listener: listener(outcome))  # type: ignore[misc]
        return outcome

    def with_options(self, **changes: Any) -> Compressor:
        """A compressor with some options, the transforms, the store, the counter or the listeners replaced."""
        given: dict[str, Any] = {
            "originals": self._originals,
            "counter": self._counter_name,
            "transforms": self._transforms,
            "listeners": self._listeners,
            **{field.name: getattr(self.options, field.name) for field in fields(Options)},
        }
        return Compressor(**given | changes)

    @property
    def originals(self) -> Originals | None:
        """The store behind this compressor; opens the default one where none was given."""
        if isinstance(self._originals, DefaultStore):
            from .ccr.originals import default_originals

            return default_originals()
        return self._originals

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides a result: goes into cache keys."""
        from . import __version__

        names = ",".join(f"{kind}={transform.name}" for kind, transform in sorted(self._transforms.items()))
        return digest(__version__, repr(self.options), self._count.name, names).hex()

    # ------------------------------------------------------------------ what the flow asks
    @property
    def count(self) -> Counter:
        """The counter that decides what is cheaper."""
        return self._count

    @property
    def cache(self) -> BoundedCache[tuple[Change | Skip, float]]:
        """Decisions already made, and when (monotonic seconds)."""
        return self._cache

    def transforms(self, kind: Kind) -> list[Transform]:
        """Whom to ask about a part of ``kind``, in order: the caller's own transform alone, else the library's.

        Prose and logs may hold parts of other kinds, so mixtures come first there; elsewhere they are what is left where
        a text is not of the one kind that it looked like.
        """
        if kind in self._transforms:
            return [self._transforms[kind]]
        own = transform_for(kind)
        if own is None or kind == "image":
            return [own] if own else []
        return [mixture(), own] if kind in ("prose", "log") else [own, mixture()]

    def guard(self, name: str, run: Callable[[], T]) -> T | str:
        """Run a piece of ours. A failure becomes its reason, or in strict mode an error: never the user's problem."""
        try:
            return run()
        except Exception as error:
            if self.options.strict:
                raise TransformError(f"{name} failed: {type(error).__name__}") from error
            where = "".join(traceback.format_tb(error.__traceback__))  # no message: it may quote the content
            _log.debug("%s failed with %s\n%s", name, type(error).__name__, where)
            told = f": {error}" if isinstance(error, HeadroomError) else ""
            return f"{name} failed with {type(error).__name__}{told}"


def compress(
    content: str | Sequence[Any],
    *,
    query: str | None = None,
    kind: Kind | None = None,
    target_ratio: float | None = None,
    strength: Strength | None = None,
    originals: Originals | None = None,
    namespace: str | None = None,
    retrievable: bool = False,
    **options: Any,
) -> Outcome:
    """Compress one text, or a list of messages, in one line.

    With ``originals`` and ``retrievable=True`` the result is reversible: it ends in a marker that names the stored
    original. Otherwise it is lossy and carries no marker; each change of the outcome holds the original itself.
    Further ``options`` are those of :class:`Compressor`.
    """
    if isinstance(content, (bytes, bytearray)):
        raise InvalidInput("compress() takes str, got bytes; decode them first, for example data.decode('utf-8')")
    settled = strength or ("reversible" if originals is not None and retrievable else "lossy")
    if settled == "reversible" and not retrievable:
        raise InvalidInput("strength='reversible' leaves markers; say retrievable=True if the model can resolve them")
    if isinstance(content, str):
        options.setdefault("min_tokens", 0)
    compressor = Compressor(
        originals=originals,
        kind=kind,
        target_ratio=target_ratio,
        strength=settled,
        namespace=namespace,
        retrievable=retrievable,
        **options,
    )
    messages = [Message("tool", (Text(content),))] if isinstance(content, str) else content
    return compressor(messages, query=query)
