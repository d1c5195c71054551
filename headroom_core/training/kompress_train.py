"""The training loop of the text model: losses, schedule, averaged weights, curves on held-out sets."""

from __future__ import annotations

import copy
import math
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from headroom_core.kompress.model import Kompress
from headroom_core.training.kompress_batches import (
    MAX_TOKENS,
    Batch,
    Bucket,
    Builder,
    Plan,
    Row,
    close_row,
    open_row,
    pad,
    pieces,
    plan_epoch,
    put,
)
from headroom_core.training.kompress_data import Corpus, Document, Question

_builder: Builder | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. ``seconds`` ends the run by the clock (0: by epochs)."""

    epochs: int = 8
    groups: int = 64
    rate: float = 1.5e-4
    head_rate: float = 1e-3
    decay: float = 0.01
    warmup: float = 0.06
    average: float = 0.998
    seconds: float = 0.0
    steps: int = 0
    seed: int = 7
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """How groups are laid out, see ``kompress_batches``.

    Negatives per question, shares of packed and shortlist groups, share of word pieces hidden.
    """

    near: int = 5
    packed: float = 0.3
    shortlist: float = 0.2
    masked: float = 0.04


def _build(work: tuple[int, list[Plan]]) -> Batch:
    assert _builder is not None
    return _builder.batch(*work)


def batches(corpus: Corpus, schedule: Schedule, layout: Layout) -> Iterator[Batch]:
    """Batches of all epochs, built ahead in worker processes."""
    global _builder
    _builder = Builder(corpus, layout.near, layout.packed, layout.shortlist, layout.masked)

    def work() -> Iterator[tuple[int, list[Plan]]]:
        for epoch in range(schedule.epochs):
            for i, plans in enumerate(plan_epoch(corpus, schedule.seed + epoch, schedule.groups)):
                yield (schedule.seed + epoch) * 100_003 + i, plans

    if schedule.workers <= 1:
        yield from map(_build, work())
        return
    with multiprocessing.get_context("fork").Pool(schedule.workers) as workers:
        pending: list[Any] = []
        for item in work():
            pending.append(workers.apply_async(_build, (item,)))
            if len(pending) >= schedule.workers * 4:
                yield pending.pop(0).get()
        for left in pending:
            yield left.get()


def forward(model: Kompress, batch: Batch, device: str, exits: str, *, half: bool = False) -> list[dict[str, Tensor]]:
    """The model's outputs per bucket, with the bucket's targets beside them; ``half``: in bfloat16 also on a CPU."""
    found = []
    for bucket in batch.buckets:
        targets = {name: put_on(getattr(bucket, name), device) for name in Bucket.__slots__}
        with torch.autocast(device, dtype=torch.bfloat16, enabled=half or device == "cuda"):
            out = model(targets["ids"], targets["kinds"], targets["mask"], exits)
        found.append({k: v.float() for k, v in out.items()} | targets)
    return found


def put_on(array: np.ndarray[Any, Any], device: str) -> Tensor:
    """The array as a tensor of a device."""
    return torch.from_numpy(array).to(device, non_blocking=True)


def _flat(part: dict[str, Tensor], exit_: str) -> Tensor:
    """Outputs of the sentence tokens only: (tokens, 7)."""
    return part[f"{exit_}_tokens"].reshape(-1, 7).index_select(0, part["inside"])


def sentence_logits(out: list[dict[str, Tensor]], exit_: str, count: int) -> Tensor:
    """Attention-pooled token values per sentence: sum(exp(w) v) / sum(exp(w))."""
    device = out[0]["mask"].device
    top, bottom = torch.zeros(count, device=device), torch.zeros(count, device=device)
    for part in out:
        tokens = _flat(part, exit_)
        weight = tokens[:, 3].clamp(-8, 8).exp()
        top = top.index_add(0, part["index"], weight * tokens[:, 4])
        bottom = bottom.index_add(0, part["index"], weight)
    return top / bottom.clamp_min(1e-6)


def losses(out: list[dict[str, Tensor]], batch: Batch, exit_: str, device: str) -> dict[str, Tensor]:
    """All losses of one exit; each is a mean over groups or rows, so that long documents do not outvote short ones."""
    labels, owner = put_on(batch.labels, device), put_on(batch.sentence_group, device)
    weights, gold = put_on(batch.weights, device), put_on(batch.gold, device)
    scores = sentence_logits(out, exit_, len(labels))
    bce = F.binary_cross_entropy_with_logits(scores, labels, reduction="none")
    found = {"sentence": (bce * weights * (1 + 3 * labels)).sum() / batch.groups}
    token = span = answer = relevance = torch.zeros((), device=device)
    rows = 0
    for part in out:
        flat, target, share = _flat(part, exit_), part["target"], part["share"]
        token = token + (F.cross_entropy(flat[:, :2], target.long(), reduction="none") * share * (1 + 2 * target)).sum()
        phrase = F.binary_cross_entropy_with_logits(flat[:, 2], part["answer"], reduction="none")
        span = span + (phrase * share * (1 + 4 * part["answer"])).sum()
        relevance = relevance + F.binary_cross_entropy_with_logits(
            part[f"{exit_}_relevance"], part["relevant"], reduction="sum"
        )
        if not batch.free:
            for column, name in ((5, "start"), (6, "end")):
                logits = part[f"{exit_}_tokens"][..., column].masked_fill(~part["readable"], -1e4)
                answer = answer + F.cross_entropy(logits, part[name], ignore_index=-1, reduction="sum") / 2
        rows += len(part["relevant"])
    found |= {"token": token / rows, "span": span / rows, "relevance": relevance / rows, "answer": answer / rows}
    if not batch.free:
        found["rank"] = _rank(scores, labels, owner, gold, batch.groups)
        relevant = np.concatenate([bucket.relevant for bucket in batch.buckets])
        found["documents"] = _rank(
            torch.cat([p[f"{exit_}_relevance"] for p in out]),
            put_on(relevant, device),
            torch.cat([p["group"] for p in out]),
            put_on(np.flatnonzero(relevant), device),
            batch.groups,
        )
    return found


def _rank(scores: Tensor, labels: Tensor, owner: Tensor, gold: Tensor, groups: int) -> Tensor:
    """Each gold unit against all others of its group that are not gold: -log(e^g / (e^g + sum e^n)), mean per group."""
    negative = labels == 0
    filled = scores.masked_fill(~negative, -1e4)
    top = torch.full((groups,), -1e4, device=scores.device).scatter_reduce(0, owner, filled, "amax").detach()
    total = torch.zeros(groups, device=scores.device).index_add(0, owner, (filled - top[owner]).exp() * negative)
    rest = (total + 1e-9).log() + top
    own = owner[gold]
    each = F.softplus(rest[own] - scores[gold])
    counts = torch.zeros(groups, device=scores.device).index_add(0, own, torch.ones_like(each))
    return (each / counts[own]).sum() / (counts > 0).sum().clamp_min(1)


WEIGHTS = {"sentence": 1.0, "token": 0.5, "span": 0.3, "relevance": 0.3, "answer": 0.3, "rank": 0.7, "documents": 0.3}


def weighted(parts: dict[str, Tensor]) -> Tensor:
    """The sum of some losses, each times its weight."""
    return torch.stack([WEIGHTS[name] * loss for name, loss in parts.items()]).sum()


def _rate(step: int, total: int, warmup: float) -> float:
    begin = max(1, int(total * warmup))
    if step < begin:
        return step / begin
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begin) / max(1, total - begin)))) * 0.98 + 0.02


def train(
    model: Kompress, corpus: Corpus, schedule: Schedule, layout: Layout, device: str, log: Any = print
) -> Kompress:
    """Train in place; returns the averaged weights."""
    torch.manual_seed(schedule.seed)
    model.to(device).train()
    head = [p for n, p in model.named_parameters() if n.startswith(("early.", "late."))]
    body = [p for n, p in model.named_parameters() if not n.startswith(("early.", "late."))]
    groups = [{"params": body, "lr": schedule.rate}, {"params": head, "lr": schedule.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.decay, betas=(0.9, 0.98), fused=device == "cuda")
    averaged = copy.deepcopy(model).eval()
    per_epoch = len(plan_epoch(corpus, schedule.seed, schedule.groups))
    total = schedule.steps or schedule.epochs * per_epoch
    began = last = time.perf_counter()
    mark, seen = (0, began), 0
    for step, batch in enumerate(batches(corpus, schedule, layout)):
        now = time.perf_counter()
        if step == 40:
            mark = (step, now)
        if schedule.seconds and step > 40 and step % 20 == 0:
            pace = (now - mark[1]) / (step - mark[0])
            total = min(schedule.epochs * per_epoch, step + max(0, int((schedule.seconds - (now - began)) / pace)))
        if step >= total or (schedule.seconds and now - began > schedule.seconds + 5):
            break
        factor = _rate(step + 1, total, schedule.warmup)
        optimizer.param_groups[0]["lr"] = schedule.rate * factor
        optimizer.param_groups[1]["lr"] = schedule.head_rate * factor
        out = forward(model, batch, device, "early" if batch.free else "both")
        parts = losses(out, batch, "early", device)
        loss = weighted(parts)
        if not batch.free:
            late = losses(out, batch, "late", device)
            loss = 0.3 * loss + weighted(late)
            parts = late
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average(averaged, model, min(schedule.average, (step + 1) / (step + 10)))
        seen += batch.tokens
        if step % 50 == 0 or step == total - 1:
            numbers = " ".join(f"{k} {float(v.detach()):.3f}" for k, v in parts.items())
            log(
                f"step {step}/{total} {now - began:.0f}s {seen / max(now - began, 1e-9):.0f} tok/s free={batch.free} {numbers}"
            )
        last = now
    log(f"trained {step} steps, {seen / 1e6:.0f}M tokens, {last - began:.0f}s")
    return averaged


@torch.no_grad()
def average(averaged: torch.nn.Module, model: torch.nn.Module, keep: float) -> None:
    """Move a running mean of weights: it keeps this share of itself."""
    for mine, theirs in zip(averaged.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - keep)


def arrays(model: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """All weights by name, on the CPU."""
    return {name: tensor.float().cpu().numpy() for name, tensor in model.state_dict().items()}


def mean(states: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The mean of several networks' weights (Wortsman et al. 2022)."""
    return {name: np.mean([state[name] for state in states], axis=0) for name in states[0]}


@torch.no_grad()
def curve(
    model: Kompress, corpus: Corpus, questions: Sequence[Question], device: str, exit_: str = "late"
) -> dict[str, float]:
    """Evidence kept at shares of word pieces, sentences ranked by the sentence head alone."""
    model.eval()
    costs: list[float] = []
    whole: list[float] = []
    for begin in range(0, len(questions), 24):
        batch = pad([windows_of(corpus.documents, question) for question in questions[begin : begin + 24]], free=False)
        scores = sentence_logits(forward(model, batch, device, "both"), exit_, len(batch.labels))
        values = scores.cpu().numpy()
        for g in range(batch.groups):
            own = batch.sentence_group == g
            size = batch.sizes[own].astype(float)
            order = np.argsort(-values[own], kind="stable")
            cost = np.empty(len(order))
            cost[order] = np.cumsum(size[order]) / size.sum()
            gold = cost[batch.labels[own] == 1]
            if len(gold):
                costs.extend(gold.tolist())
                whole.append(float(gold.max()))
    c, w = np.sort(costs), np.sort(whole)
    found = {f"at{int(b * 100)}": float((c <= b + 1e-9).mean()) for b in (0.05, 0.1, 0.2, 0.3, 0.5)}
    found |= {f"for{t}": float(c[max(0, math.ceil(t / 100 * len(c)) - 1)]) for t in (95, 98, 99)}
    return found | {
        "mean": float(c.mean()),
        "all_at50": float((w <= 0.5).mean()),
        "all_at33": float((w <= 0.33).mean()),
    }


def windows_of(documents: Sequence[Document], question: Question) -> list[Row]:
    """All windows of a question's documents."""
    query: list[int] = question.ids.tolist()
    found = []
    for entry in question.entries:
        document = documents[entry.document]
        for first, last in pieces(document, MAX_TOKENS - len(query) - 30):
            row = open_row(query)
            put(row, document, entry, range(first, last), False)
            found.append(close_row(row))
    return found


@torch.no_grad()
def find_near(model: Kompress, corpus: Corpus, device: str, count: int = 24) -> None:
    """Fill each question's hard negatives: by the start weights' mean embedding, and by BM25-like overlap of pieces."""
    documents = [corpus.documents[i] for i in corpus.negatives]
    vectors = _embed(model, [d.ids[:254] for d in documents], device)
    places = {d: i for i, d in enumerate(corpus.negatives)}
    vocab = model.shape.vocab
    counts = torch.zeros(len(documents), vocab, device=device, dtype=torch.float32)
    for i, document in enumerate(documents):
        ids = torch.from_numpy(document.ids.astype(np.int64)).to(device)
        counts[i].index_add_(0, ids, torch.ones(len(ids), device=device))
    idf = torch.log1p(len(documents) / (1 + (counts > 0).sum(0)))
    length = counts.sum(1, keepdim=True)
    lexical = counts * 2.2 / (counts + 1.2 * (0.4 + 0.6 * length / length.mean())) * idf
    del counts
    asked = [q for q in (*corpus.train, *corpus.compound) if q.source != "qmsum"]
    for begin in range(0, len(asked), 2048):
        chunk = asked[begin : begin + 2048]
        close = _embed(model, [q.ids for q in chunk], device) @ vectors.T
        bag = torch.zeros(len(chunk), vocab, device=device)
        for i, question in enumerate(chunk):
            bag[i, torch.from_numpy(question.ids.astype(np.int64)).to(device)] = 1
        overlap = bag @ lexical.T
        tops = [t.topk(count, dim=1).indices.cpu().numpy() for t in (close, overlap)]
        for i, question in enumerate(chunk):
            own = {places.get(e.document, -1) for e in question.entries if e.gold}
            mixed = [int(x) for pair in zip(tops[0][i], tops[1][i], strict=True) for x in pair if int(x) not in own]
            question.near = [corpus.negatives[x] for x in dict.fromkeys(mixed)][:count]


@torch.no_grad()
def _embed(model: Kompress, texts: Sequence[Any], device: str) -> Tensor:
    """Mean-pooled, normalised vectors of token arrays by the encoder alone."""
    model.to(device).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = torch.zeros(len(texts), model.shape.hidden, device=device)
    for begin in range(0, len(order), 256):
        chunk = order[begin : begin + 256]
        width = max(len(texts[i]) for i in chunk) + 2
        ids = torch.zeros(len(chunk), width, dtype=torch.long)
        mask = torch.zeros(len(chunk), width, dtype=torch.bool)
        for k, i in enumerate(chunk):
            full = [101, *texts[i].tolist(), 102]
            ids[k, : len(full)] = torch.tensor(full)
            mask[k, : len(full)] = True
        ids, mask = ids.to(device), mask.to(device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            x = model.embed(ids, torch.zeros_like(ids))
            for layer in model.layers:
                x = layer(x, mask[:, None, None, :])
        x = x.float() * mask[..., None]
        out[torch.tensor(chunk, device=device)] = F.normalize(x.sum(1) / mask.sum(1, keepdim=True), dim=-1)
    return out
