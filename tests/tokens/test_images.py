"""Every published vector of a provider's picture formula is a row here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom_core.errors import InvalidInput
from headroom_core.tokens.images import AnthropicPatches, LlamaTiles, OpenAiPatches, OpenAiTiles
from headroom_core.tokens.profiles import PROFILES, image_tokens, profile_for

# (provider, model, width, height, detail, tokens, source)
VECTORS = [
    ("openai", None, 1024, 1024, "high", 765, "guide"),
    ("openai", "gpt-4o", 1024, 1024, "high", 765, "guide"),
    ("openai", "gpt-4o", 2048, 4096, "high", 1105, "guide"),
    ("openai", "gpt-4o", 4096, 8192, "low", 85, "guide"),
    ("openai", "gpt-4o", 1920, 1080, None, 1105, "computed"),
    ("openai", "gpt-4o-2024-11-20", 512, 512, "auto", 255, "computed"),
    ("openai", "gpt-4.1", 910, 512, None, 425, "computed"),
    ("openai", "gpt-4o", 1024, 576, None, 765, "computed"),
    ("openai", "gpt-4o-mini", 1024, 1024, None, 25_501, "computed"),
    ("openai", "o1", 1024, 1024, None, 675, "computed"),
    ("openai", "o3", 1024, 1024, None, 675, "same row"),
    ("openai", "gpt-5", 1024, 1024, None, 630, "computed"),
    ("openai", "gpt-5-chat-latest", 1024, 1024, None, 630, "computed"),
    ("openai", "computer-use-preview", 1024, 1024, "low", 65, "guide"),
    ("openai", "gpt-image-1", 1024, 1024, None, 65 + 129, "guide"),
    ("openai", "gpt-image-1", 1024, 1024, "high_fidelity", 65 + 129 + 4160, "guide"),
    ("openai", "gpt-5.5", 2752, 1536, "high", 2765, "copy of the guide"),
    ("openai", "gpt-5.5", 4800, 2700, "high", 2765, "copy of the guide"),
    ("openai", "gpt-5.5", 3840, 2160, "high", 2765, "computed"),
    ("openai", "gpt-5.5", 3840, 2160, None, 9792, "computed: auto is original"),
    ("openai", "gpt-5.4", 3840, 2160, None, 2765, "computed: auto is high"),
    ("openai", "gpt-5.4", 3840, 2160, "original", 9792, "computed"),
    ("openai", "gpt-5.6-sol", 3840, 2160, "auto", 9792, "computed"),
    ("openai", "gpt-6-astra", 1920, 1080, "high", 2448, "computed"),
    ("openai", "o4-mini", 1024, 1024, None, 1762, "1024 × 1.72"),
    ("openai", "gpt-4.1-mini", 1024, 1024, None, 1659, "1024 × 1.62"),
    ("openai", "gpt-4.1-nano", 1024, 1024, None, 2520, "1024 × 2.46"),
    ("openai", "gpt-5-nano", 1024, 1024, None, 1536, "1024 × 1.5"),
    ("openai", "gpt-5-mini", 1024, 1024, None, 1229, "1024 × 1.2"),
    ("openai", "gpt-5.4-nano", 1024, 1024, "low", 308, "256 × 1.2"),
    ("anthropic", None, 200, 200, None, 64, "vision page"),
    ("anthropic", "claude-sonnet-4-5", 1000, 1000, None, 1296, "vision page"),
    ("anthropic", "claude-3-5-sonnet-20241022", 1092, 1092, None, 1521, "vision page"),
    ("anthropic", "claude-opus-4-20250514", 1920, 1080, None, 1560, "vision page"),
    ("anthropic", "claude-opus-4-7", 1920, 1080, None, 2691, "vision page"),
    ("anthropic", "claude-sonnet-4-5", 2000, 1500, None, 1564, "vision page"),
    ("anthropic", "claude-sonnet-5", 2000, 1500, None, 3888, "vision page"),
    ("anthropic", "claude-sonnet-4-5", 3840, 2160, None, 1560, "vision page"),
    ("anthropic", "claude-mythos-5", 3840, 2160, None, 4784, "vision page"),
    ("anthropic", "claude-sonnet-4-5", 1075, 1520, None, 1551, "vision-coordinates page"),
    ("anthropic", "claude-sonnet-4-5", 4000, 4000, None, 1521, "computed"),
    ("anthropic", "claude-fable-5", 4000, 4000, None, 4761, "computed"),
    ("anthropic", "claude-sonnet-4-5", 1568, 7698, None, 672, "computed"),
    ("google", None, 960, 540, None, 1548, "token page"),
    ("google", "gemini-2.5-flash", 1920, 1080, None, 1548, "computed"),
    ("google", "gemini-2.0-flash", 3840, 2160, None, 3870, "computed"),
    ("google", "gemini-2.5-pro", 1024, 1024, None, 1032, "computed"),
    ("google", "gemini-2.5-pro", 384, 384, None, 258, "token page"),
    ("google", "gemini-2.5-pro", 1024, 1024, "low", 64, "media resolution page"),
    ("google", "gemini-2.5-pro", 1024, 1024, "medium", 256, "media resolution page"),
    ("google", "gemini-3-pro", 1024, 1024, None, 1120, "media resolution page"),
    ("google", "gemini-3-pro", 1024, 1024, "low", 280, "media resolution page"),
    ("google", "gemini-3-pro", 1024, 1024, "medium", 560, "media resolution page"),
    ("google", "gemini-3.1-flash", 64, 64, "ultra_high", 2240, "media resolution page"),
    ("bedrock", "amazon.nova-pro-v1:0", 900, 450, None, 800, "image modality page"),
    ("amazon", "nova-lite", 800, 400, None, 800, "image modality page"),
    ("amazon", "nova-lite", 900, 900, None, 1300, "image modality page"),
    ("amazon", "nova-lite", 1400, 900, None, 1800, "image modality page"),
    ("amazon", "nova-lite", 1800, 900, None, 2400, "image modality page"),
    ("amazon", "nova-lite", 1300, 1300, None, 2600, "image modality page"),
    ("amazon", "nova-2-lite", 4000, 3000, None, 230, "user guide"),
    ("xai", "grok-4", 448, 448, None, 512, "older image page"),
    ("xai", "grok-4", 4000, 3000, None, 7 * 256, "older image page: at most six tiles"),
    ("qwen", "qwen2.5-vl-7b", 1920, 1080, None, 1222, "computed"),
    ("qwen", "qwen3-vl-8b", 1920, 1080, None, 2040, "computed"),
    ("meta", "llama-4-scout", 336, 336, None, 147, "processing_llama4"),
    ("meta", "llama-4-scout", 672, 672, None, 727, "processing_llama4"),
    ("mistral", "pixtral-12b", 1024, 1024, None, 4160, "mistral-common"),
    ("mistral", "pixtral-12b", 512, 512, None, 1056, "mistral-common"),
    ("mistral", "mistral-small-3.1", 1024, 1024, None, 1406, "mistral-common"),
    ("mistral", "mistral-small-3.1", 1920, 1080, None, 1736, "mistral-common"),
]


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}x{row[3]}-{row[4]}")
def test_vectors(row: tuple[str, str | None, int, int, str | None, int, str]) -> None:
    """The tokens of every published vector come out exactly."""
    provider, model, width, height, detail, tokens, _ = row
    assert image_tokens(width, height, provider=provider, model=model, detail=detail) == tokens


@pytest.mark.parametrize(
    ("formula", "size", "detail", "patches"),
    [
        (OpenAiPatches(1536, 2048), (1024, 1024), None, 1024),
        (OpenAiPatches(1536, 2048), (1800, 2400), None, 1452),
        (OpenAiPatches(1536, 2048), (1649, 928), None, 1508),
        (OpenAiPatches(2500, 2048), (6000, 6000), "high", 2500),
        (OpenAiPatches(2500, 2048, original=(0, 65_535)), (6000, 6000), "original", 35_344),
        (OpenAiPatches(2500, 2048), (6000, 6000), "low", 256),
    ],
)
def test_patches(formula: OpenAiPatches, size: tuple[int, int], detail: str | None, patches: int) -> None:
    """OpenAI's patch counts, before the multiplier."""
    assert formula.patches(*size, detail) == patches


@pytest.mark.parametrize(
    ("formula", "size", "seen"),
    [
        (OpenAiPatches(1536, 2048), (1800, 2400), (1056, 1408)),
        (OpenAiTiles(85, 170), (1920, 1080), (1365, 768)),
        (OpenAiTiles(85, 170), (2048, 4096), (768, 1536)),
        (OpenAiTiles(85, 170), (300, 200), (300, 200)),
        (AnthropicPatches(1568, 1568), (1920, 1080), (1456, 819)),
        (AnthropicPatches(1568, 1568), (2000, 1500), (1270, 952)),
        (AnthropicPatches(2576, 4784), (3840, 2160), (2576, 1449)),
        (AnthropicPatches(1568, 1568), (1075, 1520), (924, 1307)),
        (AnthropicPatches(1568, 1568), (4000, 4000), (1092, 1092)),
        (AnthropicPatches(2576, 4784), (4000, 4000), (1932, 1932)),
        (AnthropicPatches(1568, 1568), (1568, 7698), (319, 1568)),
    ],
)
def test_seen(
    formula: AnthropicPatches | OpenAiTiles | OpenAiPatches, size: tuple[int, int], seen: tuple[int, int]
) -> None:
    """The grid that the model sees is the published one; small pictures are not enlarged."""
    assert formula.seen(*size) == seen


def test_too_many_patches_are_refused() -> None:
    """6000² at original detail is over the 30,000 patches that the provider accepts."""
    formula = profile_for("openai", "gpt-5.6-sol").formula
    assert isinstance(formula, OpenAiPatches)
    assert formula.rejected(6000, 6000, "original")
    assert not formula.rejected(6000, 6000, "high")


def test_unknown_names_say_so() -> None:
    """A model or provider that we do not know takes a default, and the profile says which."""
    assert "gpt-4o" in str(profile_for("openai").assumed)
    assert "not known" in str(profile_for("openai", "davinci-9").assumed)
    assert "not known" in str(profile_for("acme", "zeta").assumed)
    assert profile_for("openai", "gpt-4o").assumed is None


def test_the_model_decides_before_the_provider() -> None:
    """A gateway's block in one dialect may be billed by another provider's formula."""
    assert profile_for("bedrock", "us.anthropic.claude-opus-4-7-v1:0").provider == "anthropic"
    assert profile_for("openai", "openrouter/google/gemini-3-pro").provider == "google"
    assert profile_for("openai", "meta-llama/llama-4-maverick").provider == "meta"


def test_rows_are_dated_and_sourced() -> None:
    """Every row says when and where it was read; every provider ends in a default."""
    assert all(row.dated and row.source for row in PROFILES)
    assert all(
        [row for row in PROFILES if row.provider == name][-1].models == "" for name in {r.provider for r in PROFILES}
    )


def test_a_picture_needs_a_size() -> None:
    """Zero pixels are refused with a sentence."""
    with pytest.raises(InvalidInput, match="0×5"):
        image_tokens(0, 5, provider="openai")


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from(PROFILES))
def test_resizing_as_the_provider_would_changes_no_bill(width: int, height: int, row: object) -> None:
    """``seen`` is a fixed point of the bill: a picture sent at that size costs no more than the one that came."""
    formula = row.formula  # type: ignore[attr-defined]
    if isinstance(formula, LlamaTiles):
        return
    seen = formula.seen(width, height)
    assert formula.tokens(*seen) <= formula.tokens(width, height)


@pytest.mark.parametrize("row", PROFILES, ids=lambda row: f"{row.provider} {row.family}")
def test_levels_are_offered_cheapest_first(row: object) -> None:
    """What a formula offers lowers the bill step by step and shows no more than the picture has; else it offers nothing."""
    formula = row.formula  # type: ignore[attr-defined]
    bills = [formula.tokens(3000, 2000, level) for level in formula.details]
    assert bills == sorted(bills)
    assert all(bill <= formula.tokens(3000, 2000) for bill in bills[:1])
    for level in (*formula.details, None):
        width, height = formula.seen(300, 200, level)
        assert 0 < width <= 3000
        assert 0 < height <= 2000
