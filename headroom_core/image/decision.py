"""The nouns of image routing: techniques, what is seen in a picture, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Technique(str, Enum):
    """What may be done to a picture, from the most to the least aggressive."""

    TRANSCODE = "transcode"
    CROP = "crop"
    FULL_LOW = "full_low"
    PRESERVE = "preserve"


@dataclass(frozen=True, slots=True)
class ImageSignals:
    """What a picture holds, each in [0, 1].

    ``has_text``           a reader could quote at least one word of three letters, or a figure, at this resolution
    ``is_document``        a page, receipt, form or letter, scanned, photographed or rendered: text is its content
    ``is_complex``         many things or regions to attend to: a crowded scene, a busy screen, a figure of many panels
    ``has_small_details``  things that matter are smaller than about 2 % of the long side: small print, fine lines
    ``text_density``       share of the area that lines of text cover
    """

    has_text: float
    is_document: float
    is_complex: float
    has_small_details: float
    text_density: float = 0.0


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """One picture's route. ``confidence`` is 1 − the expected loss of the answer under ``technique``.

    ``reason`` names each override. ``query_prediction`` and ``query_confidence`` are the query classifier's own words.
    """

    technique: Technique
    confidence: float
    reason: str
    image_signals: ImageSignals | None = None
    query_prediction: Technique | None = None
    query_confidence: float = 0.0
    probabilities: Mapping[Technique, float] = field(default_factory=dict)
