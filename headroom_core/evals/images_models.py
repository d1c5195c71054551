"""The models behind the pictures, measured: OCR engines by character error, the router, the signals, milliseconds."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from headroom_core.image.asked import asked_rows
from headroom_core.image.codec import Unusable, decode
from headroom_core.image.decision import Technique
from headroom_core.image.layout import rows, text_of
from headroom_core.image.ocr import ENGINES, Engine, Line, RapidOcr, Reader, Tesseract
from headroom_core.image.query import QueryClassifier
from headroom_core.image.signals import SignalNet

from . import data

T = TypeVar("T")
NAMES = ("transcode", "crop", "full_low", "preserve")


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance by rows; O(len(a)·len(b)) in numpy."""
    import numpy as np

    if not a or not b:
        return len(a) + len(b)
    codes = np.frombuffer(b.encode("utf-32-le"), dtype=np.uint32)
    row = np.arange(len(b) + 1)
    steps = np.arange(len(b) + 1)
    for at, char in enumerate(a, 1):
        kept = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(char)))
        new = np.concatenate([[at], kept])
        row = np.minimum.accumulate(new - steps) + steps
    return int(row[-1])


@dataclass(frozen=True, slots=True)
class Errors:
    """Character error rate, and joined or split words per 100 words."""

    engine: str
    kind: str
    pictures: int
    cer: float
    joined: float
    split: float


def engine_of(name: str) -> Engine:
    """An engine on one thread, so that figures do not depend on the machine's cores."""
    return RapidOcr(threads=1) if name == "rapidocr" else Tesseract()


def ocr_errors(kind: str, name: str, *, cache: Path, limit: int | None = None) -> Errors:
    """Errors of one engine on receipts (by annotated line) or pages in Latin script (whole text, best order)."""
    reader = Reader(engine_of(name), folder=cache)
    wrong = length = joined = split = words = count = 0
    for row in data.rows("images", kind, "annotations.jsonl"):
        gold = _gold(kind, row)
        if gold is None:
            continue
        if limit is not None and count >= limit:
            break
        picture = decode((data.path() / row["file"]).read_bytes())
        if isinstance(picture, Unusable):
            continue
        found = text_of(rows(reader.read(picture.image).lines))
        count += 1
        gold, found = _spaced(gold), _spaced(found)
        wrong += _distance_in_pieces(gold, found)
        length += len(gold)
        one, two = _word_breaks(gold, found)
        joined, split, words = joined + one, split + two, words + len(gold.split())
    per = 100 / max(1, words)
    return Errors(name, kind, count, wrong / max(1, length), joined * per, split * per)


def _gold(kind: str, row: Mapping[str, Any]) -> str | None:
    if kind == "receipt":
        ordered = sorted(row["lines"], key=lambda line: (round(line["box"][1] / 14), line["box"][0]))
        return " ".join(line["text"] for line in ordered)
    latin = sum(char.isascii() for char in row["text"]) >= 0.85 * max(1, len(row["text"]))
    return str(row["text"]) if latin and not row["photographed"] else None


def _spaced(text: str) -> str:
    return " ".join(re.sub(r"[#*|`_$\\{}]+", " ", text).upper().split())


def _distance_in_pieces(gold: str, found: str) -> int:
    """Edit distance without punishing the order of blocks: each gold line of 12 words meets its best window.

    Order is a matter of layout; windows are searched around the place where their rarest words stand.
    """
    words, total = gold.split(), 0
    for at in range(0, len(words), 12):
        piece = " ".join(words[at : at + 12])
        total += min(len(piece), _best_window(piece, found))
    return total


def _best_window(piece: str, found: str) -> int:
    import difflib

    matcher = difflib.SequenceMatcher(None, found, piece, autojunk=False)
    longest = matcher.find_longest_match(0, len(found), 0, len(piece))
    start = max(0, longest.a - longest.b - 8)
    window = found[start : start + len(piece) + 16]
    distance = edit_distance(piece, window)
    return max(0, distance - max(0, len(window) - len(piece)))


def _word_breaks(gold: str, found: str) -> tuple[int, int]:
    """Words of the gold that stand joined to a neighbour, and words that stand split, in what was read."""
    have, tight = set(found.split()), found.replace(" ", "")
    pairs = gold.split()
    joined = sum(a + b in have and a + b in tight for a, b in itertools.pairwise(pairs) if len(a + b) > 5)
    split = sum(len(w) > 5 and w not in have and w in tight for w in pairs)
    return joined, max(0, split - joined)


# ---------------------------------------------------------------- router
@dataclass(frozen=True, slots=True)
class Routed:
    """Accuracy, expected calibration error, and the confusion counts (needed, said)."""

    name: str
    count: int
    accuracy: float
    calibration_error: float
    confusion: Mapping[tuple[str, str], int]


def keyword_baseline(query: str) -> Mapping[Technique, float]:
    """What a few words tell: the baseline that a trained router has to beat."""
    text = query.lower()
    if re.search(r"\b(top|bottom|left|right|corner|subplot)\b", text):
        said = Technique.CROP
    elif re.search(r"\b(count|how many|brand|compare|trend|chart|plot|value)\b", text):
        said = Technique.PRESERVE
    elif re.search(r"\b(read|text|say|write|written|date|total|name|number|price|address)\b", text):
        said = Technique.TRANSCODE
    else:
        said = Technique.FULL_LOW
    return {technique: float(technique is said) for technique in Technique}


def majority_baseline(query: str) -> Mapping[Technique, float]:
    """Always the most frequent technique of the training rows."""
    return {technique: float(technique is Technique.TRANSCODE) for technique in Technique}


def routed(name: str, say: Callable[[str], Mapping[Technique, float]], rows_: Sequence[tuple[str, str]]) -> Routed:
    """A classifier against labels; the calibration error is over ten bins of confidence."""
    confusion: Counter[tuple[str, str]] = Counter()
    bins = [[0, 0.0, 0] for _ in range(10)]
    for query, label in rows_:
        shares = say(query)
        best = max(shares, key=lambda technique: shares[technique])
        right = best.value == label
        confusion[label, best.value] += 1
        at = min(9, int(shares[best] * 10))
        bins[at] = [bins[at][0] + 1, bins[at][1] + shares[best], bins[at][2] + right]
    hits_ = sum(count for (needed, said), count in confusion.items() if needed == said)
    error = sum(abs(sure - hits) for _, sure, hits in bins) / max(1, len(rows_))
    return Routed(name, len(rows_), hits_ / max(1, len(rows_)), error, dict(confusion))


def hand_labelled() -> list[tuple[str, str, str]]:
    """(question, hand label, source); the words come from the data pack."""
    from headroom_core.training.router import dev_rows

    return dev_rows()


def held_back(per_source: int = 300) -> list[tuple[str, str, str]]:
    """(question, weak label, source) of the sources that training never saw."""
    from headroom_core.training.router_rule import row_id, weak_label

    seen: Counter[str] = Counter()
    found = []
    for row in sorted(data.rows("images", "queries_dev.jsonl.gz"), key=row_id):
        if row["source"] in ("vizwiz", "viscot_vsr", "charxiv_reasoning_test", "charxiv_descriptive_test"):
            seen[row["source"]] += 1
            if seen[row["source"]] <= per_source:
                found.append((row["query"], weak_label(row), row["source"]))
    return found


# ---------------------------------------------------------------- signals and time
def signal_auc(cache: Path | None, folder: Path | None = None) -> dict[str, tuple[float, int]]:
    """AUC of each signal on the held-back pictures of all kinds, and how many were labelled."""
    from headroom_core.training.signals import NAMES as SIGNALS
    from headroom_core.training.signals import auc, real_samples

    net = SignalNet(folder)
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in SIGNALS[:4]}
    for sample in real_samples("dev", cache):
        signals = net(sample.image)
        for at, name in enumerate(SIGNALS[:4]):
            label = sample.labels[at]
            if label is not None:
                found[name][0].append(float(getattr(signals, name)))
                found[name][1].append(label)
    return {name: (auc(scores, gold), len(gold)) for name, (scores, gold) in found.items()}


_QUESTION = "What is the total amount on this receipt?"


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds of a stage: median and 95th percentile by the clock, median of the processors (all threads)."""

    median: float
    p95: float
    processor: float


def milliseconds(limit: int = 12, runs: int = 20) -> dict[str, Spent]:
    """Each stage over warm runs on a mix of pictures; OCR once each, nothing cached."""
    index = [row for row in data.rows("images", "index.jsonl") if row["split"] == "dev"]
    files = [data.path() / row["file"] for row in index[:: max(1, len(index) // limit)]][:limit]
    contents = [file.read_bytes() for file in files]
    pictures = [made.image for made in map(decode, contents) if not isinstance(made, Unusable)]
    net, classifier, engine = SignalNet(entries=0), QueryClassifier(), RapidOcr(threads=2)
    spent = {
        "decode": _timed(decode, contents, runs),
        "signals": _timed(net, pictures, runs),
        "question": _timed(classifier, [_QUESTION] * len(pictures), runs),
        "signals and routing": _timed(lambda image: (net(image), classifier(_QUESTION)), pictures, runs),
    }
    engine(pictures[0])
    read: list[Sequence[Line]] = []
    spent["OCR"] = _timed(lambda image: read.append(engine(image)), pictures, 1, warm=False)
    spent["layout and selection"] = _timed(lambda found: asked_rows(rows(found), _QUESTION), read, runs)
    return spent


def _timed(work: Callable[[T], object], given: Sequence[T], runs: int, *, warm: bool = True) -> Spent:
    """A warm measure is preceded by one round that does not count."""
    clock: list[float] = []
    processor: list[float] = []
    for run in range(-int(warm), runs):
        for one in given:
            start = time.perf_counter(), time.process_time()
            work(one)
            if run >= 0:
                clock.append((time.perf_counter() - start[0]) * 1000)
                processor.append((time.process_time() - start[1]) * 1000)
    return Spent(_at(clock, 0.5), _at(clock, 0.95), _at(processor, 0.5))


def _at(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def available_engines() -> list[str]:
    """Engines that can run here."""
    import importlib.util
    import shutil

    able = {
        "rapidocr": importlib.util.find_spec("rapidocr") is not None,
        "tesseract": shutil.which("tesseract") is not None,
    }
    return [name for name in ENGINES if able[name]]


def label_counts() -> dict[str, int]:
    """How many questions of each technique were labelled by hand."""
    file = Path(__file__).resolve().parents[1] / "training" / "data" / "router_dev_labels.jsonl"
    return dict(Counter(json.loads(line)["label"] for line in file.read_text("utf-8").splitlines()))
