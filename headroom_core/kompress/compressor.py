"""The text compressor: keeps the sentences that a query needs, or the words that a text cannot do without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headroom_core import settings
from headroom_core.cache import BoundedCache, digest
from headroom_core.errors import InvalidInput
from headroom_core.kompress import loaded, plain
from headroom_core.kompress.calibrate import FEW, LONG
from headroom_core.kompress.fuse import judged
from headroom_core.kompress.loaded import Loaded
from headroom_core.kompress.select import Mask, Words, fill, order_asked, order_free, render, spans_of
from headroom_core.kompress.signals import Signals, Vector, query_ids, split
from headroom_core.language.span import Span
from headroom_core.models.resolve import resolve
from headroom_core.tokens.text import Counter
from headroom_core.tokens.text import counter as counter_for

if TYPE_CHECKING:
    from headroom_core.ccr.originals import Originals

SAVES = 0.8
"""A result of the model alone that keeps this share or more goes out as the original."""

DEFAULT_RISK = 0.05
MANY_CHARACTERS = 1_500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KompressConfig:
    """Options of ``KompressCompressor``.

    ``model``: a bundled model's name, a folder, or a hub id of the published layout. ``score_threshold``: what a token
    must exceed to stay where neither a query nor a budget decides. ``counter``: "estimate", an encoding's name or a
    callable. ``threads``: of the ONNX back end; None takes up to four cores.
    """

    model: str | Path = "kompress"
    backend: str = "auto"
    chunk_words: int = 350
    score_threshold: float = 0.5
    enable_ccr: bool = True
    counter: str | Callable[[str], int] = "estimate"
    cache_bytes: int = 16_000_000
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.backend not in ("auto", "onnx", "torch"):
            raise InvalidInput(f"backend={self.backend!r} is unknown; use 'auto', 'onnx' or 'torch'.")
        if self.chunk_words < 20:
            raise InvalidInput(f"chunk_words={self.chunk_words} is too short to judge a sentence by; use 20 or more.")
        if not 0 < self.score_threshold < 1:
            raise InvalidInput(f"score_threshold={self.score_threshold} is outside (0, 1); 0.5 is the default.")


@dataclass(frozen=True, slots=True)
class KompressResult:
    """What became of one text.

    ``spans``: the kept stretches of the original, [start, end) in characters; ``ref``: the stored original's reference
    (None where nothing was lost or nothing is stored); ``reason``: why a text went out as it came, or how it was cut
    without the model; ``guards_dropped``: numbers, names and the like that a ``target_ratio`` left no room for.
    """

    original: str = field(repr=False)
    compressed: str = field(repr=False)
    spans: tuple[Span, ...]
    original_tokens: int
    compressed_tokens: int
    ref: str | None = None
    reason: str | None = None
    guards_dropped: int = 0

    @property
    def compression_ratio(self) -> float:
        """Tokens out per token in: 1 is unchanged, smaller is better."""
        return self.compressed_tokens / self.original_tokens if self.original_tokens else 1.0

    @property
    def tokens_saved(self) -> int:
        """Tokens that are gone."""
        return self.original_tokens - self.compressed_tokens


class KompressCompressor:
    """Compresses texts with the bundled model (or another one). Loaded on first use; safe between threads.

    With a query whole sentences stay; without one, words, and never fewer than the guarded ones unless a
    ``target_ratio`` asks. ``max_risk`` promises the mean share of lost evidence (query-free: of lost must-keep words)
    over texts like those of the calibration split: E[loss] <= max_risk if the text is exchangeable with them. It
    bounds the mean over many texts, not each one, and without a query never keeps less than the default; a
    ``target_ratio`` carries no such promise.
    """

    def __init__(
        self,
        config: KompressConfig | None = None,
        *,
        originals: Originals | None = None,
        namespace: str | None = None,
        **options: Any,
    ) -> None:
        self.config = replace(config or KompressConfig(), **options) if options else config or KompressConfig()
        self._originals, self._namespace = originals, namespace
        self._counter: Counter = counter_for(self.config.counter)
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._cache: BoundedCache[tuple[KompressResult, ...]] = BoundedCache(self.config.cache_bytes)

    def load(self) -> Loaded:
        """The model, its tokenizer and the back end's name; loaded once."""
        with self._lock:
            if self._loaded is None:
                folder = resolve(self.config.model)
                options = {"threads": self.config.threads, "threshold": self.config.score_threshold}
                self._loaded = loaded.load(folder, self.config.backend, **options)  # type: ignore[arg-type]
            return self._loaded

    _load_kompress = load

    def close(self) -> None:
        """Let the model go; the next call loads it again."""
        with self._lock:
            self._loaded = None

    def counting(self, count: Callable[[str], int]) -> KompressCompressor:
        """This compressor with another token counter; both share the loaded model."""
        self.load()
        made = KompressCompressor(self.config, originals=self._originals, namespace=self._namespace, counter=count)
        made._loaded = self._loaded
        return made

    def compress(
        self, text: str, *, query: str | None = None, target_ratio: float | None = None, max_risk: float | None = None
    ) -> KompressResult:
        """Compress one text. ``target_ratio``: share of tokens to keep; ``max_risk``: see the class; give one of them."""
        return self._cached("one", (text,), query, target_ratio, max_risk, None)[0]

    def compress_batch(
        self,
        texts: Sequence[str],
        *,
        query: str | None = None,
        target_ratio: float | None = None,
        max_risk: float | None = None,
    ) -> list[KompressResult]:
        """Compress texts that have nothing to do with each other; each result is what ``compress`` gives alone."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = {i: self.compress(texts[i], query=query, target_ratio=target_ratio, max_risk=max_risk) for i in order}
        return [found[i] for i in range(len(texts))]

    def compress_documents(
        self,
        documents: Sequence[str],
        query: str,
        *,
        target_ratio: float | None = None,
        token_budget: int | None = None,
        max_risk: float | None = None,
    ) -> list[KompressResult]:
        """Compress documents for one query under one budget. A dropped document is an empty result, in its place."""
        if not documents:
            return []
        if not query or not query.strip():
            raise InvalidInput("compress_documents needs a query; without one, use compress_batch.")
        return list(self._cached("several", tuple(documents), query, target_ratio, max_risk, token_budget))

    def sentence_scores(self, texts: Sequence[str], query: str, *, call: str = "several") -> list[Vector]:
        """The fused logit of every sentence (``language.sentences``) of each text."""
        return self._read(tuple(texts), query, _group(call, len(texts), query, sum(map(self._counter, texts))))[1]

    def judged(self, texts: Sequence[str], query: str) -> tuple[Signals, Vector]:
        """All that the network says of some texts, and the fused logit of every sentence before it is tempered."""
        model = self.load()
        if model.model.staged is None:
            raise InvalidInput("This checkpoint scores words only; sentence logits need the bundled model.")
        pieces, asked = split(model.tokenizer, texts), query_ids(model.tokenizer, query)
        return judged(model.model.staged, model.weights, pieces, asked, query, words=self.config.chunk_words)

    def words(self, text: str) -> Words:
        """The words of a text with their query-free scores and guards."""
        return self._read((text,), None, "query-free")[0][0]

    # ------------------------------------------------------------------ the way of a call

    def _cached(
        self,
        call: str,
        texts: tuple[str, ...],
        query: str | None,
        ratio: float | None,
        risk: float | None,
        budget: int | None,
    ) -> tuple[KompressResult, ...]:
        _check(ratio, risk, budget)
        query = query.strip() or None if query else None
        key = digest(call, query, repr((ratio, risk, budget)), *texts)
        found = self._cache.get(key)
        if found is None:
            found = tuple(self._compress(texts, query, ratio, risk, budget, call))
            self._cache.put(key, found, sum(3 * len(t) for t in texts) + 500 * len(texts))
        return tuple(self._kept(result) for result in found)

    def _kept(self, result: KompressResult) -> KompressResult:
        """The result with its original stored, where something was lost. A failing store raises ``StoreError``."""
        if not self.config.enable_ccr or result.compressed == result.original:
            return result
        if self._originals is None:
            from headroom_core.ccr.originals import default_originals

            self._originals = default_originals()
        data = result.original.encode("utf-8", "surrogatepass")
        namespace = self._namespace or settings.namespace()
        return replace(result, ref=self._originals.put(data, namespace=namespace, kind="prose"))

    def _compress(
        self,
        texts: tuple[str, ...],
        query: str | None,
        ratio: float | None,
        risk: float | None,
        budget: int | None,
        call: str,
    ) -> list[KompressResult]:
        sizes = [self._counter(t) for t in texts]
        total = sum(sizes)
        allowed = ratio * total if ratio is not None else float(budget) if budget is not None else None
        whole = [self._unchanged(t, n, None) for t, n in zip(texts, sizes, strict=True)]
        if allowed is not None and allowed >= total:
            return whole
        why = plain.why_not(texts, MANY_CHARACTERS)
        if why:
            return self._without_model(texts, sizes, query, allowed, why)
        if not any(len(t.split(None, 2)) > 1 for t in texts):
            return [replace(w, reason="nothing to choose from") for w in whole]
        group = _group(call, len(texts), query, total)
        if allowed is not None:
            parts, scores = self._read(texts, query, group)
            order = order_asked(parts, scores) if query else order_free(parts[0])
            masks = fill(parts, order, allowed, self._counter)
        else:
            limit = self._limit(group, query, risk)
            parts, scores = self._read(texts, query, group, limit)
            masks = _chosen(parts, scores, query, limit)
        made = [self._result(w, m, n, query) for w, m, n in zip(parts, masks, sizes, strict=True)]
        if allowed is None and risk is None and sum(r.compressed_tokens for r in made) >= SAVES * total:
            return [replace(w, reason="the model would save less than a fifth") for w in whole]
        return made

    def _read(
        self, texts: tuple[str, ...], query: str | None, group: str, limit: float | None = None
    ) -> tuple[list[Words], list[Vector]]:
        """Words and sentence scores of each text.

        ``limit``: the only score that words without a query will be held against, if that is known.
        """
        model = self.load()
        if model.model.staged is None:
            from headroom_core.kompress.published import read_published

            return read_published(model, texts, query, self.config.chunk_words)
        if not query:
            documents = split(model.tokenizer, texts)
            assert model.phrases is not None
            staged, size = model.model.staged, self.config.chunk_words
            free = [model.phrases.read(staged, d, words=size, limit=limit) for d in documents]
            return free, [np.zeros(len(d.units)) for d in documents]
        seen, score = self.judged(texts, query)
        if group in model.tempers:
            score = model.tempers[group](score, seen)
        cuts = np.searchsorted(seen.document, np.arange(len(texts) + 1))
        asked = zip(seen.documents, seen.token_scores, strict=True)
        parts = [Words.of(p.text, p.units, p.starts, scores) for p, scores in asked]
        return parts, [score[a:b] for a, b in pairwise(cuts.tolist())]

    def _limit(self, group: str, query: str | None, risk: float | None) -> float:
        """The score that a sentence must reach, or that a word must exceed where there is no query.

        Without a query the promise is about guarded words alone; whatever it allows, a risk keeps what the default keeps.
        """
        curves = self.load().curves
        if risk is not None and group not in curves:
            raise InvalidInput("max_risk needs a calibrated model; this one has no thresholds. Give a target_ratio.")
        if risk is None and not (query and group in curves):
            return 0.0 if query else self.config.score_threshold
        limit = curves[group].threshold(DEFAULT_RISK if risk is None else risk, group)
        return limit if query else min(limit, self.config.score_threshold)

    def _result(self, words: Words, mask: Mask, size: int, query: str | None) -> KompressResult:
        spans = spans_of(words, mask)
        compressed = render(words.text, spans)
        if mask.all():
            return self._unchanged(words.text, size, None)
        lost = int(((words.guard > 0) & ~mask).sum()) if not query else _lost_inside(words, mask)
        return KompressResult(
            words.text,
            compressed,
            tuple(spans),
            size,
            self._counter(compressed) if compressed else 0,
            guards_dropped=lost,
        )

    def _unchanged(self, text: str, size: int, reason: str | None) -> KompressResult:
        return KompressResult(text, text, ((0, len(text)),) if text else (), size, size, reason=reason)

    def _without_model(
        self, texts: tuple[str, ...], sizes: list[int], query: str | None, allowed: float | None, why: str
    ) -> list[KompressResult]:
        """Sentences by word overlap where the model cannot read the script; unchanged where nothing was asked."""
        if not query or allowed is None:
            return [self._unchanged(t, n, f"left as it is: {why}") for t, n in zip(texts, sizes, strict=True)]
        kept = plain.select(texts, query, allowed, self._counter)
        found = []
        for text, size, spans in zip(texts, sizes, kept, strict=True):
            compressed = render(text, spans)
            found.append(
                KompressResult(
                    text,
                    compressed,
                    tuple(spans),
                    size,
                    self._counter(compressed) if compressed else 0,
                    reason=f"chosen by word overlap: {why}",
                )
            )
        return found


def _group(call: str, count: int, query: str | None, total: int) -> str:
    """The calibration group that a call of ``count`` texts and ``total`` tokens shows."""
    if not query:
        return "query-free"
    if call == "several" and count > 1:
        return "few documents" if count <= FEW else "several documents"
    return "long" if total > LONG else "one text"


def _chosen(parts: Sequence[Words], scores: Sequence[Vector], query: str | None, limit: float) -> list[Mask]:
    """What a threshold keeps."""
    if query:
        return [w.whole(s >= limit) for w, s in zip(parts, scores, strict=True)]
    return [w.paired((w.guard > 0) | (w.score > limit)) for w in parts]


def _lost_inside(words: Words, mask: Mask) -> int:
    """Guarded words that went although words of their sentence stayed."""
    alive = np.zeros(int(words.sentence.max(initial=-1)) + 1, np.bool_)
    alive[words.sentence[mask]] = True
    return int(((words.guard > 0) & ~mask & alive[words.sentence]).sum())


def _check(ratio: float | None, risk: float | None, budget: int | None) -> None:
    given = [n for n, v in (("target_ratio", ratio), ("max_risk", risk), ("token_budget", budget)) if v is not None]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} contradict each other; give one of them.")
    if ratio is not None and not 0 < ratio <= 1:
        raise InvalidInput(f"target_ratio={ratio} is outside (0, 1]; it is the share of tokens to keep, such as 0.4.")
    if risk is not None and not 0 < risk < 1:
        raise InvalidInput(f"max_risk={risk} is no share; give a number between 0 and 1, such as 0.05.")
    if budget is not None and budget < 1:
        raise InvalidInput(f"token_budget={budget} leaves no room for a word; give 1 or more.")
