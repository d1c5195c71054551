"""How many tokens a text costs: our own estimate (the default), or exact through tiktoken where its file is at hand.

The estimate is deterministic and needs no tokenizer: the same number on every machine, in one pass over the bytes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from headroom_core.errors import InvalidInput, MissingExtra
from headroom_core.tokens.estimate import estimate

__all__ = ["MARGIN", "Counter", "counter", "encoding", "estimate"]

MARGIN = 0.02
"""Law 2 under the estimate: a rewrite must be smaller by this share of the original, else the original goes out."""

_ENCODINGS = {
    "o200k": "o200k_base",
    "cl100k": "cl100k_base",
    "p50k": "p50k_base",
    "r50k": "r50k_base",
}
_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


@dataclass(frozen=True, slots=True)
class Counter:
    """A named token counter. ``margin`` is the share by which law 2 wants a rewrite to be smaller."""

    name: str
    margin: float
    count: Callable[[str], int] = field(repr=False)

    def __call__(self, text: str, /) -> int:
        """Tokens of a text."""
        return self.count(text)


_ESTIMATE = Counter("estimate", MARGIN, estimate)


def counter(which: str | Callable[[str], int] = "estimate") -> Counter:
    """The counter of this name (``estimate``, ``o200k``, ``cl100k``, ``p50k``, ``r50k``), or one around a callable."""
    if isinstance(which, Counter):
        return which
    if callable(which):
        return Counter(str(getattr(which, "name", None) or getattr(which, "__name__", "custom")), 0.0, which)
    if which == "estimate":
        return _ESTIMATE
    name = _ENCODINGS.get(which.removesuffix("_base"))
    if name is None:
        known = ", ".join(["estimate", *_ENCODINGS])
        raise InvalidInput(f"No token counter is named {which!r}. Use one of {known}, or give a callable.")
    return _exact(name)


@lru_cache(8)
def _exact(name: str) -> Counter:
    """An exact counter through tiktoken; reads its file from disk only."""
    model = encoding(name)

    def count(text: str) -> int:
        return len(model.encode_ordinary(text))

    return Counter(name.removesuffix("_base"), 0.0, count)


def encoding(name: str) -> Any:
    """The tiktoken encoding, read from a folder that already holds its file; nothing is ever downloaded."""
    if importlib.util.find_spec("tiktoken") is None:
        raise MissingExtra("tiktoken", "all")
    file = hashlib.sha1(_URL.format(name).encode(), usedforsecurity=False).hexdigest()
    folders = [os.environ.get("TIKTOKEN_CACHE_DIR"), os.environ.get("DATA_GYM_CACHE_DIR"), *_bundled()]
    folder = next((f for f in folders if f and (Path(f) / file).is_file()), None)
    if folder is None:
        raise InvalidInput(
            f"The file of {name} is not on this machine and nothing is downloaded. Put it as {file} into a folder and "
            "set TIKTOKEN_CACHE_DIR to it, install llama-index-core (which ships o200k and cl100k), or use "
            "counter='estimate'."
        )
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = folder  # tiktoken takes its folder from nowhere else
    try:
        return tiktoken.get_encoding(name)
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


def _bundled() -> list[str]:
    """The folder in which llama-index-core ships tiktoken's files, found without importing it."""
    spec = importlib.util.find_spec("llama_index")
    places = list(spec.submodule_search_locations or []) if spec else []
    return [str(Path(place) / "core" / "_static" / "tiktoken_cache") for place in places]
