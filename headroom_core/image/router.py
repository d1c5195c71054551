"""The router: what the question needs, what the picture holds, and the technique that both agree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from headroom_core.errors import InvalidInput

from . import fuse
from .codec import Picture, Unusable, decode
from .crop import named_place
from .decision import ImageSignals, RouteDecision, Technique
from .fuse import Option
from .query import QueryClassifier
from .signals import SignalNet

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

# Usual shares of the picture's tokens, for a decision before anything is read.
_USUAL = {Technique.TRANSCODE: 20, Technique.CROP: 35, Technique.FULL_LOW: 15, Technique.PRESERVE: 100}


class Router:
    """Routes one picture under one question.

    ``use_siglip``: None looks with the bundled signal net, True with SigLIP (``siglip_model``: folder or hub name),
    False does not look at the picture at all, so that the question alone decides.
    """

    def __init__(
        self, *, use_siglip: bool | None = None, siglip_model: str | Path | None = None, folder: Path | None = None
    ) -> None:
        self.use_siglip = use_siglip
        self._siglip_model = siglip_model
        self._query = QueryClassifier(folder)
        self._folder = folder
        self._eye: Callable[[PilImage], ImageSignals] | None = None

    def ask(self, query: str | None, signals: ImageSignals | None = None) -> Mapping[Technique, float]:
        """What the question needs of this picture. Without one, a document is wanted as text, anything else as it is."""
        if query and query.strip():
            return fuse.as_seen(self._query(query), signals)
        if signals is not None and min(signals.is_document, signals.has_text) >= fuse.DOCUMENT:
            return {Technique.TRANSCODE: 0.9, Technique.CROP: 0.0, Technique.FULL_LOW: 0.0, Technique.PRESERVE: 0.1}
        return {Technique.TRANSCODE: 0.0, Technique.CROP: 0.0, Technique.FULL_LOW: 0.0, Technique.PRESERVE: 1.0}

    def look(self, image: PilImage) -> ImageSignals | None:
        """What the picture holds; None where ``use_siglip=False``."""
        if self.use_siglip is False:
            return None
        if self._eye is None:
            self._eye = self._open_eye()
        return self._eye(image)

    def _open_eye(self) -> Callable[[PilImage], ImageSignals]:
        if not self.use_siglip:
            return SignalNet(self._folder)
        from .siglip import DEFAULT_MODEL, SiglipSignals

        return SiglipSignals.load(self._siglip_model or DEFAULT_MODEL)

    def classify(self, image_data: bytes | Picture | None, query: str | None) -> RouteDecision:
        """The decision before anything is read or measured, at usual token shares."""
        picture = decode(image_data) if isinstance(image_data, (bytes, bytearray)) else image_data
        if picture is None:
            raise InvalidInput("classify() got no image data; pass the bytes of a picture.")
        if isinstance(picture, Unusable):
            return RouteDecision(Technique.PRESERVE, 1.0, picture.reason)
        signals = self.look(picture.image)
        probabilities = self.ask(query, signals)
        options = [Option(technique, share) for technique, share in _USUAL.items()]
        if named_place(query) is None:
            options = [option for option in options if option.technique is not Technique.CROP]
        return decision(fuse.decide(options, probabilities, signals), probabilities, signals)


def decision(
    verdict: fuse.Verdict, probabilities: Mapping[Technique, float], signals: ImageSignals | None
) -> RouteDecision:
    """A verdict with what it was made from."""
    asked = max(probabilities, key=lambda technique: probabilities[technique])
    return RouteDecision(
        verdict.option.technique,
        verdict.confidence,
        verdict.reason,
        signals,
        asked,
        round(probabilities[asked], 4),
        dict(probabilities),
    )
