"""The one flow: find parts, route each to its transform, keep what is cheaper, store the original, mark it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from . import settings
from .cache import BoundedCache, digest
from .ccr.marks import caption, is_own, mark, read_mark
from .dialects import read_messages, write_message
from .errors import HeadroomError, InvalidInput, StoreError, TransformError
from .events import Listener
from .kinds import detect
from .outcome import Outcome
from .parts import Candidate, candidates
from .repeats import Repeats
from .tokens.text import Counter, counter
from .transforms import transform_for
from .types import (
    Block,
    Change,
    Context,
    Image,
    Kind,
    Message,
    Nested,
    Part,
    Rewrite,
    Skip,
    Strength,
    Text,
    Transform,
)

if TYPE_CHECKING:
    from .ccr.originals import Originals

T = TypeVar("T")

_log = logging.getLogger("headroom_core")
_CACHE_BYTES: Final = 32_000_000
_NESTING: Final = 3
_ANY_REF: Final = "hr_" + "a" * 16


@lru_cache(maxsize=1)
def _default_originals() -> Originals:
    """The store of this user account, one for all compressors of the process."""
    from .ccr.originals import open_originals

    return open_originals()


class DefaultStore:
    """Stands for "the default store of this user account", opened when it is first needed."""


DEFAULT_STORE: Final = DefaultStore()


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Everything that decides what a part becomes, besides the conversation itself.

    ``strength`` None means: reversible where a store and a retrieve tool are at hand, else lossless. ``retrievable``
    says that the model can call ``headroom_retrieve``. ``min_tokens`` leaves smaller parts alone. ``roles`` are the
    roles whose blocks may change. ``target_ratio`` is the share of tokens to keep, ``max_risk`` the accepted mean
    share of lost evidence (prose only). ``mode="audit"`` counts and changes nothing.
    """

    strength: Strength | None = None
    namespace: str | None = None
    retrievable: bool = False
    min_tokens: int = 200
    roles: tuple[str, ...] = ("tool",)
    exclude_tools: tuple[str, ...] = ()
    kind: Kind | None = None
    target_ratio: float | None = None
    max_risk: float | None = None
    provider: str | None = None
    model: str | None = None
    mode: Literal["compress", "audit"] = "compress"
    strict: bool = False

    def __post_init__(self) -> None:
        if self.strength not in (None, "lossless", "reversible", "lossy"):
            raise InvalidInput(f"strength is {self.strength!r}; use 'lossless', 'reversible' or 'lossy'")
        for name in ("target_ratio", "max_risk"):
            share = getattr(self, name)
            if share is not None and not 0 < share <= 1:
                raise InvalidInput(f"{name} is {share!r}; use a share above 0 and at most 1")
        if self.mode not in ("compress", "audit"):
            raise InvalidInput(f"mode is {self.mode!r}; use 'compress' or 'audit'")


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
        self._count = _counter(counter)
        self._transforms = dict(transforms or {})
        self._listeners = tuple(listeners)
        self._cache: BoundedCache[Change | Skip] = BoundedCache(_CACHE_BYTES)

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
        outcome = _Call(self, options).run(messages, read, query)
        for listener in self._listeners:
            self.guard("listener", lambda listener=listener: listener(outcome))  # type: ignore[misc]
        return outcome

    def with_options(self, **changes: Any) -> Compressor:
        """A compressor with some options replaced; store, counter, transforms and listeners stay."""
        return Compressor(
            originals=self._originals,
            counter=self._counter_name,
            transforms=self._transforms,
            listeners=self._listeners,
            **{field.name: getattr(self.options, field.name) for field in fields(Options)} | changes,
        )

    @property
    def originals(self) -> Originals | None:
        """The store behind this compressor; opens the default one where none was given."""
        return _default_originals() if isinstance(self._originals, DefaultStore) else self._originals

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
    def cache(self) -> BoundedCache[Change | Skip]:
        """Decisions already made."""
        return self._cache

    def transform(self, kind: Kind) -> Transform | None:
        """The transform for ``kind``: the caller's own, else the library's."""
        return self._transforms.get(kind) or transform_for(kind)

    def guard(self, name: str, run: Callable[[], T]) -> T | str:
        """Run a piece of ours. A failure becomes its reason, or in strict mode an error: never the user's problem."""
        try:
            return run()
        except Exception as error:
            if self.options.strict:
                raise TransformError(f"{name} failed: {type(error).__name__}") from error
            _log.debug("%s failed", name, exc_info=True)
            told = f": {error}" if isinstance(error, HeadroomError) else ""
            return f"{name} failed with {type(error).__name__}{told}"


class _Call:
    """One call of a compressor: its options are settled, its store is at hand."""

    def __init__(self, compressor: Compressor, options: Options) -> None:
        self._c = compressor
        self._options = options
        self._namespace = options.namespace or ""
        self._strength = self._settle_strength(options)
        self._key = digest(repr(options), self._strength)

    def _settle_strength(self, options: Options) -> Strength:
        """A marker needs a store and a tool that resolves it; without them only lossless is left."""
        if options.strength in ("lossless", "lossy"):
            return options.strength
        able = options.retrievable and (options.mode == "audit" or self._c.originals is not None)
        return "reversible" if able else "lossless"

    def run(self, raws: Sequence[Any], messages: Sequence[Message], query: str | None) -> Outcome:
        changes: list[Change] = []
        skipped: list[Skip] = []
        after: dict[int, list[Sequence[Block]]] = {}
        seen: set[tuple[int, int]] = set()
        repeats = Repeats()
        for candidate in candidates(messages, self._options.roles, query):
            seen.add(candidate.at)
            verdict = self._shorter(self._verdict(candidate), candidate, repeats)
            if isinstance(verdict, Skip):
                skipped.append(verdict)
                _log.debug("unchanged at %s: %s", candidate.at, verdict.reason)
                continue
            changes.append(verdict)
            _log.debug("%s at %s: %d to %d tokens", verdict.by, candidate.at, verdict.part.tokens, verdict.tokens)
            m, b = candidate.at
            blocks = after.setdefault(m, [[block] for block in messages[m].blocks])
            blocks[b] = [_placed(block, candidate.block) for block in verdict.rewrite.blocks]
        if self._options.mode == "audit":
            after = {}
        out = [write_message(messages[m], after[m]) if m in after else raw for m, raw in enumerate(raws)]
        rest = [
            block for m, message in enumerate(messages) for b, block in enumerate(message.blocks) if (m, b) not in seen
        ]
        audited = self._options.mode == "audit"
        return Outcome(out, tuple(changes), tuple(skipped), lambda: sum(map(self._tokens, rest)), audited)

    def _verdict(self, candidate: Candidate) -> Change | Skip:
        """The decision for one block, from memory where it was made before."""
        block = candidate.block
        if isinstance(block, Text):
            content: str | bytes = block.text
        else:
            content = getattr(block.source, "data", b"") or repr(block.source)
        key = digest(self._key, content, candidate.query, block.protected, block.tool, getattr(block, "detail", None))
        known = self._c.cache.get(key)
        if known is None:
            known = self._decide(candidate)
            size = len(content) + sum(
                len(b.text) for b in getattr(known, "rewrite", _NOTHING).blocks if isinstance(b, Text)
            )
            self._c.cache.put(key, known, size + 500)
        return replace(known, part=replace(known.part, at=candidate.at, block=block))

    def _shorter(self, verdict: Change | Skip, candidate: Candidate, repeats: Repeats) -> Change | Skip:
        """The verdict, or a reference to an earlier output where that is shorter."""
        block, small = candidate.block, verdict.part.tokens < self._options.min_tokens
        if not isinstance(block, Text) or block.protected or small or self._strength == "lossless":
            return verdict
        rewrite = None if verdict.by == "marks" else repeats.rewrite(block.text, candidate.query)
        repeats.add(block.text, block.tool, candidate.query, whole=isinstance(verdict, Skip))
        if rewrite is None:
            return verdict
        key = digest(self._key, "repeat", block.text, rewrite.text)
        known = self._c.cache.get(key)
        if known is None:
            done = self._c.guard("repeats", lambda: self._accepted(verdict.part, rewrite, "repeats"))
            known = Skip(verdict.part, "guard", done) if isinstance(done, str) else done
            self._c.cache.put(key, known, len(block.text) + len(rewrite.text) + 500)
        shorter = isinstance(known, Change) and (isinstance(verdict, Skip) or known.tokens < verdict.tokens)
        return replace(known, part=verdict.part) if shorter else verdict

    def _decide(self, candidate: Candidate) -> Change | Skip:
        block, options = candidate.block, self._options
        tokens = self._tokens(block)
        part = Part(candidate.at, "opaque", block, tokens)
        if block.protected:
            return Skip(part, "protection", block.protected)
        if block.tool in options.exclude_tools:
            return Skip(part, "policy", f"the tool {block.tool} is excluded")
        if tokens < options.min_tokens:
            return Skip(part, "size", f"it has fewer than {options.min_tokens} tokens")
        done = self._c.guard("compression", lambda: self._compress(part, candidate.query))
        return Skip(part, "guard", done) if isinstance(done, str) else done

    def _tokens(self, block: Block) -> int:
        if isinstance(block, Text):
            return self._c.count(block.text)
        return 0

    # ------------------------------------------------------------------ one part
    def _compress(self, part: Part, query: str | None) -> Change | Skip:
        if self._is_own(part.block):
            return Skip(part, "marks", "it is compressed already")
        kind = self._options.kind or ("image" if isinstance(part.block, Image) else detect(part.text).kind)
        part = replace(part, kind=kind)
        transform = self._c.transform(kind)
        if transform is None:
            return Skip(part, "route", f"nothing compresses {kind}")
        context = self._context(query)
        rewrite = transform(part, context)
        if rewrite is not None and rewrite.left_out is None:
            rewrite = self._settled(part, rewrite, context)
        if rewrite is None:
            return Skip(part, transform.name, "nothing to gain")
        if rewrite.left_out is not None and self._strength == "lossless":
            return Skip(part, transform.name, "only lossless rewrites are allowed here")
        return self._accepted(part, rewrite, transform.name)

    def _context(self, query: str | None) -> Context:
        options = self._options
        context = Context(
            count=self._c.count,
            query=query,
            strength=self._strength,
            target_ratio=options.target_ratio,
            max_risk=options.max_risk,
            retrievable=options.retrievable,
            provider=options.provider,
            model=options.model,
        )
        return replace(context, nested=self._nested(context, _NESTING))

    def _nested(self, outer: Context, depth: int) -> Nested:
        """Parts inside parts, each by its own kind, a few levels deep."""

        def nested(text: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
            transform = self._c.transform(kind or detect(text).kind) if depth else None
            if transform is None:
                return None
            inner = replace(outer, target_ratio=target_ratio, nested=self._nested(outer, depth - 1))
            return transform(Part((0, 0), kind or detect(text).kind, Text(text), self._c.count(text)), inner)

        return nested

    def _settled(self, part: Part, rewrite: Rewrite, context: Context) -> Rewrite | None:
        """A lossless form that compresses no further, so that compressing twice is compressing once."""
        for _ in range(_NESTING):
            text = rewrite.text
            tokens = self._c.count(text)
            if tokens < self._options.min_tokens:
                return rewrite
            kind = self._options.kind or detect(text).kind
            transform = self._c.transform(kind)
            again = transform and transform(Part(part.at, kind, Text(text), tokens), context)
            if not again or again.text == text or not self._cheaper(tokens, self._closed(again, _ANY_REF)):
                return rewrite
            rewrite = again
            if rewrite.left_out is not None:
                return rewrite
        return None

    def _accepted(self, part: Part, rewrite: Rewrite, by: str) -> Change | Skip:
        """Store, mark and count; the original goes out where the result is no cheaper or the store fails."""
        originals = self._c.originals if rewrite.left_out is not None and self._options.mode != "audit" else None
        data = _payload(part.block)
        ref = originals.ref(data, namespace=self._namespace) if originals and data is not None else None
        blocks = self._closed(rewrite, ref)
        if not self._cheaper(part.tokens, blocks):
            return Skip(part, by, "it would not be smaller")
        if originals and ref and data is not None:
            try:
                originals.put(
                    data, namespace=self._namespace, kind=part.kind, note=rewrite.left_out or "", index=rewrite.index
                )
                if self._strength == "lossy":
                    originals.remember(_joined(blocks), self._namespace)
            except StoreError as error:
                if self._options.strict:
                    raise
                return Skip(part, "store", f"its original could not be stored: {error}")
        closed = replace(rewrite, blocks=blocks)
        return Change(part, closed, sum(map(self._tokens, blocks)), by, ref, rewrite.left_out or "lossless")

    def _cheaper(self, before: int, blocks: Sequence[Block]) -> bool:
        return sum(map(self._tokens, blocks)) <= before * (1 - self._c.count.margin) - 1

    def _closed(self, rewrite: Rewrite, ref: str | None) -> tuple[Block, ...]:
        """The rewrite with its last line: what was left out and, where the model can ask for it, the reference."""
        if rewrite.left_out is None:
            return rewrite.blocks
        body, blocks = _last_text(rewrite.blocks)
        originals = self._c.originals if self._strength == "reversible" and ref else None
        if originals is None or ref is None:
            return (*blocks, Text(caption(body, rewrite.left_out)))
        seal = partial(originals.seal, namespace=self._namespace)
        return (*blocks, Text(mark(body, rewrite.left_out, ref, seal, beside=_beside(blocks))))

    def _is_own(self, block: Text | Image) -> bool:
        """Is it a result of ours? Proved by its MAC or, without a marker, by the digest kept beside the original."""
        if not isinstance(block, Text) or (self._strength != "lossy" and read_mark(block.text) is None):
            return False
        originals, text, namespace = self._c.originals, block.text, self._namespace
        if originals is None:
            return False
        if is_own(text, originals, namespace):
            return True
        return self._strength == "lossy" and originals.recognises(text, namespace)


_NOTHING: Final = Rewrite(())


def _counter(made: str | Callable[[str], int]) -> Counter:
    return counter(made)


def _payload(block: Text | Image) -> bytes | None:
    """The bytes that stand for the original; None for a picture that is not at hand."""
    if isinstance(block, Text):
        return block.text.encode("utf-8", "surrogatepass")
    return getattr(block.source, "data", None)


def _placed(block: Block, old: Text | Image) -> Block:
    """A new block where the old one stood."""
    if isinstance(block, (Text, Image)):
        return replace(block, path=old.path, role=old.role, tool=old.tool)
    return block


def _last_text(blocks: Sequence[Block]) -> tuple[str, tuple[Block, ...]]:
    """The text that the closing line is added to, and the blocks before it."""
    if blocks and isinstance(blocks[-1], Text):
        return blocks[-1].text, tuple(blocks[:-1])
    return "", tuple(blocks)


def _beside(blocks: Sequence[Block]) -> str:
    """A digest of the pictures that stand beside a marker; empty where there are none."""
    pictures = [_payload(block) or b"" for block in blocks if isinstance(block, Image)]
    return digest(*pictures).hex() if pictures else ""


def _joined(blocks: Sequence[Block]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, Text))


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
