"""Read the text of a picture: engines as rows, one reading per content, and an honest word about unsure lines.

Engines give lines with boxes and confidences; ``layout`` makes text of them. Readings are cached by content.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from headroom_core.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text on one line, its box, and the engine's confidence in [0, 1]."""

    text: str
    box: Box
    confidence: float

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.box[3] - self.box[1]

    def scaled(self, factor: float) -> Line:
        """The same line in a picture of another size."""
        left, top, right, bottom = (edge * factor for edge in self.box)
        return Line(self.text, (left, top, right, bottom), self.confidence)


@dataclass(frozen=True, slots=True)
class Reading:
    """What an engine read: its lines in the order in which it found them."""

    lines: tuple[Line, ...]
    engine: str

    def sure(self, least: float) -> tuple[Line, ...]:
        """The lines of at least this confidence."""
        return tuple(line for line in self.lines if line.confidence >= least)


class Engine(Protocol):
    """An OCR engine. ``name`` goes into the cache key."""

    @property
    def name(self) -> str:
        """What the engine is called."""

    def __call__(self, image: PilImage, /) -> Sequence[Line]:
        """The lines of a picture."""


@dataclass
class RapidOcr:
    """RapidOCR on onnxruntime; its wheel carries the models. ``threads`` limits onnxruntime's."""

    threads: int = 2
    name: str = "rapidocr"
    _engine: Any = field(default=None, repr=False)

    def __call__(self, image: PilImage, /) -> list[Line]:
        """Lines of an RGB or grey picture."""
        import numpy as np

        if self._engine is None:
            self._engine = self._load()
        found = self._engine(np.asarray(image.convert("RGB"))[:, :, ::-1])
        if found.txts is None or found.boxes is None:
            return []
        return [
            Line(str(text), _box_around(box), float(score))
            for text, box, score in zip(found.txts, found.boxes, found.scores, strict=True)
        ]

    def _load(self) -> Any:
        if importlib.util.find_spec("rapidocr") is None:
            raise MissingExtra("rapidocr", "ocr")
        from rapidocr import RapidOCR

        engine = "EngineConfig.onnxruntime."
        threads = {engine + "intra_op_num_threads": self.threads, engine + "inter_op_num_threads": 1}
        return RapidOCR(params={"Global.log_level": "error", **threads})


@dataclass
class Tesseract:
    """Tesseract through pytesseract, for those who have the binary. Line confidence is the mean of its words."""

    name: str = "tesseract"
    config: str = "--psm 6"

    def __call__(self, image: PilImage, /) -> list[Line]:
        """Lines of an RGB or grey picture."""
        if importlib.util.find_spec("pytesseract") is None:
            raise MissingExtra("pytesseract", "ocr")
        if shutil.which("tesseract") is None:
            raise MissingExtra("the tesseract binary (and pytesseract)", "ocr")
        import pytesseract

        table = pytesseract.image_to_data(image, config=self.config, output_type=pytesseract.Output.DICT)
        return lines_of_words(table)


def lines_of_words(table: dict[str, list[Any]]) -> list[Line]:
    """Join tesseract's words into the lines that it numbers; columns as ``image_to_data`` names them."""
    words: dict[tuple[int, int, int], list[int]] = {}
    for at, text in enumerate(table["text"]):
        if str(text).strip() and float(table["conf"][at]) >= 0:
            key = (table["block_num"][at], table["par_num"][at], table["line_num"][at])
            words.setdefault(key, []).append(at)
    lines = []
    for ids in words.values():
        left = min(table["left"][at] for at in ids)
        top = min(table["top"][at] for at in ids)
        right = max(table["left"][at] + table["width"][at] for at in ids)
        bottom = max(table["top"][at] + table["height"][at] for at in ids)
        sure = sum(float(table["conf"][at]) for at in ids) / len(ids) / 100
        lines.append(Line(" ".join(str(table["text"][at]) for at in ids), (left, top, right, bottom), sure))
    return lines


ENGINES: dict[str, type[RapidOcr] | type[Tesseract]] = {"rapidocr": RapidOcr, "tesseract": Tesseract}
"""The engines by name; the first one that is installed is the default."""


def open_engine(name: str | None = None) -> Engine:
    """The engine of this name, or the first one that is installed."""
    if name is not None:
        if name not in ENGINES:
            raise InvalidInput(f"ocr={name!r} is no engine that we know; use one of {', '.join(ENGINES)}.")
        return ENGINES[name]()
    if importlib.util.find_spec("rapidocr") is not None:
        return RapidOcr()
    if importlib.util.find_spec("pytesseract") is not None and shutil.which("tesseract") is not None:
        return Tesseract()
    raise MissingExtra("rapidocr", "ocr")


class Reader:
    """Reads pictures with one engine and remembers readings by content: in memory, and in a folder if given one."""

    def __init__(self, engine: Engine | None = None, *, folder: str | Path | None = None, entries: int = 256) -> None:
        self.engine = engine if engine is not None else open_engine()
        self._folder = Path(folder) if folder is not None else None
        self._entries = entries
        self._seen: OrderedDict[str, Reading] = OrderedDict()
        self._lock = Lock()

    def read(self, image: PilImage) -> Reading:
        """The reading of these pixels."""
        key = self._key(image)
        with self._lock:
            if key in self._seen:
                self._seen.move_to_end(key)
                return self._seen[key]
        reading = self._stored(key)
        if reading is None:
            reading = Reading(tuple(self.engine(image)), self.engine.name)
            self._store(key, reading)
        with self._lock:
            self._seen[key] = reading
            while len(self._seen) > self._entries:
                self._seen.popitem(last=False)
        return reading

    def _key(self, image: PilImage) -> str:
        digest = hashlib.sha256(f"{self.engine.name}:{image.mode}:{image.size}:".encode())
        digest.update(image.tobytes())
        return digest.hexdigest()[:32]

    def _stored(self, key: str) -> Reading | None:
        file = self._folder / f"{key}.json" if self._folder is not None else None
        if file is None or not file.exists():
            return None
        row = json.loads(file.read_text("utf-8"))
        lines = tuple(Line(text, (box[0], box[1], box[2], box[3]), sure) for text, box, sure in row["lines"])
        return Reading(lines, row["engine"])

    def _store(self, key: str, reading: Reading) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [
            [line.text, [round(edge, 1) for edge in line.box], round(line.confidence, 4)] for line in reading.lines
        ]
        draft = self._folder / f"{key}.tmp"
        draft.write_text(json.dumps({"engine": reading.engine, "lines": lines}, ensure_ascii=False), "utf-8")
        draft.replace(self._folder / f"{key}.json")


def doubt(lines: Sequence[Line], *, least: float = 0.6, worst_share: float = 0.15) -> str | None:
    """Why this reading should not stand for the picture, or None.

    The mean hides bad lines, so the worst decide: the confidence at the ``worst_share`` quantile, weighted by
    characters, must reach ``least``.
    """
    ranked = sorted((line.confidence, len(line.text)) for line in lines if line.text.strip())
    total = sum(length for _, length in ranked)
    if total == 0:
        return "OCR found no text"
    passed = 0
    for confidence, length in ranked:
        passed += length
        if passed >= worst_share * total:
            if confidence < least:
                return f"OCR is unsure of {worst_share:.0%} of the text (confidence {confidence:.2f} < {least})"
            break
    return None


def _box_around(corners: Any) -> Box:
    xs = [float(corner[0]) for corner in corners]
    ys = [float(corner[1]) for corner in corners]
    return (min(xs), min(ys), max(xs), max(ys))
