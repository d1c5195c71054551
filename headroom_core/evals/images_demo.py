"""A screenshot drawn here, for a demonstration without any file: a build page whose failed step a reader can look up."""

from __future__ import annotations

import io

QUESTION = "What is the exit code of the failed step?"
ANSWER = "137"
_STEPS = (
    ("checkout", "ok", "2.1 s"),
    ("install dependencies", "ok", "41.8 s"),
    ("lint", "ok", "6.0 s"),
    ("unit tests", "ok", "3 min 12 s"),
    ("integration tests", "failed", "9 min 47 s"),
    ("publish image", "skipped", "0.0 s"),
)
_LOG = (
    "starting 4 workers on node build-17",
    "worker 2: memory 7.6 GiB of 8.0 GiB",
    "worker 2 was killed by the system",
    "Exit code of failed step: 137",
    "Retry: not scheduled, limit of 2 reached",
)
_INK, _PALE, _PAPER, _PANEL = (32, 36, 44), (110, 116, 128), (250, 250, 252), (236, 238, 243)
_STATES = {"ok": (20, 130, 60), "failed": (190, 30, 40), "skipped": _PALE}


def screenshot(wide: int = 1280, high: int = 800) -> bytes:
    """A page of a build server as PNG: a list of steps and the end of a log. The same bytes in every run."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (wide, high), _PAPER)
    draw = ImageDraw.Draw(page)
    title, plain = ImageFont.load_default(30), ImageFont.load_default(21)
    draw.rectangle((0, 0, wide, 70), fill=_INK)
    draw.text((32, 16), "Build 4182  -  main  -  harbour-api", fill="white", font=title)
    for at, (step, state, took) in enumerate(_STEPS):
        y = 100 + 54 * at
        draw.rounded_rectangle((24, y - 8, wide - 24, y + 36), 8, fill=_PANEL)
        draw.ellipse((40, y + 4, 60, y + 24), fill=_STATES[state])
        draw.text((80, y), step, fill=_INK, font=plain)
        draw.text((wide * 0.62, y), state, fill=_STATES[state], font=plain)
        draw.text((wide * 0.8, y), took, fill=_PALE, font=plain)
    draw.rectangle((24, 446, wide - 24, high - 40), fill=_INK)
    for at, line in enumerate(_LOG):
        draw.text((48, 470 + 46 * at), line, fill=(225, 228, 234), font=plain)
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()
