"""Pictures: count what is billed, align without loss, route by question and content, read, crop or shrink, keep originals."""

from __future__ import annotations

from .compressor import ImageCompressor, ImageResult, compress_images
from .decision import ImageSignals, RouteDecision, Technique
from .router import Router

__all__ = [
    "ImageCompressor",
    "ImageResult",
    "ImageSignals",
    "RouteDecision",
    "Router",
    "Technique",
    "compress_images",
]
