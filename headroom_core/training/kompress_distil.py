"""The late stage learns from a re-ranker and from leave-one-out importance, on training questions.

Each sentence of a question has a target: its own logit plus the re-ranker's (``kompress_reranker``), plus what the answer head
loses without it. The softmax over a question's sentences learns that of the targets; the usual losses go along, on these
questions, on groups of the corpus, and on made questions about tables (``kompress_reports``). Questions of several hops keep
their own logits, for the re-ranker knows of one hop only.
Two runs of a round read different questions; the mean of their weights and of those they started from stays, which loses
less on several hops than the runs alone, and is where the next round starts. Early stage and phrase network are not touched.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headroom_core.evals.kompress_curves import sheet
from headroom_core.evals.kompress_importance import lost_without
from headroom_core.evals.kompress_sets import MULTI_HOP, PAGES, Item, among_near, several_hops
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.model import Kompress
from headroom_core.kompress.torch import TorchScorer
from headroom_core.training.kompress_batches import Batch, Builder, Plan, hide, pad, plan_epoch
from headroom_core.training.kompress_bundle import shown, write_late
from headroom_core.training.kompress_data import Corpus, Question, Reader, tokenizer
from headroom_core.training.kompress_reports import made
from headroom_core.training.kompress_reranker import Ranked, Reranker, tune
from headroom_core.training.kompress_train import (
    arrays,
    average,
    forward,
    losses,
    mean,
    put_on,
    sentence_logits,
    weighted,
    windows_of,
)

Vector = NDArray[np.float64]

Rounds = Sequence[Sequence[tuple[int, int]]]

ROUNDS, POLICIES = (((4200, 1800), (3000, 950)), ((3500, 1500), (2900, 1300))), 400
"""By round, questions of one hop and steps of each run; a round's first also reads some on policies and all of several hops."""
SHARE, NEEDED, MOST = 0.6, 0.3, 4.0
"""Weights of both logits and of importance, which counts up to so many nats."""
GROUPS, OTHER_GROUPS, EVERY = 7, 5, 4
"""Questions of a step; in every fourth groups of the corpus instead."""
REPORTS, REPORTS_EACH, REPORTS_EVERY = 3000, 10, 8
"""Made questions about tables, so many in every eighth step."""
RATE, HEAD_RATE, WARM, DECAY = 7e-5, 2.1e-4, 100, 0.01
HEAT, GOLD, MASKED, SMOOTH = 1.5, 0.5, 0.04, 0.995
"""Temperature of the softmax; weight of the usual losses beside it; share of word pieces hidden; of the running mean."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A question as the student sees it: its ranking, the late logit of each sentence, the nats lost without it."""

    ranked: Ranked
    late: Vector
    lost: Vector


def parts(items: Sequence[Item], rounds: Rounds, seed: int) -> list[list[list[Item]]]:
    """The questions of each run, by round."""
    draw = random.Random(seed)
    near, policies = among_near(items, sources=PAGES), among_near(items, sources=("policyqa",))
    draw.shuffle(near)
    draw.shuffle(policies)
    left, beside, found = iter(near), [*policies[:POLICIES], *several_hops(items)], []
    for runs in rounds:
        read = [list(islice(left, questions)) for questions, _ in runs]
        read[0] += beside
        for part in read:
            draw.shuffle(part)
        found.append(read)
    return found


def judge(compressor: KompressCompressor, item: Item) -> Judged:
    """What the bundle makes of a question of the training split."""
    page = sheet(item)
    seen, score = compressor.judged(page.texts, item["query"])
    ranked, lost = Ranked(page, score), np.zeros(len(page.units))
    for d, document in enumerate(item["documents"]):
        own = np.flatnonzero(ranked.owner == d)
        for k, nats in lost_without(compressor, document, item["query"]).items():
            lost[own[k]] = nats
    return Judged(ranked, seen.late, lost)


def target(judged: Judged, reranker: Reranker) -> Vector:
    """What the logits of a question's sentences should be."""
    if judged.ranked.page.item["source"] in MULTI_HOP:
        return judged.late
    return SHARE * (judged.late + reranker.marks(judged.ranked)) + NEEDED * np.clip(judged.lost, 0, MOST)


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the target of each of its sentences."""

    question: Question
    target: Vector


def examples(questions: Sequence[Judged], reranker: Reranker, reader: Reader) -> list[Example]:
    """Questions with their targets; the few whose sentences the trainer cuts otherwise are left out."""
    found = []
    for judged in questions:
        question = reader.question(judged.ranked.page.item)
        if sum(len(reader.documents[e.document].cuts) - 1 for e in question.entries) == len(judged.late):
            found.append(Example(question, target(judged, reranker)))
    return found


class Run:
    """One run: the late stage of a network in training, its batches, its running mean."""

    def __init__(self, model: Kompress, corpus: Corpus, chosen: Sequence[Example], reader: Reader, seed: int) -> None:
        self.model, self.corpus, self.chosen, self.reader, self.seed = model.eval(), corpus, chosen, reader, seed
        self.reports = [reader.question(item) for item in made(REPORTS, seed)]
        self.device = model.word.weight.device.type
        model.requires_grad_(False)
        body = [*model.layers[model.shape.early :].parameters()]
        heads = [*model.late.parameters()]
        for parameter in (*body, *heads):
            parameter.requires_grad_(True)
        self.tuned = [*body, *heads]
        groups = [{"params": body, "full": RATE}, {"params": heads, "full": HEAD_RATE}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=DECAY, betas=(0.9, 0.98))

    def batches(self, steps: int) -> Iterator[tuple[Batch, list[Example]]]:
        """Marked questions with their examples, and in between groups of the corpus and questions about tables without."""
        draw, builder = random.Random(self.seed), Builder(self.corpus)
        others = _groups(self.corpus, self.seed)
        order: list[Example] = []
        for step in range(steps):
            if step % EVERY == EVERY - 1:
                yield builder.batch(self.seed * 100_003 + step, next(others)), []
                continue
            if step % REPORTS_EVERY == 1:
                yield self._batch(draw.sample(self.reports, REPORTS_EACH), step), []
                continue
            while len(order) < GROUPS:
                order += draw.sample(self.chosen, len(self.chosen))
            chosen, order = order[:GROUPS], order[GROUPS:]
            yield self._batch([example.question for example in chosen], step), chosen

    def _batch(self, questions: Sequence[Question], step: int) -> Batch:
        batch = pad([windows_of(self.reader.documents, question) for question in questions], free=False)
        hide(batch, MASKED, self.seed * 100_003 + step)
        return batch

    def train(self, steps: int) -> Kompress:
        """The running mean of the weights."""
        torch.manual_seed(self.seed)
        averaged = copy.deepcopy(self.model)
        for step, (batch, chosen) in enumerate(self.batches(steps)):
            for group in self.optimizer.param_groups:
                group["lr"] = group["full"] * min(1.0, (step + 1) / WARM) * (0.02 + 0.98 * (1 - step / steps))
            out = forward(self.model, batch, self.device, "late", half=True)
            loss = weighted(losses(out, batch, "late", self.device))
            if chosen:
                loss = GOLD * loss + self.apart(sentence_logits(out, "late", len(batch.labels)), batch, chosen)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.tuned, 1.0)
            self.optimizer.step()
            average(averaged, self.model, min(SMOOTH, (step + 1) / (step + 10)))
            if step % 50 == 0:
                print(f"late, seed {self.seed}, step {step}/{steps}: loss {float(loss.detach()):.3f}", flush=True)
        return averaged

    def apart(self, scores: Tensor, batch: Batch, chosen: Sequence[Example]) -> Tensor:
        """Divergence of each question's softmax from that of its targets (Hinton et al. 2015), mean over questions."""
        found = []
        for g, example in enumerate(chosen):
            own = scores[put_on(np.flatnonzero(batch.sentence_group == g), self.device)]
            wanted = put_on(example.target.astype(np.float32), self.device)
            mine, theirs = (functional.log_softmax(x / HEAT, 0) for x in (own, wanted))
            found.append(functional.kl_div(mine, theirs, log_target=True, reduction="sum") * HEAT**2)
        return torch.stack(found).mean()


def _groups(corpus: Corpus, seed: int) -> Iterator[list[Plan]]:
    """Groups of the corpus that ask something, epoch after epoch."""
    for epoch in count(seed * 10):
        yield from (plans for plans in plan_epoch(corpus, epoch, OTHER_GROUPS) if plans[0][0] != "free")


def distil(
    folder: Path, wheel: Path, corpus: Corpus, items: Sequence[Item], *, device: str, small: bool, seed: int
) -> None:
    """Tune the late stage of a bundle on questions of ``items`` and write its ``late.onnx`` anew.

    ``small``: the first round, on a quarter.
    """
    share, rounds = (4, ROUNDS[:1]) if small else (1, ROUNDS)
    pieces, reranker = tokenizer(folder / "tokenizer.json"), None
    reader = Reader(pieces)
    for r, (runs, read) in enumerate(zip(rounds, parts(items, rounds, seed), strict=True)):
        compressor = KompressCompressor(model=folder, enable_ccr=False)
        asked = [[judge(compressor, item) for item in part[::share]] for part in read]
        if reranker is None:
            ranked = [judged.ranked for judged in asked[0]]
            reranker = tune(Reranker.begin(wheel, pieces).to(device), ranked, seed)
        begun = TorchScorer.of_bundle(folder, device).model
        found = [arrays(begun)]
        for k, (questions, (_, steps)) in enumerate(zip(asked, runs, strict=True)):
            chosen = examples(questions, reranker, reader)
            run = Run(copy.deepcopy(begun), corpus, chosen, reader, seed + 2 * r + k)
            found.append(arrays(run.train(steps // share)))
        write_late(mean(found), folder, shown(corpus, 60))
