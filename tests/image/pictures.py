"""Small pictures and fakes for the image tests: a router that says what it is told, an engine that reads given lines."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from headroom_core.image.decision import ImageSignals, Technique
from headroom_core.image.ocr import Line, Reader
from headroom_core.image.router import Router

PAGE = ImageSignals(0.99, 0.95, 0.1, 0.2, 0.2)
SCENE = ImageSignals(0.05, 0.01, 0.5, 0.2, 0.0)


class FakeRouter(Router):
    """Says the given probabilities and signals for every question and picture."""

    def __init__(
        self, technique: Technique = Technique.TRANSCODE, share: float = 0.97, seen: ImageSignals | None = PAGE
    ) -> None:
        super().__init__(use_siglip=False)
        rest = (1 - share) / 3
        self.says = {one: share if one is technique else rest for one in Technique}
        self.seen = seen
        self.asked: list[str | None] = []

    def ask(self, query: str | None, signals: ImageSignals | None = None) -> Mapping[Technique, float]:
        self.asked.append(query)
        return self.says

    def look(self, image: Any) -> ImageSignals | None:
        return self.seen


class FakeEngine:
    """Reads the same lines in every picture and counts how often it was asked."""

    name = "fake"

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines, self.calls = list(lines), 0

    def __call__(self, image: Any, /) -> Sequence[Line]:
        self.calls += 1
        return self.lines


RECEIPT = [
    Line(text, (20.0, 20.0 + 40 * at, 20.0 + 14 * len(text), 48.0 + 40 * at), 0.97)
    for at, text in enumerate(
        [
            "BLUE FERN TRADING LTD", "12 Harbour Road", "90210 Port Elgin", "Tel: 03-555 0101", "TAX INVOICE",
            "Invoice No: 88-1042", "Date: 14/02/2025", "Cashier: Mo", "2 x Green tea", "1 x Sponge cake", "1 x Napkins",
            "Subtotal 18.40", "Rounding 0.00", "TOTAL 18.40", "Cash 20.00", "Change 1.60", "Points this visit: none",
            "Thank you", "Goods sold are not returnable", "Have a nice day",
        ]
    )
]  # fmt: skip


def picture_bytes(
    width: int = 700, height: int = 900, *, form: str = "PNG", mode: str = "RGB", **options: Any
) -> bytes:
    """A picture with smooth and sharp parts, so that every format has something to do."""
    from PIL import Image, ImageDraw

    grain = Image.effect_noise((max(1, width // 2), max(1, height // 2)), 40).resize((width, height))
    image = Image.blend(Image.linear_gradient("L").resize((width, height)), grain, 0.4).convert("RGB")
    draw = ImageDraw.Draw(image)
    for at in range(0, max(width, height), 23):
        draw.line((at, 0, width - at, height), fill=(at % 255, 90, 160))
    out = io.BytesIO()
    image.convert(mode).save(out, form, **options)
    return out.getvalue()


def openai_message(data: bytes, text: str, mime: str = "image/png", detail: str = "high") -> dict[str, Any]:
    """A user message with a question and a picture, in OpenAI's chat dialect."""
    url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return {
        "role": "user",
        "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url, "detail": detail}}],
    }


def reader() -> Reader:
    """A reader whose engine finds the lines of one receipt."""
    return Reader(FakeEngine(RECEIPT))
