"""Late-interaction retrieval over codes: how small the index gets, and what that costs.

    python -m headroom_core.evals.visual_retrieval --model MINILM_FOLDER [--passages 2000] [--queries 1000] [--cache FOLDER]

Pages of token vectors are what ColPali-like retrievers store; here they are the token vectors of real passages (the
development questions' documents, filled up with training documents) from all-MiniLM-L6-v2, 384 wide, of length 1. The
yardstick is MaxSim over all vectors in float16. An index counts its codes, its codebook and 4 bytes a page. nDCG@10 with
the passages that hold a question's evidence as the relevant ones; the loss is paired, with a 95 % bootstrap over questions.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headroom_core.errors import InvalidInput, MissingExtra
from headroom_core.visual_tokens.quantize import train_codebook
from headroom_core.visual_tokens.retrieval import PageIndex, merge_page, prune_page

from . import data
from .metrics import bootstrap
from .visual_rows import Rows

GOAL = (24.0, 2.0)  # times smaller, percent of nDCG@10 lost
_WIDTH = 384
_LONGEST = 128  # tokens of a passage, separators included
_SAMPLE = 20_000  # vectors that a codebook is trained on
_WITHOUT = "qmsum"  # its documents are whole meetings


@dataclass(frozen=True)
class Corpus:
    """Passages, questions and, for each question, the numbers of its relevant passages."""

    passages: tuple[str, ...]
    questions: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Vectors:
    """Pages (n_i, 384) half with the importance (n_i,) of each vector; questions (q_i, 384) float."""

    pages: list[Tensor]
    importance: list[Tensor]
    questions: list[Tensor]


@dataclass(frozen=True)
class Variant:
    """One index: stages of its codebook, a rotation or not; the part of the vectors that it keeps, and how many it merges."""

    name: str
    stages: tuple[tuple[int, int], ...]
    rotate: bool = False
    keep: float = 1.0
    merge: float = 1.0


VARIANTS = (
    Variant("merged 1.5, residual 8 + 48 x 7 bit", ((1, 256), (48, 128)), merge=1.5),
    Variant("merged 2, residual 8 + 48 x 8 bit", ((1, 256), (48, 256)), merge=2.0),
    Variant("residual 8 + 24 x 8 bit", ((1, 256), (24, 256))),
    Variant("product 32 x 8 bit, rotated, 10 % pruned", ((32, 256),), rotate=True, keep=0.9),
    Variant("one K-means code, 60 % pruned (HPC-ColPali)", ((1, 256),), keep=0.4),
)


def corpus(passages: int, questions: int) -> Corpus:
    """Documents of the development questions, then of training questions until there are ``passages``."""
    numbers: dict[str, int] = {}
    asked: list[tuple[str, str, tuple[str, ...]]] = []
    for row in data.rows("text", "qa_dev.jsonl.gz"):
        if row["source"] == _WITHOUT:
            continue
        texts = [_page(document) for document in row["documents"]]
        for text in texts:
            numbers.setdefault(text, len(numbers))
        gold = tuple(text for text, document in zip(texts, row["documents"], strict=True) if document["evidence"])
        if gold:
            asked.append((row["id"], row["query"], gold))
    for row in data.rows("text", "qa_train.jsonl.gz"):
        for document in row["documents"] if row["source"] != _WITHOUT else ():
            if len(numbers) < passages:
                numbers.setdefault(_page(document), len(numbers))
    chosen = sorted(asked, key=_shuffled)[:questions]
    relevant = tuple(tuple(sorted({numbers[text] for text in gold})) for _, _, gold in chosen)
    return Corpus(tuple(numbers), tuple(query for _, query, _ in chosen), relevant)


def _page(document: dict[str, Any]) -> str:
    return f"{document['title']}. {document['text']}" if document.get("title") else str(document["text"])


def _shuffled(item: tuple[str, str, tuple[str, ...]]) -> str:
    return hashlib.sha1(item[0].encode(), usedforsecurity=False).hexdigest()


def encoder(folder: Path, *, half: bool) -> Callable[[Sequence[str]], list[tuple[Tensor, Tensor]]]:
    """Texts to (token vectors (n, 384) of length 1, attention that each receives in the last layer (n,)).

    The separators' vectors are left out: they stand for no word. ``half`` runs the model in bfloat16.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise MissingExtra("transformers", "torch") from error
    if not (folder / "config.json").exists():
        raise InvalidInput(f"{folder} holds no model; give the folder of all-MiniLM-L6-v2.")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

    @torch.no_grad()
    def encode(texts: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt")
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = model(**batch, output_attentions=True)
        vectors = torch.nn.functional.normalize(out.last_hidden_state.float(), dim=-1)
        mask = batch["attention_mask"].float()
        received = (out.attentions[-1].float().mean(1) * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
        lengths = [int(length) for length in mask.sum(1)]
        return [(vectors[n, 1 : end - 1], received[n, 1 : end - 1]) for n, end in enumerate(lengths)]

    return encode


def vectors(found: Corpus, folder: Path, cache: Path | None, *, half: bool = False) -> Vectors:
    """The corpus encoded; the pages are read from ``cache`` when it holds these passages."""
    encode = encoder(folder, half=half)
    questions = [rows for rows, _ in _in_batches(encode, found.questions)]
    digest = hashlib.sha1("\0".join([str(half), *found.passages]).encode(), usedforsecurity=False).hexdigest()
    file = None if cache is None else cache / f"pages_{digest[:12]}.pt"
    if file is not None and file.exists():
        saved = torch.load(file, weights_only=True)
        return Vectors(saved["pages"], saved["importance"], questions)
    encoded = _in_batches(encode, found.passages)
    made = Vectors([page.half() for page, _ in encoded], [score for _, score in encoded], questions)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"pages": made.pages, "importance": made.importance}, file)
    return made


def _in_batches(
    encode: Callable[[Sequence[str]], list[tuple[Tensor, Tensor]]], texts: Sequence[str], size: int = 32
) -> list[tuple[Tensor, Tensor]]:
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    rows: dict[int, tuple[Tensor, Tensor]] = {}
    for start in range(0, len(order), size):
        numbers = order[start : start + size]
        rows.update(zip(numbers, encode([texts[n] for n in numbers]), strict=True))
    return [rows[n] for n in range(len(texts))]


def ndcg(scores: Tensor, relevant: Sequence[int], depth: int = 10) -> float:
    """NDCG at ``depth`` with binary relevance; of equal scores the first page wins."""
    order = torch.argsort(scores, descending=True, stable=True)[:depth].tolist()
    gain = sum(1 / math.log2(rank + 2) for rank, page in enumerate(order) if page in set(relevant))
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(depth, len(relevant))))


def index(found: Vectors, variant: Variant, seed: int = 0) -> PageIndex:
    """The index of a variant, its codebook trained on a sample of the vectors that it keeps."""
    kept = found.pages
    if variant.keep < 1:
        kept = [prune_page(page, score, variant.keep) for page, score in zip(kept, found.importance, strict=True)]
    kept = [merge_page(page, variant.merge) for page in kept]
    rows = torch.cat(kept)
    sample = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:_SAMPLE]
    book = train_codebook(
        rows[sample].float(), list(variant.stages), rotate=variant.rotate, steps=12, turns=4, seed=seed
    )
    return PageIndex.of([page.float() for page in kept], book)


def full_size(found: Vectors) -> int:
    """Bytes of all vectors in float16, with 4 bytes a page."""
    return sum(page.shape[0] for page in found.pages) * _WIDTH * 2 + 4 * len(found.pages)


def scores(questions: Sequence[Tensor], rows: Tensor, lengths: Tensor, chunk: int = 2048) -> Tensor:
    """(Q, P) MaxSim of all questions with all pages at once, the same numbers as ``retrieval.maxsim``.

    ``rows`` (total, D) page after page. Pages go in chunks of about ``chunk`` vectors, so that memory stays small.
    """
    asked = torch.cat(list(questions)).float().T.contiguous()
    starts = np.cumsum([0, *[len(question) for question in questions[:-1]]])
    ends, columns, first = lengths.cumsum(0).tolist(), [], 0
    edges = [0, *ends]
    while first < len(lengths):
        last = first + 1
        while last < len(lengths) and edges[last + 1] - edges[first] <= chunk:
            last += 1
        alike = (rows[edges[first] : edges[last]].float() @ asked).numpy()
        best = np.maximum.reduceat(alike, [edge - edges[first] for edge in edges[first:last]], axis=0)
        columns.append(np.add.reduceat(best, starts, axis=1))
        first = last
    return torch.from_numpy(np.concatenate(columns)).T


def decoded(coded: PageIndex) -> Tensor:
    """(total, D) half: the vectors that an index stands for, of length 1."""
    parts = [coded.codebook.decode(chunk) for chunk in torch.split(coded.codes, 65536)]
    return torch.cat([torch.nn.functional.normalize(part, dim=1).half() for part in parts])


def lines(found: Corpus, made: Vectors, variants: Sequence[Variant], rows: Rows) -> Iterator[str]:
    """Markdown rows: size, how many times smaller, nDCG@10, loss in percent with its interval."""
    lengths = torch.tensor([len(page) for page in made.pages])
    base = rows.get("float16", lambda: _gains(scores(made.questions, torch.cat(made.pages), lengths), found))
    total, mean = full_size(made), float(np.mean(base))
    told = f"{len(made.pages)} passages, {int(lengths.sum()):,} vectors, {len(base)} questions"
    yield f"{told}; float16 {total / 1e6:.1f} MB, nDCG@10 {mean:.4f}"
    yield "| index | MB | times smaller | nDCG@10 | loss % [95 %] | goal |"
    yield "|---|---|---|---|---|---|"
    for variant in variants:
        size, got = rows.get(repr(variant), partial(_measured, found, made, variant))
        lost = bootstrap([100 * (b - g) / mean for b, g in zip(base, got, strict=True)])
        good = "yes" if total / size >= GOAL[0] and lost[0] <= GOAL[1] else "no"
        cells = f"{np.mean(got):.4f} | {lost[0]:.2f} [{lost[1]:.2f}, {lost[2]:.2f}]"
        yield f"| {variant.name} | {size / 1e6:.2f} | {total / size:.1f} | {cells} | {good} |"


def _measured(found: Corpus, made: Vectors, variant: Variant) -> tuple[int, list[float]]:
    """Bytes of the index, and each question's nDCG@10."""
    coded = index(made, variant)
    return coded.nbytes, _gains(scores(made.questions, decoded(coded), coded.lengths), found)


def _gains(found: Tensor, asked: Corpus) -> list[float]:
    return [ndcg(row, relevant) for row, relevant in zip(found, asked.relevant, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m headroom_core.evals.visual_retrieval", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--passages", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--cache", type=Path, help="where vectors and finished rows are kept: a second start goes on")
    parser.add_argument("--half", action="store_true", help="encode in bfloat16 (quick where the processor has it)")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    found = corpus(chosen.passages, chosen.queries)
    made = vectors(found, chosen.model, chosen.cache, half=chosen.half)
    rows = Rows(chosen.cache, "visual_retrieval", chosen.model.resolve(), chosen.passages, chosen.queries, chosen.half)
    for line in lines(found, made, VARIANTS, rows):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
