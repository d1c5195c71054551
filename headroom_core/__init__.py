"""Cut what an LLM application pays for its context, and keep every original.

Compressor      built once, called with messages
compress        one text or one conversation, in one line
retrieve        an original, or the piece of it that is asked for
open_originals  the store behind both
Message, Text, Image, Outcome   the values that go in and come out
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .ccr.originals import open_originals as open_originals
    from .ccr.retrieve import retrieve as retrieve
    from .dialects import keep as keep
    from .outcome import Outcome as Outcome
    from .pipeline import Compressor as Compressor
    from .pipeline import compress as compress
    from .types import Image as Image
    from .types import Message as Message
    from .types import Text as Text

_HOMES = {
    "Compressor": "pipeline",
    "compress": "pipeline",
    "retrieve": "ccr.retrieve",
    "open_originals": "ccr.originals",
    "keep": "dialects",
    "Message": "types",
    "Text": "types",
    "Image": "types",
    "Outcome": "outcome",
}

__all__ = ["Compressor", "Image", "Message", "Outcome", "Text", "compress", "keep", "open_originals", "retrieve"]


def __getattr__(name: str) -> Any:
    """Each name loads its module when it is first used, so that importing the package costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"headroom_core has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
