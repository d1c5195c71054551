"""Speed beside a ModernBERT-base of the published layout, agreement of back ends, invariance of batches."""

from __future__ import annotations

import logging
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headroom_core.evals.data import rows
from headroom_core.evals.kompress_sets import Item, pool
from headroom_core.evals.unlearned import network
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.scorer import Floats, Ints, Scores
from headroom_core.kompress.signals import query_ids, read, split
from headroom_core.tokens.text import counter


def reference(threads: int, layers: int = 22) -> Callable[[], float]:
    """Seconds of one forward pass of 512 tokens through an int8 ModernBERT-base with random weights."""
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = network("ModernBert", num_hidden_layers=layers, reference_compile=False)
    ids = torch.randint(10, 1500, (1, 512))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that traces: it takes seconds where the other takes a minute
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        torch.onnx.export(model, (ids, torch.ones_like(ids)), str(plain), input_names=["ids", "mask"], dynamo=False)
        logging.disable(logging.WARNING)  # advice to optimise the graph first
        quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8)
        logging.disable(logging.NOTSET)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(small), options, providers=["CPUExecutionProvider"])
    feed = dict(zip((i.name for i in session.get_inputs()), (ids.numpy(), np.ones((1, 512), np.int64)), strict=False))
    session.run(None, feed)

    def once() -> float:
        began = time.perf_counter()
        session.run(None, feed)
        return time.perf_counter() - began

    return once


class _Timed:
    """A staged scorer that notes its own seconds, to tell the network from the Python around it."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.seconds, self.name = inner, 0.0, inner.name

    def early(self, ids: Ints, kinds: Ints, /) -> tuple[Scores, object]:
        began = time.perf_counter()
        found: tuple[Scores, object] = self.inner.early(ids, kinds)
        self.seconds += time.perf_counter() - began
        return found

    def late(self, hidden: object, /) -> Scores:
        began = time.perf_counter()
        found: Scores = self.inner.late(hidden)
        self.seconds += time.perf_counter() - began
        return found

    def states(self, hidden: object, /) -> Floats:
        found: Floats = self.inner.states(hidden)
        return found


def texts_of(tokens: int, count: int) -> list[str]:
    """Fresh running texts of about so many word pieces."""
    body = [d["text"] for d in pool(rows("text", "qa_dev.jsonl.gz"), ("squad_du", "selqa", "squad2_half"))]
    found, at = [], 0
    for _ in range(count):
        text = ""
        while len(text) < tokens * 4.6:
            text += body[at % len(body)] + "\n\n"
            at += 1
        found.append(text[: int(tokens * 4.6)])
    return found


def speed(threads: int = 1, rounds: int = 12) -> list[str]:
    """Text to text per 512 tokens, with and without a query, against the reference; the two alternate in one run."""
    reference_once = reference(threads)
    compressor = KompressCompressor(enable_ccr=False, threads=threads)
    staged = compressor.load().model.staged
    timed = _Timed(staged)
    object.__setattr__(compressor.load().model, "staged", timed)
    compressor.compress(texts_of(512, 1)[0], query="warm up")
    fresh = texts_of(512, 2 * rounds)
    seconds: dict[str, list[float]] = {"reference": [], "no query": [], "query": []}
    network = {"no query": 0.0, "query": 0.0}
    for i in range(rounds):
        seconds["reference"].append(reference_once())
        for name, text, query in (
            ("no query", fresh[2 * i], None),
            ("query", fresh[2 * i + 1], "Who led the expedition and in which year did it return?"),
        ):
            timed.seconds = 0.0
            began = time.perf_counter()
            compressor.compress(text, query=query)
            seconds[name].append(time.perf_counter() - began)
            network[name] += timed.seconds
    base = float(np.median(seconds["reference"]))
    lines = [
        f"\n## Speed, {threads} thread(s), text to text, 512 tokens, medians of {rounds}",
        f"ModernBERT-base int8 forward: {1000 * base:.0f} ms",
    ]
    for name in ("no query", "query"):
        own = float(np.median(seconds[name]))
        outside = 1 - network[name] / sum(seconds[name])
        lines.append(
            f"kompress, {name}: {1000 * own:.1f} ms, {base / own:.1f}x; Python around the model {100 * outside:.0f} %"
        )
    long = texts_of(100_000, 1)[0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    compressor.compress(long, query="What was decided?")
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines.append(
        f"{counter('o200k')(long):,} tokens: {took:.1f} s; peak memory of the process {peak / 1024:.0f} MB"
        f" (before, the reference model included: {before / 1024:.0f} MB)"
    )
    return lines


def agreement(items: Sequence[Item]) -> list[str]:
    """Decisions of int8 ONNX and full-precision torch; kept spans alone, in a batch, and with padding."""
    eight = KompressCompressor(enable_ccr=False)
    full = KompressCompressor(enable_ccr=False, backend="torch")
    limit = eight.load().curves["several documents"].threshold(0.05, "several documents")
    same = total = 0
    worst: list[float] = []
    for item in items:
        texts = [d["text"] for d in item["documents"]]
        a, b = (np.concatenate(c.sentence_scores(texts, item["query"])) for c in (eight, full))
        same += int(((a >= limit) == (b >= limit)).sum())
        total += len(a)
        pieces = split(full.load().tokenizer, texts[:1])
        asked = query_ids(full.load().tokenizer, item["query"])
        for c in (eight, full):
            assert c.load().model.staged is not None
        x, y = (read(c.load().model.staged, pieces, asked).late for c in (eight, full))  # type: ignore[arg-type]
        worst.extend(np.abs(x - y).tolist())
    lines = [
        "\n## int8 and full precision",
        f"sentence decisions that agree: {same / total:.4f} of {total}; late logits differ by {np.mean(worst):.2f} on average, {np.max(worst):.2f} at most",
    ]
    texts = [d["text"] for item in items[:6] for d in item["documents"]]
    alone = [eight.compress(t, query=items[0]["query"], target_ratio=0.3).spans for t in texts]
    batch = KompressCompressor(enable_ccr=False).compress_batch(texts, query=items[0]["query"], target_ratio=0.3)
    lines.append(f"kept spans alone and in a batch of {len(texts)} are the same: {alone == [r.spans for r in batch]}")
    return lines
