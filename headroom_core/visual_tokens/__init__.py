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

from headroom_core.visual_tokens.base import TokenCompressor, identity
from headroom_core.visual_tokens.types import Compressed, Grid, VisualCompressor

__all__ = ["Compressed", "Grid", "TokenCompressor", "VisualCompressor", "identity"]
