"""What a picture holds: two small convolutional nets (ONNX), together under 50 ms.

One maps where letters stand over the whole grey picture, so that a small sign in a photo counts. The other sees a
thumbnail, which shows what the picture is, and four sharp patches, cut where edges are densest at up to 1280 px.
``has_text`` is the mean of what both say: they err on different pictures. Definitions of the signals:
``decision.ImageSignals``; training: ``training.signals`` and ``training.signals_text``.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from headroom_core.models.registry import BUNDLED
from headroom_core.models.sessions import session

from .decision import ImageSignals

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as PilImage

NAME = "image_signals"
THUMB = 224
PATCH = 112
PATCHES = 4
TEXT_FILE = "text.onnx"
_LONG_SIDE = 1280
_MOST_PIXELS = 1024 * 768
_LONGEST = 4096
_GRID = 32
_STEP = 24


class SignalNet:
    """Picture → ``ImageSignals``; remembers its answers by content.

    ``folder`` holds a folder ``image_signals`` with model.onnx and text.onnx; default: the bundled one.
    """

    def __init__(self, folder: Path | None = None, *, threads: int = 2, entries: int = 512) -> None:
        self._folder = (folder or BUNDLED) / NAME
        self._threads, self._entries = threads, entries
        self._sessions: tuple[Any, Any] | None = None
        self._seen: OrderedDict[str, ImageSignals] = OrderedDict()
        self._lock = Lock()

    def __call__(self, image: PilImage) -> ImageSignals:
        """The signals of an RGB or grey picture."""
        thumb, patches = inputs(image)
        key = hashlib.sha256(thumb.tobytes() + patches.tobytes()).hexdigest()
        with self._lock:
            if key in self._seen:
                self._seen.move_to_end(key)
                return self._seen[key]
            if self._sessions is None:
                files = (self._folder / "model.onnx", self._folder / TEXT_FILE)
                self._sessions = (session(files[0], self._threads), session(files[1], self._threads))
            whole, text = self._sessions
        seen, *rest = whole.run(None, {"thumb": thumb[None], "patches": patches[None]})[0][0]
        mapped = text.run(None, {"sheet": sheet(image)[None]})[0][0, 0]
        made = ImageSignals(*(round(float(value), 4) for value in ((seen + mapped) / 2, *rest)))
        if not _has_edges(patches):  # letters are edges; a net may still see them in a smooth slope
            made = ImageSignals(0.0, made.is_document, made.is_complex, 0.0, 0.0)
        with self._lock:
            self._seen[key] = made
            while len(self._seen) > self._entries:
                self._seen.popitem(last=False)
        return made


def inputs(image: PilImage) -> tuple[NDArray[Any], NDArray[Any]]:
    """Thumb [3, 224, 224] uint8 (stretched), patches [4, 112, 112] uint8 (grey, densest edges first)."""
    import numpy as np
    from PIL.Image import Resampling

    rgb = image.convert("RGB")
    thumb = np.asarray(rgb.resize((THUMB, THUMB), Resampling.BILINEAR, reducing_gap=2.0))
    grey = image.convert("L")
    if max(grey.size) > _LONG_SIDE:
        scale = _LONG_SIDE / max(grey.size)
        size = (max(1, round(grey.size[0] * scale)), max(1, round(grey.size[1] * scale)))
        grey = grey.resize(size, Resampling.BILINEAR, reducing_gap=2.0)
    return thumb.transpose(2, 0, 1).copy(), _patches(np.asarray(grey))


def sheet(image: PilImage) -> NDArray[Any]:
    """The grey picture as [1, H, W] uint8: sides multiples of 32, at most 1024 · 768 px in all, at most 4,096 a side."""
    import numpy as np
    from PIL.Image import Resampling

    scale = min(1.0, (_MOST_PIXELS / (image.size[0] * image.size[1])) ** 0.5, _LONGEST / max(image.size))
    wide, high = (max(2 * _GRID, round(side * scale / _GRID) * _GRID) for side in image.size)
    return np.asarray(image.convert("L").resize((wide, high), Resampling.BILINEAR, reducing_gap=2.0))[None].copy()


def _has_edges(patches: NDArray[Any]) -> bool:
    """Is there any step between neighbours that a letter's border would make?"""
    import numpy as np

    signed = patches.astype(np.int16)
    steps = max(int(np.abs(np.diff(signed, axis=axis)).max()) for axis in (1, 2))
    return steps >= _STEP


def _patches(grey: NDArray[Any]) -> NDArray[Any]:
    """Four 112² patches where edges are densest, apart from one another; small pictures are padded with their border."""
    import numpy as np

    high, wide = grey.shape
    if high < PATCH or wide < PATCH:
        grey = np.pad(grey, ((0, max(0, PATCH - high)), (0, max(0, PATCH - wide))), mode="edge")
        high, wide = grey.shape
    cell = PATCH // 4
    signed = grey.astype(np.int16)
    edges = np.zeros(grey.shape, dtype=np.int16)
    edges[:, 1:] = np.abs(signed[:, 1:] - signed[:, :-1])
    edges[1:, :] += np.abs(signed[1:, :] - signed[:-1, :])
    edges[edges < _STEP] = 0
    rows, columns = high // cell, wide // cell
    cells = edges[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).sum(axis=(1, 3), dtype=np.int64)
    sums = np.pad(cells.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[4:, 4:] - sums[:-4, 4:] - sums[4:, :-4] + sums[:-4, :-4]
    windows = windows.copy()
    out = np.empty((PATCHES, PATCH, PATCH), dtype=np.uint8)
    for at in range(PATCHES):
        row, column = np.unravel_index(int(windows.argmax()), windows.shape)
        out[at] = grey[row * cell : row * cell + PATCH, column * cell : column * cell + PATCH]
        windows[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = -1
    return out
