"""The token estimate measured against o200k: error by kind, and the margin that law 2 needs.

Run: ``python -m headroom_core.evals.tokens``. Texts are those of ``evals.kinds`` (the data files, files and outputs of
this machine), messages of programs in some 30 languages, and our own rewrites of them.
"""

from __future__ import annotations

import gettext
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from headroom_core.evals.kinds import labelled
from headroom_core.tokens.text import counter, estimate

_LONGEST = 16_000
_LEAST = 200


def texts(seed: int = 1) -> Iterator[tuple[str, str, str]]:
    """(kind, source, text), each cut to a random stretch of at most 16,000 characters."""
    r = random.Random(seed)
    for kind, source, text in [*labelled(seed), *foreign()]:
        start = r.randrange(len(text) - _LONGEST) if len(text) > _LONGEST else 0
        yield kind, source, text[start : start + _LONGEST].encode("utf-8", "ignore").decode()


def foreign() -> Iterator[tuple[str, str, str]]:
    """Translated messages of programs that many Linux machines have, at most 40,000 characters of each language."""
    files = [
        *Path("/usr/share/vim").glob("*/lang/*/LC_MESSAGES/*.mo"),
        *Path("/usr/share/locale").glob("*/LC_MESSAGES/gtk30*.mo"),
    ]
    for file in sorted(files):
        with file.open("rb") as opened:
            try:
                messages = gettext.GNUTranslations(opened)._catalog.values()  # type: ignore[attr-defined]
            except UnicodeDecodeError:  # a few old files do not name their encoding
                continue
        text = "\n".join(sorted(str(message) for message in messages))
        for start in range(0, min(len(text), 40_000), 20_000):
            yield "foreign", file.parts[-3], text[start : start + 20_000]


def rewrites() -> Iterator[tuple[str, str, str]]:
    """(kind, original, rewritten) for a sample of texts, lossless and lossy, as the pipeline's transforms make them."""
    from headroom_core.transforms import transform_for
    from headroom_core.types import Context, Part, Strength, Text

    r = random.Random(2)
    strengths: tuple[Strength, ...] = ("lossless", "lossy")
    for kind, _, text in texts():
        if r.random() > 0.12 or kind in ("prose", "foreign"):
            continue
        try:
            transform = transform_for(kind)
        except ModuleNotFoundError:
            continue
        part = Part((0, 0), kind, Text(text), estimate(text))  # type: ignore[arg-type]
        for strength in strengths:
            rewrite = (
                transform(part, Context(estimate, query="Why did it fail?", strength=strength)) if transform else None
            )
            if rewrite is not None:
                yield kind, text, rewrite.text


def main(arguments: Sequence[str] = ()) -> None:
    """Print the error by kind, then how far estimated and real savings differ."""
    exact = counter("o200k")
    errors: dict[str, list[float]] = defaultdict(list)
    size, spent = 0, 0.0
    for kind, _, text in texts():
        real = exact(text)
        if real < _LEAST:
            continue
        start = time.perf_counter()
        guess = estimate(text)
        spent += time.perf_counter() - start
        size += len(text)
        errors[kind].append(guess / real - 1)
    print("kind      texts   mean %   p95 |error| %   largest %")
    for kind, found in sorted(errors.items()):
        values = np.array(found)
        print(
            f"{kind:8s} {len(values):6d} {100 * values.mean():8.2f} {100 * np.quantile(abs(values), 0.95):12.2f} {100 * abs(values).max():12.1f}"
        )
    print(f"{1e9 * spent / size:.1f} ns per character")
    _print_margin([(exact(a), exact(b), estimate(a), estimate(b)) for _, a, b in rewrites()])


def _print_margin(counts: list[tuple[int, int, int, int]]) -> None:
    """(o200k before, after, estimate before, after) of rewrites: how often would a margin accept one that is dearer?"""
    rows = np.array(counts, float).reshape(-1, 4)
    before, after, guess_before, guess_after = rows.T
    gap = ((guess_before - guess_after) - (before - after)) / before
    print(f"{len(rows)} rewrites; estimated less real saving, share of the original: "
          f"p1 {np.quantile(gap, 0.01):.3f} p50 {np.quantile(gap, 0.5):.3f} p99 {np.quantile(gap, 0.99):.3f} p99.9 {np.quantile(gap, 0.999):.3f}")  # fmt: skip
    for margin in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08):
        accepted = guess_before - guess_after >= np.maximum(margin * guess_before, 1)
        wrong = (accepted & (after >= before)).sum()
        missed = (~accepted & (after < before)).sum()
        print(
            f"margin {margin:.2f}: accepts {accepted.sum()}, of them not smaller {wrong} ({wrong / max(1, accepted.sum()):.4%}), leaves {missed} that are smaller"
        )


if __name__ == "__main__":
    main()
