"""Compress pictures: equal grids go through the compressor as one batch, separators stay where their rows still are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from headroom_core.visual_tokens.pictures import Picture
from headroom_core.visual_tokens.types import Compressed, Grid, VisualCompressor


@dataclass(frozen=True)
class Kept:
    """What is left of a picture: features (M, D), and for each the old feature at whose place it stands (M,)."""

    features: Tensor
    places: Tensor


@dataclass(frozen=True)
class _Part:
    """One piece on its way: tokens (N, D), where it starts in its picture, its question (Q, D)."""

    tokens: Tensor
    start: int
    importance: Tensor | None
    question: Tensor | None
    separators: Tensor | None  # (rows, D)


def compress_pictures(
    compressor: VisualCompressor, pictures: list[Picture], questions: list[Tensor | None]
) -> list[Kept]:
    """One ``Kept`` per picture; ``questions`` holds the word vectors that go with each."""
    groups: dict[Grid, list[tuple[int, int, _Part]]] = {}
    done: dict[tuple[int, int], Kept] = {}
    for number, picture in enumerate(pictures):
        start = 0
        for place, piece in enumerate(picture.pieces):
            if piece.grid is None:
                index = torch.arange(start, start + piece.length, device=picture.features.device)
                done[number, place] = Kept(picture.features[index], index)
            else:
                part = _part(picture, start, piece.length, piece.grid, piece.separated, questions[number])
                groups.setdefault(piece.grid, []).append((number, place, part))
            start += piece.length
    for grid, members in groups.items():
        result = _run(compressor, [part for _, _, part in members], grid)
        for row, (number, place, part) in enumerate(members):
            done[number, place] = _kept(result, row, part, grid)
    found = []
    for number, picture in enumerate(pictures):
        mine = [done[number, place] for place in range(len(picture.pieces))]
        found.append(Kept(torch.cat([k.features for k in mine]), torch.cat([k.places for k in mine])))
    return found


def _part(picture: Picture, start: int, length: int, grid: Grid, separated: bool, question: Tensor | None) -> _Part:
    tokens = picture.features[start : start + length]
    importance = None if picture.importance is None else picture.importance[start : start + length]
    if not separated:
        return _Part(tokens, start, importance, question, None)
    lines = tokens.view(-1, grid[-1] + 1, tokens.shape[-1])
    if importance is not None:
        importance = importance.view(-1, grid[-1] + 1)[:, :-1].flatten()
    return _Part(lines[:, :-1].flatten(0, 1), start, importance, question, lines[:, -1])


def _run(compressor: VisualCompressor, parts: list[_Part], grid: Grid) -> Compressed:
    scores = [part.importance for part in parts if part.importance is not None]
    words = [part.question for part in parts if part.question is not None]
    return compressor(
        torch.stack([part.tokens for part in parts]),
        attention=torch.stack(scores) if len(scores) == len(parts) else None,
        query=pad_sequence(words, batch_first=True) if len(words) == len(parts) else None,
        grid=grid,
    )


def _kept(result: Compressed, row: int, part: _Part, grid: Grid) -> Kept:
    real = result.mask[row]
    features, places = result.tokens[row][real], result.places(grid)[row][real]
    if part.separators is None:
        return Kept(features, places + part.start)
    lines = places.div(grid[-1], rounding_mode="floor")
    used = torch.unique(lines)
    places = torch.cat([places + lines, used * (grid[-1] + 1) + grid[-1]])  # one more feature in every line
    order = torch.argsort(places, stable=True)
    return Kept(torch.cat([features, part.separators[used]])[order], places[order] + part.start)
