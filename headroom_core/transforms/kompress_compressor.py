"""The text compressor under the name by which users of the field look for it."""

from __future__ import annotations

from headroom_core.kompress.compressor import KompressCompressor, KompressConfig, KompressResult
from headroom_core.models.registry import MLModelRegistry

__all__ = ["KompressCompressor", "KompressConfig", "KompressResult", "MLModelRegistry"]
