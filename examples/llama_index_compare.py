"""Node postprocessors on the same questions and nodes: evidence kept, tokens sent, time per query.

python examples/llama_index_compare.py --data ../shared --minilm FOLDER --questions 120

FOLDER holds all-MiniLM-L6-v2 (config.json, model.safetensors, tokenizer files); ``--data`` the evaluation data. Each
question comes with its document among four close others. A postprocessor keeps the evidence of a question where every
annotated stretch is in what it lets through, but for white space. Tokens are the library's own estimate. Of the settings
of SentenceEmbeddingOptimizer the first embeds the sentences and is timed; the others find the vectors there.
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

OPTIMIZER = "SentenceEmbeddingOptimizer"


class Remembered(BaseEmbedding):
    """Embeds each text once. Subclasses say how, in ``embedded``."""

    _vectors: dict[str, list[float]] = PrivateAttr(default_factory=dict)

    def embedded(self, texts: list[str]) -> list[list[float]]:
        """A vector of length 1 for each text."""
        raise NotImplementedError

    def forget(self) -> None:
        """Start anew, as a timed run must."""
        self._vectors.clear()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        fresh = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        self._vectors.update(zip(fresh, self.embedded(fresh) if fresh else [], strict=True))
        return [self._vectors[text] for text in texts]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class MiniLM(Remembered):
    """all-MiniLM-L6-v2 through transformers: mean of the token states, normalised."""

    _model: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()

    def __init__(self, folder: str) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2", embed_batch_size=32)
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def embedded(self, texts: list[str]) -> list[list[float]]:
        """In batches of 32."""
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


def similarities(items: Sequence[dict[str, Any]], embed: Remembered) -> list[list[float]]:
    """Cosine of each question with each of its documents: the scores that a retriever gives."""
    found: list[list[float]] = []
    for item in items:
        query = embed.get_query_embedding(item["query"])
        vectors = embed.get_text_embedding_batch([document["text"] for document in item["documents"]])
        found.append([sum(a * b for a, b in zip(query, vector, strict=True)) for vector in vectors])
    embed.forget()
    return found


def settings_of(embed: Remembered) -> dict[str, Callable[[], BaseNodePostprocessor | None]]:
    """Every postprocessor with every setting, by name."""
    compressor = Compressor(originals=open_originals("memory://"))
    found: dict[str, Callable[[], BaseNodePostprocessor | None]] = {"none": lambda: None}
    for risk in (None, 0.03, 0.1):
        found[f"HeadroomNodePostprocessor max_risk={risk}"] = lambda risk=risk: HeadroomNodePostprocessor(
            compressor=compressor, max_risk=risk
        )
    for ratio in (0.25, 0.35, 0.5):
        found[f"HeadroomNodePostprocessor target_ratio={ratio}"] = lambda ratio=ratio: HeadroomNodePostprocessor(
            compressor=compressor, target_ratio=ratio
        )
    for share in (0.5, 0.7, 0.85, 0.95, 1.0):
        found[f"{OPTIMIZER} percentile_cutoff={share}"] = lambda share=share: SentenceEmbeddingOptimizer(
            embed_model=embed, percentile_cutoff=share, context_before=0, context_after=0
        )
    found[f"{OPTIMIZER} percentile_cutoff=0.5, its own context"] = lambda: SentenceEmbeddingOptimizer(
        embed_model=embed, percentile_cutoff=0.5
    )
    for cutoff in (0.2, 0.4):
        found[f"SimilarityPostprocessor {cutoff}"] = lambda cutoff=cutoff: SimilarityPostprocessor(
            similarity_cutoff=cutoff
        )
    return found


def main(items: Sequence[dict[str, Any]], embed: Remembered) -> list[dict[str, Any]]:
    """Print and return one row for each postprocessor and setting."""
    scored, found = similarities(items, embed), []
    for name, make in settings_of(embed).items():
        row = measured(name, make, items, scored)
        if OPTIMIZER in name and any(OPTIMIZER in other["postprocessor"] for other in found):
            row["ms_median"] = None
        print(json.dumps(row), flush=True)
        found.append(row)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(Path(__file__).resolve().parents[2] / "shared"))
    parser.add_argument("--minilm", required=True)
    parser.add_argument("--questions", type=int, default=120)
    given = parser.parse_args()
    main(asked(given.data, given.questions), MiniLM(given.minilm))
