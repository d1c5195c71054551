"""Node postprocessors on the same questions and nodes: evidence kept, tokens sent, time per query.

python examples/llama_index_compare.py --data ../shared --minilm FOLDER --questions 120

FOLDER holds all-MiniLM-L6-v2 (config.json, model.safetensors, tokenizer files); ``--data`` the evaluation data. Each
question comes with its document among four close others. A postprocessor keeps the evidence of a question where every
annotated stretch is in what it lets through, but for white space. Tokens are the library's own estimate.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor import SentenceEmbeddingOptimizer, SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import PrivateAttr

from headroom_core import Compressor, open_originals
from headroom_core.tokens.text import estimate
from headroom_integrations.llama_index import HeadroomNodePostprocessor


class MiniLM(BaseEmbedding):
    """all-MiniLM-L6-v2 through transformers: mean of the token states, normalised."""

    _model: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()

    def __init__(self, folder: str) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2", embed_batch_size=32)
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        import torch

        found: list[list[float]] = []
        for at in range(0, len(texts), 32):
            batch = self._tokenizer(
                texts[at : at + 32], padding=True, truncation=True, max_length=256, return_tensors="pt"
            )
            with torch.no_grad():
                states = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            means = (states * mask).sum(1) / mask.sum(1)
            found += torch.nn.functional.normalize(means, dim=1).tolist()
        return found

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def plain(text: str) -> str:
    """Without white space."""
    return "".join(text.split())


def asked(data: str, questions: int) -> list[dict[str, Any]]:
    """Every so-manieth question of the development set with its five documents."""
    os.environ["HEADROOM_DATA"] = data
    from headroom_core.evals.kompress_sets import among_near, dev_rows

    items = among_near(dev_rows())
    return items[:: max(1, len(items) // questions)][:questions]


def measured(
    name: str,
    make: Callable[[], BaseNodePostprocessor | None],
    items: Sequence[dict[str, Any]],
    scored: list[list[float]],
) -> dict[str, Any]:
    """One postprocessor over all questions."""
    kept, tokens, before, times = 0, 0, 0, []
    post = make()
    for item, scores in zip(items, scored, strict=True):
        nodes = [
            NodeWithScore(node=TextNode(text=document["text"]), score=score)
            for document, score in zip(item["documents"], scores, strict=True)
        ]
        before += sum(estimate(node.text) for node in nodes)
        start = time.perf_counter()
        out = post.postprocess_nodes(nodes, query_str=item["query"]) if post else nodes
        times.append((time.perf_counter() - start) * 1000)
        seen = plain(" ".join(node.text for node in out))
        wanted = [
            plain(document["text"][start:end]) for document in item["documents"] for start, end in document["evidence"]
        ]
        kept += all(each in seen for each in wanted)
        tokens += sum(estimate(node.text) for node in out)
    return {
        "postprocessor": name,
        "evidence": round(kept / len(items), 4),
        "tokens_kept": round(tokens / before, 4),
        "ms_median": round(statistics.median(times), 1),
    }


def main(data: str, minilm: str, questions: int) -> list[dict[str, Any]]:
    """Print and return one row for each postprocessor and setting."""
    items, embed = asked(data, questions), MiniLM(minilm)
    scored: list[list[float]] = []
    for item in items:
        query = embed.get_query_embedding(item["query"])
        vectors = embed._get_text_embeddings([document["text"] for document in item["documents"]])
        scored.append([sum(a * b for a, b in zip(query, vector, strict=True)) for vector in vectors])
    compressor = Compressor(originals=open_originals("memory://"))
    makers: dict[str, Callable[[], BaseNodePostprocessor | None]] = {"none": lambda: None}
    for risk in (None, 0.03, 0.1):
        makers[f"HeadroomNodePostprocessor max_risk={risk}"] = lambda risk=risk: HeadroomNodePostprocessor(
            compressor=compressor, max_risk=risk
        )
    for ratio in (0.25, 0.35, 0.5):
        makers[f"HeadroomNodePostprocessor target_ratio={ratio}"] = lambda ratio=ratio: HeadroomNodePostprocessor(
            compressor=compressor, target_ratio=ratio
        )
    for share in (0.5, 0.7, 0.85, 0.95, 1.0):
        makers[f"SentenceEmbeddingOptimizer percentile_cutoff={share}"] = lambda share=share: (
            SentenceEmbeddingOptimizer(embed_model=embed, percentile_cutoff=share, context_before=0, context_after=0)
        )
    makers["SentenceEmbeddingOptimizer percentile_cutoff=0.5, its own context"] = lambda: SentenceEmbeddingOptimizer(
        embed_model=embed, percentile_cutoff=0.5
    )
    for cutoff in (0.2, 0.4):
        makers[f"SimilarityPostprocessor {cutoff}"] = lambda cutoff=cutoff: SimilarityPostprocessor(
            similarity_cutoff=cutoff
        )
    found = []
    for name, make in makers.items():
        row = measured(name, make, items, scored)
        print(json.dumps(row), flush=True)
        found.append(row)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(Path(__file__).resolve().parents[2] / "shared"))
    parser.add_argument("--minilm", required=True)
    parser.add_argument("--questions", type=int, default=120)
    given = parser.parse_args()
    main(given.data, given.minilm, given.questions)
