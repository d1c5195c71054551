"""Fits ``kompress.temper`` on the fuse split: fewest tokens at equal loss over unlike calls, one row of weights per group.

Minimises, by Adam on a smooth threshold, the mean share of tokens kept + LOSS * the mean share of evidence lost, where calls
without evidence (the document with the answer taken out) only cost tokens. No choice is random, so no seed is asked for.
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
from headroom_core.training.kompress_calibrate import gold_alone, long_texts

LOSS = 2.0
SOFT = 0.7
"""Width of the smooth threshold, in logits."""
HOPS = 3.0
"""Weight of a multi-hop call: there are few of them."""
EMPTY = {"several documents": 8.0, "one text": 1.0, "long": 1.0}
"""Weight of the tokens of a call without evidence."""
STEPS, DECAY, START = 500, 0.003, -4.9


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the network saw it: its description, scores, shares of tokens, and the scores that hold its evidence."""

    shows: Vector
    scores: Vector
    tokens: Vector
    gold: Vector
    weight: float


def calls(compressor: KompressCompressor, items: Iterable[Item], *, empty: float) -> list[Call]:
    """What the network says of each item."""
    found = []
    for item in items:
        page = sheet(item)
        seen, scores = compressor.judged(page.texts, item["query"])
        gold = np.array([scores[g].min() for g in page.gold])
        weight = HOPS if item["source"] in MULTI_HOP else 1.0
        tokens = page.tokens / page.tokens.sum()
        found.append(Call(described(scores, seen), scores, tokens, gold, weight if len(gold) else empty))
    return found


def sets(items: Sequence[Item], count: int) -> dict[str, list[Item]]:
    """The calls of each group: with evidence, and without."""
    near = sample(among_near(items, sources=PAGES), count)
    gone = sample(among_near(items, sources=PAGES, take_gold_out=True), count * 2 // 5)
    alone = [{**i, "documents": i["documents"][:1]} for i in gone]
    long = long_texts(items, count * 3 // 10, seed=5)
    return {
        "several documents": [*near, *several_hops(items), *gone],
        "one text": [*gold_alone(near), *alone],
        "long": long,
    }


def fit(found: Sequence[Call]) -> Temper:
    """One group's weights."""
    shown = np.array([c.shows for c in found])
    mean, scale = shown.mean(0), shown.std(0)
    scale[scale < 1e-3] = 1.0  # what never varies
    z = torch.from_numpy((shown - mean) / scale)
    sizes = [len(c.scores) for c in found]
    owner = torch.repeat_interleave(torch.arange(len(found)), torch.tensor(sizes))
    scores = torch.from_numpy(np.concatenate([c.scores for c in found]))
    tokens = torch.from_numpy(np.concatenate([c.tokens * c.weight for c in found])) / sum(c.weight for c in found)
    asked = torch.repeat_interleave(torch.arange(len(found)), torch.tensor([len(c.gold) for c in found]))
    gold = torch.from_numpy(np.concatenate([c.gold for c in found]))
    parts = np.concatenate([np.full(len(c.gold), c.weight / max(1, len(c.gold))) for c in found])
    lost = torch.from_numpy(parts / parts.sum())
    shift, stretch = (torch.zeros(z.shape[1], dtype=torch.float64, requires_grad=True) for _ in range(2))
    limit = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([shift, stretch, limit], lr=0.02)
    for _ in range(STEPS):
        times, moved = torch.exp((z @ stretch).clamp(-MOST, MOST)), z @ shift - limit

        def over(
            values: torch.Tensor, of: torch.Tensor, a: torch.Tensor = times, b: torch.Tensor = moved
        ) -> torch.Tensor:
            return torch.sigmoid((PIVOT + (values - PIVOT) * a[of] + b[of]) / SOFT)

        total = (over(scores, owner) * tokens).sum() + LOSS * ((1 - over(gold, asked)) * lost).sum()
        total = total + DECAY * ((shift**2).sum() + (stretch**2).sum())
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    rows = [np.round(v, 5).tolist() for v in (mean, scale, shift.detach().numpy(), stretch.detach().numpy())]
    return Temper(*map(tuple, rows))


def tempers(
    compressor: KompressCompressor, items: Sequence[Item], count: int, log: Callable[[str], None] = print
) -> dict[str, Temper]:
    """All groups; ``compressor`` has none yet."""
    found = {}
    for group, chosen in sets(items, count).items():
        found[group] = fit(calls(compressor, chosen, empty=EMPTY[group]))
        log(f"tempered: {group}, {len(chosen)} calls")
    return found
