"""Compressors with weights: resamplers, abstractors, the question-conditioned one, the 16x one for text.

``LEARNED`` names them; ``make`` builds one untrained, ``load`` gives it the small weights trained for the benchmark.
Weights belong to one vision encoder: for your own, train with ``python -m headroom_core.training.visual_tokens``.
"""

from __future__ import annotations

from .abstractor import ConvAbstractor, QueryAbstractor
from .base import Latents, LearnedCompressor
from .conditioned import QueryConditioned
from .ocr_conv import OcrConv
from .resampler import PerceiverResampler, SliceResampler
from .weights import LEARNED, load, make

__all__ = [
    "LEARNED",
    "ConvAbstractor",
    "Latents",
    "LearnedCompressor",
    "OcrConv",
    "PerceiverResampler",
    "QueryAbstractor",
    "QueryConditioned",
    "SliceResampler",
    "load",
    "make",
]
