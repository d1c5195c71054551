"""One call: find parts, route each to its transform, keep what is cheaper, store the original, mark it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from .ccr.marks import caption, is_own, mark, read_mark
from .dialects import write_message
from .errors import StoreError
from .kinds import detect
from .outcome import Outcome, decision
from .parts import Candidate, Key, Trail, beside, candidates
from .repeats import Repeats
from .types import (
    Block,
    Bytes,
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
)

if TYPE_CHECKING:
    from .ccr.originals import Originals
    from .options import Options
    from .pipeline import Compressor

_log = logging.getLogger("headroom_core")
_NESTING: Final = 3
_RENEW_S: Final = 60.0
_MARKER_TOKENS: Final = 60  # more than any closing line of a repeated text takes
_ANY_REF: Final = "hr_" + "a" * 16


class Flow:
    """One call of a compressor: its options are settled, its store is at hand."""

    def __init__(self, compressor: Compressor, options: Options) -> None:
        self._c = compressor
        self._options = options
        self._namespace = options.namespace or ""
        self._strength = self._settle_strength(options)
        self._key = f"{options!r} {self._strength}"

    def _settle_strength(self, options: Options) -> Strength:
        """A marker needs a store and a tool that resolves it; without them only lossless is left."""
        if options.strength in ("lossless", "lossy"):
            return options.strength
        able = options.retrievable and (options.mode == "audit" or self._originals is not None)
        return "reversible" if able else "lossless"

    @cached_property
    def _originals(self) -> Originals | None:
        return self._c.originals

    def run(self, raws: Sequence[Any], messages: Sequence[Message], query: str | None) -> Outcome:
        """Compress the parts of ``messages``; ``raws`` are the same messages as the caller gave them."""
        changes: list[Change] = []
        skipped: list[Skip] = []
        after: dict[int, list[Sequence[Block]]] = {}
        seen: set[tuple[int, int]] = set()
        repeats, trail = Repeats(), Trail()
        for candidate in candidates(messages, self._options.roles, query):
            seen.add(candidate.at)
            key = (self._key, *candidate.key)
            trail.add(key)
            verdict = self._shorter(self._verdict(candidate, key), candidate, repeats, trail)
            _logged(verdict)
            if isinstance(verdict, Skip):
                skipped.append(verdict)
                continue
            changes.append(verdict)
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

    def _verdict(self, candidate: Candidate, key: Key) -> Change | Skip:
        """The decision for one block, from memory where it was made before."""
        known = self._recalled(key)
        if known is None:
            known = self._decide(candidate)
            self._remember(key, known)
            return known
        return replace(known, part=replace(known.part, at=candidate.at, block=candidate.block))

    def _remember(self, key: Key, verdict: Change | Skip) -> None:
        blocks = [verdict.part.block, *(verdict.rewrite.blocks if isinstance(verdict, Change) else ())]
        self._c.cache.put(key, (verdict, time.monotonic()), sum(map(_size, blocks)) + 500)

    def _recalled(self, key: Key) -> Change | Skip | None:
        """A decision made before. Once a minute its original's life is renewed, so that no marker outlives it."""
        known, since = self._c.cache.get(key) or (None, 0.0)
        if isinstance(known, Change) and known.ref and time.monotonic() - since > _RENEW_S:
            done = self._c.guard("store", lambda: self._kept(known.part, known.rewrite))
            if isinstance(done, str):
                return Skip(known.part, "store", done)
            self._remember(key, known)
        return known

    def _shorter(self, verdict: Change | Skip, candidate: Candidate, repeats: Repeats, trail: Trail) -> Change | Skip:
        """The verdict, or a reference to an earlier output where that is shorter. ``trail`` covers all that came before.

        A lossless form stands for its text here, as it will when the conversation comes in again.
        """
        block, part = candidate.block, verdict.part
        if (
            not isinstance(block, Text)
            or self._strength == "lossless"
            or verdict.by in ("marks", "policy", "protection")
        ):
            return verdict
        encoded = isinstance(verdict, Change) and verdict.rewrite.left_out is None
        text = verdict.rewrite.text if isinstance(verdict, Change) and encoded else block.text
        tokens = verdict.tokens if isinstance(verdict, Change) and encoded else part.tokens
        if tokens < self._options.min_tokens:
            return verdict
        known = self._repeated(part, text, tokens, candidate.query, repeats, trail) if repeats else None
        whole = encoded or isinstance(verdict, Skip)
        repeats.add(text, block.tool, candidate.query, whole=whole)
        if isinstance(known, Change) and (isinstance(verdict, Skip) or encoded or known.tokens < verdict.tokens):
            return replace(known, part=part)
        return verdict

    def _repeated(
        self, part: Part, text: str, tokens: int, query: str | None, repeats: Repeats, trail: Trail
    ) -> Change | Skip:
        """The part as a reference to an earlier output, from memory where it was made before."""
        key = (self._key, trail.digest())
        known = self._recalled(key)
        if known is None:
            rewrite = repeats.rewrite(text, query)
            if rewrite is None or self._c.count(rewrite.text) + _MARKER_TOKENS > tokens:
                known = Skip(part, "repeats", "nothing like it came")
            else:
                done = self._c.guard("repeats", lambda: self._accepted(part, rewrite, "repeats"))
                known = Skip(part, "guard", done) if isinstance(done, str) else done
            self._remember(key, known)
        return known

    def _decide(self, candidate: Candidate) -> Change | Skip:
        block, options = candidate.block, self._options
        tokens = self._tokens(block)
        part = Part(candidate.at, "opaque", block, tokens)
        if block.protected:
            return Skip(part, "protection", block.protected)
        if block.tool in options.exclude_tools:
            return Skip(part, "policy", f"the tool {block.tool} is excluded")
        if isinstance(block, Image) and not isinstance(block.source, Bytes):
            return Skip(part, "route", "the picture lies elsewhere, and nothing is fetched")
        if tokens < options.min_tokens:
            return Skip(part, "size", f"it has fewer than {options.min_tokens} tokens")
        done = self._c.guard("compression", lambda: self._compress(part, candidate))
        return Skip(part, "guard", done) if isinstance(done, str) else done

    def _tokens(self, block: Block) -> int:
        """Tokens of a block: text by the counter, a picture at hand by its provider's formula."""
        if isinstance(block, Text):
            return self._c.count(block.text)
        if not isinstance(block, Image):
            return 0
        from .image.plan import tokens_of

        return tokens_of(block, self._options.provider, self._options.model)

    # ------------------------------------------------------------------ one part
    def _compress(self, part: Part, candidate: Candidate) -> Change | Skip:
        if self._is_own(candidate):
            return Skip(part, "marks", "it is compressed already")
        kind = self._options.kind or ("image" if isinstance(part.block, Image) else detect(part.text).kind)
        part = Part(part.at, kind, part.block, part.tokens)
        reasons = ["nothing to gain"]
        context = self._context(candidate.query, reasons.append)
        by, rewrite = self._rewritten(part, context)
        if rewrite is not None and rewrite.left_out is None:
            rewrite = self._settled(part, rewrite, context)
        if rewrite is None:
            return Skip(part, by, reasons[-1])
        if rewrite.left_out is not None and self._strength == "lossless":
            return Skip(part, by, "only lossless rewrites are allowed here")
        return self._accepted(part, rewrite, by)

    def _rewritten(self, part: Part, context: Context) -> tuple[str, Rewrite | None]:
        """The first rewrite that a transform for the part's kind has to offer, and whose it is."""
        by = "route"
        for transform in self._c.transforms(part.kind):
            rewrite = transform(part, context)
            if rewrite is not None:
                return transform.name, rewrite
            by = transform.name
        return by, None

    def _context(self, query: str | None, note: Callable[[str], None]) -> Context:
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
        return replace(context, nested=self._nested(context, _NESTING), note=note)

    def _nested(self, outer: Context, depth: int) -> Nested:
        """Parts inside parts, each by its own kind, a few levels deep."""

        def nested(text: str, *, kind: Kind | None = None, target_ratio: float | None = None) -> Rewrite | None:
            if not depth:
                return None
            inner = replace(outer, target_ratio=target_ratio, nested=self._nested(outer, depth - 1))
            return self._rewritten(Part((0, 0), kind or detect(text).kind, Text(text), self._c.count(text)), inner)[1]

        return nested

    def _settled(self, part: Part, rewrite: Rewrite, context: Context) -> Rewrite | None:
        """A lossless form that compresses no further, so that compressing twice is compressing once."""
        for _ in range(_NESTING):
            text = rewrite.text
            tokens = self._c.count(text)
            if tokens < self._options.min_tokens:
                return rewrite
            kind = self._options.kind or detect(text).kind
            _, again = self._rewritten(Part(part.at, kind, Text(text), tokens), context)
            if not again or again.text == text or not self._cheaper(tokens, self._count(self._closed(again, _ANY_REF))):
                return rewrite
            rewrite = again
            if rewrite.left_out is not None:
                return rewrite
        return None

    def _accepted(self, part: Part, rewrite: Rewrite, by: str) -> Change | Skip:
        """Store, mark and count; the original goes out where the result is no cheaper or the store fails."""
        keeps = rewrite.left_out is not None and self._options.mode != "audit"
        originals = self._originals if keeps else None
        data = _payload(part.block) if originals else None
        ref = originals.ref(data, namespace=self._namespace) if originals and data is not None else None
        closed = Rewrite(self._closed(rewrite, ref), rewrite.left_out, rewrite.index)
        tokens = self._count(closed.blocks)
        if not self._cheaper(part.tokens, tokens):
            return Skip(part, by, "it would not be smaller")
        if ref:
            try:
                self._kept(part, closed)
            except StoreError as error:
                if self._options.strict:
                    raise
                return Skip(part, "store", f"its original could not be stored: {error}")
        return Change(part, closed, tokens, by, ref, rewrite.left_out or "lossless")

    def _kept(self, part: Part, rewrite: Rewrite) -> None:
        """Put the original into the store, with what a later call needs to recognise the result."""
        originals, data = self._originals, _payload(part.block)
        assert originals is not None
        assert data is not None
        note = rewrite.left_out or ""
        originals.put(data, namespace=self._namespace, kind=part.kind, note=note, index=rewrite.index)
        if self._strength == "lossy":
            originals.remember(rewrite.text + _beside(rewrite.blocks), self._namespace)

    def _count(self, blocks: Sequence[Block]) -> int:
        return sum(map(self._tokens, blocks))

    def _cheaper(self, before: int, after: int) -> bool:
        return after <= before * (1 - self._c.count.margin) - 1

    def _closed(self, rewrite: Rewrite, ref: str | None) -> tuple[Block, ...]:
        """The rewrite with its last line: what was left out and, where the model can ask for it, the reference."""
        if rewrite.left_out is None:
            return rewrite.blocks
        body, blocks = _last_text(rewrite.blocks)
        originals = self._originals if self._strength == "reversible" and ref else None
        if originals is None or ref is None:
            return (*blocks, Text(caption(body, rewrite.left_out)))
        seal = partial(originals.seal, namespace=self._namespace)
        return (*blocks, Text(mark(body, rewrite.left_out, ref, seal, beside=_beside(blocks))))

    def _is_own(self, candidate: Candidate) -> bool:
        """Is it a result of ours? Proved by its MAC or, without a marker, by the digest kept beside the original."""
        text, namespace, lossy = candidate.marked, self._namespace, self._strength == "lossy"
        if not candidate.beside or not (lossy or read_mark(text)):
            return False
        originals = self._originals
        if originals is None:
            return False
        if any(is_own(text, originals, namespace, beside=beside) for beside in candidate.beside):
            return True
        return lossy and any(originals.recognises(text + beside, namespace) for beside in candidate.beside)


def _logged(verdict: Change | Skip) -> None:
    """One debug line for each decision; its fields are the record's ``headroom`` attribute."""
    if _log.isEnabledFor(logging.DEBUG):
        told = decision(verdict)
        line = "%(kind)s of tool %(tool)s at %(at)s: %(tokens_before)d to %(tokens_after)d tokens by %(by)s: %(reason)s"
        _log.debug(line, told, extra={"headroom": told})


def _size(block: Block) -> int:
    """About the bytes that a block holds."""
    return len(block.text) if isinstance(block, Text) else len(getattr(getattr(block, "source", None), "data", b""))


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
    return beside([block for block in blocks if isinstance(block, Image)])
