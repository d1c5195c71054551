"""Every form in which a message dict carries a picture: how it is read, and how a new picture is written into it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headroom_core.types import Bytes, FileId, Image, Source, Url

Raw = Mapping[str, Any]
Found = tuple[Source, str | None, str | None] | None
"""Source, MIME type, detail; None where the block holds no picture that can be read."""


@dataclass(frozen=True, slots=True)
class Form:
    """One dialect's picture block: does it fit, read it, write a picture into a copy of it."""

    name: str
    fits: Callable[[Raw], bool]
    read: Callable[[Raw], Found]
    write: Callable[[Raw, Source, str | None, str | None], dict[str, Any]]


def read_image(raw: Raw) -> Image | None:
    """The picture in a block dict, or None where the block is no picture that we can read."""
    form = _form(raw)
    found = form.read(raw) if form else None
    if found is None:
        return None
    source, mime, detail = found
    return Image(source, mime, detail)


def write_image(raw: Raw, image: Image) -> dict[str, Any]:
    """A copy of ``raw`` that carries ``image``; keys that are not about the picture stay."""
    form = _form(raw)
    if form is None:
        return _write_anthropic({"type": "image"}, image.source, image.mime, image.detail)
    return form.write(raw, image.source, image.mime, image.detail)


def text_like(raw: Raw, text: str) -> dict[str, Any]:
    """A text block in the dialect of the picture block ``raw``; a cache mark moves to it."""
    if raw.get("type") in ("input_image", "input_text"):
        block: dict[str, Any] = {"type": "input_text", "text": text}
    elif "type" in raw:
        block = {"type": "text", "text": text}
    else:
        block = {"text": text}
    return block | {"cache_control": raw["cache_control"]} if "cache_control" in raw else block


def _form(raw: Raw) -> Form | None:
    return next((form for form in FORMS if form.fits(raw)), None)


def _decoded(data: object) -> Bytes | None:
    if isinstance(data, (bytes, bytearray)):
        return Bytes(bytes(data))
    if not isinstance(data, str):
        return None
    try:
        return Bytes(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return None


def _at_hand(data: object, mime: str | None, detail: str | None) -> Found:
    """Data of a block as a picture, or None where it does not decode."""
    decoded = _decoded(data)
    return None if decoded is None else (decoded, mime, detail)


def _encoded(source: Bytes) -> str:
    return base64.b64encode(source.data).decode("ascii")


def _from_address(address: object) -> tuple[Source, str | None] | None:
    """A ``data:`` or other URL as a source and, for data, its MIME type."""
    if not isinstance(address, str):
        return None
    if not address.startswith("data:"):
        return Url(address), None
    head, comma, body = address.partition(",")
    data = _decoded(body) if comma and head.endswith(";base64") else None
    return None if data is None else (data, head[5:].split(";")[0] or None)


def _to_address(source: Source, mime: str | None) -> str:
    if isinstance(source, Bytes):
        return f"data:{mime or 'image/png'};base64,{_encoded(source)}"
    return source.url if isinstance(source, Url) else source.id


def _with_detail(raw: dict[str, Any], detail: str | None) -> dict[str, Any]:
    return raw if detail is None else raw | {"detail": detail}


# --- OpenAI chat: {"type": "image_url", "image_url": {"url", "detail"} | "url"}
def _read_image_url(raw: Raw) -> Found:
    inner = raw.get("image_url")
    address = _from_address(inner.get("url") if isinstance(inner, Mapping) else inner)
    return None if address is None else (*address, inner.get("detail") if isinstance(inner, Mapping) else None)


def _write_image_url(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    inner, address = raw.get("image_url"), _to_address(source, mime)
    if isinstance(inner, Mapping):
        return {**raw, "image_url": _with_detail({**inner, "url": address}, detail)}
    return {**raw, "image_url": address if detail is None else {"url": address, "detail": detail}}


# --- OpenAI responses: {"type": "input_image", "image_url": "url" | "file_id": "id", "detail"}
def _read_input_image(raw: Raw) -> Found:
    if isinstance(raw.get("file_id"), str):
        return FileId(raw["file_id"]), None, raw.get("detail")
    address = _from_address(raw.get("image_url"))
    return None if address is None else (*address, raw.get("detail"))


def _write_input_image(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    rest = {key: value for key, value in raw.items() if key not in ("image_url", "file_id")}
    key = "file_id" if isinstance(source, FileId) else "image_url"
    return _with_detail({**rest, key: _to_address(source, mime)}, detail)


# --- Anthropic: {"type": "image", "source": {"type": "base64" | "url" | "file", ...}}
def _read_anthropic(raw: Raw) -> Found:
    inner = raw["source"]
    match inner.get("type"):
        case "base64":
            return _at_hand(inner.get("data"), inner.get("media_type"), None)
        case "url" if isinstance(inner.get("url"), str):
            return Url(inner["url"]), None, None
        case "file" if isinstance(inner.get("file_id"), str):
            return FileId(inner["file_id"]), None, None
    return None


def _write_anthropic(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    if isinstance(source, Bytes):
        inner = {"type": "base64", "media_type": mime or "image/png", "data": _encoded(source)}
    elif isinstance(source, Url):
        inner = {"type": "url", "url": source.url}
    else:
        inner = {"type": "file", "file_id": source.id}
    return {**raw, "source": inner}


# --- LangChain v0: {"type": "image", "source_type": "base64" | "url" | "id", "data" | "url" | "id", "mime_type"}
def _read_langchain_v0(raw: Raw) -> Found:
    mime = raw.get("mime_type")
    match raw["source_type"]:
        case "base64":
            return _at_hand(raw.get("data"), mime, raw.get("detail"))
        case "url" if isinstance(raw.get("url"), str):
            return Url(raw["url"]), mime, raw.get("detail")
        case "id" if isinstance(raw.get("id"), str):
            return FileId(raw["id"]), mime, raw.get("detail")
    return None


def _write_langchain_v0(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    rest = {key: value for key, value in raw.items() if key not in ("source_type", "data", "url")}
    if isinstance(source, Bytes):
        rest |= {"source_type": "base64", "data": _encoded(source), "mime_type": mime or "image/png"}
    elif isinstance(source, Url):
        rest |= {"source_type": "url", "url": source.url}
    else:
        rest |= {"source_type": "id", "id": source.id}
    return _with_detail(rest, detail)


# --- LangChain v1: {"type": "image", "base64" | "url" | "file_id", "mime_type"}
def _read_langchain_v1(raw: Raw) -> Found:
    mime, detail = raw.get("mime_type"), raw.get("detail")
    if "base64" in raw:
        return _at_hand(raw["base64"], mime, detail)
    if isinstance(raw.get("url"), str):
        address = _from_address(raw["url"])
        return None if address is None else (address[0], mime or address[1], detail)
    return (FileId(raw["file_id"]), mime, detail) if isinstance(raw.get("file_id"), str) else None


def _write_langchain_v1(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    rest = {key: value for key, value in raw.items() if key not in ("base64", "url", "file_id")}
    if isinstance(source, Bytes):
        rest |= {"base64": _encoded(source), "mime_type": mime or "image/png"}
    elif isinstance(source, Url):
        rest |= {"url": source.url}
    else:
        rest |= {"file_id": source.id}
    return _with_detail(rest, detail)


# --- Gemini: {"inline_data": {"mime_type", "data"}, "media_resolution": {"level"}}, the same in camel case, and
#     LangChain's {"type": "media", ...}
_GEMINI_LEVELS = ("low", "medium", "high", "ultra_high")
_LEVEL_PREFIX = "MEDIA_RESOLUTION_"


def _level_of(raw: Raw) -> str | None:
    """The level that a Gemini part asks for, as a detail: "low", "medium", "high" or "ultra_high"."""
    asked = raw.get("media_resolution", raw.get("mediaResolution"))
    name = asked.get("level") if isinstance(asked, Mapping) else asked
    level = str(name).upper().removeprefix(_LEVEL_PREFIX).lower()
    return level if level in _GEMINI_LEVELS else None


def _with_level(raw: dict[str, Any], detail: str | None, *, camel: bool) -> dict[str, Any]:
    """The part with the level that it asks for; a detail that Gemini does not know leaves it as it is."""
    if detail not in _GEMINI_LEVELS or detail == _level_of(raw):
        return raw
    rest = {key: value for key, value in raw.items() if key not in ("media_resolution", "mediaResolution")}
    return {**rest, "mediaResolution" if camel else "media_resolution": {"level": _LEVEL_PREFIX + str(detail).upper()}}


def _inline(raw: Raw) -> tuple[str, str] | None:
    return next(
        (names for names in (("inline_data", "mime_type"), ("inlineData", "mimeType")) if names[0] in raw), None
    )


def _is_picture(mime: object) -> bool:
    return isinstance(mime, str) and mime.startswith("image/")


def _fits_gemini(raw: Raw) -> bool:
    names = _inline(raw)
    return bool(names) and isinstance(raw[names[0]], Mapping) and _is_picture(raw[names[0]].get(names[1]))  # type: ignore[index]


def _read_gemini(raw: Raw) -> Found:
    key, mime = _inline(raw) or ("", "")
    return _at_hand(raw[key].get("data"), raw[key].get(mime), _level_of(raw))


def _write_gemini(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    key, name = _inline(raw) or ("", "")
    if not isinstance(source, Bytes):
        return dict(raw)
    data: object = source.data if isinstance(raw[key].get("data"), bytes) else _encoded(source)
    made = {**raw, key: {**raw[key], name: mime or "image/png", "data": data}}
    return _with_level(made, detail, camel=key == "inlineData")


def _read_media(raw: Raw) -> Found:
    return _at_hand(raw.get("data"), raw.get("mime_type"), None)


def _write_media(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    return (
        {**raw, "mime_type": mime or "image/png", "data": _encoded(source)} if isinstance(source, Bytes) else dict(raw)
    )


# --- Bedrock Converse: {"image": {"format": "png", "source": {"bytes": b""}}}
def _fits_bedrock(raw: Raw) -> bool:
    inner = raw.get("image")
    return isinstance(inner, Mapping) and isinstance(inner.get("source"), Mapping)


def _read_bedrock(raw: Raw) -> Found:
    return _at_hand(raw["image"]["source"].get("bytes"), f"image/{raw['image'].get('format', 'png')}", None)


def _write_bedrock(raw: Raw, source: Source, mime: str | None, detail: str | None) -> dict[str, Any]:
    if not isinstance(source, Bytes):
        return dict(raw)
    was = raw["image"]["source"].get("bytes")
    data: object = _encoded(source) if isinstance(was, str) else source.data
    return {**raw, "image": {**raw["image"], "format": (mime or "image/png").split("/")[-1], "source": {"bytes": data}}}


FORMS = (
    Form("openai", lambda raw: raw.get("type") == "image_url", _read_image_url, _write_image_url),
    Form("openai-responses", lambda raw: raw.get("type") == "input_image", _read_input_image, _write_input_image),
    Form(
        "anthropic",
        lambda raw: raw.get("type") == "image" and isinstance(raw.get("source"), Mapping),
        _read_anthropic,
        _write_anthropic,
    ),
    Form(
        "langchain-v0",
        lambda raw: raw.get("type") == "image" and "source_type" in raw,
        _read_langchain_v0,
        _write_langchain_v0,
    ),
    Form("langchain-v1", lambda raw: raw.get("type") == "image", _read_langchain_v1, _write_langchain_v1),
    Form("gemini", _fits_gemini, _read_gemini, _write_gemini),
    Form(
        "langchain-google",
        lambda raw: raw.get("type") == "media" and _is_picture(raw.get("mime_type")),
        _read_media,
        _write_media,
    ),
    Form("bedrock", _fits_bedrock, _read_bedrock, _write_bedrock),
)
