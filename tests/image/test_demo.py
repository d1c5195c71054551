"""The demonstration's screenshot: drawn without a file, the same every time, and worth a look-up."""

from __future__ import annotations

import base64
import importlib.util

import pytest

from headroom_core.evals.images_demo import ANSWER, QUESTION, screenshot
from headroom_core.image import ImageCompressor, Technique
from tests.image.pictures import openai_message


def test_the_screenshot_is_the_same_every_time() -> None:
    """Two drawings are the same bytes: the demonstration shows the same numbers wherever it runs."""
    assert screenshot() == screenshot()


@pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="no OCR engine")
def test_the_answer_is_read_from_the_screenshot() -> None:
    """Asked for the exit code, the model gets it as text for a fraction of the picture's tokens."""
    compressor = ImageCompressor(originals=None)
    out = compressor.compress([openai_message(screenshot(), QUESTION)])
    assert compressor.last_result is not None
    assert compressor.last_result.technique is Technique.TRANSCODE
    assert ANSWER in out[0]["content"][1]["text"]
    assert compressor.last_savings > 75
    assert base64.b64encode(screenshot()).decode() not in str(out)
