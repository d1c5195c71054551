"""The bundled models: sane on plain questions, quick to say no, and the names that users of the field know."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from headroom_core.errors import InvalidInput, MissingExtra, ModelError
from headroom_core.image import ImageCompressor, RouteDecision, Router, Technique, compress_images
from headroom_core.image.query import QueryClassifier
from headroom_core.image.signals import SignalNet, inputs, sheet
from headroom_core.models.registry import BUNDLED
from tests.image.pictures import FakeRouter, openai_message, picture_bytes, reader


def _page() -> bytes:
    image = Image.new("RGB", (800, 1000), "white")
    draw = ImageDraw.Draw(image)
    for at in range(24):
        draw.text(
            (60, 50 + 36 * at),
            f"{at}. The quarterly report lists item {at * 37}",
            fill="black",
            font=ImageFont.load_default(24),
        )
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("question", "technique"),
    [
        ("What is the total amount on this invoice?", Technique.TRANSCODE),
        ("Summarise this document", Technique.TRANSCODE),
        ("What does the sign say?", Technique.TRANSCODE),
        ("What is in the top right corner?", Technique.CROP),
        ("Is this indoors or outdoors?", Technique.FULL_LOW),
        ("What animal is this?", Technique.FULL_LOW),
        ("Count the spots", Technique.PRESERVE),
        ("What brand is shown?", Technique.PRESERVE),
        ("What is the trend of the blue line in the chart?", Technique.PRESERVE),
        ("whats the total??", Technique.TRANSCODE),
        ("total", Technique.TRANSCODE),
        ("tl;dr", Technique.TRANSCODE),
        ("read this to me", Technique.TRANSCODE),
        ("Transcribe the text.", Technique.TRANSCODE),
        ("extract all line items as JSON", Technique.TRANSCODE),
        ("make a csv of this", Technique.TRANSCODE),
        ("Type of document?", Technique.TRANSCODE),
        ("zoom in on the header", Technique.CROP),
        ("Describe what you see", Technique.FULL_LOW),
        ("what colour is the car", Technique.FULL_LOW),
        ("Book a flight from Berlin to Paris on May 3", Technique.PRESERVE),
        ("Please make the header sticky", Technique.PRESERVE),
        ("log in with user admin", Technique.PRESERVE),
        ("convert this mockup to HTML", Technique.PRESERVE),
        ("where is the submit button?", Technique.PRESERVE),
        ("what font is used?", Technique.PRESERVE),
        ("does the layout look right?", Technique.PRESERVE),
        ("what changed between these two screenshots?", Technique.PRESERVE),
    ],
)
def test_plain_questions(question: str, technique: Technique) -> None:
    """Each technique is named for a plain question; probabilities sum to one."""
    shares = QueryClassifier()(question)
    assert max(shares, key=lambda one: shares[one]) is technique
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)


def test_the_temperature_beside_the_weights_counts(tmp_path: Path) -> None:
    """The shipped temperature makes every answer less sure and changes none; without the file the net's own shares stand."""
    shipped, question = QueryClassifier(), "What does the sign say?"
    said, made = shipped.net(question), shipped(question)
    best = max(said, key=lambda one: said[one])
    assert max(made, key=lambda one: made[one]) is best
    assert said[best] - 0.2 < made[best] < said[best]
    folder = tmp_path / "technique_router"
    folder.mkdir()
    for file in ("model.onnx", "tokenizer.json"):
        (folder / file).symlink_to(BUNDLED / "technique_router" / file)
    assert QueryClassifier(tmp_path)(question)[best] == pytest.approx(said[best])
    (folder / "model.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        QueryClassifier(tmp_path)(question)


def test_long_queries_are_cut_to_their_question() -> None:
    """64 tokens are read; of a long text that is its last question, so a long preamble does not decide."""
    shares = QueryClassifier()("You are a careful assistant. " * 200 + "Is this indoors or outdoors?")
    assert max(shares, key=lambda one: shares[one]) is Technique.FULL_LOW


def test_signals_tell_pages_from_plain_pictures() -> None:
    """Drawn text is a document with text; a gradient is neither."""
    net = SignalNet()
    page = net(Image.open(io.BytesIO(_page())).convert("RGB"))
    plain = net(Image.linear_gradient("L").resize((600, 400)).convert("RGB"))
    assert page.has_text > 0.8 > 0.3 > plain.has_text
    assert page.is_document > 0.5 > plain.is_document


@pytest.mark.parametrize("size", [(16, 16), (40, 3000), (3000, 40), (112, 112), (1281, 700)])
def test_inputs_have_one_shape(size: tuple[int, int]) -> None:
    """Thumbnail and patches have the same shapes for every picture."""
    thumb, patches = inputs(Image.new("L", size, 128))
    assert thumb.shape == (3, 224, 224)
    assert patches.shape == (4, 112, 112)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (40, 3000), (30_000, 20), (1281, 700), (4000, 3000)])
def test_the_sheet_is_bounded(size: tuple[int, int]) -> None:
    """Sides are multiples of 32, the area and the long side have a bound, and small pictures stay small."""
    _, high, wide = sheet(Image.new("L", size, 128)).shape
    assert high % 32 == wide % 32 == 0
    assert high * wide <= 1.1 * 1024 * 768
    assert max(high, wide) <= 4096
    assert wide <= max(64, size[0] + 16)
    assert high <= max(64, size[1] + 16)


def test_a_small_sign_in_a_large_picture_counts() -> None:
    """A few small words anywhere make ``has_text``; the same picture without them does not."""
    net = SignalNet()
    plain = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    signed = plain.copy()
    ImageDraw.Draw(signed).text((840, 610), "Harbour Road 12", fill="white", font=ImageFont.load_default(22))
    assert net(signed).has_text > 0.6
    assert net(plain).has_text < 0.3


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    """An empty folder is an error with the remedy, and in the compressor a reason, not a failure."""
    with pytest.raises(ModelError, match="missing"):
        QueryClassifier(tmp_path)("x")
    made = ImageCompressor(router=Router(folder=tmp_path), reader=reader(), originals=None)
    messages = [openai_message(picture_bytes(), "What is the total?")]
    assert made.compress(messages)[0] is messages[0]
    assert "not at hand" in made.results[0].reason


def test_siglip_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """True asks for SigLIP and says so when it cannot be had; False looks at no picture at all."""
    assert Router(use_siglip=False).look(Image.new("RGB", (50, 50))) is None
    decision = Router(use_siglip=False).classify(_page(), "What is the total?")
    assert decision.image_signals is None
    with pytest.raises((ModelError, MissingExtra)):
        Router(use_siglip=True, siglip_model="/nowhere/at/all").look(Image.new("RGB", (50, 50)))


def test_classify_gives_a_full_decision() -> None:
    """Technique, confidence, reason, signals and the classifier's own words."""
    decision = Router().classify(_page(), "What is the total amount?")
    assert isinstance(decision, RouteDecision)
    assert decision.technique is Technique.TRANSCODE
    assert decision.query_prediction is Technique.TRANSCODE
    assert 0.85 <= decision.confidence <= 1
    assert decision.image_signals is not None
    assert "transcode" in decision.reason
    with pytest.raises(InvalidInput, match="no image data"):
        Router().classify(None, "x")
    assert "empty" in Router().classify(b"", "x").reason


def test_without_a_question() -> None:
    """A page is wanted as text; anything else stays."""
    assert Router().ask(None)[Technique.PRESERVE] == 1
    assert Router().classify(_page(), None).technique is Technique.TRANSCODE


def test_the_documented_snippets_run() -> None:
    """The three snippets of the public description, with the package's name exchanged."""
    body = base64.b64encode(_page()).decode()
    msgs = [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{body}", "detail": "high"}}],
        }
    ]
    compressor = ImageCompressor(reader=reader(), originals=None)
    compressed = compressor.compress(msgs, provider="openai")
    assert f"Saved {compressor.last_savings:.1f}% tokens"
    assert len(compressed) == 1

    router = compressor._get_router()
    decision = router.classify(image_data=compressor._extract_image_data(msgs), query="Describe the diagram")
    assert decision.technique.value in ("transcode", "crop", "full_low", "preserve")
    assert f"{decision.confidence:.2%}"
    assert decision.reason

    assert len(compress_images(msgs, provider="anthropic", originals=None, router=FakeRouter(), reader=reader())) == 1


def test_importing_loads_nothing_heavy() -> None:
    """The package and its image door load neither Pillow, onnxruntime, torch nor an OCR engine."""
    code = (
        "import sys, headroom_core, headroom_core.image, headroom_core.transforms.picture;"
        "print([m for m in ('PIL','onnxruntime','torch','transformers','rapidocr','cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
