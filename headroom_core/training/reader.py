"""Two small extractive readers that judge compressed texts: other seeds and sizes than the compressor, frozen.

    python -m headroom_core.training.reader --start WHEEL --out readers --device cuda

They learn answer spans only (SQuAD part of the training split) and make no labels. Their weights are not shipped.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from headroom_core.kompress.model import Kompress, Shape
from headroom_core.training import kompress_start as start
from headroom_core.training.kompress_batches import MAX_TOKENS, Builder
from headroom_core.training.kompress_data import Corpus, build, tokenizer
from headroom_core.training.kompress_train import find_near, forward

LONGEST_ANSWER = 24


@dataclass(frozen=True, slots=True)
class Plan:
    """One reader: which layers of the start it keeps, and its seed."""

    name: str
    layers: tuple[int, ...]
    seed: int


PLANS = (Plan("six", (0, 1, 2, 3, 4, 5), 101), Plan("four", (0, 2, 3, 5), 202))


class Reader:
    """Answers a question from some texts, or with an empty string."""

    def __init__(self, model: Kompress, pieces: Any) -> None:
        self.model, self.pieces = model.eval(), pieces

    @classmethod
    def load(cls, file: Path, pieces: Any) -> Reader:
        """From what ``main`` saved."""
        stored = torch.load(file, weights_only=True)
        model = Kompress(Shape(**stored["shape"]))
        model.load_state_dict(stored["state"])
        return cls(model, pieces)

    def answer(self, texts: Sequence[str], query: str) -> str:
        """The span with the greatest start + end - (no answer), over all windows of the texts joined."""
        text = "\n".join(t for t in texts if t.strip())
        asked = self.pieces.encode(query, add_special_tokens=False).ids[:60]
        encoding = self.pieces.encode(text, add_special_tokens=False)
        head = [101, *asked, 102]
        room = MAX_TOKENS - len(head) - 1
        best, found = -np.inf, ""
        for at in range(0, max(1, len(encoding.ids)), room // 2):
            ids = encoding.ids[at : at + room]
            row = torch.tensor([[*head, *ids, 102]])
            kinds = torch.zeros_like(row)
            kinds[:, len(head) :] = 1
            with torch.inference_mode():
                out = self.model(row, kinds, None)["late_tokens"][0].numpy()
            none = out[0, 5] + out[0, 6]
            begin, end = out[len(head) : -1, 5], out[len(head) : -1, 6]
            for i in np.argsort(-begin)[:8].tolist():
                stop = end[i : i + LONGEST_ANSWER]
                j = i + int(np.argmax(stop))
                score = float(begin[i] + end[j] - none)
                if score > best:
                    best = score
                    found = text[encoding.offsets[at + i][0] : encoding.offsets[at + j][1]]
            if at + room >= len(encoding.ids):
                break
        return found


def train_reader(
    corpus: Corpus, begin: dict[str, Any], plan: Plan, *, device: str, epochs: int, groups: int
) -> Kompress:
    """Answer ends only, on questions with known spans and two near distractors."""
    torch.manual_seed(plan.seed)
    model = Kompress(Shape(layers=len(plan.layers), early=1))
    kept = {f"encoder.layer.{new}.": f"encoder.layer.{old}." for new, old in enumerate(plan.layers)}
    state = {k: v for k, v in begin.items() if not k.startswith("encoder.layer.")}
    for new, old in kept.items():
        state |= {new + k.removeprefix(old): v for k, v in begin.items() if k.startswith(old)}
    model.start_from_bert(state)
    model.to(device).train()
    builder = Builder(corpus, near=2, packed=0.4, shortlist=0.2, masked=0.0)
    indices = [
        i for i, q in enumerate(corpus.train) if q.source.startswith("squad") and any(e.spans for e in q.entries)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-4)
    total = epochs * (len(indices) // groups)
    draw, step = random.Random(plan.seed), 0
    for _ in range(epochs):
        draw.shuffle(indices)
        for at in range(0, len(indices) - groups + 1, groups):
            batch = builder.batch(plan.seed * 1000 + step, [("question", i) for i in indices[at : at + groups]])
            optimizer.param_groups[0]["lr"] = 1.5e-4 * min(1.0, step / max(1, total // 10)) * (1 - step / total)
            loss = torch.zeros((), device=device)
            for part in forward(model, batch, device, "late"):
                for column, name in ((5, "start"), (6, "end")):
                    logits = part["late_tokens"][..., column].masked_fill(~part["readable"], -1e4)
                    loss = loss + functional.cross_entropy(logits, part[name], ignore_index=-1, reduction="sum") / 2
            optimizer.zero_grad(set_to_none=True)
            (loss / (groups * 3)).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % 50 == 0:
                print(f"{plan.name}: step {step}/{total} loss {float(loss.detach()) / groups / 3:.3f}", flush=True)
            step += 1
    return model.cpu().eval()


def main(arguments: list[str] | None = None) -> None:
    """Train and save both readers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--groups", type=int, default=24)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    model = start.folder(options.start, options.out)
    corpus = build(tokenizer(model / "tokenizer.json"))
    begin = start.state(model)
    scout = Kompress()
    scout.start_from_bert(begin)
    find_near(scout, replace(corpus, compound=[]), options.device)
    for plan in PLANS:
        made = train_reader(corpus, begin, plan, device=options.device, epochs=options.epochs, groups=options.groups)
        stored = {"shape": made.shape.as_dict(), "state": made.state_dict()}
        torch.save(stored, options.out / f"{plan.name}.pt")


if __name__ == "__main__":
    main()
