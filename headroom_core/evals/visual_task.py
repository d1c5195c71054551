"""The visual-token task: what compressed tokens of a picture still tell, module by module.

    python -m headroom_core.evals.visual_task [--scenes 1000] [--ratios 4,9,16] [--only tome,perceiver] [--cache FOLDER]

A small vision transformer encodes test scenes (held-out fonts, unseen pictures) into 576 tokens; a module compresses them;
the frozen answer head reads, places and counts from what is left. Accuracy is the mean over the three kinds of question
of equal number; the drop is paired with the uncompressed model, its interval a 95 % bootstrap over scenes.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.balanced import BalancedPrune
from headroom_core.visual_tokens.dominant import DominantContextual
from headroom_core.visual_tokens.hierarchical import HierarchicalPatches
from headroom_core.visual_tokens.learned import LEARNED, load
from headroom_core.visual_tokens.learned.weights import FOLDER, read_into
from headroom_core.visual_tokens.merge import ToMe
from headroom_core.visual_tokens.pooling import AveragePool, RandomKeep
from headroom_core.visual_tokens.prune import AttentionPrune
from headroom_core.visual_tokens.query import QuerySelect
from headroom_core.visual_tokens.scales import MultiScale
from headroom_core.visual_tokens.similarity import SimilarityMerge
from headroom_core.visual_tokens.slices import SliceWise
from headroom_core.visual_tokens.types import VisualCompressor

from . import visual_task_scenes as scenes
from .metrics import bootstrap
from .visual_rows import Rows, digest
from .visual_task_model import Answerer, Head

RATIOS = (4.0, 9.0, 16.0)
GOALS = {4.0: 0.5, 9.0: 1.5, 16.0: 4.0}  # points that the best module may lose
_NEEDED = {9.0: 10.0, 16.0: 15.0}  # points that random pruning must lose, or the task tells nothing
_EACH = 2  # questions of each kind and scene
_SEED = 77

Right = NDArray[np.float64]  # (scenes, questions) 1 where the answer is right


def _sliced(ratio: float) -> VisualCompressor:
    return SliceWise(AttentionPrune(ratio), side=scenes.GRID // 2)


def _merged(ratio: float) -> VisualCompressor:
    return SimilarityMerge(ratio=ratio)


TRAINING_FREE: Mapping[str, Callable[[float], VisualCompressor]] = {
    "average_pool": AveragePool,
    "random": RandomKeep,
    "attention_prune": AttentionPrune,
    "dominant_contextual": DominantContextual,
    "balanced_prune": BalancedPrune,
    "tome": ToMe,
    "similarity_merge": _merged,
    "multi_scale": MultiScale,
    "hierarchical_patches": HierarchicalPatches,
    "slice_wise_attention": _sliced,
    "query_select": QuerySelect,
}
FOR_A_QUESTION = frozenset({"query_select", "query_conditioned"})


@dataclass(frozen=True)
class Encoded:
    """Test scenes: tokens (S, 576, D), attention (S, 576), questions (S, Q, 3), answers (S, Q); Q = 6, two of a kind."""

    tokens: Tensor
    attention: Tensor
    questions: Tensor
    answers: Tensor


@dataclass(frozen=True)
class Result:
    """One module at one ratio: accuracy and drop in points, the drop's interval, accuracy by kind of question."""

    module: str
    ratio: float
    tokens: float
    accuracy: float
    drop: float
    low: float
    high: float
    kinds: Sequence[float]


def asked(scene: scenes.Scene, index: int) -> list[int]:
    """Which questions of a scene count: two of each kind, drawn by the scene's number; the same one twice if need be."""
    rng = np.random.default_rng((_SEED, index))
    chosen: list[int] = []
    for kind in range(len(scenes.KINDS)):
        numbers = [n for n, question in enumerate(scene.questions) if question[0] == kind]
        chosen += [int(n) for n in rng.choice(numbers, _EACH, replace=len(numbers) < _EACH)]
    return chosen


@torch.no_grad()
def encode(model: Answerer, count: int, split: scenes.Split = "test", size: int = 50) -> Encoded:
    """The first ``count`` scenes of a split, encoded."""
    rows: list[tuple[Tensor, ...]] = []
    for start in range(0, count, size):
        numbers = range(start, min(start + size, count))
        found = [scenes.scene(split, _SEED, number) for number in numbers]
        picks = [asked(scene, number) for scene, number in zip(found, numbers, strict=True)]
        images = torch.from_numpy(np.stack([scene.image for scene in found])).permute(0, 3, 1, 2).float() / 255
        encoded = model.encoder(images)
        questions = torch.tensor([[s.questions[n] for n in p] for s, p in zip(found, picks, strict=True)])
        answers = torch.tensor([[s.answers[n] for n in p] for s, p in zip(found, picks, strict=True)])
        rows.append((encoded.tokens, encoded.attention, questions, answers))
    return Encoded(*(torch.cat(column) for column in zip(*rows, strict=True)))


@torch.no_grad()
def answer(
    head: Head, data: Encoded, compressor: VisualCompressor | None, *, per_question: bool
) -> tuple[Right, float]:
    """(which answers are right, mean number of tokens) with a compressor between the encoder and the head."""
    right, kept = [], []
    for start in range(0, len(data.tokens), 50):
        part = slice(start, start + 50)
        tokens, attention, questions = data.tokens[part], data.attention[part], data.questions[part]
        shape, query = questions.shape[:2], None
        if per_question:
            tokens, attention = (rows.repeat_interleave(shape[1], dim=0) for rows in (tokens, attention))
            questions = questions.flatten(0, 1).unsqueeze(1)
            query = head.in_token_space(questions)[:, 0]
        if compressor is None:
            logits = head(tokens, questions)
            kept.append(float(tokens.shape[1]))
        else:
            found = compressor(tokens, attention=attention, query=query, grid=(scenes.GRID, scenes.GRID))
            logits = head(found.tokens, questions, found.sizes.log())
            kept.append(float(found.mask.sum(1).float().mean()))
        right.append((logits.argmax(-1).view(shape) == data.answers[part]).double().numpy())
    return np.concatenate(right), float(np.mean(kept))


def by_kind(right: Right) -> tuple[float, float, float]:
    """Accuracy in percent for reading, placing, counting."""
    read, place, count = (float(100 * right[:, _EACH * k : _EACH * (k + 1)].mean()) for k in range(3))
    return read, place, count


def measure(name: str, ratio: float, head: Head, data: Encoded, full: Right, weights: Path) -> dict[str, Any]:
    """One module at one ratio, as fields of ``Result``; random pruning is the mean of three seeds."""
    modules: list[VisualCompressor]
    if name == "random":
        modules = [RandomKeep(ratio, seed) for seed in range(3)]
    elif name in TRAINING_FREE:
        modules = [TRAINING_FREE[name](ratio)]
    else:
        modules = [load(name, ratio=ratio, folder=weights)]
    runs = [answer(head, data, module, per_question=name in FOR_A_QUESTION) for module in modules]
    right = np.mean([run[0] for run in runs], axis=0)
    drop, low, high = (round(v, 6) for v in bootstrap([float(v) for v in 100 * (full - right).mean(axis=1)]))
    return asdict(Result(name, ratio, runs[0][1], float(100 * right.mean()), drop, low, high, by_kind(right)))


def results(
    head: Head,
    data: Encoded,
    full: Right,
    names: Sequence[str],
    ratios: Sequence[float],
    *,
    weights: Path = FOLDER,
    rows: Rows,
) -> Iterator[Result]:
    """Every module at every ratio that it can do and has weights for; what is among ``rows`` is not measured again."""
    for name in names:
        file = weights / f"{name}.safetensors"
        if name not in TRAINING_FREE and not file.exists():
            continue
        made = "" if name in TRAINING_FREE else digest(file)
        for ratio in ratios:
            if name != "ocr_conv" or ratio == 16:
                row = rows.get(f"{name} {ratio:g} {made}", partial(measure, name, ratio, head, data, full, weights))
                yield Result(**row)


def table(found: Sequence[Result], ratios: Sequence[float]) -> Iterator[str]:
    """Markdown: one row per module, accuracy (drop, interval) at every ratio; * marks a drop within the goal."""
    yield "| module | " + " | ".join(f"{ratio:g}x: accuracy, drop [95 %]" for ratio in ratios) + " |"
    yield "|---" * (len(ratios) + 1) + "|"
    for name in dict.fromkeys(result.module for result in found):
        cells = []
        for ratio in ratios:
            here = [result for result in found if (result.module, result.ratio) == (name, ratio)]
            cells.append(_cell(here[0]) if here else "")
        yield f"| {name} | " + " | ".join(cells) + " |"


def _cell(result: Result) -> str:
    mark = " *" if result.drop < GOALS.get(result.ratio, -math.inf) else ""
    return f"{result.accuracy:.1f}, {result.drop:.2f} [{result.low:.2f}, {result.high:.2f}]{mark}"


def verdicts(found: Sequence[Result], full: Right) -> Iterator[str]:
    """Does the task count, which module is best at each ratio, does it reach the goal, which miss it."""
    read, place, count = by_kind(full)
    whole = bootstrap([float(v) for v in 100 * full.mean(axis=1)])
    yield (
        f"uncompressed {whole[0]:.1f} % [{whole[1]:.1f}, {whole[2]:.1f}] of {full.size} answers, {len(full)} scenes "
        f"(read {read:.1f}, place {place:.1f}, count {count:.1f}); needed 90: {_told(whole[0] >= 90)}"
    )
    for result in found:
        if result.module == "random" and result.ratio in _NEEDED:
            needed = _NEEDED[result.ratio]
            yield f"random at {result.ratio:g}x loses {result.drop:.1f}; needed {needed:g}: {_told(result.drop >= needed)}"
    for ratio, goal in GOALS.items():
        here = sorted((r for r in found if r.ratio == ratio and r.module not in {"random", "average_pool"}), key=_drop)
        if here:
            missed = ", ".join(f"{r.module} {r.drop:.1f}" for r in here if r.drop >= goal) or "none"
            best = here[0]
            yield f"{ratio:g}x: best {best.module} loses {best.drop:.2f}, goal {goal:g}: {_told(best.drop < goal)}; misses: {missed}"


def _drop(result: Result) -> float:
    return result.drop


def _told(good: bool) -> str:
    return "yes" if good else "NO"


def teacher(weights: Path = FOLDER) -> Answerer:
    """The trained uncompressed model."""
    model = Answerer()
    read_into(model, weights / "teacher.safetensors")
    return model.eval().requires_grad_(False)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m headroom_core.evals.visual_task", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--ratios", default="4,9,16")
    parser.add_argument("--only", default=",".join([*TRAINING_FREE, *LEARNED]))
    parser.add_argument("--weights", type=Path, default=FOLDER)
    parser.add_argument("--cache", type=Path, help="where finished rows are kept: a second start goes on from them")
    parser.add_argument(
        "--split", choices=("train", "test"), default="test", help="train: its fonts and pictures, new scenes"
    )
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    names, ratios = chosen.only.split(","), [float(part) for part in chosen.ratios.split(",")]
    if unknown := [name for name in names if name not in {*TRAINING_FREE, *LEARNED}]:
        raise InvalidInput(f"--only {','.join(unknown)}; there are {', '.join([*TRAINING_FREE, *LEARNED])}.")
    model = teacher(chosen.weights)
    data = encode(model, chosen.scenes, chosen.split)
    full, _ = answer(model.head, data, None, per_question=False)
    known = digest(chosen.weights / "teacher.safetensors")
    rows, found = Rows(chosen.cache, "visual_task", chosen.scenes, chosen.split, known), []
    for result in results(model.head, data, full, names, ratios, weights=chosen.weights, rows=rows):
        print(f"{result.module} {result.ratio:g}x: {_cell(result)}", file=sys.stderr, flush=True)
        found.append(result)
    print("\n".join([*table(found, ratios), "", *verdicts(found, full)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
