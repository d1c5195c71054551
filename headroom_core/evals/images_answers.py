"""Does the answer reach the model? Questions about pictures with known answers, sent through the compressor.

An answer counts as sent when the text that goes out holds it, or when a picture goes out in which OCR reads it at the
resolution that is billed. Harm: answers that OCR reads in the untouched picture at that resolution and that are gone.
"""

from __future__ import annotations

import base64
import difflib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headroom_core.dialects import read_messages
from headroom_core.image import ImageCompressor, ImageResult, Router
from headroom_core.image.align import provider_view
from headroom_core.image.codec import Unusable, decode
from headroom_core.image.layout import rows, text_of
from headroom_core.image.ocr import RapidOcr, Reader
from headroom_core.tokens.profiles import profile_for
from headroom_core.types import Bytes, Image, Text

from . import data

FIELD_QUESTIONS = {
    "company": ("What is the name of the company that issued this receipt?", "Which shop is this receipt from?"),
    "date": ("What is the date on this receipt?", "When was this bought?"),
    "address": ("What is the address of the shop?", "Where is the store located?"),
    "total": ("What is the total amount?", "How much was paid in total?"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one picture file's bytes, and its answer; ``box`` in pixels where it is known.

    ``before`` are words that stand right before the answer: the untouched picture must show them together.
    """

    kind: str
    field: str
    data: bytes
    mime: str
    question: str
    answer: str
    box: tuple[float, float, float, float] | None = None
    before: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one question: did OCR read the answer before, is it there afterwards, and the tokens."""

    asked: Asked
    provider: str
    readable: bool
    reached: bool
    result: ImageResult
    best_tokens: int


def plain(text: str) -> str:
    """Lower case, letters and digits only."""
    return re.sub(r"[\W_]+", "", text.lower())


def holds(text: str, answer: str, field: str) -> bool:
    """Is the answer in the text, normalised? Addresses at 0.9 character similarity."""
    haystack, needle = plain(text), plain(answer)
    if not needle or needle in haystack:
        return True
    if field != "address":
        return False
    found = difflib.SequenceMatcher(None, haystack, needle, autojunk=False).get_matching_blocks()
    return sum(block.size for block in found) >= 0.9 * len(needle)


def receipts(limit: int | None = None, phrasings: int = 1) -> Iterator[Asked]:
    """Every field of the receipts, asked; company, date, total, address."""
    for at, row in enumerate(data.rows("images", "receipt", "annotations.jsonl")):
        if limit is not None and at >= limit:
            return
        content = (data.path() / row["file"]).read_bytes()
        for field, questions in FIELD_QUESTIONS.items():
            answer = row["fields"].get(field)
            if answer:
                for question in questions[:phrasings]:
                    yield Asked(
                        "receipt", field, content, "image/jpeg", question, answer, _box_of(row["lines"], answer)
                    )


def _box_of(lines: Sequence[dict[str, Any]], answer: str) -> tuple[float, float, float, float] | None:
    """The box of the annotated line (or lines) that hold the answer."""
    wanted = plain(answer)
    boxes = [line["box"] for line in lines if wanted in plain(line["text"])]
    if boxes:
        return tuple(boxes[-1])
    parts = [line["box"] for line in lines if len(plain(line["text"])) > 3 and plain(line["text"]) in wanted]
    if not parts:
        return None
    lefts, tops, rights, bottoms = zip(*parts, strict=True)
    return (min(lefts), min(tops), max(rights), max(bottoms))


def scene_text(limit: int | None = None) -> Iterator[Asked]:
    """Readable words of street scenes: two questions for a picture."""
    for at, row in enumerate(data.rows("images", "scene_text", "annotations.jsonl")):
        if limit is not None and at >= limit:
            return
        content = (data.path() / row["file"]).read_bytes()
        words = [word["text"] for word in row["words"] if word["readable"] and len(plain(word["text"])) >= 4]
        for word, question in zip(words, ("What does the sign say?", "What text is written here?"), strict=False):
            yield Asked("scene_text", "word", content, "image/jpeg", question, word)


def pages(limit: int | None = None) -> Iterator[Asked]:
    """Digital pages in Latin script: which word follows a phrase.

    It is readable where OCR shows it right after the two words before it, so that the same word elsewhere is no proof.
    """
    taken = 0
    for row in data.rows("images", "page", "annotations.jsonl"):
        text = " ".join(row["text"].split())
        if row["photographed"] or sum(c.isascii() for c in text) < 0.9 * len(text):
            continue
        if limit is not None and taken >= limit:
            return
        taken += 1
        content = (data.path() / row["file"]).read_bytes()
        words, rng = text.split(), random.Random(row["file"])
        for _ in range(8):
            at = rng.randrange(max(1, len(words) - 12))
            lead, answer = " ".join(words[at : at + 6]), words[at + 6 : at + 7]
            if answer and len(plain(answer[0])) >= 4:
                question, before = f"Which word follows “{lead}” in the text?", " ".join(words[at + 4 : at + 6])
                yield Asked("page", "phrase", content, "image/jpeg", question, answer[0], None, before)


def rendered(count: int = 60, seed: int = 5) -> Iterator[Asked]:
    """Forms and dialogs drawn here, with boxes: a key's value, asked by its key or by its place."""
    import io

    from PIL import Image as Pil
    from PIL import ImageDraw, ImageFont

    rng = random.Random(seed)
    keys = (
        "Order number",
        "Status",
        "Customer",
        "Due date",
        "Balance",
        "Contact",
        "Build",
        "Region",
        "Version",
        "Owner",
    )
    for _ in range(count):
        wide, high = rng.choice([(1280, 720), (900, 1200), (1600, 900), (800, 600)])
        picture = Pil.new("RGB", (wide, high), rng.choice(["white", "#f4f4f6", "#20242c"]))
        dark = picture.getpixel((0, 0))[0] < 100  # type: ignore[index]
        draw, size = ImageDraw.Draw(picture), rng.randint(15, 26)
        font, chosen = ImageFont.load_default(size), rng.sample(keys, 6)
        asked: list[tuple[str, str, tuple[float, float, float, float]]] = []
        for row, key in enumerate(chosen):
            value = f"{rng.choice('ABCDEFGH')}{rng.choice('ABCDEFGH')}-{rng.randint(1000, 99999)}"
            y = int(high * 0.1) + row * int(high * 0.13)
            draw.text((wide * 0.06, y), f"{key}:", fill="white" if dark else "black", font=font)
            spot = (wide * 0.06 + size * 9, y)
            draw.text(spot, value, fill="white" if dark else "black", font=font)
            asked.append((key, value, draw.textbbox(spot, value, font=font)))
        out = io.BytesIO()
        picture.save(out, "PNG")
        for key, value, box in rng.sample(asked, 2):
            yield Asked("rendered", "value", out.getvalue(), "image/png", f"What is the {key.lower()}?", value, box)
        key, value, box = asked[0]
        yield Asked(
            "rendered",
            "place",
            out.getvalue(),
            "image/png",
            "What does the text in the upper left corner say?",
            value,
            box,
        )


def message(asked: Asked, provider: str) -> list[dict[str, Any]]:
    """The question as a user message in the provider's dialect."""
    body = base64.b64encode(asked.data).decode()
    if provider == "openai":
        picture: dict[str, Any] = {
            "type": "image_url",
            "image_url": {"url": f"data:{asked.mime};base64,{body}", "detail": "high"},
        }
    else:
        picture = {"type": "image", "source": {"type": "base64", "media_type": asked.mime, "data": body}}
    return [{"role": "user", "content": [{"type": "text", "text": asked.question}, picture]}]


def reads(image: Image, provider: str, reader: Reader) -> str:
    """What OCR reads in a picture block at the resolution that is billed."""
    picture = decode(image.source.data) if isinstance(image.source, Bytes) else None
    if picture is None or isinstance(picture, Unusable):
        return ""
    view = provider_view(picture.image, profile_for(provider), image.detail)
    return text_of(rows(reader.read(view).sure(0.5)))


def run(
    questions: Iterable[Asked], providers: Sequence[str], *, cache: Path, router: Router | None = None
) -> Iterator[Sent]:
    """Send every question through the compressor for every provider.

    Readings are kept in a folder, so that a run that was stopped goes on where it stood.
    """
    reader = Reader(RapidOcr(threads=1), folder=cache)
    compressor = ImageCompressor(router=router, reader=reader, originals=None, align=False)
    for asked in questions:
        for provider in providers:
            yield _sent(asked, provider, compressor, reader)


def _sent(asked: Asked, provider: str, compressor: ImageCompressor, reader: Reader) -> Sent:
    out = compressor.compress(message(asked, provider), provider=provider)
    result = compressor.results[0]
    blocks = read_messages(out)[0].blocks[1:]
    text = "\n".join(block.text for block in blocks if isinstance(block, Text))
    untouched = Image(Bytes(asked.data), asked.mime, "high")
    readable = holds(reads(untouched, provider, reader), f"{asked.before} {asked.answer}", asked.field)
    reached = holds(text, asked.answer, asked.field)
    for block in blocks:
        if not reached and isinstance(block, Image):
            reached = holds(reads(block, provider, reader), asked.answer, asked.field)
    return Sent(asked, provider, readable, reached, result, _best(asked, result, reached))


def _best(asked: Asked, result: ImageResult, reached: bool) -> int:
    """A lower bound of what could have been sent: the answer itself as text, with the frame that any text has."""
    bound = 12 + len(asked.answer) // 3
    return min(bound, result.compressed_tokens) if reached else bound


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over questions: shares in [0, 1]."""

    count: int
    reached: float
    harm: float
    saved: float
    best_saved: float


def sums(sent: Sequence[Sent]) -> Sums:
    """Reached and harmed answers, tokens saved and tokens that a perfect selection would save."""
    readable = [one for one in sent if one.readable]
    before = sum(one.result.original_tokens for one in sent)
    after = sum(one.result.compressed_tokens for one in sent)
    return Sums(
        len(sent),
        sum(one.reached for one in sent) / max(1, len(sent)),
        sum(not one.reached for one in readable) / max(1, len(readable)),
        1 - after / max(1, before),
        1 - sum(one.best_tokens for one in sent) / max(1, before),
    )
