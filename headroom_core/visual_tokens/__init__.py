"""Visual-token compression for open vision-language models (needs the ``torch`` extra).

Every module is called as ``compressor(tokens, attention=..., query=..., grid=...)`` and gives a ``Compressed``.
"""

from __future__ import annotations

from headroom_core.errors import MissingExtra

try:
    import torch as _torch  # noqa: F401  the door: everything below needs it
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtra("torch", "torch") from error

from headroom_core.visual_tokens.balanced import BalancedPrune
from headroom_core.visual_tokens.base import TokenCompressor, identity
from headroom_core.visual_tokens.dominant import DominantContextual
from headroom_core.visual_tokens.hierarchical import HierarchicalPatches
from headroom_core.visual_tokens.merge import ToMe, proportional_attention
from headroom_core.visual_tokens.metrics import reconstruction
from headroom_core.visual_tokens.patch import patch, unpatch
from headroom_core.visual_tokens.pooling import AveragePool, RandomKeep
from headroom_core.visual_tokens.prune import AttentionPrune
from headroom_core.visual_tokens.quantize import Codebook, train_codebook
from headroom_core.visual_tokens.query import QuerySelect
from headroom_core.visual_tokens.recommend import Recommendation, recommend
from headroom_core.visual_tokens.retrieval import PageIndex, maxsim, merge_page, prune_page
from headroom_core.visual_tokens.scales import MultiScale
from headroom_core.visual_tokens.similarity import SimilarityMerge
from headroom_core.visual_tokens.slices import SliceWise, choose_slices
from headroom_core.visual_tokens.types import Compressed, Grid, VisualCompressor

__all__ = [
    "AttentionPrune",
    "AveragePool",
    "BalancedPrune",
    "Codebook",
    "Compressed",
    "DominantContextual",
    "Grid",
    "HierarchicalPatches",
    "MultiScale",
    "PageIndex",
    "QuerySelect",
    "RandomKeep",
    "Recommendation",
    "SimilarityMerge",
    "SliceWise",
    "ToMe",
    "TokenCompressor",
    "VisualCompressor",
    "choose_slices",
    "identity",
    "maxsim",
    "merge_page",
    "patch",
    "proportional_attention",
    "prune_page",
    "recommend",
    "reconstruction",
    "train_codebook",
    "unpatch",
]
