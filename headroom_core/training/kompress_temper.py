"""Fits ``kompress.temper`` on the fuse split: fewest tokens at equal loss over unlike calls, one set of weights per group.

One temper serves loose and strict thresholds alike, so it is fitted at three of them at once. Minimises, by Adam on smooth
thresholds, at each the mean share of tokens kept + what the threshold charges for the mean share of evidence lost, where
calls without evidence (the document with the answer taken out) only cost tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from headroom_core.evals.kompress_curves import sample, sheet
from headroom_core.evals.kompress_sets import MULTI_HOP, PAGES, Item, among_near, several_hops
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.signals import Vector
from headroom_core.kompress.temper import FAR, MOST, PIVOT, Temper, described
from headroom_core.training.kompress_calibrate import by_size, gold_alone, long_texts

LOSS = (2.0, 8.0, 20.0)
"""What all evidence of a call is worth at each threshold, in shares of its tokens."""
SOFT = 0.7
"""Width of a smooth threshold, in logits."""
HOPS = 4.0
"""Weight of a multi-hop call: there are few of them."""
EMPTY = {
    "few documents": (2.0, 1.0, 0.0),
    "several documents": (18.0, 7.0, 0.0),
    "one text": (1.0, 1.0, 0.0),
    "long": (0.0, 0.0, 0.0),
}
"""Weight of a call without evidence at each threshold."""
HIDDEN = 16
"""Units between a call's description and its stretch and shift."""
STEPS, RATE = 600, 0.02
DIRECT, INNER, OUTER = 1.5, 7.5, 75.0
"""What the squares of each kind of weights cost, beside the sum over calls: the fewer calls, the straighter the fit."""
USUAL = 0.03
"""The share of evidence that is usually lost: by it the three sums are brought to one size."""
START, APART = -4.9, 0.8
"""Logit of the first threshold before the fit, and how far below it each further one begins."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the network saw it: its description, scores, shares of tokens, and the scores that hold its evidence.

    ``weight`` counts where there is evidence.
    """

    shows: Vector
    scores: Vector
    tokens: Vector
    gold: Vector
    weight: float


def calls(compressor: KompressCompressor, items: Iterable[Item]) -> list[Call]:
    """What the network says of each item."""
    found = []
    for item in items:
        page = sheet(item)
        seen, scores = compressor.judged(page.texts, item["query"])
        gold = np.array([scores[g].min() for g in page.gold])
        weight = HOPS if item["source"] in MULTI_HOP else 1.0
        found.append(Call(described(scores, seen), scores, page.tokens / page.tokens.sum(), gold, weight))
    return found


def sets(items: Sequence[Item], count: int) -> dict[str, list[Item]]:
    """The calls of each group: with evidence, and without.

    Where documents are several, calls without evidence have as many of them as calls with, lest the fit takes their number
    for the answer's presence.
    """

    def near(others: int, size: int, *, sources: Sequence[str] = PAGES, gone: bool = False) -> list[Item]:
        return sample(among_near(items, sources=sources, near=others, take_gold_out=gone), size)

    def both(others: int, size: int, sources: Sequence[str] = PAGES) -> list[Item]:
        return [*near(others, size, sources=sources), *near(others + 1, size // 2, sources=sources, gone=True)]

    most, some, policies = 2 * count // 3, count // 6, ("policyqa",)
    few, more = by_size(several_hops(items))
    return {
        "few documents": [*both(1, count), *both(2, count), *both(2, some, policies), *few],
        "several documents": [
            *both(3, most),
            *both(4, count),
            *both(6, most),
            *both(9, some),
            *both(4, some, policies),
            *more,
        ],
        "one text": [
            *gold_alone([*near(4, count), *near(1, some, sources=policies)]),
            *({**i, "documents": i["documents"][:1]} for i in near(4, count // 3, gone=True)),
        ],
        "long": long_texts(items, count // 3, seed=5),
    }


def fit(found: Sequence[Call], empty: Sequence[float], seed: int) -> Temper:
    """One group's weights; ``empty``: see ``EMPTY``."""
    shown = np.array([c.shows for c in found])
    mean, scale = shown.mean(0), shown.std(0)
    scale[scale < 1e-3] = 1.0  # what never varies
    z = torch.from_numpy(np.clip((shown - mean) / scale, -FAR, FAR))
    scores, owner = _joined([c.scores for c in found])
    gold, asked = _joined([c.gold for c in found])
    lost = _shares([np.full(len(c.gold), c.weight / max(1, len(c.gold))) for c in found])
    tokens = [_shares([c.tokens * (c.weight if len(c.gold) else weight) for c in found]) for weight in empty]
    width = z.shape[1]
    direct, outer = (torch.zeros(2, n, dtype=torch.float64, requires_grad=True) for n in (width, HIDDEN))
    draw = torch.Generator().manual_seed(seed)
    inner = (torch.randn(HIDDEN, width, dtype=torch.float64, generator=draw) / width**0.5).requires_grad_()
    bias = torch.zeros(HIDDEN, dtype=torch.float64, requires_grad=True)
    limits = (START - APART * torch.arange(len(LOSS), dtype=torch.float64)).requires_grad_()
    optimizer = torch.optim.Adam([direct, inner, bias, outer, limits], lr=RATE)
    for _ in range(STEPS):
        stretch, shift = direct @ z.T + outer @ torch.tanh(z @ inner.T + bias).T
        times = torch.exp(stretch.clamp(-MOST, MOST))
        tempered, wanted = (
            PIVOT + (values - PIVOT) * times[of] + shift[of] for values, of in ((scores, owner), (gold, asked))
        )
        held = DIRECT * (direct**2).sum() + INNER * (inner**2).sum() + OUTER * (outer**2).sum()
        total = held / len(found)
        for limit, price, share in zip(limits, LOSS, tokens, strict=True):
            kept = (torch.sigmoid((tempered - limit) / SOFT) * share).sum()
            gone = (torch.sigmoid((limit - wanted) / SOFT) * lost).sum()
            total = total + (kept + price * gone) / (1 + USUAL * price) / len(LOSS)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    weights = {"direct": direct, "inner": inner, "bias": bias, "outer": outer}
    rounded = {name: np.round(w.detach().numpy(), 4).tolist() for name, w in weights.items()}
    return Temper.of({"mean": np.round(mean, 4).tolist(), "scale": np.round(scale, 4).tolist(), **rounded})


def _joined(values: Sequence[Vector]) -> tuple[torch.Tensor, torch.Tensor]:
    """The values of all calls, and the call of each."""
    sizes = torch.tensor([len(v) for v in values])
    return torch.from_numpy(np.concatenate(values)), torch.repeat_interleave(torch.arange(len(values)), sizes)


def _shares(weights: Sequence[Vector]) -> torch.Tensor:
    """The weights of all calls, made to sum to 1."""
    found = np.concatenate(weights)
    return torch.from_numpy(found / found.sum())


def tempers(
    compressor: KompressCompressor,
    items: Sequence[Item],
    count: int,
    seed: int,
    log: Callable[[str], None] = print,
) -> dict[str, Temper]:
    """All groups; ``compressor`` has none yet."""
    found = {}
    for group, chosen in sets(items, count).items():
        found[group] = fit(calls(compressor, chosen), EMPTY[group], seed)
        log(f"tempered: {group}, {len(chosen)} calls")
    return found
