"""Late interaction over pages of many vectors: MaxSim, on the vectors themselves or on their codes.

score(query, page) = sum over the query's vectors of the largest inner product with a vector of the page (ColBERT, Khattab
and Zaharia, SIGIR 2020; ColPali for page images). A page's vectors may be fewer before they are coded: the least attended
dropped, or the most alike merged (token pooling, Clavie, Chaffin and Adams, https://arxiv.org/abs/2409.14683).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.base import top
from headroom_core.visual_tokens.merge import ToMe
from headroom_core.visual_tokens.quantize import Codebook, pack, unpack

_CHUNK = 65536  # vectors scored at once


def maxsim(query: Tensor, pages: Sequence[Tensor]) -> Tensor:
    """(P,) float32 scores of the query (Q, D) for pages (n_i, D) of any lengths."""
    lengths = torch.tensor([page.shape[0] for page in pages], device=query.device)
    return _by_page(query.float() @ torch.cat(list(pages)).float().T, lengths)


def prune_page(vectors: Tensor, importance: Tensor, keep: float) -> Tensor:
    """The ``keep`` part (0..1] of a page's vectors (n, D) with the largest importance (n,), in their order; at least 1."""
    if not 0 < keep <= 1:
        raise InvalidInput(f"keep={keep!r} is no part of a page; give more than 0, up to 1.")
    kept = max(1, int(vectors.shape[0] * keep + 0.5))
    return vectors[top(importance.float().unsqueeze(0), kept)[0]]


def merge_page(vectors: Tensor, ratio: float) -> Tensor:
    """About n / ratio means (m, D) of length 1 of the most alike of a page's vectors (n, D), in their order."""
    if vectors.shape[0] == 0:
        return vectors
    merged = ToMe(ratio)(vectors.unsqueeze(0), grid=(1, vectors.shape[0])).tokens[0]
    return functional.normalize(merged.float(), dim=1).to(vectors.dtype)


@dataclass(frozen=True)
class PageIndex:
    """Pages as codes.

    Attributes:
        codes: (total, C) int16, page after page.
        lengths: (P,) int64 vectors of each page.
        unit: whether decoded vectors are scored at length 1, as the encoders' own vectors have it. The lengths follow from
            the codes; they are not stored.
    """

    codebook: Codebook
    codes: Tensor
    lengths: Tensor
    unit: bool = True

    @classmethod
    def of(
        cls,
        pages: Sequence[Tensor],
        codebook: Codebook,
        *,
        importance: Sequence[Tensor] | None = None,
        keep: float = 1.0,
        unit: bool = True,
    ) -> PageIndex:
        """Encode pages (n_i, D), of each only the ``keep`` most important part where ``importance`` (n_i,) is given."""
        if importance is None and keep != 1.0:
            raise InvalidInput(f"keep={keep!r} needs importance, one (n,) tensor per page.")
        if importance is not None:
            pages = [prune_page(page, score, keep) for page, score in zip(pages, importance, strict=True)]
        lengths = torch.tensor([page.shape[0] for page in pages])
        return cls(codebook, codebook.encode(torch.cat(list(pages))), lengths, unit)

    @property
    def nbytes(self) -> int:
        """All that has to be stored: packed codes, 4 bytes per page for its length, the codebook."""
        return self.codes.shape[0] * -(-sum(self.codebook.bits) // 8) + 4 * self.lengths.shape[0] + self.codebook.nbytes

    def packed(self) -> Tensor:
        """(total, bytes) uint8, the codes as they are stored."""
        return pack(self.codes, self.codebook.bits)

    @classmethod
    def from_packed(cls, codebook: Codebook, packed: Tensor, lengths: Tensor, unit: bool = True) -> PageIndex:
        """The index whose ``packed`` this is."""
        return cls(codebook, unpack(packed, codebook.bits), lengths, unit)

    def scores(self, query: Tensor) -> Tensor:
        """(P,) float32 MaxSim of the query (Q, D), from tables of its products with the codes: no vector is rebuilt."""
        tables = [table.permute(1, 2, 0).reshape(-1, query.shape[0]) for table in self.codebook.tables(query)]
        rows = torch.cat(tables)  # one row per code of every column: what it adds to each of the query's products
        sums = [
            functional.embedding_bag(chunk.int() + self._offsets, rows, mode="sum")
            for chunk in torch.split(self.codes, _CHUNK)
        ]
        alike = torch.cat(sums).T
        return _by_page(alike / self._norms if self.unit else alike, self.lengths)

    def search(self, query: Tensor, count: int = 10) -> list[tuple[int, float]]:
        """The best pages as (number, score), best first; of equals the first."""
        scores = self.scores(query)
        order = torch.argsort(scores, descending=True, stable=True)[:count]
        return [(int(page), float(scores[page])) for page in order]

    @cached_property
    def _offsets(self) -> Tensor:
        """(C,) where each column's codes begin among all codes."""
        sizes = [stage.shape[1] for stage in self.codebook.stages for _ in range(stage.shape[0])]
        starts = [sum(sizes[:column]) for column in range(len(sizes))]
        return torch.tensor(starts, dtype=torch.int32, device=self.codes.device)

    @cached_property
    def _norms(self) -> Tensor:
        chunks = [self.codebook.decode_turned(chunk).norm(dim=1) for chunk in torch.split(self.codes, _CHUNK)]
        return torch.cat(chunks).clamp(min=1e-6)


def _by_page(alike: Tensor, lengths: Tensor) -> Tensor:
    """(P,) from (Q, total): the largest of each page, summed over the query."""
    page = torch.repeat_interleave(torch.arange(lengths.shape[0], device=alike.device), lengths.to(alike.device))
    best = torch.full((alike.shape[0], lengths.shape[0]), -torch.inf, device=alike.device)
    return best.scatter_reduce(1, page.expand(alike.shape[0], -1), alike, "amax").sum(dim=0)
