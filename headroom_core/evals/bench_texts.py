"""Quality against tokens: tool outputs of every kind, and questions over documents, ours beside everything else."""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import data, metrics
from .bench_inputs import cases
from .bench_rows import Row, Told, skipped
from .inputs import our_methods, simple_methods
from .peers import Peer, peer_python

Method = Callable[[str, str], str]


def inputs(quick: bool, seeds: int, told: Told) -> Iterator[Row]:
    """Each kind of tool output: share of tokens, planted facts that stay, milliseconds; medians over the seeds."""
    methods: dict[str, Method] = {"random 10 % of lines": _random_lines, **simple_methods(), **our_methods()}
    python = peer_python()
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    with ExitStack() as stack:
        peer = stack.enter_context(Peer(python)) if python else None
        if peer is None:
            yield skipped("inputs", "headroom-ai", "set HEADROOM_PEER_PYTHON to the Python of its virtual environment")
        for kind, (text, query, _) in cases(0).items():  # models load; no text comes twice, so nothing is remembered
            for method in methods.values():
                method(text, query)
            if peer:
                peer.ask(kind, text, query)
        for seed in range(1, seeds + 1):
            for kind, (text, query, facts) in cases(seed).items():
                before = metrics.tokens(text)
                for name, method in methods.items():
                    start = time.perf_counter()
                    out = method(text, query)
                    spent = (time.perf_counter() - start) * 1000
                    kept = metrics.needle_recall(facts, out) or 0.0
                    found[kind, name].append((metrics.tokens(out) / before, kept, spent))
                for name, answer in (peer.ask(kind, text, query) if peer else {}).items():
                    kept = metrics.needle_recall(facts, answer.text) or 0.0
                    found[kind, f"headroom-ai {name}"].append((metrics.tokens(answer.text) / before, kept, answer.ms))
            told("inputs", seed, seeds)
    for (kind, name), some in found.items():
        shares, kepts, times = zip(*some, strict=True)
        yield Row("inputs", kind, name, statistics.median(shares), statistics.fmean(kepts), statistics.median(times))


def _random_lines(text: str, query: str) -> str:
    lines = text.split("\n")
    order = list(range(len(lines)))
    random.Random(len(text)).shuffle(order)
    left, keep = len(text) / 10, set()
    for at in order:
        left -= len(lines[at]) + 1
        if left < 0:
            break
        keep.add(at)
    return "\n".join(lines[at] for at in sorted(keep))


def questions(quick: bool, embedding: Path | None, told: Told) -> Iterator[Row]:
    """Questions whose document lies among four close others: share of tokens, evidence that stays, milliseconds."""
    if not data.have("text", "qa_dev.jsonl.gz"):
        yield skipped("questions", "five documents", "set HEADROOM_DATA to the folder of the evaluation data")
        return
    from .kompress_curves import sample
    from .kompress_free import evidence_loss
    from .kompress_sets import among_near, dev_rows

    items = sample(among_near(dev_rows()), 12 if quick else 120)
    if embedding is None:
        yield skipped("questions", "embedding filters", "name a folder of all-MiniLM-L6-v2 with --embedding")
    methods = _document_methods(embedding)
    for at, (name, method) in enumerate(methods.items(), 1):
        try:
            method(items[0])
        except ImportError as error:  # the frameworks import some of their own parts when they are first called
            yield skipped("questions", name, " ".join(str(error).split()))
            continue
        before = after = 0
        losses: list[float] = []
        times: list[float] = []
        for item in items:
            start = time.perf_counter()
            outputs = method(item)
            times.append((time.perf_counter() - start) * 1000)
            before += sum(metrics.tokens(document["text"]) for document in item["documents"])
            after += sum(map(metrics.tokens, outputs))
            losses.append(evidence_loss(item, outputs))
        yield Row(
            "questions", "five documents", name, after / before, 1 - statistics.fmean(losses), statistics.median(times)
        )
        told("questions", at, len(methods))


def _document_methods(embedding: Path | None) -> dict[str, Callable[[Any], list[str]]]:
    """From an item to one output for each of its documents."""
    from headroom_core.kompress.compressor import KompressCompressor

    from .kompress_curves import by_chance, by_place, by_words

    compressor = KompressCompressor(enable_ccr=False)

    def ours(item: Any, **how: float) -> list[str]:
        texts = [document["text"] for document in item["documents"]]
        return [found.compressed for found in compressor.compress_documents(texts, item["query"], **how)]  # type: ignore[arg-type]

    made: dict[str, Callable[[Any], list[str]]] = {
        "random 25 %": lambda item: _best(item, by_chance),
        "lead 25 %": lambda item: _best(item, by_place),
        "BM25 25 %": lambda item: _best(item, by_words),
        "ours, risk 5 %": lambda item: ours(item),
        "ours 25 %": lambda item: ours(item, target_ratio=0.25),
    }
    return made | (_embedding_filters(embedding) if embedding else {})


def _best(item: Any, ranker: Callable[[Any], Any], share: float = 0.25) -> list[str]:
    """The best sentences by a ranking within a share of the tokens, in the order of the text."""
    from .kompress_curves import sheet

    page = sheet(item)
    scores, left, keep = ranker(page), share * float(page.tokens.sum()), set()
    for at in sorted(range(len(page.units)), key=lambda at: (-scores[at], at)):
        left -= float(page.tokens[at])
        if left < 0:
            break
        keep.add(at)
    outputs: list[list[str]] = [[] for _ in item["documents"]]
    for at, (document, start, end) in enumerate(page.units):
        if at in keep:
            outputs[document].append(page.texts[document][start:end])
    return [" ".join(some) for some in outputs]


def _embedding_filters(folder: Path) -> dict[str, Callable[[Any], list[str]]]:
    """The frameworks' own filters over all-MiniLM-L6-v2: whole documents (LangChain), sentences (LlamaIndex)."""
    from langchain_classic.retrievers.document_compressors import EmbeddingsFilter
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.postprocessor import SentenceEmbeddingOptimizer
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

    from headroom_core.training.kompress_start import encoder

    encode = encoder(folder)

    def vectors(texts: Sequence[str]) -> list[list[float]]:
        found: list[list[float]] = encode(list(texts)).tolist()
        return found

    class Chain(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return vectors(texts)

        def embed_query(self, text: str) -> list[float]:
            return vectors([text])[0]

    class Index(BaseEmbedding):
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return vectors(texts)

        def _get_text_embedding(self, text: str) -> list[float]:
            return vectors([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return vectors([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return vectors([query])[0]

    def chain(item: Any, k: int) -> list[str]:
        documents = [Document(page_content=d["text"], metadata={"at": at}) for at, d in enumerate(item["documents"])]
        kept = EmbeddingsFilter(embeddings=Chain(), k=k).compress_documents(documents, item["query"])
        there = {document.metadata["at"] for document in kept}
        return [d["text"] if at in there else "" for at, d in enumerate(item["documents"])]

    def index(item: Any, share: float) -> list[str]:
        optimizer = SentenceEmbeddingOptimizer(
            embed_model=Index(), percentile_cutoff=share, context_before=0, context_after=0
        )
        outputs = []
        for document in item["documents"]:
            nodes = [NodeWithScore(node=TextNode(text=document["text"]), score=1.0)]
            outputs.append(
                "\n".join(
                    one.node.get_content() for one in optimizer.postprocess_nodes(nodes, QueryBundle(item["query"]))
                )
            )
        return outputs

    return {
        "LangChain EmbeddingsFilter, 2 of 5": lambda item: chain(item, 2),
        "LlamaIndex SentenceEmbeddingOptimizer 25 %": lambda item: index(item, 0.25),
        "LlamaIndex SentenceEmbeddingOptimizer 50 %": lambda item: index(item, 0.5),
    }
