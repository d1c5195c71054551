"""Which model counts pictures by which formula: dated rows with their source, and the look-up.

Prices of pictures change a few times a year, so every row says when it was read and where. Check a provider's
``usage`` figures where money depends on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headroom_core.errors import InvalidInput

from .images import (
    AnthropicPatches,
    Budget,
    Formula,
    GeminiTiles,
    GrokTiles,
    LlamaTiles,
    MistralRows,
    NovaAreas,
    OpenAiPatches,
    OpenAiTiles,
    QwenGrid,
)

_OPENAI = "platform.openai.com images and vision guide"
_COPIES = "copies of the provider's images and vision guide"
_CLAUDE = "platform.claude.com vision, vision-coordinates"
_GEMINI = "ai.google.dev media resolution and token pages"


@dataclass(frozen=True, slots=True)
class Profile:
    """One row. ``models`` is a regular expression on the lower-case model name; ``assumed`` says why it was taken."""

    provider: str
    family: str
    models: str
    formula: Formula
    dated: str
    source: str
    assumed: str | None = None

    def tokens(self, width: int, height: int, detail: str | None = None) -> int:
        """What the provider bills for a picture of this size at this level."""
        if width < 1 or height < 1:
            raise InvalidInput(f"A picture of {width}×{height} pixels has no size; pass width and height ≥ 1.")
        return self.formula.tokens(width, height, detail)

    def seen(self, width: int, height: int, detail: str | None = None) -> tuple[int, int]:
        """Width and height that the model sees after the provider's own resize."""
        return self.formula.seen(width, height, detail)


def _openai_patches(hundredths: int, budget: int = 1536) -> OpenAiPatches:
    return OpenAiPatches(budget, 2048, hundredths)


_UNLIMITED = OpenAiPatches(2500, 2048, 120, original=(0, 65_535), auto="original", rejected_over=30_000)

# The first row of a provider whose expression matches is taken; its last row, whose expression is empty, is the default.
PROFILES: tuple[Profile, ...] = (
    Profile("openai", "gpt-5.6, gpt-6-astra", r"gpt-(5\.6|6-astra)", _UNLIMITED, "2026-10-05", _COPIES),
    Profile("openai", "later gpt-6 (multiplier not published; counted as gpt-5.6)", r"gpt-[6-9]", _UNLIMITED,
            "2026-10-05", "not published; counted as gpt-5.6"),
    Profile("openai", "gpt-5.5", r"gpt-5\.5", OpenAiPatches(2500, 2048, 120, (10_000, 6000), "original"),
            "2026-10-05", _COPIES),
    Profile("openai", "gpt-5.4-mini, gpt-5.4-nano", r"gpt-5\.4-(mini|nano)", _openai_patches(120), "2026-10-05", _COPIES),
    Profile("openai", "gpt-5.4", r"gpt-5\.4", OpenAiPatches(2500, 2048, 120, (10_000, 6000), "high"),
            "2026-10-05", _COPIES),
    Profile("openai", "gpt-5.2, gpt-5-mini, codex", r"gpt-5(\.2|-mini|[\w.]*-codex)", _openai_patches(120),
            "2026-10-05", _COPIES),
    Profile("openai", "gpt-5-nano", r"gpt-5-nano", _openai_patches(150), "2026-10-05", _COPIES),
    Profile("openai", "gpt-4.1-mini", r"gpt-4\.1-mini", _openai_patches(162), "2026-10-05", _COPIES),
    Profile("openai", "gpt-4.1-nano", r"gpt-4\.1-nano", _openai_patches(246), "2026-10-05", _COPIES),
    Profile("openai", "o4-mini", r"o4-mini", _openai_patches(172), "2026-10-05", _COPIES),
    Profile("openai", "gpt-4o-mini", r"gpt-4o-mini", OpenAiTiles(2833, 5667), "2026-11-20", _OPENAI),
    Profile("openai", "gpt-5", r"gpt-5", OpenAiTiles(70, 140), "2026-11-20", _OPENAI),
    Profile("openai", "o1, o1-pro, o3", r"o[13]\b", OpenAiTiles(75, 150), "2026-11-20", _OPENAI),
    Profile("openai", "computer-use-preview", r"computer-use", OpenAiTiles(65, 129), "2026-11-20", _OPENAI),
    Profile("openai", "gpt-image-1", r"gpt-image-1", OpenAiTiles(65, 129, 512, (4160, 6240)), "2026-11-20", _OPENAI),
    Profile("openai", "gpt-4o, gpt-4.1, gpt-4.5", r"gpt-4(o|\.1|\.5)|chatgpt-4o", OpenAiTiles(85, 170),
            "2026-11-20", _OPENAI),
    Profile("openai", "gpt-4o", "", OpenAiTiles(85, 170), "2026-11-20", _OPENAI),
    Profile("anthropic", "Claude 4.7 and later, Sonnet 5, Fable 5, Mythos 5",
            r"claude-(opus|sonnet|haiku|fable|mythos)-(4[.-][7-9]\b|[5-9])", AnthropicPatches(2576, 4784),
            "2026-11-20", _CLAUDE),
    Profile("anthropic", "Claude up to 4.6", r"claude", AnthropicPatches(1568, 1568), "2026-11-20", _CLAUDE),
    Profile("anthropic", "Claude, standard resolution", "", AnthropicPatches(1568, 1568), "2026-11-20", _CLAUDE),
    Profile("google", "Gemini 3 and later", r"gemini-([3-9]|\d\d)",
            Budget((("low", 280, 512), ("medium", 560, 768), ("high", 1120, 1120), ("ultra_high", 2240, 1600)), "high"),
            "2026-11-20", _GEMINI),
    Profile("google", "Gemini up to 2.5", r"gemini", GeminiTiles(), "2026-11-20", _GEMINI),
    Profile("google", "Gemini 2.5", "", GeminiTiles(), "2026-11-20", _GEMINI),
    Profile("amazon", "Nova 2", r"nova-2", Budget((("high", 230, 10_000),), "high"), "2026-11-20",
            "docs.aws.amazon.com nova2 user guide"),
    Profile("amazon", "Nova 1", r"nova", NovaAreas(), "2026-11-20", "docs.aws.amazon.com nova image modality"),
    Profile("amazon", "Nova 1", "", NovaAreas(), "2026-11-20", "docs.aws.amazon.com nova image modality"),
    Profile("qwen", "Qwen3-VL", r"qwen-?3", QwenGrid(32, 1 << 24, 65_536), "2026-11-20", "config of the checkpoints"),
    Profile("qwen", "Qwen2-VL, Qwen2.5-VL", "", QwenGrid(28, 28 * 28 * 1280, 56 * 56), "2026-11-20",
            "transformers 4.57 qwen2_vl image processing, class defaults"),
    Profile("meta", "Llama 4", "", LlamaTiles(), "2026-11-20", "transformers processing_llama4"),
    Profile("mistral", "Pixtral 12B", r"pixtral", MistralRows(1024, 16), "2026-11-20", "mistral-common tokenizers/image"),
    Profile("mistral", "Mistral Small 3 and later", "", MistralRows(1540, 28), "2026-11-20",
            "mistral-common tokenizers/image"),
    Profile("xai", "Grok", "", GrokTiles(), "2025-12-31", "older docs.x.ai image page; absent from the 2026 page"),
)  # fmt: skip

_PROVIDERS = {
    "azure": "openai", "azure_openai": "openai", "openai_responses": "openai", "claude": "anthropic",
    "anthropic_vertex": "anthropic", "gemini": "google", "google_genai": "google", "google-genai": "google",
    "vertex": "google", "vertexai": "google", "google_vertexai": "google", "bedrock": "amazon",
    "bedrock_converse": "amazon", "aws": "amazon", "nova": "amazon", "grok": "xai", "alibaba": "qwen",
    "dashscope": "qwen", "llama": "meta", "mistralai": "mistral", "pixtral": "mistral",
}  # fmt: skip

# Who made a model, by its name: a gateway's provider name says little about the formula.
_MAKERS = (
    (r"claude", "anthropic"), (r"gemini", "google"), (r"\bnova", "amazon"), (r"qwen", "qwen"), (r"llama-?4", "meta"),
    (r"pixtral|mistral|magistral", "mistral"), (r"grok", "xai"), (r"gpt-|chatgpt|^o\d\b|computer-use", "openai"),
)  # fmt: skip


def profile_for(provider: str | None = None, model: str | None = None) -> Profile:
    """The row that counts for this model; its name decides before the provider's. ``assumed`` tells of any default."""
    name = (model or "").lower().rsplit("/", 1)[-1]
    maker = next((maker for pattern, maker in _MAKERS if re.search(pattern, name)), None)
    asked = (provider or "").lower()
    asked = _PROVIDERS.get(asked, asked)
    rows = [row for row in PROFILES if row.provider == (maker or asked)]
    if not rows:
        fallback = next(row for row in PROFILES if row.provider == "openai" and not row.models)
        return _assume(fallback, f"provider {provider!r} is not known; counted as {fallback.family}")
    for row in rows:
        if name and row.models and re.search(row.models, name):
            return row
    default = rows[-1]
    named = f"model {model!r} is not known" if model else "no model was named"
    return _assume(default, f"{named}; counted as {default.family}")


def image_tokens(
    width: int, height: int, *, provider: str | None = None, model: str | None = None, detail: str | None = None
) -> int:
    """What the provider bills for one picture. Without a model, OpenAI counts as gpt-4o."""
    return profile_for(provider, model).tokens(width, height, detail)


def _assume(row: Profile, why: str) -> Profile:
    return Profile(row.provider, row.family, row.models, row.formula, row.dated, row.source, why)
