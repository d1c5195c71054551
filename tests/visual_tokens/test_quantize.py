"""Codebooks and page indexes: sizes to the byte, scores on codes equal to scores on what they stand for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens import PageIndex, maxsim, merge_page, prune_page, train_codebook
from headroom_core.visual_tokens.quantize import Codebook, pack, unpack


@pytest.fixture(scope="module")
def vectors() -> Tensor:
    """Unit vectors with most of their variance in a few directions, as encoders give them."""
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(32, 32, generator=generator) * torch.exp(-torch.arange(32) / 6.0).unsqueeze(1)
    return functional.normalize(torch.randn(1500, 32, generator=generator) @ shape, dim=1)


@pytest.fixture(scope="module")
def book(vectors: Tensor) -> Codebook:
    return train_codebook(vectors, [(1, 16), (8, 16)], rotate=True, steps=6, turns=2)


def _error(book: Codebook, vectors: Tensor) -> float:
    return float((book.decode(book.encode(vectors)) - vectors).square().sum(dim=1).mean())


def test_more_bits_and_a_rotation_rebuild_better(vectors: Tensor, book: Codebook) -> None:
    """One code, then parts, then a rotation before the parts: the error falls each time."""
    one = train_codebook(vectors, [(1, 64)], steps=6)
    parts = train_codebook(vectors, [(8, 16)], steps=6)
    turned = train_codebook(vectors, [(8, 16)], rotate=True, steps=6, turns=3)
    errors = [_error(found, vectors) for found in (one, parts, turned, book)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.15


def test_training_repeats_itself(vectors: Tensor, book: Codebook) -> None:
    """The same vectors and seed give the same codebook, bit for bit."""
    again = train_codebook(vectors, [(1, 16), (8, 16)], rotate=True, steps=6, turns=2)
    assert all(torch.equal(a, b) for a, b in zip(book.stages, again.stages, strict=True))


def test_the_rotation_keeps_lengths(book: Codebook) -> None:
    """It is orthogonal up to what float16 holds, so products do not change."""
    assert book.rotation is not None
    torch.testing.assert_close(book.rotation @ book.rotation.T, torch.eye(32), atol=3e-3, rtol=0)


@pytest.mark.parametrize("bits", [(8,), (4, 4), (1, 7, 5), (3, 3, 3, 3), (12, 8)])
def test_packed_codes_come_back(bits: tuple[int, ...]) -> None:
    """Bit widths of any mix; the packed row has the fewest whole bytes."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.stack([torch.randint(0, 2**width, (50,), generator=generator) for width in bits], dim=1)
    packed = pack(codes, bits)
    assert packed.shape == (50, -(-sum(bits) // 8))
    assert torch.equal(unpack(packed, bits).long(), codes)


def test_scores_on_codes_are_scores_of_the_decoded(vectors: Tensor, book: Codebook) -> None:
    """Tables or rebuilt vectors: the same MaxSim, with and without unit length."""
    pages = list(vectors[:300].split([50, 1, 100, 149]))
    query = vectors[700:706]
    decoded = [book.decode(book.encode(page)) for page in pages]
    raw = PageIndex.of(pages, book, unit=False)
    # decoding goes back through the transposed float16 rotation, which is orthogonal to three digits only
    torch.testing.assert_close(raw.scores(query), maxsim(query, decoded), atol=0.02, rtol=0)
    index = PageIndex.of(pages, book)
    unit = [functional.normalize(page, dim=1) for page in decoded]
    torch.testing.assert_close(index.scores(query), maxsim(query, unit), atol=0.02, rtol=0)
    best = index.search(query, 2)
    assert best[0][0] == int(index.scores(query).argmax())
    assert best[0][1] >= best[1][1]


def test_the_index_counts_every_byte(vectors: Tensor, book: Codebook) -> None:
    """Codes in whole bytes, 4 bytes a page, codebook and rotation in float16; a packed index comes back."""
    pages = list(vectors[:400].split(100))
    index = PageIndex.of(pages, book)
    assert sum(book.bits) == 4 + 8 * 4
    assert book.nbytes == 2 * (16 * 32 + 8 * 16 * 4 + 32 * 32)
    assert index.nbytes == 400 * 5 + 4 * 4 + book.nbytes
    assert index.packed().numel() == 400 * 5
    again = PageIndex.from_packed(book, index.packed(), index.lengths)
    assert torch.equal(again.codes, index.codes)


def test_pruning_keeps_what_attention_looks_at(vectors: Tensor, book: Codebook) -> None:
    """60 % of a page by importance, in page order; the index is that much smaller."""
    page, importance = vectors[:10], torch.tensor([9.0, 1, 8, 2, 7, 3, 6, 4, 5, 0])
    assert torch.equal(prune_page(page, importance, 0.6), page[[0, 2, 4, 6, 7, 8]])
    index = PageIndex.of([page], book, importance=[importance], keep=0.6)
    assert index.lengths.tolist() == [6]


def test_merging_a_page_joins_what_is_alike() -> None:
    """Pairs of near-copies become their means of length 1, in page order and in the page's dtype; ratio 1 changes nothing."""
    generator = torch.Generator().manual_seed(1)
    rows = functional.normalize(torch.randn(6, 32, generator=generator), dim=1)
    page = torch.stack([rows, rows + 0.01], dim=1).flatten(0, 1).half()
    found = merge_page(page, 2.0)
    assert found.dtype == torch.float16
    assert torch.allclose(found.float(), functional.normalize(rows + 0.005, dim=1), atol=2e-3)
    assert torch.allclose(merge_page(page, 1.0), functional.normalize(page.float(), dim=1).half())
    assert merge_page(page[:0], 2.0).shape == (0, 32)


def test_wrong_values_are_named(vectors: Tensor, book: Codebook) -> None:
    """``InvalidInput`` for parts that do not divide, too many codes, other widths, parts of a page."""
    with pytest.raises(InvalidInput, match="parts"):
        train_codebook(vectors, [(5, 16)])
    with pytest.raises(InvalidInput, match="codes"):
        train_codebook(vectors[:8], [(1, 16)])
    with pytest.raises(InvalidInput, match="32"):
        book.encode(vectors[:, :16])
    with pytest.raises(InvalidInput, match="keep"):
        prune_page(vectors, vectors[:, 0], 0.0)
    with pytest.raises(InvalidInput, match="importance"):
        PageIndex.of([vectors], book, keep=0.5)
