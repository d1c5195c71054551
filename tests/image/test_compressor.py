"""Pictures in messages: every dialect in, the same dialect out, originals kept, each picture with its own question."""

from __future__ import annotations

import base64
import copy
import io
from typing import Any

import pytest
from PIL import Image

from headroom_core.ccr.originals import open_originals
from headroom_core.errors import InvalidInput, StoreError
from headroom_core.image import ImageCompressor, Technique, compress_images
from headroom_core.image.ocr import Line, Reader
from headroom_core.tokens.profiles import image_tokens
from tests.image.pictures import PAGE, RECEIPT, SCENE, FakeEngine, FakeRouter, openai_message, picture_bytes, reader

PNG = picture_bytes(700, 900)
B64 = base64.b64encode(PNG).decode()
DATA_URL = f"data:image/png;base64,{B64}"
T, C, F, P = Technique.TRANSCODE, Technique.CROP, Technique.FULL_LOW, Technique.PRESERVE

FORMS: dict[str, dict[str, Any]] = {
    "openai": {
        "type": "image_url",
        "image_url": {"url": DATA_URL, "detail": "high"},
        "cache_control": {"type": "ephemeral"},
    },
    "openai-str": {"type": "image_url", "image_url": DATA_URL},
    "responses": {"type": "input_image", "image_url": DATA_URL, "detail": "high"},
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}, "id": "b7"},
    "gemini": {"inline_data": {"mime_type": "image/png", "data": B64}},
    "gemini-camel": {"inlineData": {"mimeType": "image/png", "data": B64}},
    "bedrock": {"image": {"format": "png", "source": {"bytes": PNG}}},
    "langchain-v0": {"type": "image", "source_type": "base64", "data": B64, "mime_type": "image/png"},
    "langchain-v1": {"type": "image", "base64": B64, "mime_type": "image/png", "extras": {"k": 1}},
    "langchain-google": {"type": "media", "mime_type": "image/png", "data": B64},
}
PROVIDER = {"anthropic": "anthropic", "gemini": "google", "gemini-camel": "google", "bedrock": "anthropic"}


def _compressor(technique: Technique = T, share: float = 0.97, **options: Any) -> ImageCompressor:
    options.setdefault("originals", None)
    options.setdefault("reader", reader())
    seen = SCENE if technique is F else PAGE  # a document is never shown small
    return ImageCompressor(router=FakeRouter(technique, share, seen), **options)


def _user(*blocks: dict[str, Any], text: str = "What is the total?") -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": text}, *blocks]}]


@pytest.mark.parametrize("form", FORMS)
def test_every_dialect_is_read_and_becomes_text_of_its_own(form: str) -> None:
    """A picture in any form becomes the text that the question asks for, in a block of the same dialect."""
    messages = _user(FORMS[form])
    before = copy.deepcopy(messages)
    made = _compressor()
    out = made.compress(messages, provider=PROVIDER.get(form, "openai"))
    assert messages == before
    block = out[0]["content"][1]
    assert "18.40" in block["text"]
    assert block.get("type") in ("text", "input_text", None)
    assert block.get("cache_control") == FORMS[form].get("cache_control")
    assert made.last_result is not None
    assert made.last_result.technique is T
    assert made.last_savings > 75


@pytest.mark.parametrize("form", FORMS)
def test_crops_come_back_in_their_dialect(form: str) -> None:
    """A crop is written where the picture stood, other keys kept, and decodes to fewer pixels."""
    out = _compressor(C).compress(
        _user(FORMS[form], text="What is in the top right corner?"), provider=PROVIDER.get(form, "openai")
    )
    pictures = [block for block in out[0]["content"] if "text" not in block]
    assert pictures
    keys = set(FORMS[form]) - {"cache_control"}
    assert keys <= set(pictures[-1])
    size = Image.open(io.BytesIO(_payload(pictures[-1]))).size
    assert size[0] <= 0.6 * 700
    assert size[1] <= 0.6 * 900


def _payload(block: Any) -> bytes:
    """The first base64 payload anywhere in a block."""
    if isinstance(block, bytes):
        return block
    if isinstance(block, str) and len(block) > 500:
        return base64.b64decode(block.split(",")[-1])
    for value in block.values() if isinstance(block, dict) else ():
        found = _payload(value)
        if found:
            return found
    return b""


@pytest.mark.parametrize("technique", [P])
@pytest.mark.parametrize("form", FORMS)
def test_a_preserved_message_is_the_same_object(technique: Technique, form: str) -> None:
    """PRESERVE touches nothing where the provider takes the picture as it is."""
    messages = _user(FORMS[form])
    assert _compressor(technique).compress(messages)[0] is messages[0]


@pytest.mark.parametrize(("form", "key"), [("gemini", "media_resolution"), ("gemini-camel", "mediaResolution")])
def test_low_detail_of_gemini_is_a_media_resolution(form: str, key: str) -> None:
    """Gemini 3 bills by the level of the part: the part asks for the low one and reads back as such."""
    made = _compressor(F, 0.99)
    question = _user(FORMS[form], text="What is this?")
    out = made.compress(question, provider="google", model="gemini-3-pro")
    part = out[0]["content"][1]
    assert part[key] == {"level": "MEDIA_RESOLUTION_LOW"}
    assert (made.results[0].original_tokens, made.results[0].compressed_tokens) == (1120, 280)
    assert made.compress(out, provider="google", model="gemini-3-pro")[0] is out[0]
    older = _compressor(F, 0.99).compress(question, provider="google", model="gemini-2.5-pro")[0]["content"][1]
    assert key not in older
    assert max(Image.open(io.BytesIO(_payload(older))).size) == 384
    elsewhere = _compressor(F, 0.99).compress(question, provider="openai")[0]["content"][1]
    assert key not in elsewhere


def test_a_url_is_fetched_only_where_the_caller_allows_it() -> None:
    """With a fetcher the picture behind a URL is routed like any other; what is left alone keeps its URL."""
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if url.endswith("away.png"):
            raise OSError("no route")
        return PNG

    good = {"type": "image_url", "image_url": {"url": "https://example.org/receipt.png", "detail": "high"}}
    away = {"type": "image_url", "image_url": {"url": "https://example.org/away.png"}}
    made = _compressor(fetch=fetch)
    out = made.compress(_user(good, away))
    assert "18.40" in out[0]["content"][1]["text"]
    assert out[0]["content"][2] is away
    assert "no route" in made.results[1].reason
    assert asked == ["https://example.org/receipt.png", "https://example.org/away.png"]
    messages = _user(good)
    assert _compressor(P, fetch=fetch).compress(messages)[0] is messages[0]
    assert _compressor().compress(messages)[0] is messages[0]
    assert len(asked) == 3


def test_low_detail_is_asked_for_where_the_dialect_can() -> None:
    """FULL_LOW on OpenAI: detail low at 85 tokens; on Claude: a resize, cheaper than it was."""
    made = _compressor(F, 0.99)
    out = made.compress(_user(FORMS["openai"], text="What is this?"), provider="openai")
    assert out[0]["content"][1]["image_url"]["detail"] == "low"
    assert made.last_result is not None
    assert made.last_result.compressed_tokens == 85
    out = made.compress(_user(FORMS["anthropic"], text="What is this?"), provider="anthropic")
    assert Image.open(io.BytesIO(_payload(out[0]["content"][1]))).size == (398, 512)
    assert out[0]["content"][1]["id"] == "b7"
    assert made.last_result.compressed_tokens == image_tokens(398, 512, provider="anthropic")


def test_pictures_inside_tool_results() -> None:
    """A screenshot in an Anthropic tool result is compressed in place; ids and the rest stay."""
    result = {
        "type": "tool_result",
        "tool_use_id": "tu_1",
        "content": [FORMS["anthropic"], {"type": "text", "text": "done"}],
    }
    messages = [{"role": "user", "content": "What is the total?"}, {"role": "user", "content": [result]}]
    out = _compressor().compress(messages, provider="anthropic")
    assert out[0] is messages[0]
    inner = out[1]["content"][0]
    assert inner["tool_use_id"] == "tu_1"
    assert "18.40" in inner["content"][0]["text"]
    assert inner["content"][1] == {"type": "text", "text": "done"}


@pytest.mark.parametrize(("tool", "stays"), [("computer", True), ("browser_mouse_click", True), ("screenshot", False)])
def test_a_tool_that_points_keeps_its_picture(tool: str, stays: bool) -> None:
    """The model clicks by the pixels of such a screen: neither text, nor a crop, nor a smaller picture can stand for it."""
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "tu_1", "name": tool, "input": {}}]}
    answer = {"type": "tool_result", "tool_use_id": "tu_1", "content": [FORMS["anthropic"]]}
    messages = [{"role": "user", "content": "What is the total?"}, call, {"role": "user", "content": [answer]}]
    made = _compressor()
    out = made.compress(messages, provider="anthropic")
    assert (out[2] is messages[2]) is stays
    assert made.last_result is not None
    assert (f"{tool} points at places" in made.last_result.reason) is stays


def test_failed_tool_results_stay() -> None:
    """A protected picture is left with the reason."""
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": [FORMS["anthropic"]]}
    made, messages = _compressor(), [{"role": "user", "content": [result]}]
    assert made.compress(messages, provider="anthropic", query="What is the total?")[0] is messages[0]
    assert "error" in made.results[0].reason


def test_each_picture_is_routed_with_its_own_question() -> None:
    """Alternating texts belong to their pictures; otherwise the message's text, else the last user text before."""
    router = FakeRouter(P)
    made = ImageCompressor(router=router, reader=reader(), originals=None)
    one, two = FORMS["openai"], FORMS["openai-str"]
    made.compress(
        [{"role": "user", "content": [{"type": "text", "text": "A?"}, one, {"type": "text", "text": "B?"}, two]}]
    )
    made.compress([{"role": "user", "content": [{"type": "text", "text": "Both?"}, one, two]}])
    made.compress([{"role": "user", "content": "Earlier?"}, {"role": "tool", "tool_call_id": "x", "content": [one]}])
    made.compress(_user(one, text="Mine?"), query="Given?")
    assert router.asked == ["A?", "B?", "Both?", "Both?", "Earlier?", "Given?"]
    assert len(made.results) == 1


def test_the_original_is_kept_and_comes_back() -> None:
    """The reference on the result resolves to the bytes that came, in its namespace."""
    store = open_originals("memory://", key=b"k" * 32)
    made = _compressor(originals=store, namespace="n1")
    made.compress(_user(FORMS["openai"]))
    assert made.results[0].ref is not None
    assert store.get(made.results[0].ref, namespace="n1") == PNG
    made.compress(_user(FORMS["openai"], text="x"), query=None)
    assert "hr_" not in str(made.compress(_user(FORMS["openai"]))[0]["content"][1])


def test_a_store_that_fails_leaves_the_picture() -> None:
    """No original stored, no change; the reason is told."""

    class Broken:
        def put(self, *args: Any, **options: Any) -> str:
            raise StoreError("disk full")

    made = _compressor(originals=Broken())
    messages = _user(FORMS["openai"])
    assert made.compress(messages)[0] is messages[0]
    assert "disk full" in made.results[0].reason


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f1"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ],
)
def test_pictures_that_are_not_at_hand_stay(block: dict[str, Any]) -> None:
    """URLs are never fetched; file ids and broken data stay, each with a reason."""
    made, messages = _compressor(), _user(block)
    assert made.compress(messages)[0] is messages[0]
    assert made.results[0].technique is P
    assert made.results[0].reason


def test_an_unsure_reading_is_refused() -> None:
    """Where the worst lines are unsure, OCR text does not stand for the picture; the reason names it."""
    weak = [Line(line.text, line.box, 0.55) for line in RECEIPT]
    made = _compressor(reader=Reader(FakeEngine(weak)))
    out = made.compress(_user(FORMS["openai"]))
    assert made.results[0].technique is not T
    assert "unsure" in made.results[0].reason
    assert "text" not in out[0]["content"][1]


def test_large_preserved_pictures_are_aligned_without_loss() -> None:
    """Untouched by any technique, but on the provider's grid in fewer bytes; tokens unchanged; switched off on demand."""
    big = openai_message(picture_bytes(3000, 2200), "Count the lines")
    made = _compressor(P)
    out = made.compress([big])
    assert Image.open(io.BytesIO(_payload(out[0]["content"][1]))).size == (1047, 768)
    assert made.results[0].compressed_tokens == made.results[0].original_tokens
    assert made.results[0].bytes_saved > 0
    assert _compressor(P, align=False).compress([big])[0] is big


def test_sums_are_over_all_pictures() -> None:
    """``last_result`` adds up, ``results`` lists each."""
    made = _compressor()
    made.compress(_user(FORMS["openai"], FORMS["openai-str"]))
    assert made.last_result is not None
    assert (
        made.last_result.original_tokens == sum(result.original_tokens for result in made.results) == 2 * 1105 - 2 * 340
    )
    assert made.last_result.savings_percent == pytest.approx(made.last_savings)
    made.compress([{"role": "user", "content": "no picture"}])
    assert made.last_result is None
    assert made.last_savings == 0.0


def test_unknown_content_is_untouched() -> None:
    """Messages without pictures, and odd objects, come out as the same objects."""
    messages: list[Any] = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None}, {"x": 1}]
    assert all(a is b for a, b in zip(_compressor().compress(messages), messages, strict=True))


def test_a_single_message_is_refused_with_a_sentence() -> None:
    """A dict or a string instead of a list says what to do."""
    with pytest.raises(InvalidInput, match="list of messages"):
        _compressor().compress({"role": "user"})  # type: ignore[arg-type]


def test_the_convenience_helper_closes_its_compressor() -> None:
    """``compress_images`` compresses like the class does."""
    out = compress_images(
        _user(FORMS["anthropic"]), provider="anthropic", router=FakeRouter(), reader=reader(), originals=None
    )
    assert "18.40" in out[0]["content"][1]["text"]
