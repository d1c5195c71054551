"""Measures of what a compressor kept. Pure functions; tokens are o200k_base, exact."""

from __future__ import annotations

import html
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from headroom_core.tokens.text import counter

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][0-9A-B]|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "–—‘’“”…", " "))


def tokens(text: str) -> int:
    """o200k_base tokens of a text."""
    return counter("o200k")(text)


def words(text: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"\w+", text.lower())


def normal_line(line: str) -> str:
    """A line without control characters, entities and extra spaces."""
    return " ".join(_CONTROL.sub("", html.unescape(line)).split())


def normal_answer(text: str) -> str:
    """SQuAD's normalisation, with punctuation as spaces (3.5 is not 35)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def has_answer(text: str, answers: Sequence[str]) -> bool | None:
    """Does any answer stand in the text, at word boundaries? None where no answer is usable."""
    keys = [key for key in map(normal_answer, answers) if key]
    body = f" {normal_answer(text)} "
    return any(f" {key} " in body for key in keys) if keys else None


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, by bit-parallel sums (Crochemore et al. 2001)."""
    where: dict[str, int] = {}
    for at, item in enumerate(a):
        where[item] = where.get(item, 0) | 1 << at
    full = (1 << len(a)) - 1
    row = full
    for item in b:
        match = where.get(item)
        if match:
            both = row & match
            row = (row + both | row - both) & full
    return len(a) - row.bit_count() if hasattr(row, "bit_count") else len(a) - bin(row).count("1")


def sentence_kept(gold: str, output: Sequence[str], share: float = 0.9) -> bool:
    """Do ``share`` of the gold's words stand in order in the output, in a window of twice its length and ten words?"""
    want = words(gold)
    if not want or f" {' '.join(want)} " in f" {' '.join(output)} ":
        return True
    need = math.ceil(share * len(want) - 1e-9)
    have = Counter(want)
    if sum((have & Counter(output)).values()) < need:
        return False
    size, step = 2 * len(want) + 10, max(1, len(want) // 3)
    if len(output) <= size:
        return common_subsequence(want, output) >= need
    for start in range(0, len(output) - 1, step):
        window = output[start : start + size]
        if sum(word in have for word in window) >= need and common_subsequence(want, window) >= need:
            return True
    return False


def evidence_recall(gold: Sequence[str], output: str) -> float | None:
    """Share of gold sentences kept; None where there is none."""
    kept = words(output)
    return sum(sentence_kept(sentence, kept) for sentence in gold) / len(gold) if gold else None


def line_recall(gold: Sequence[str], output: str) -> float | None:
    """Share of distinct gold lines in the output; one shorter than 12 characters must be a line of its own."""
    want = {normal_line(line) for line in gold} - {""}
    lines = [normal_line(line) for line in _CONTROL.sub("", output).replace("\r", "\n").split("\n")]
    body, whole = "\n".join(lines), set(lines)
    return sum(line in whole or (len(line) >= 12 and line in body) for line in want) / len(want) if want else None


def needle_recall(needles: Sequence[str], output: str) -> float | None:
    """Share of needle strings in the output, white space aside."""
    want = [" ".join(needle.split()) for needle in needles if needle.strip()]
    body = " ".join(output.split())
    return sum(needle in body for needle in want) / len(want) if want else None


def location_recall(hits: Sequence[dict[str, Any]], output: str) -> float | None:
    """Share of search hits {path, line, text} whose text and line number share a line and whose path stands above."""
    lines = output.split("\n")
    return sum(_located(hit, lines) for hit in hits) / len(hits) if hits else None


def _located(hit: dict[str, Any], lines: Sequence[str]) -> bool:
    text, name = " ".join(str(hit["text"]).split()), str(hit["path"]).rsplit("/", 1)[-1]
    number = re.compile(rf"(?<!\d){hit['line']}(?!\d)")
    for at, line in enumerate(lines):
        flat = " ".join(line.split())
        if (
            text in flat
            and number.search(flat.replace(text, " ", 1))
            and any(name in above for above in lines[: at + 1])
        ):
            return True
    return False


def bootstrap(
    values: Sequence[Any], statistic: Callable[[Any], float] | None = None, n: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """(statistic, low, high) of a 95 % percentile bootstrap over items; the mean by default."""
    import numpy as np

    kept = np.asarray([value for value in values if value is not None], float)
    if not len(kept):
        return math.nan, math.nan, math.nan
    of = statistic or (lambda sample: float(np.mean(sample)))
    random = np.random.default_rng(seed)
    samples = [of(kept[random.integers(0, len(kept), len(kept))]) for _ in range(n)]
    return of(kept), float(np.quantile(samples, 0.025)), float(np.quantile(samples, 0.975))
