"""Take dropped placeholders out of everything that runs beside the token ids."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput


@dataclass(frozen=True)
class Stretch:
    """The placeholders of one picture, in their order: how many there were, and which stay.

    Attributes:
        count: placeholders before, one per feature.
        places: (M,) for each new feature the old one at whose place it stands, ascending.
    """

    count: int
    places: Tensor


@dataclass(frozen=True)
class Columns:
    """Which old column each new column is.

    Attributes:
        index: (B, L') the column that stays, -1 at padding.
        source: (B, L') the column whose position it takes; differs from ``index`` only where several new features stand
            at one place.
    """

    index: Tensor
    source: Tensor

    def pick(self, values: Tensor, filler: float | bool) -> Tensor:
        """(B, L') of (B, L)."""
        return values.gather(1, self.index.clamp(min=0)).masked_fill(self.index < 0, filler)

    def positions(self, values: Tensor) -> Tensor:
        """(..., B, L') of position ids (..., B, L), 0 at padding; rows shared by the batch are spread."""
        wide = values.expand(*values.shape[:-2], self.source.shape[0], values.shape[-1])
        source = self.source.clamp(min=0).expand(*wide.shape[:-1], -1)
        return wide.gather(-1, source).masked_fill(self.index < 0, 0)


def locate(ids: Tensor, token: int, counts: list[int]) -> list[Tensor]:
    """The flat indices (row-major) of every picture's placeholders; pictures take them in the order of the batch."""
    flat = (ids == token).flatten().nonzero().squeeze(1)
    if flat.numel() != sum(counts):
        raise InvalidInput(
            f"input_ids hold {flat.numel()} placeholders (id {token}) for {sum(counts)} image features; "
            "use the model's own processor, and patch after it has expanded the placeholders."
        )
    return list(torch.split(flat, counts))


def columns(ids: Tensor, mask: Tensor | None, placed: list[tuple[Tensor, Stretch]]) -> Columns:
    """Drop what the stretches drop; rows that end up shorter are padded on the side where the batch is padded already.

    ``placed`` pairs each stretch with its placeholders' flat indices. Where nothing is dropped the columns stay as they
    are. Where something is, old padding goes first, so that no row carries more padding than it needs.
    """
    rows, length = ids.shape
    keep = torch.ones(rows * length, dtype=torch.bool, device=ids.device)
    source = torch.arange(length, device=ids.device).repeat(rows)
    for flat, stretch in placed:
        stays = _distinct(stretch.places, stretch.count)
        keep[flat] = False
        keep[flat[stays]] = True
        source[flat[stays]] = flat[stretch.places] % length
    if bool(keep.all()):
        own = torch.arange(length, device=ids.device).expand(rows, length)
        return Columns(own, own)
    keep, source = keep.view(rows, length), source.view(rows, length)
    if mask is not None:
        keep = keep & mask.bool()
    width = int(keep.sum(dim=1).max())
    order = torch.argsort((~keep).int(), dim=1, stable=True)[:, :width]
    real = keep.gather(1, order)
    if pads_left(mask):
        flip = torch.argsort(real.int(), dim=1, stable=True)
        order, real = order.gather(1, flip), real.gather(1, flip)
    return Columns(order.masked_fill(~real, -1), source.gather(1, order).masked_fill(~real, -1))


def pads_left(mask: Tensor | None) -> bool:
    """Left unless the batch shows padding on the right only."""
    if mask is None or bool(mask.all()):
        return True
    return bool((mask[:, 0] == 0).any())


def _distinct(places: Tensor, count: int) -> Tensor:
    """The places themselves, or as many evenly spaced ones where some coincide or go back."""
    kept = places.numel()
    if kept < 2 or bool((places.diff() > 0).all()):
        return places
    return (torch.arange(kept, device=places.device) * count).div(kept, rounding_mode="floor")
