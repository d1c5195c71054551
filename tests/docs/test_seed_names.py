"""Calls that users of the field know, with the package name exchanged: same names, same arguments, same attributes."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageDraw

LONG = (
    "The ferry to Lenvik leaves at 07:40 from pier 2 and does not run on Sundays. "
    "Tickets cost 85 crowns; children under six travel free. The crossing takes about 35 minutes. "
) * 24


@pytest.fixture(scope="module")
def text_model() -> Any:
    """One compressor, made as documents of the field make it."""
    from headroom_core.transforms.kompress_compressor import KompressCompressor, KompressConfig

    return KompressCompressor(KompressConfig(chunk_words=350, score_threshold=0.5, enable_ccr=True))


def test_text_is_compressed_by_the_models_own_choice(text_model: Any) -> None:
    """``compress(text)`` gives ``compressed`` and a ``compression_ratio`` that formats as a share."""
    result = text_model.compress(LONG)
    assert 0 < len(result.compressed) < len(LONG)
    assert 0 < result.compression_ratio < 1
    assert f"{result.compression_ratio:.1%}".endswith("%")


def test_text_is_compressed_to_a_ratio(text_model: Any) -> None:
    """``target_ratio=0.4`` keeps at most four tenths of the tokens."""
    result = text_model.compress(LONG, target_ratio=0.4)
    assert 0 < len(result.compressed) < 0.6 * len(LONG)
    assert result.compression_ratio <= 0.41


def test_a_list_of_texts_is_compressed(text_model: Any) -> None:
    """``compress_batch`` gives one result for each text, in order, the same as one by one."""
    texts = [LONG, LONG[: len(LONG) // 2], "A short note."]
    results = text_model.compress_batch(texts)
    assert [f"{r.compression_ratio:.2%}" for r in results] == [
        f"{text_model.compress(text).compression_ratio:.2%}" for text in texts
    ]
    assert all(len(r.compressed) <= len(text) for r, text in zip(results, texts, strict=True))


def test_scores_and_masks_of_tokens_can_be_read(text_model: Any) -> None:
    """The loader unpacks into model, tokenizer and back end; scores and masks have the shape of the ids."""
    pytest.importorskip("torch")  # for return_tensors="pt"
    model, tokenizer, backend = text_model._load_kompress()
    encoding = tokenizer(
        ["example", "sentence"],
        is_split_into_words=True,
        return_tensors="pt",
        truncation=True,
        max_length=512,
        padding=True,
    )
    scores = model.get_scores(encoding["input_ids"], encoding["attention_mask"])
    mask = model.get_keep_mask(encoding["input_ids"], encoding["attention_mask"])
    assert scores.shape == mask.shape == tuple(encoding["input_ids"].shape)
    assert mask.dtype == bool
    assert isinstance(backend, str)


def _picture_message(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, "detail": "high"}}]}]


def _picture_url() -> str:
    picture = Image.new("RGB", (1200, 900), (230, 240, 250))
    ImageDraw.Draw(picture).rectangle((200, 200, 700, 600), fill=(40, 90, 60))
    file = BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_a_message_with_a_placeholder_for_a_picture_goes_through() -> None:
    """A data url that holds no picture is left alone, and the savings format as a number."""
    from headroom_core.image import ImageCompressor

    messages = _picture_message("data:image/png;base64,<...>")
    compressor = ImageCompressor()
    assert compressor.compress(messages, provider="openai") == messages
    assert f"{compressor.last_savings:.1f}" == "0.0"


def test_the_router_tells_its_decision() -> None:
    """``_get_router().classify`` takes the first picture's bytes and a question; the decision has technique, confidence, reason."""
    from headroom_core.image import ImageCompressor, Technique

    messages = _picture_message(_picture_url())
    compressor = ImageCompressor()
    router = compressor._get_router()
    decision = router.classify(image_data=compressor._extract_image_data(messages), query="Describe the diagram")
    assert decision.technique.value in {technique.value for technique in Technique}
    assert f"{decision.confidence:.2%}".endswith("%")
    assert decision.reason
    for name in ("has_text", "is_document", "is_complex", "has_small_details"):
        assert 0 <= getattr(decision.image_signals, name) <= 1
    assert decision.query_prediction in Technique
    assert 0 <= decision.query_confidence <= 1


def test_pictures_are_compressed_in_one_call() -> None:
    """``compress_images(messages, provider=...)`` gives messages back, one for one."""
    from headroom_core.image import compress_images

    messages = _picture_message(_picture_url())
    compressed = compress_images(messages, provider="anthropic")
    assert [message["role"] for message in compressed] == ["user"]


def test_names_stand_where_documents_of_the_field_place_them() -> None:
    """Techniques, signals, decisions and the registry are importable under their known names."""
    from headroom_core.image import ImageSignals, RouteDecision, Technique
    from headroom_core.models.registry import MLModelRegistry
    from headroom_core.transforms import kompress_compressor

    assert {technique.name for technique in Technique} == {"TRANSCODE", "CROP", "FULL_LOW", "PRESERVE"}
    assert {"technique", "confidence", "reason", "image_signals"} <= set(RouteDecision.__slots__)
    assert {"has_text", "is_document", "is_complex", "has_small_details"} <= set(ImageSignals.__slots__)
    assert len(list(MLModelRegistry())) > 0
    assert {"KompressCompressor", "KompressConfig", "KompressResult"} <= set(dir(kompress_compressor))
