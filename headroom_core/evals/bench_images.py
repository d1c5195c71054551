"""Pictures: lossless alignment, OCR for a question, the router beside simple rules."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import data
from .bench_rows import Row, Told, skipped


def images(quick: bool, told: Told) -> Iterator[Row]:
    """Drawn forms need no data; OCR errors and the router's questions come from the evaluation data."""
    from headroom_core.image.codec import Unusable, decode
    from headroom_core.tokens.profiles import profile_for

    from . import images_answers as answers

    try:
        import rapidocr  # noqa: F401
    except ModuleNotFoundError:
        yield skipped("images", "OCR", "rapidocr is not installed; pip install 'headroom-integrations[ocr]'")
        return
    cache = Path(tempfile.gettempdir()) / "headroom-ocr"
    asked = list(answers.rendered(4 if quick else 40))
    for provider in ("openai", "anthropic"):
        start = time.perf_counter()
        made = answers.sums(list(answers.run(asked, (provider,), cache=cache)))
        spent = (time.perf_counter() - start) * 1000 / len(asked)
        yield Row(
            "images",
            f"drawn forms, {provider}",
            "ours, as text or crop",
            1 - made.saved,
            1 - made.harm,
            spent,
            "quality: readable answers that reach the model",
        )
        yield Row("images", f"drawn forms, {provider}", "best possible", 1 - made.best_saved, 1.0)
    told("images", 1, 3)
    shares, times = [], []
    profile = profile_for("anthropic")
    for content in list(dict.fromkeys(one.data for one in asked)):
        picture = decode(_enlarged(content))
        if not isinstance(picture, Unusable):
            from headroom_core.image.align import align

            start = time.perf_counter()
            aligned = align(picture, profile)
            times.append((time.perf_counter() - start) * 1000)
            shares.append(len(aligned.data) / len(picture.data) if aligned else 1.0)
    yield Row(
        "images",
        "large screenshots, anthropic",
        "ours, aligned",
        statistics.median(shares),
        1.0,
        statistics.median(times),
        "share of bytes; the same pixels and tokens",
    )
    told("images", 2, 3)
    yield from _reading(cache, 3 if quick else 40)
    yield from _router()
    told("images", 3, 3)


def _enlarged(content: bytes) -> bytes:
    """The picture at twice its size, as a dense display takes it."""
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(content))
    out = io.BytesIO()
    picture.resize((picture.width * 2, picture.height * 2)).save(out, "PNG")
    return out.getvalue()


def _reading(cache: Path, limit: int) -> Iterator[Row]:
    """How many characters of receipts each engine reads right."""
    from . import images_models as models

    if not data.have("images", "receipt", "annotations.jsonl"):
        yield skipped("images", "OCR", "set HEADROOM_DATA to the folder of the evaluation data")
        return
    for name in models.available_engines():
        made = models.ocr_errors("receipt", name, cache=cache, limit=limit)
        note = "quality: 1 − character error rate"
        yield Row("images", f"OCR, {made.pictures} receipts", name, quality=1 - made.cer, note=note)


def _router() -> Iterator[Row]:
    from headroom_core.image.query import QueryClassifier

    from . import images_models as models

    if not data.have("images", "queries_dev.jsonl.gz"):
        yield skipped("images", "router", "set HEADROOM_DATA to the folder of the evaluation data")
        return
    rows = [(query, label) for query, label, _ in models.hand_labelled()]
    for name, say in (
        ("ours", QueryClassifier()),
        ("keywords", models.keyword_baseline),
        ("majority", models.majority_baseline),
    ):
        start = time.perf_counter()
        made = models.routed(name, say, rows)
        spent = (time.perf_counter() - start) * 1000 / max(1, len(rows))
        yield Row(
            "images",
            f"router, {made.count} hand-labelled",
            name,
            quality=made.accuracy,
            ms=spent,
            note="quality: accuracy",
        )
