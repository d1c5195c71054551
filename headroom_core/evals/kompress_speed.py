"""Speed beside a ModernBERT-base of the published layout, agreement of back ends, invariance of batches."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headroom_core.evals.data import rows
from headroom_core.evals.kompress_sets import Item, pool
from headroom_core.evals.unlearned import network
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.loaded import Loaded
from headroom_core.kompress.signals import query_ids, read, split
from headroom_core.models.sessions import session as open_session
from headroom_core.tokens.text import counter

VOCABULARY = 50_368
"""Rows of ModernBERT's embedding."""


def reference_file(folder: Path, layers: int = 22) -> Path:
    """An int8 ModernBERT-base with random weights as an ONNX graph of 512 tokens, written into ``folder``."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = network("ModernBert", num_hidden_layers=layers, vocab_size=VOCABULARY, reference_compile=False)
    ids = torch.randint(10, 1500, (1, 512))
    plain, small = folder / "plain.onnx", folder / "int8.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that traces: it takes seconds where the other takes a minute
        torch.onnx.export(model, (ids, torch.ones_like(ids)), str(plain), input_names=["ids", "mask"], dynamo=False)
        logging.disable(logging.WARNING)  # advice to optimise the graph first
        quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8)
        logging.disable(logging.NOTSET)
    plain.unlink()
    return small


def reference(file: Path, threads: int) -> Callable[[], float]:
    """Seconds of one forward pass of 512 tokens through ``reference_file``."""
    session = open_session(file, threads)
    ids = np.random.default_rng(0).integers(10, 1500, (1, 512))
    feed = dict(zip((i.name for i in session.get_inputs()), (ids, np.ones((1, 512), np.int64)), strict=False))
    session.run(None, feed)

    def once() -> float:
        began = time.perf_counter()
        session.run(None, feed)
        return time.perf_counter() - began

    return once


def compress_once(file: Path) -> None:
    """Compress the text of a file for a question; prints the seconds that the loaded model takes."""
    compressor, text = KompressCompressor(enable_ccr=False, threads=1), file.read_text("utf-8")
    compressor.load()
    began = time.perf_counter()
    compressor.compress(text, query="What was decided?")
    print(time.perf_counter() - began)


def resident() -> float:
    """Peak memory of this process so far, in MB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def fresh(call: str) -> list[float]:
    """What a fresh process prints that makes one call of this module, known as ``k``; at last its peak memory in MB."""
    code = f"from headroom_core.evals import kompress_speed as k; {call}; print(k.resident())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


class _Timed:
    """Wraps the compiled parts of a loaded model and notes their seconds, to tell them from the Python around them."""

    def __init__(self, loaded: Loaded) -> None:
        self.seconds = {"networks": 0.0, "tokenizer": 0.0}
        staged, phrases, tokenizer = loaded.model.staged, loaded.phrases, loaded.tokenizer
        assert staged is not None
        assert phrases is not None
        self.states = staged.states
        self.early, self.late = (self._noting("networks", call) for call in (staged.early, staged.late))
        object.__setattr__(loaded.model, "staged", self)
        object.__setattr__(loaded, "phrases", replace(phrases, run=self._noting("networks", phrases.run)))
        for name in ("encode", "encode_batch"):
            setattr(tokenizer, name, self._noting("tokenizer", getattr(tokenizer, name)))

    def _noting(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            found = call(*arguments, **options)
            self.seconds[part] += time.perf_counter() - began
            return found

        return noted

    def spent(self) -> tuple[float, float]:
        """Seconds in the networks and in the tokenizer since the last call."""
        found = self.seconds["networks"], self.seconds["tokenizer"]
        self.seconds = dict.fromkeys(self.seconds, 0.0)
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
    with tempfile.TemporaryDirectory() as folder:
        file = reference_file(Path(folder))
        return _speed(reference(file, threads), threads, rounds) + _memory(file)


def _speed(reference_once: Callable[[], float], threads: int, rounds: int) -> list[str]:
    compressor = KompressCompressor(enable_ccr=False, threads=threads)
    timed = _Timed(compressor.load())
    for query in (None, "warm up"):
        compressor.compress(texts_of(512, 1)[0], query=query)
    fresh = texts_of(512, 2 * rounds)
    seconds: dict[str, list[float]] = {"reference": [], "no query": [], "query": []}
    inside: dict[str, list[tuple[float, float]]] = {"no query": [], "query": []}
    for i in range(rounds):
        seconds["reference"].append(reference_once())
        for name, text, query in (
            ("no query", fresh[2 * i], None),
            ("query", fresh[2 * i + 1], "Who led the expedition and in which year did it return?"),
        ):
            timed.spent()
            began = time.perf_counter()
            compressor.compress(text, query=query)
            seconds[name].append(time.perf_counter() - began)
            inside[name].append(timed.spent())
    base = float(np.median(seconds["reference"]))
    lines = [
        f"\n## Speed, {threads} thread(s), text to text, 512 tokens, medians of {rounds}",
        f"ModernBERT-base int8 forward: {1000 * base:.0f} ms",
    ]
    for name in ("no query", "query"):
        own = float(np.median(seconds[name]))
        networks, tokenizer = np.median(np.array(inside[name]).T / np.array(seconds[name]), axis=1).tolist()
        lines.append(
            f"kompress, {name}: {1000 * own:.1f} ms, {base / own:.1f}x; networks {networks:.0%}, tokenizer {tokenizer:.0%},"
            f" Python around them {1 - networks - tokenizer:.0%}"
        )
    return lines


def _memory(file: Path) -> list[str]:
    """Peak memory of fresh processes, and the time of a long text."""
    short, long = texts_of(512, 1)[0], texts_of(100_000, 1)[0]
    ran = []
    for name, text in (("short.txt", short), ("long.txt", long)):
        path = file.with_name(name)
        path.write_text(text, "utf-8")
        ran.append(fresh(f"k.compress_once(k.Path({str(path)!r}))"))
    (_, ours), (took, most) = ran
    [bare], [other] = fresh("import onnxruntime"), fresh(f"k.reference(k.Path({str(file)!r}), 1)()")
    return [
        f"peak memory, 512 tokens: {ours:.0f} MB, the reference {other:.0f} MB; beyond the {bare:.0f} MB of the imports"
        f" {(ours - bare) / (other - bare):.2f} of it",
        f"{counter('o200k')(long):,} tokens: {took:.1f} s, peak memory {most:.0f} MB",
    ]


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
