"""OCR engines: what is missing is named with its pip line, an empty picture has no lines, the default is the first installed."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from headroom_core.errors import MissingExtra
from headroom_core.image.ocr import RapidOcr, Tesseract, open_engine

WHITE = Image.new("RGB", (40, 20), "white")


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Takes packages and programs away."""
    real_spec, real_which = importlib.util.find_spec, shutil.which

    def take(*names: str) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name in names else real_spec(name, *a))
        monkeypatch.setattr("shutil.which", lambda name, *a: None if name in names else real_which(name, *a))

    return take


@pytest.mark.parametrize(
    ("engine", "gone", "named"),
    [(RapidOcr, "rapidocr", "rapidocr"), (Tesseract, "pytesseract", "pytesseract"), (Tesseract, "tesseract", "binary")],
)
def test_a_missing_engine_names_its_pip_line(engine: Any, gone: str, named: str, away: Callable[..., None]) -> None:
    """The door says what is missing and which extra brings it."""
    away(gone)
    with pytest.raises(MissingExtra, match=named) as caught:
        engine()(WHITE)
    assert "headroom-integrations[ocr]" in str(caught.value)


def test_the_default_is_the_first_that_is_installed(away: Callable[..., None]) -> None:
    """RapidOCR, else tesseract where package and program are there, else an error with the remedy."""
    assert isinstance(open_engine("tesseract"), Tesseract)
    assert isinstance(open_engine(), RapidOcr)
    away("rapidocr", "tesseract")
    with pytest.raises(MissingExtra, match="rapidocr"):
        open_engine()


def test_tesseract_stands_in_for_rapidocr(away: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only tesseract is there, it reads."""
    away("rapidocr")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert isinstance(open_engine(), Tesseract)


def test_a_picture_without_text_has_no_lines() -> None:
    """RapidOCR answers None for lists that would be empty."""
    engine = RapidOcr(_engine=lambda pixels: SimpleNamespace(txts=None, boxes=None, scores=None))
    assert engine(WHITE) == []
