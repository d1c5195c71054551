"""Fits ``kompress.temper`` on the fuse split: fewest tokens at equal loss over unlike calls, one row of weights per group.

One temper serves loose and strict thresholds alike, so it is fitted at three of them at once. Minimises, by Adam on smooth
thresholds, at each the mean share of tokens kept + what the threshold charges for the mean share of evidence lost, where
calls without evidence (the document with the answer taken out) only cost tokens. No choice is random, so no seed is asked
for.
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
from headroom_core.kompress.temper import MOST, PIVOT, Temper, described
from headroom_core.training.kompress_calibrate import by_size, gold_alone, long_texts

LOSS = (2.0, 8.0, 30.0)
"""What all evidence of a call is worth at each threshold, in shares of its tokens."""
SOFT = 0.7
"""Width of a smooth threshold, in logits."""
HOPS = 3.0
"""Weight of a multi-hop call: there are few of them."""
EMPTY = {
    "few documents": (8.0, 4.0, 0.0),
    "several documents": (8.0, 4.0, 0.0),
    "one text": (1.0, 1.0, 0.0),
    "long": (0.0, 0.0, 0.0),
}
"""Weight of a call without evidence at each threshold."""
STEPS, RATE, DECAY = 600, 0.02, 0.003
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

    Numbers of documents vary on both sides, lest the fit takes the number for the answer's presence.
    """

    def near(others: int, size: int, *, gone: bool = False) -> list[Item]:
        return sample(among_near(items, sources=PAGES, near=others, take_gold_out=gone), size)

    usual, empty = near(4, count), near(4, count // 3, gone=True)
    few, more = by_size(several_hops(items))
    return {
        "few documents": [*near(1, count), *near(2, count), *few, *near(2, count // 5, gone=True)],
        "several documents": [*usual, *near(8, count // 7), *more, *empty, *near(8, count // 6, gone=True)],
        "one text": [*gold_alone(usual), *({**i, "documents": i["documents"][:1]} for i in empty)],
        "long": long_texts(items, count // 3, seed=5),
    }


def fit(found: Sequence[Call], empty: Sequence[float]) -> Temper:
    """One group's weights; ``empty``: see ``EMPTY``."""
    shown = np.array([c.shows for c in found])
    mean, scale = shown.mean(0), shown.std(0)
    scale[scale < 1e-3] = 1.0  # what never varies
    z = torch.from_numpy((shown - mean) / scale)
    scores, owner = _joined([c.scores for c in found])
    gold, asked = _joined([c.gold for c in found])
    lost = _shares([np.full(len(c.gold), c.weight / max(1, len(c.gold))) for c in found])
    tokens = [_shares([c.tokens * (c.weight if len(c.gold) else weight) for c in found]) for weight in empty]
    shift, stretch = (torch.zeros(z.shape[1], dtype=torch.float64, requires_grad=True) for _ in range(2))
    limits = (START - APART * torch.arange(len(LOSS), dtype=torch.float64)).requires_grad_()
    optimizer = torch.optim.Adam([shift, stretch, limits], lr=RATE)
    for _ in range(STEPS):
        times, moved = torch.exp((z @ stretch).clamp(-MOST, MOST)), z @ shift
        tempered, wanted = (
            PIVOT + (values - PIVOT) * times[of] + moved[of] for values, of in ((scores, owner), (gold, asked))
        )
        total = DECAY * ((shift**2).sum() + (stretch**2).sum())
        for limit, price, share in zip(limits, LOSS, tokens, strict=True):
            kept = (torch.sigmoid((tempered - limit) / SOFT) * share).sum()
            gone = (torch.sigmoid((limit - wanted) / SOFT) * lost).sum()
            total = total + (kept + price * gone) / (1 + USUAL * price) / len(LOSS)
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    rows = [np.round(v, 5).tolist() for v in (mean, scale, shift.detach().numpy(), stretch.detach().numpy())]
    return Temper(*map(tuple, rows))


def _joined(values: Sequence[Vector]) -> tuple[torch.Tensor, torch.Tensor]:
    """The values of all calls, and the call of each."""
    sizes = torch.tensor([len(v) for v in values])
    return torch.from_numpy(np.concatenate(values)), torch.repeat_interleave(torch.arange(len(values)), sizes)


def _shares(weights: Sequence[Vector]) -> torch.Tensor:
    """The weights of all calls, made to sum to 1."""
    found = np.concatenate(weights)
    return torch.from_numpy(found / found.sum())


def tempers(
    compressor: KompressCompressor, items: Sequence[Item], count: int, log: Callable[[str], None] = print
) -> dict[str, Temper]:
    """All groups; ``compressor`` has none yet."""
    found = {}
    for group, chosen in sets(items, count).items():
        found[group] = fit(calls(compressor, chosen), EMPTY[group])
        log(f"tempered: {group}, {len(chosen)} calls")
    return found
