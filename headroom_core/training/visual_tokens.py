"""Train the visual-token modules: first the small uncompressed model, then every learned compressor from it.

    python -m headroom_core.training.visual_tokens [--out FOLDER] [--only perceiver,ocr_conv] [--images FOLDER] [--seed 1]

Seeded and resumable: a second start goes on where the first stopped. Without ``--images`` the compressors are distilled on
the benchmark's own training scenes; with it, on crops of your pictures, and no labels are needed. Fonts: fonts-dejavu,
fonts-liberation, fonts-freefont-ttf, fonts-lato, fonts-open-sans, fonts-roboto-unhinted. Weights: ``FOLDER/*.safetensors``.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from headroom_core.errors import InvalidInput
from headroom_core.evals.visual_task_model import WIDTH, Answerer
from headroom_core.visual_tokens.learned import LEARNED, make
from headroom_core.visual_tokens.learned.weights import FOLDER, read_into, write_from

from .visual_distil import Pool, distil, head_reader, picture_pool, scene_pool
from .visual_teacher import Stage, train, train_head

RATIOS = (4.0, 9.0, 16.0)
_STAGES = (Stage(500, 12, crowded=True), Stage(450, 16, crowded=False))
_HEAD_STEPS, _HEAD_SCENES = 1100, 1200
_POOL_SEED = 1000
_STEPS = {
    "perceiver": 3500,
    "conv_abstractor": 4000,
    "query_abstractor": 3000,
    "slice_resampler": 4000,
    "query_conditioned": 2500,
    "ocr_conv": 2500,
}


def teacher(out: Path, work: Path, seed: int, workers: int) -> Answerer:
    """The uncompressed model: read from ``out``, or trained in three stages."""
    weights, model = out / "teacher.safetensors", Answerer()
    if not weights.exists():
        for stage in _STAGES:
            model = train(work / "teacher.pt", stage, seed=seed, workers=workers)
        model = train_head(model, steps=_HEAD_STEPS, scenes_seed=seed + 2, count=_HEAD_SCENES, seed=seed)
        write_from(model, weights)
    read_into(model, weights)
    return model.eval().requires_grad_(False)


def pool(model: Answerer, work: Path, images: Path | None, *, seed: int, count: int) -> Pool:
    """The encoded pictures, kept in ``work`` for the next start with the same teacher and arguments."""
    key = hashlib.sha1(f"{images} {seed} {count}".encode(), usedforsecurity=False)
    for value in model.state_dict().values():
        key.update(value.numpy().tobytes())
    file = work / f"pool_{key.hexdigest()[:12]}.pt"
    if file.exists():
        return Pool(**torch.load(file, weights_only=True), teacher=model)
    made = (
        scene_pool(model, seed=seed, count=count)
        if images is None
        else picture_pool(model, images, seed=seed, count=count)
    )
    columns = ("tokens", "attention", "questions", "asked")
    torch.save({name: getattr(made, name) for name in columns}, file)
    return made


def modules(out: Path, work: Path, encoded: Pool, names: Sequence[str], *, seed: int, steps: int | None) -> None:
    """Distil the named modules, each for ``steps`` or its own number of them; one with weights in ``out`` is left alone."""
    for name in names:
        if (out / f"{name}.safetensors").exists():
            continue
        print(name, flush=True)
        ratios = (16.0,) if name == "ocr_conv" else RATIOS
        torch.manual_seed(seed)
        module = make(name, WIDTH, ratio=16.0)
        checkpoint = work / f"{name}.checkpoint"
        distil(
            module,
            encoded,
            head_reader(encoded.teacher),
            ratios=ratios,
            steps=_STEPS[name] if steps is None else steps,
            seed=seed,
            checkpoint=checkpoint,
        )
        write_from(module, out / f"{name}.safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m headroom_core.training.visual_tokens", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the weights go")
    parser.add_argument("--work", type=Path, default=Path("visual_tokens_work"), help="where checkpoints go")
    parser.add_argument("--only", default=",".join(LEARNED), help="comma-separated modules; empty: the teacher alone")
    parser.add_argument("--images", type=Path, help="distil on crops of these pictures")
    parser.add_argument("--pool", type=int, default=6000, help="pictures to distil on")
    parser.add_argument("--steps", type=int, help="steps of distillation for each module; else 2500 to 4000, by module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that draw scenes")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    names = [name for name in chosen.only.split(",") if name]
    if unknown := [name for name in names if name not in LEARNED]:
        raise InvalidInput(f"--only {','.join(unknown)}; there are {', '.join(LEARNED)}.")
    torch.set_num_threads(chosen.threads)
    chosen.work.mkdir(parents=True, exist_ok=True)
    model = teacher(chosen.out, chosen.work, chosen.seed, chosen.workers)
    if names:
        found = pool(model, chosen.work, chosen.images, seed=_POOL_SEED + chosen.seed, count=chosen.pool)
        modules(chosen.out, chosen.work, found, names, seed=chosen.seed, steps=chosen.steps)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
