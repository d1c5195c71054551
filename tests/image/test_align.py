"""Alignment sends the provider's own grid in fewer bytes, or nothing; lossy plans are separate and have a floor."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headroom_core.errors import InvalidInput
from headroom_core.image.align import align, provider_view
from headroom_core.image.codec import Picture, decode
from headroom_core.image.downscale import lowest, shrink
from headroom_core.tokens.profiles import PROFILES, profile_for
from tests.image.pictures import picture_bytes

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-7"),
]


def _picture(width: int, height: int, **options: object) -> Picture:
    found = decode(picture_bytes(width, height, **options))  # type: ignore[arg-type]
    assert isinstance(found, Picture)
    return found


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_an_aligned_picture_carries_what_the_provider_would_have_seen(provider: str, model: str) -> None:
    """Pixel for pixel, at the same tokens, in fewer bytes."""
    picture, profile = _picture(3000, 1700), profile_for(provider, model)
    made = align(picture, profile)
    assert made is not None
    view = provider_view(picture.image, profile)
    assert Image.open(io.BytesIO(made.data)).convert("RGB").tobytes() == view.convert("RGB").tobytes()
    assert profile.tokens(*made.size) == profile.tokens(*picture.size)
    assert len(made.data) < len(picture.data)


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_small_pictures_stay_the_same_object(provider: str, model: str) -> None:
    """No enlargement and no re-encoding where the provider takes the picture as it is."""
    picture = _picture(500, 400)
    assert align(picture, profile_for(provider, model)) is None
    assert provider_view(picture.image, profile_for(provider, model)) is picture.image


def test_alignment_never_writes_a_lossy_format() -> None:
    """A lossless source becomes a PNG; a JPEG becomes a PNG of the smaller grid or stays."""
    profile = profile_for("openai", "gpt-4o")
    for form in ("PNG", "JPEG", "BMP"):
        made = align(_picture(1700, 1700, form=form), profile)
        assert made is None or made.mime == "image/png"


@pytest.mark.parametrize("name", ["gemini-3-pro", "nova-lite", "qwen2.5-vl", "grok-4"])
def test_unpublished_grids_are_left_alone(name: str) -> None:
    """Where the provider's grid is not published exactly, nothing is aligned."""
    assert align(_picture(1700, 1300), profile_for(None, name)) is None


@given(st.integers(1, 6000), st.integers(1, 6000), st.sampled_from(PROFILES), st.floats(0.1, 1.0))
@settings(deadline=None)
def test_shrinking_keeps_its_floor_and_never_costs_more(width: int, height: int, row: object, floor: float) -> None:
    """The plan never goes under the scale, never enlarges, never costs more."""
    plan = shrink((width, height), row, least_scale=floor)  # type: ignore[arg-type]
    seen = row.seen(width, height)  # type: ignore[attr-defined]
    view = (min(width, seen[0]), min(height, seen[1]))
    assert plan.tokens <= row.tokens(width, height)  # type: ignore[attr-defined]
    assert plan.size[0] <= width
    assert plan.size[1] <= height
    if plan.size != (width, height):
        assert plan.size[0] + 1 >= view[0] * floor
        assert plan.size[1] + 1 >= view[1] * floor


def test_a_floor_is_a_share() -> None:
    """Zero and above one are refused with a sentence."""
    with pytest.raises(InvalidInput, match="least_scale"):
        shrink((100, 100), profile_for("openai"), least_scale=0)


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "detail"),
    [
        ("openai", "gpt-4o", 85, "low"),
        ("openai", "gpt-5-nano", 216, None),
        ("anthropic", "claude-sonnet-4-5", 209, None),
        ("google", "gemini-3-pro", 280, "low"),
        ("google", "gemini-2.5-pro", 258, None),
    ],
)
def test_the_cheapest_gist(provider: str, model: str, tokens: int, detail: str | None) -> None:
    """The low level where a block can ask for it, or a resize to 512 px (384 where that is the flat price)."""
    plan = lowest((1920, 1080), profile_for(provider, model))
    assert (plan.tokens, plan.detail) == (tokens, detail)
