"""Speed: our text model beside encoders of the sizes that others use, the store, and what the wrapper adds to a call."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bench_rows import Row, Told, skipped
from .unlearned import network

if TYPE_CHECKING:
    from headroom_core.ccr.originals import Originals

_KEY = b"the key of a benchmark, 32 bytes or more"
_WORDS = 390
_QUERY = "Who led the expedition and in which year did it return?"


def encoders(quick: bool, told: Told) -> Iterator[Row]:
    """Milliseconds for 512 tokens on one thread: ours from text to text, others one forward pass with random weights."""
    from headroom_core.kompress.compressor import KompressCompressor

    rounds, few = (3, 2) if quick else (12, 5)
    note = f"one pass, random weights, median of {few}"
    compressor = KompressCompressor(enable_ccr=False, threads=1)
    texts = iter([_text(seed) for seed in range(2 * rounds + 2)])
    compressor.compress(next(texts), query=_QUERY)
    yield Row(
        "encoders",
        "512 tokens",
        "ours, with a question",
        ms=_median(rounds, lambda: compressor.compress(next(texts), query=_QUERY)),
    )
    yield Row(
        "encoders", "512 tokens", "ours, no question", ms=_median(rounds, lambda: compressor.compress(next(texts)))
    )
    told("encoders", 1, 3)
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ModuleNotFoundError as error:
        yield skipped(
            "encoders", "512 tokens", f"{error.name} is not installed; pip install 'headroom-integrations[torch]'"
        )
        return
    from .kompress_speed import reference, reference_file

    with tempfile.TemporaryDirectory() as folder:
        once = reference(reference_file(Path(folder)), 1)
        yield Row("encoders", "512 tokens", "ModernBERT-base size, int8 ONNX", ms=_median(few, once), note=note)
    told("encoders", 2, 3)
    large = {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "max_position_embeddings": 600,
    }
    yield Row(
        "encoders", "512 tokens", "XLM-R-large size, torch", ms=_median(few, _torch("XLMRoberta", large)), note=note
    )
    told("encoders", 3, 3)


def _text(seed: int) -> str:
    """Running text of about 512 word pieces, never the same twice."""
    import random

    r = random.Random(seed)
    places, people = (
        ["Arvika", "Brenna", "Corvo", "Deloro", "Holm"],
        ["the keeper", "a surveyor", "the captain", "her brother"],
    )
    made: list[str] = []
    while sum(len(sentence.split()) for sentence in made) < _WORDS:
        made.append(
            f"In {r.randint(1820, 1930)} {r.choice(people)} went from {r.choice(places)} to {r.choice(places)} and "
            f"counted {r.randint(3, 900)} {r.choice(['birds', 'boats', 'lamps', 'stones'])} on the way."
        )
    return " ".join(made)


def _torch(name: str, sizes: dict[str, Any]) -> Callable[[], object]:
    """One forward pass of 512 tokens in full precision through a model of this size with random weights."""
    import torch

    torch.set_num_threads(1)
    model = network(name, **sizes)
    ids = torch.randint(10, 1500, (1, 512))

    def once() -> object:
        with torch.no_grad():
            return model(ids)

    once()
    return once


def _median(rounds: int, once: Callable[[], object]) -> float:
    """Median milliseconds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        once()
        found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found)


def store(quick: bool, told: Told) -> Iterator[Row]:
    """Milliseconds to keep an original of 20 kB, to read it, and to answer a question from it."""
    from headroom_core.ccr.originals import open_originals

    with tempfile.TemporaryDirectory() as folder:
        urls = {"memory": "memory://", "SQLite": f"sqlite:///{Path(folder) / 'originals.db'}"}
        if os.environ.get("HEADROOM_STORE", "").startswith("redis"):
            urls["Redis"] = os.environ["HEADROOM_STORE"]
        for at, (name, url) in enumerate(urls.items(), 1):
            with open_originals(url, key=_KEY) as originals:
                for what, ms in _stored(originals, 30 if quick else 300).items():
                    yield Row("store", "20 kB", f"{name}: {what}", ms=ms)
            told("store", at, len(urls))


def _stored(originals: Originals, rounds: int) -> dict[str, float]:
    """Median milliseconds of each thing that is done with originals."""
    from headroom_core.ccr.retrieve import retrieve

    texts = iter([f"{i} {_text(i)} " * 9 for i in range(rounds)])
    refs: list[str] = []
    put = _median(rounds, lambda: refs.append(originals.put(next(texts).encode(), namespace="bench")))
    asked = iter(refs)
    get = _median(rounds, lambda: originals.get(next(asked), namespace="bench"))
    query = "lamps in Corvo"
    ask = _median(rounds // 10 + 1, lambda: retrieve(refs[0], originals=originals, namespace="bench", query=query))
    return {"put": put, "get": get, "retrieve by question": ask}


_WRAPPER = """
import json, statistics, sys, time
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from headroom_core import Compressor, open_originals
from headroom_core.evals.bench_inputs import cases
from headroom_integrations.langchain import HeadroomChatModel

rounds = int(sys.argv[1])
messages = [HumanMessage("What happened?")]
for seed in range(1, 4):
    for kind, (text, query, _) in cases(seed).items():
        if kind in ("json", "log", "search", "diff"):
            call = f"c{seed}{kind}"
            messages.append(AIMessage("", tool_calls=[{"id": call, "name": kind, "args": {}}]))
            messages.append(ToolMessage(text, tool_call_id=call, name=kind))
        messages.append(HumanMessage(query))
said = lambda: iter([AIMessage("ok")] * (rounds + 4))
bare = GenericFakeChatModel(messages=said())
compressor = Compressor(originals=open_originals("memory://", key=b"a key for the benchmark alone, 32+"), retrievable=True)
ours = HeadroomChatModel(inner=GenericFakeChatModel(messages=said()), compressor=compressor)

def median(model):
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        model.invoke(messages)
        found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found)

bare.invoke(messages)
start = time.perf_counter()
ours.invoke(messages)
first = (time.perf_counter() - start) * 1000
print(json.dumps({"bare": median(bare), "ours": median(ours), "first": first, "messages": len(messages),
                  "tokens": sum(compressor.count(str(m.content)) for m in messages)}))
"""


def wrapper(quick: bool, told: Told) -> Iterator[Row]:
    """Milliseconds that the chat model wrapper adds to a call of a long conversation, when new and when seen before.

    The adapter runs as a program of its own, as the peers do: nothing of the core imports it.
    """
    command = [sys.executable, "-W", "ignore", "-c", _WRAPPER, "5" if quick else "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().split("\n") or ["it failed"])[-1]
        yield skipped("wrapper", "LangChain chat model", why)
        return
    found = json.loads(done.stdout.strip().split("\n")[-1])
    case = f"{found['messages']} messages"
    yield Row("wrapper", case, "no wrapper", ms=found["bare"], note="LangChain chat model that answers at once")
    yield Row("wrapper", case, "ours, seen before", ms=found["ours"], note="every turn after the first")
    yield Row(
        "wrapper", case, "ours, all new", ms=found["first"], note=f"{found['tokens']:,} tokens, never seen before"
    )
    told("wrapper", 1, 1)
