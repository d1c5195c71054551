"""Distils learned visual-token compressors from a frozen uncompressed model.

The compressed tokens go to the same frozen reader as the full ones; the loss compares what it reads and answers. No labels
are needed, so any pictures and any reader will do: the answer head of the benchmark, or the first layers of a language
model over projected features.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from headroom_core.errors import InvalidInput
from headroom_core.evals import visual_task_scenes as scenes
from headroom_core.evals.visual_task_model import Answerer
from headroom_core.visual_tokens.learned import Latents, LearnedCompressor, QueryConditioned
from headroom_core.visual_tokens.learned.layers import LocalLookup

from .visual_teacher import collate

_RATE = 1.5e-3
_ASKED = 2  # questions of a picture in one step, for a module that compresses for each question anew


class Reader(Protocol):
    """A frozen consumer of tokens (B, M, D): given questions (B, Q, 3) and log sizes (B, M), features and logits."""

    def __call__(self, tokens: Tensor, questions: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, Q, D) features and (B, Q, C) logits, -inf where a class is ruled out."""
        ...


@dataclass(frozen=True)
class Pool:
    """Encoded pictures and the teacher, whose head turns questions into vectors of the width of the tokens.

    Tokens (P, N, D) half, attention (P, N), questions (P, Q, 3), asked (P, Q) bool.
    """

    tokens: Tensor
    attention: Tensor
    questions: Tensor
    asked: Tensor
    teacher: Answerer

    @property
    def grid(self) -> tuple[int, int]:
        """(H, W)."""
        side = math.isqrt(self.tokens.shape[1])
        return side, side


def scene_pool(teacher: Answerer, *, seed: int, count: int, size: int = 32) -> Pool:
    """A pool of training scenes with their own questions."""
    rows = []
    for start in range(0, count, size):
        found = [scenes.scene("train", seed, start + n) for n in range(min(size, count - start))]
        batch = collate(found)
        rows.append((*_encode(teacher, batch.images), batch.questions, batch.answers >= 0))
    tokens, attention, questions, asked = (torch.cat(column) for column in zip(*rows, strict=True))
    return Pool(tokens, attention, questions, asked, teacher)


def picture_pool(teacher: Answerer, folder: Path, *, seed: int, count: int, size: int = 32) -> Pool:
    """A pool of random square crops of the pictures of a folder (png, jpg), with every question there is."""
    from PIL import Image

    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in {".png", ".jpg", ".jpeg"}]
    if not files:
        raise InvalidInput(f"no png or jpg under {folder}; give a folder of pictures.")
    every = [(0, ink, place) for ink in range(len(scenes.INKS)) for place in range(scenes.WORD)]
    every += [(1, ink, 0) for ink in range(len(scenes.INKS))] + [(2, shape, 0) for shape in range(len(scenes.SHAPES))]
    rng, rows = np.random.default_rng(seed), []
    for start in range(0, count, size):
        crops = []
        for number in range(start, min(start + size, count)):
            with Image.open(files[number % len(files)]) as opened:
                picture = opened.convert("RGB")
            side = int(min(picture.size) * rng.uniform(0.5, 1))
            x, y = (int(rng.integers(0, extent - side + 1)) for extent in picture.size)
            crop = picture.resize((scenes.SIDE, scenes.SIDE), box=(x, y, x + side, y + side))
            crops.append(np.asarray(crop, dtype=np.float32) / 255)
        images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        questions = torch.tensor(every).expand(len(images), -1, -1)
        rows.append((*_encode(teacher, images), questions, torch.ones(questions.shape[:2], dtype=torch.bool)))
    tokens, attention, questions, asked = (torch.cat(column) for column in zip(*rows, strict=True))
    return Pool(tokens, attention, questions, asked, teacher)


@torch.no_grad()
def _encode(teacher: Answerer, images: Tensor) -> tuple[Tensor, Tensor]:
    encoded = teacher.encoder(images)
    return encoded.tokens.half(), encoded.attention


def seed_latents(module: nn.Module, pool: Pool, *, seed: int, rounds: int = 12) -> None:
    """Start learned queries at K-means centres of the tokens that receive attention, far ones first.

    Random queries take thousands of steps to spread; centres are spread from the start. Ordered by farthest point, so
    that a prefix of them (a higher ratio) is spread too.
    """
    for latents in (part for part in module.modules() if isinstance(part, Latents)):
        generator = torch.Generator().manual_seed(seed)
        some = torch.randperm(len(pool.tokens), generator=generator)[:512]
        best = pool.attention[some].topk(32, dim=1).indices
        rows = pool.tokens[some].float().gather(1, best[..., None].expand(-1, -1, pool.tokens.shape[-1])).flatten(0, 1)
        centres = rows[torch.randperm(len(rows), generator=generator)[: len(latents.rows)]]
        for _ in range(rounds):
            nearest = torch.cdist(rows, centres).argmin(dim=1)
            sums = torch.zeros_like(centres).index_add(0, nearest, rows)
            sizes = torch.bincount(nearest, minlength=len(centres)).unsqueeze(1)
            centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
        with torch.no_grad():
            latents.rows.copy_(centres[_farthest_first(centres)])


def seed_scores(module: nn.Module, pool: Pool, pictures: int = 300) -> None:
    """Start the scores of local look-ups at the log of the attention that tokens receive, by ridge regression.

    So they begin at pooling by attention and not at plain averages.
    """
    rows = pool.tokens[:pictures].float().flatten(0, 1)
    wanted = pool.attention[:pictures].flatten().clamp(min=1e-6).log()
    rows, wanted = rows - rows.mean(0), wanted - wanted.mean()
    weights = torch.linalg.solve(rows.T @ rows + torch.eye(rows.shape[1]), rows.T @ wanted)
    for lookup in (part for part in module.modules() if isinstance(part, LocalLookup)):
        with torch.no_grad():
            lookup.score.weight.copy_(weights.unsqueeze(0))


def _farthest_first(rows: Tensor) -> Tensor:
    order = [int((rows - rows.mean(0)).norm(dim=1).argmax())]
    gap = (rows - rows[order[0]]).norm(dim=1)
    while len(order) < len(rows):
        order.append(int(gap.argmax()))
        gap = torch.minimum(gap, (rows - rows[order[-1]]).norm(dim=1)).index_fill(0, torch.tensor(order), -1.0)
    return torch.tensor(order)


def head_reader(teacher: Answerer) -> Reader:
    """The frozen answer head as a reader."""

    def read(tokens: Tensor, questions: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        rows = teacher.head.read(tokens, questions, bias)
        return rows, teacher.head.classify(rows, questions)

    return read


@dataclass(frozen=True)
class Goal:
    """What the reader gets from all tokens: features (P, Q, D) half and logits (P, Q, C)."""

    features: Tensor
    logits: Tensor


@torch.no_grad()
def goal_of(pool: Pool, reader: Reader, size: int = 64) -> Goal:
    """The goal for every picture and question of a pool."""
    parts = [
        reader(t.float(), q, None)
        for t, q in zip(torch.split(pool.tokens, size), torch.split(pool.questions, size), strict=True)
    ]
    features, logits = zip(*parts, strict=True)
    return Goal(torch.cat(features).half(), torch.cat(logits))


def _picked(column: Tensor, picks: Tensor) -> Tensor:
    """(B x K, 1, ...) the picked questions' rows of (B, Q, ...), each as a picture of its own."""
    return column.gather(1, picks.unsqueeze(-1).expand(-1, -1, column.shape[-1])).flatten(0, 1).unsqueeze(1)


def distil_loss(
    module: LearnedCompressor, pool: Pool, goal: Goal, reader: Reader, rows: Tensor, picks: Tensor
) -> Tensor:
    """Feature distance plus answer divergence on the pictures ``rows`` (B,); ``picks`` (B, K) are random questions."""
    tokens, questions, asked = pool.tokens[rows].float(), pool.questions[rows], pool.asked[rows]
    wanted, told, query = goal.features[rows].float(), goal.logits[rows], None
    if isinstance(module, QueryConditioned):
        questions, wanted, told = (_picked(column, picks) for column in (questions, wanted, told))
        asked = asked.gather(1, picks).flatten().unsqueeze(1)
        tokens = tokens.repeat_interleave(picks.shape[1], dim=0)
        query = pool.teacher.head.in_token_space(questions)[:, 0].detach()
    found = module(tokens, query=query, grid=pool.grid)
    features, logits = reader(found.tokens, questions, found.sizes.log())
    near = (features - wanted).pow(2).mean(-1) / wanted.pow(2).mean(-1).clamp(min=1e-6)
    finite = told > float("-inf")
    ratio = told.log_softmax(-1).masked_fill(~finite, 0) - logits.log_softmax(-1).masked_fill(~finite, 0)
    apart = (told.softmax(-1) * ratio).sum(-1)
    return (near + apart)[asked].mean()


def distil(
    module: LearnedCompressor,
    pool: Pool,
    reader: Reader,
    *,
    ratios: Sequence[float],
    steps: int,
    seed: int,
    size: int = 16,
    checkpoint: Path | None = None,
    every: int = 100,
) -> LearnedCompressor:
    """Train ``module`` for all ``ratios`` at once, one after the other; goes on from ``checkpoint``."""
    generator = torch.Generator().manual_seed(seed)
    seed_latents(module, pool, seed=seed)
    seed_scores(module, pool)
    goal = goal_of(pool, reader)
    optimiser = torch.optim.AdamW(module.parameters(), lr=_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    first, started, order, total = 0, time.monotonic(), sorted(ratios), 0.0
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        module.load_state_dict(saved["module"])
        optimiser.load_state_dict(saved["optimiser"])
        generator.set_state(saved["generator"])
        first = saved["step"]
    for step in range(first, steps):
        rate = _RATE * min(1.0, (step + 1) / 20) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(pool.tokens), (size,), generator=generator)
        picks = torch.rand(size, pool.asked.shape[1], generator=generator)
        picks = (picks + pool.asked[rows].float()).topk(_ASKED, dim=1).indices
        module.ratio = float(order[step % len(order)])
        loss = distil_loss(module, pool, goal, reader, rows, picks)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        total += loss.item()
        if (step + 1) % every == 0:
            print(f"step {step + 1}  loss {total / every:.4f}  {time.monotonic() - started:.0f} s", flush=True)
            total = 0.0
            if checkpoint is not None:
                state = {"module": module.state_dict(), "optimiser": optimiser.state_dict()}
                torch.save({**state, "generator": generator.get_state(), "step": step + 1}, checkpoint)
    return module.eval()
