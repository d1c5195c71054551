"""Trains the small model of the visual-token task; later the frozen teacher of every learned compressor.

Three stages, so that a CPU core learns it in about ten minutes. First only what is local: scenes crowded with words, for
every token what has its centre there. Then whole scenes: also answers, the class token, where a token lies. Last the head
alone, on the encoder's finished tokens. In half of the batches the head sees only a random share of the tokens that hold
nothing, so that it does not count on the number of empty tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from headroom_core.evals import visual_task_scenes as scenes
from headroom_core.evals.visual_task_model import Answerer, Dense, Encoded

_DENSE_WEIGHTS = (1.0, 0.5, 0.5, 0.5)
_RATE = 2.5e-3


@dataclass(frozen=True)
class Batch:
    """Scenes as tensors.

    Images (B, 3, 192, 192) in 0..1, marks 4 x (B, 576), questions (B, Q, 3), answers (B, Q) with -100 for padding, evidence
    (B, Q, 576) summing to 1 or 0.
    """

    images: Tensor
    marks: list[Tensor]
    questions: Tensor
    answers: Tensor
    evidence: Tensor


def collate(found: list[scenes.Scene], questions: int = 15) -> Batch:
    """A batch of scenes, each padded to the same number of questions."""
    asked = torch.zeros(len(found), questions, 3, dtype=torch.long)
    answers = torch.full((len(found), questions), -100)
    evidence = torch.zeros(len(found), questions, scenes.GRID**2)
    for row, scene in enumerate(found):
        asked[row, : len(scene.questions)] = torch.tensor(scene.questions)
        answers[row, : len(scene.answers)] = torch.tensor(scene.answers)
        for column, patches in enumerate(scene.evidence):
            if patches:
                evidence[row, column, list(patches)] = 1 / len(set(patches))
    images = torch.from_numpy(np.stack([scene.image for scene in found])).permute(0, 3, 1, 2).float() / 255
    marks = [
        torch.from_numpy(np.stack([getattr(scene, name) for scene in found]))
        for name in ("characters", "inks", "places", "shapes")
    ]
    return Batch(images.contiguous(memory_format=torch.channels_last), marks, asked, answers, evidence)


class _Scenes(torch.utils.data.Dataset[Batch]):
    def __init__(self, seed: int, size: int, first: int, last: int, crowded: bool) -> None:
        self.seed, self.size, self.first, self.last, self.crowded = seed, size, first, last, crowded

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, step: int) -> Batch:
        start = (self.first + step) * self.size
        found = [scenes.scene("train", self.seed, start + row, crowded=self.crowded) for row in range(self.size)]
        return collate(found, 64 if self.crowded else 15)


def batches(seed: int, size: int, first: int, last: int, *, workers: int, crowded: bool = False) -> Iterator[Batch]:
    """Batches of training scenes number ``first`` to ``last``; the same for every number of workers."""
    source = _Scenes(seed, size, first, last, crowded)
    if workers:
        yield from torch.utils.data.DataLoader(source, batch_size=None, num_workers=workers, prefetch_factor=4)
    else:
        yield from (source[step] for step in range(len(source)))


def thinned(marks: list[Tensor], generator: torch.Generator) -> Tensor:
    """(B, 576) bias that hides a random share of the tokens that hold nothing."""
    empty = torch.stack(marks).sum(0) == 0
    share = torch.rand(len(empty), 1, generator=generator) ** 2
    hidden = empty & (torch.rand(empty.shape, generator=generator) > share)
    return torch.zeros(empty.shape).masked_fill(hidden, float("-inf"))


def present(marks: list[Tensor]) -> Tensor:
    """(B, 27) 1 where a character, ink or shape occurs."""
    sizes = (len(scenes.CHARACTERS), len(scenes.INKS), len(scenes.SHAPES))
    found = [
        torch.zeros(len(mark), size + 1).scatter(1, mark, 1.0)[:, 1:]
        for mark, size in zip((marks[0], marks[1], marks[3]), sizes, strict=True)
    ]
    return torch.cat(found, dim=1)


def _cells() -> Tensor:
    """(576,) the cell of each patch, 0..8; without this the place of a token is the last thing that the head learns."""
    third = torch.arange(scenes.GRID) * 3 // scenes.GRID
    return (third[:, None] * 3 + third).flatten()


def _local_loss(dense: Dense, tokens: Tensor, batch: Batch) -> tuple[Tensor, float]:
    """The loss of saying what has its centre in each token, and the share of characters that is right."""
    loss, guesses = tokens.new_zeros(()), dense(tokens)
    for weight, guess, mark in zip(_DENSE_WEIGHTS, guesses, batch.marks, strict=True):
        classes = torch.ones(guess.shape[-1])
        classes[0] = 0.05
        loss = loss + weight * functional.cross_entropy(guess.flatten(0, 1), mark.flatten(), classes)
    there = batch.marks[0] > 0
    return loss, (guesses[0].argmax(-1) == batch.marks[0])[there].float().mean().item()


def local_loss(model: Answerer, dense: Dense, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """First stage, crowded scenes: only what is local, without the global block and the head."""
    loss, seen = _local_loss(dense, model.encoder.norm(model.encoder.local(batch.images)), batch)
    return loss, {"local": loss.item(), "seen": seen}


def full_loss(model: Answerer, dense: Dense, batch: Batch, bias: Tensor | None) -> tuple[Tensor, dict[str, float]]:
    """Second stage: answers, pointing at the evidence, the class token, and still what is local."""
    encoded: Encoded = model.encoder(batch.images)
    logits = model.head(encoded.tokens, batch.questions, bias)
    answer = functional.cross_entropy(logits.flatten(0, 1), batch.answers.flatten(), ignore_index=-100)
    local, seen = _local_loss(dense, encoded.tokens, batch)
    relevant = model.head.relevance_logits(encoded.tokens, batch.questions).log_softmax(-1)
    pointing = -(relevant * batch.evidence).sum(-1)[batch.evidence.sum(-1) > 0].mean()
    cell = functional.cross_entropy(dense.cell(encoded.tokens).flatten(0, 1), _cells().repeat(len(batch.images)))
    summary = functional.binary_cross_entropy_with_logits(dense.all(encoded.summary), present(batch.marks))
    known = batch.answers >= 0
    right = (logits.argmax(-1) == batch.answers)[known].float().mean().item()
    told = {"answer": answer.item(), "local": local.item(), "cell": cell.item(), "seen": seen, "right": right}
    return answer + local + cell + 0.2 * pointing + summary, told


def head_loss(model: Answerer, tokens: Tensor, batch: Batch, bias: Tensor | None) -> tuple[Tensor, dict[str, float]]:
    """Third stage, on tokens of the finished encoder: answers, attention of the first hop on the evidence, pointing."""
    head = model.head
    logits = head(tokens, batch.questions, bias)
    answer = functional.cross_entropy(logits.flatten(0, 1), batch.answers.flatten(), ignore_index=-100)
    rows = head.norms[0](head.embed(batch.questions))
    first: Any = head.hops[0]
    looked = (first.weights(rows, tokens) * (batch.evidence > 0)).sum(-1)
    relevant = head.relevance_logits(tokens, batch.questions).log_softmax(-1)
    told = batch.evidence.sum(-1) > 0
    pointing = -(relevant * batch.evidence).sum(-1)[told].mean()
    looking = -looked.clamp(min=1e-6).log()[told].mean()
    known = batch.answers >= 0
    right = (logits.argmax(-1) == batch.answers)[known].float().mean().item()
    return answer + 0.1 * looking + 0.2 * pointing, {"answer": answer.item(), "looking": looking.item(), "right": right}


@dataclass(frozen=True)
class Stage:
    """One stage of training: its number of steps and batch size."""

    steps: int
    size: int
    crowded: bool


def train(file: Path, stage: Stage, *, seed: int, workers: int, every: int = 100) -> Answerer:
    """Run one stage from what lies in ``file`` (a torch file), or go on from the checkpoint beside it."""
    torch.manual_seed(seed)
    model, dense = Answerer(), Dense()
    learned = [*model.parameters(), *dense.parameters()]
    optimiser = torch.optim.AdamW(learned, lr=_RATE, weight_decay=0.02, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(seed)
    checkpoint, first = file.with_suffix(f".stage{1 if stage.crowded else 2}"), 0
    source = checkpoint if checkpoint.exists() else file
    if source.exists():
        saved = torch.load(source, weights_only=True)
        model.load_state_dict(saved["model"])
        dense.load_state_dict(saved["dense"])
        if source == checkpoint:
            optimiser.load_state_dict(saved["optimiser"])
            generator.set_state(saved["generator"])
            first = saved["step"]
    started = time.monotonic()
    rows = batches(seed, stage.size, first, stage.steps, workers=workers, crowded=stage.crowded)
    for step, batch in enumerate(rows, start=first):
        rate = _RATE * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / stage.steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        if stage.crowded:
            loss, told = local_loss(model, dense, batch)
        else:
            loss, told = full_loss(model, dense, batch, thinned(batch.marks, generator) if step % 2 else None)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        if (step + 1) % 20 == 0:
            line = "  ".join(f"{name} {value:.3f}" for name, value in told.items())
            print(f"step {step + 1}  {line}  {time.monotonic() - started:.0f} s", flush=True)
        if (step + 1) % every == 0 or step + 1 == stage.steps:
            state = {"model": model.state_dict(), "dense": dense.state_dict()}
            more = {"optimiser": optimiser.state_dict(), "generator": generator.get_state(), "step": step + 1}
            torch.save({**state, **more}, checkpoint)
            torch.save(state, file)
    return model.eval()


@torch.no_grad()
def _encoded(model: Answerer, seed: int, count: int, size: int = 20) -> list[tuple[Tensor, Batch]]:
    """Scenes with their tokens (half), the pictures dropped."""
    return [
        (model.encoder(batch.images).tokens.half(), replace(batch, images=batch.images[:0]))
        for batch in batches(seed, size, 0, count // size, workers=0)
    ]


def train_head(model: Answerer, *, steps: int, scenes_seed: int, count: int, seed: int) -> Answerer:
    """Third stage: the head alone, on encoded scenes; every second step on a random share of the empty tokens."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    parts = _encoded(model, scenes_seed, count)
    optimiser = torch.optim.AdamW(model.head.parameters(), lr=_RATE, weight_decay=0.02, betas=(0.9, 0.98))
    for step in range(steps):
        rate = _RATE * min(1.0, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        tokens, batch = parts[int(torch.randint(len(parts), (1,), generator=generator))]
        loss, told = head_loss(model, tokens.float(), batch, thinned(batch.marks, generator) if step % 2 else None)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.head.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 100 == 0:
            print(f"head {step + 1}  " + "  ".join(f"{name} {value:.3f}" for name, value in told.items()), flush=True)
    return model.eval()
