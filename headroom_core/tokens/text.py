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
from typing import TYPE_CHECKING, Any

from headroom_core.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARGIN = 0.02
"""Law 2 under the estimate: a rewrite must be smaller by this share of the original, else the original goes out."""

_ENCODINGS = {
    "o200k": "o200k_base",
    "cl100k": "cl100k_base",
    "p50k": "p50k_base",
    "r50k": "r50k_base",
}
_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Counter:
    """A named token counter. ``margin`` is the share by which law 2 wants a rewrite to be smaller."""

    name: str
    margin: float
    count: Callable[[str], int] = field(repr=False)

    def __call__(self, text: str, /) -> int:
        return self.count(text)


def estimate(text: str) -> int:
    """Estimated o200k tokens of a text. Lone surrogates count as their three bytes."""
    if not text:
        return 0
    import numpy as np

    table = _pairs()
    data = np.frombuffer(text.encode("utf-8", "surrogatepass").translate(_classes()), np.uint8)
    total = int(table[data[0]])
    for start in range(0, len(data) - 1, _BLOCK):
        block = data[start : start + _BLOCK + 1].astype(np.uint16)
        total += int(table[block[:-1] * np.uint16(64) + block[1:]].sum(dtype=np.int64))
    return max(1, round(total / 255))


@lru_cache(1)
def _pairs() -> NDArray[np.uint8]:
    import numpy as np

    return np.frombuffer(Path(__file__).with_name("pairs.bin").read_bytes(), np.uint8)


@lru_cache(1)
def _classes() -> bytes:
    """Byte -> class: letters by themselves, digits together, punctuation by its habits, UTF-8 bytes by script."""
    table = [50] * 256
    for index, byte in enumerate(b"abcdefghijklmnopqrstuvwxyz"):
        table[byte] = 1 + index
    groups = [b"AEIOU", b"STR", b"NLM", b"CPD", b"BFGH", b"KVWY", b"JQXZ", b"0123456789", b" ", b"\n\r", b"\t", b"_",
              b"/\\", b".", b"-", b"\"'`", b"=", b",;", b"({[", b")}]", b":", b"<>", b"*#+~^|"]  # fmt: skip
    for index, group in enumerate(groups):
        for byte in group:
            table[byte] = 27 + index
    scripts = [0x80, 0xC0, 0xC4, 0xCE, 0xD0, 0xD6, 0xE0, 0xE2, 0xE3, 0xE4, 0xEA, 0xEE, 0xF0, 0x100]
    for index, (low, high) in enumerate(zip(scripts, scripts[1:], strict=False)):
        table[low:high] = [51 + index] * (high - low)
    return bytes(table)


_ESTIMATE = Counter("estimate", MARGIN, estimate)


def counter(which: str | Callable[[str], int] = "estimate") -> Counter:
    """The counter of this name (``estimate``, ``o200k``, ``cl100k``, ``p50k``, ``r50k``), or one around a callable."""
    if isinstance(which, Counter):
        return which
    if callable(which):
        return Counter(getattr(which, "name", None) or getattr(which, "__name__", "custom"), 0.0, which)
    if which == "estimate":
        return _ESTIMATE
    encoding = _ENCODINGS.get(which.removesuffix("_base"))
    if encoding is None:
        known = ", ".join(["estimate", *_ENCODINGS])
        raise InvalidInput(f"No token counter is named {which!r}. Use one of {known}, or give a callable.")
    return _exact(encoding)


@lru_cache(8)
def _exact(encoding: str) -> Counter:
    """An exact counter through tiktoken; reads its file from disk only."""
    if importlib.util.find_spec("tiktoken") is None:
        raise MissingExtra("tiktoken", "all")
    model = _load(encoding)

    def count(text: str) -> int:
        return len(model.encode_ordinary(text))

    return Counter(encoding.removesuffix("_base"), 0.0, count)


def _load(encoding: str) -> Any:
    """The tiktoken encoding, read from a folder that already holds its file."""
    file = hashlib.sha1(_URL.format(encoding).encode()).hexdigest()
    folders = [os.environ.get("TIKTOKEN_CACHE_DIR"), os.environ.get("DATA_GYM_CACHE_DIR"), *_bundled()]
    folder = next((f for f in folders if f and (Path(f) / file).is_file()), None)
    if folder is None:
        raise InvalidInput(
            f"The file of {encoding} is not on this machine and nothing is downloaded. Put it as {file} into a folder and "
            "set TIKTOKEN_CACHE_DIR to it, install llama-index-core (which ships it), or use counter='estimate'."
        )
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = folder  # tiktoken takes its folder from nowhere else
    try:
        return tiktoken.get_encoding(encoding)
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
