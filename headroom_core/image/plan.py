"""From one picture and one question to the blocks that replace it: read, crop, shrink, or leave, with the costs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from headroom_core.errors import MissingExtra
from headroom_core.tokens.profiles import Profile, profile_for
from headroom_core.types import Block, Bytes, Image, Nested, Text, TokenCounter, leave

from . import fuse
from .align import align, provider_view
from .asked import asked_rows, wants_everything
from .codec import Picture, Unusable, decode, encode, size_of
from .crop import Region, cut, find, named_place, salient, scaled, sized
from .decision import RouteDecision, Technique
from .downscale import lowest
from .fuse import Option
from .layout import Row, rows, text_of
from .ocr import Line, Reader, doubt, open_engine
from .router import Router, decision

_HEAD = "Text of the picture (OCR):"
_SURE_LINE = 0.5
_LEAST_VIEW = 0.6
_SMALL_PRINT = 20.0
_SURE_CHOICE = 0.7
_BY_ROWS = 0.25
_BY_PLACE = 0.2
_READING = re.compile(
    r"\b(?:says?|read|text|written|line|words?|heading|header|footer|caption|title|number|transcribe)\b", re.I
)
_POINTS = re.compile(r"^computer(?![a-z])|computer[_-]?use|mouse|click|coordinate", re.I)
_THUMB = 256
_MOST_CROP = 0.85


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of one picture. ``blocks`` is None where it stays; ``left_out`` says what is gone."""

    decision: RouteDecision
    original_tokens: int
    tokens: int
    blocks: tuple[Block, ...] | None = None
    left_out: str | None = None
    index: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ready:
    """An option with what it would send."""

    option: Option
    blocks: tuple[Block, ...]
    left_out: str
    index: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that one decision rests on."""

    block: Image
    picture: Picture
    profile: Profile
    query: str | None
    count: TokenCounter
    nested: Nested
    levels: bool

    @property
    def tokens(self) -> int:
        return self.profile.tokens(*self.picture.size, self.block.detail)

    @property
    def view_scale(self) -> float:
        """Scale at which the provider sees the whole picture, at most 1."""
        size = self.picture.size
        return min(1.0, self.profile.seen(*size, self.block.detail)[0] / size[0])

    def image(self, data: bytes, mime: str, detail: str | None = None) -> Image:
        """A picture block like the one that came."""
        return Image(Bytes(data), mime, detail or self.block.detail, self.block.path, self.block.role, self.block.tool)


class Planner:
    """Plans pictures with one router and one OCR reader. ``reader`` None opens the default engine when needed."""

    def __init__(
        self, router: Router | None = None, reader: Reader | None = None, *, engine: str | None = None
    ) -> None:
        self.router = router or Router()
        self._reader = reader
        self._engine = engine

    def plan(
        self,
        block: Image,
        query: str | None,
        *,
        count: TokenCounter,
        provider: str | None = None,
        model: str | None = None,
        nested: Nested = leave,
        levels: bool = True,
    ) -> Planned:
        """``levels`` says whether the block's dialect can ask for a detail level."""
        profile = profile_for(provider, model)
        if not isinstance(block.source, Bytes):
            return _left("the picture is not at hand (a url that may not be fetched, or a file id)", 0)
        if block.tool and _POINTS.search(block.tool):
            return _left(f"{block.tool} points at places of this picture", tokens_of(block, provider, model))
        picture = decode(block.source.data, block.mime)
        if isinstance(picture, Unusable):
            return _left(picture.reason, tokens_of(block, provider, model))
        case = _Case(block, picture, profile, query, count, nested, levels)
        signals = self.router.look(picture.image)
        probabilities = self.router.ask(query, signals)
        ready, notes = self._options(case, probabilities, signals)
        verdict = fuse.decide(
            [Option(Technique.PRESERVE, case.tokens), *(r.option for r in ready)], probabilities, signals
        )
        made = decision(verdict, probabilities, signals)
        if notes and made.technique is not Technique.TRANSCODE:
            made = _because(made, notes)
        if profile.assumed:
            made = _because(made, [profile.assumed])
        if made.technique is Technique.PRESERVE:
            return Planned(made, case.tokens, case.tokens)
        chosen = next(r for r in ready if r.option is verdict.option)
        return Planned(made, case.tokens, chosen.option.tokens, chosen.blocks, chosen.left_out, chosen.index)

    def _options(
        self, case: _Case, probabilities: Mapping[Technique, float], signals: Any
    ) -> tuple[list[_Ready], list[str]]:
        """What could be sent, measured; text is read only where reading could win."""
        ready = [made for made in (_low(case),) if made]
        notes: list[str] = []
        found: tuple[Row, ...] = ()
        wanted = fuse.allowed([Option(Technique.TRANSCODE, case.tokens // 4)], signals)[0]
        likely = min(fuse.expected_loss(t, probabilities) for t in (Technique.TRANSCODE, Technique.CROP))
        if wanted and likely <= fuse.MOST_LOSS:
            found, note = self._read(case)
            notes += [note] if note else []
            made = None if note else _text(case, found)
            if isinstance(made, str):
                notes.append(made)
            elif made:
                ready.append(made)
        if fuse.expected_loss(Technique.CROP, probabilities) <= fuse.MOST_LOSS:
            cropped = _crop(case, found, unsure=bool(notes))
            ready += [cropped] if cropped else []
        return ready, notes

    def _read(self, case: _Case) -> tuple[tuple[Row, ...], str | None]:
        """The rows that OCR reads, and why they cannot stand for the picture, if so."""
        try:
            if self._reader is None:
                self._reader = Reader(open_engine(self._engine))
            lines = read(case.picture, case.profile, self._reader, case.block.detail)
        except MissingExtra as error:
            return (), f"no OCR: {error}"
        return rows(lines), doubt(lines)


def read(picture: Picture, profile: Profile, reader: Reader, detail: str | None = None) -> tuple[Line, ...]:
    """The surely read lines of a picture, their boxes in its own pixels.

    It is read as the provider shows it to its model, so that what the model could read is in the text too. Only where
    that view is far smaller, or shows small print or none, the picture itself is read: it holds more.
    """
    view = provider_view(picture.image, profile, detail)
    scale = view.size[0] / picture.size[0]
    if scale >= _LEAST_VIEW:
        lines = reader.read(view).sure(_SURE_LINE)
        if scale == 1 or (lines and median(line.height for line in lines) >= _SMALL_PRINT):
            return tuple(line.scaled(1 / scale) for line in lines)
    return reader.read(picture.image).sure(_SURE_LINE)


def tokens_of(block: Image, provider: str | None = None, model: str | None = None) -> int:
    """What the provider bills for a picture block; 0 where its size cannot be known."""
    size = size_of(block.source.data) if isinstance(block.source, Bytes) else None
    return profile_for(provider, model).tokens(*size, block.detail) if size else 0


def aligned(block: Image, provider: str | None = None, model: str | None = None) -> Image | None:
    """The same view of a picture in fewer bytes, as a block like it; None where nothing is to gain without loss."""
    if not isinstance(block.source, Bytes):
        return None
    picture = decode(block.source.data, block.mime)
    if isinstance(picture, Unusable):
        return None
    made = align(picture, profile_for(provider, model), block.detail)
    if made is None:
        return None
    return Image(Bytes(made.data), made.mime, block.detail, block.path, block.role, block.tool, block.protected)


def _text(case: _Case, found: tuple[Row, ...]) -> _Ready | str:
    """The picture as text: the rows that the question asks for, or all of them, shortened further where that helps.

    A few rows must be surer than a whole page: where one of them is not, the reason comes back instead.
    """
    place = _text_at_place(case, found)
    kept = place or asked_rows(found, case.query)
    chosen = [found[at] for at in kept]
    if len(kept) < len(found):
        unsure = doubt([line for row in chosen for line in row.lines], least=_SURE_CHOICE, worst_share=0.08)
        if unsure:
            return unsure
    body, left_out = text_of(chosen), "the picture itself"
    if len(kept) < len(found):
        left_out = f"the picture itself and {len(found) - len(kept)} of {len(found)} lines of its text"
    elif case.query and not wants_everything(case.query):
        shorter = case.nested(body, kind="prose")
        if shorter is not None and case.count(shorter.text) < case.count(body):
            body = shorter.text
            left_out = f"the picture itself; of its text {shorter.left_out or 'nothing'}"
    text = f"{_HEAD}\n{body}"
    spared = _BY_PLACE if place else 1.0
    option = Option(Technique.TRANSCODE, case.count(text) + 4, spared, f"{len(kept)} of {len(found)} lines read")
    block = Text(text, case.block.path, case.block.role, case.block.tool)
    return _Ready(option, (block,), left_out, {"technique": "transcode", "rows": kept})


def _text_at_place(case: _Case, found: tuple[Row, ...]) -> list[int]:
    """The rows at the place that the question names, where it asks to read what stands there; else none."""
    place = named_place(case.query) if case.query and _READING.search(case.query) else None
    if place is None:
        return []
    left, top, right, bottom = scaled(place[0], case.picture.size)
    centres = [((row.box[0] + row.box[2]) / 2, (row.box[1] + row.box[3]) / 2) for row in found]
    return [at for at, (x, y) in enumerate(centres) if left <= x <= right and top <= y <= bottom]


def _crop(case: _Case, found: tuple[Row, ...], *, unsure: bool) -> _Ready | None:
    """The asked region at full detail, and a thumbnail of the whole where both together are still cheap."""
    size, image = case.picture.size, case.picture.image
    region = find(case.query, found, size, unsure=unsure)
    if region is None:
        box = salient(image)
        region = Region((box,), "the only part with edges") if box else None
    if region is None or region.share(size) > _MOST_CROP:
        return None
    piece = cut(image, region)
    plan = sized(region, found, size, case.profile, case.block.detail)
    if plan.size != piece.size:
        piece = piece.resize(plan.size, _lanczos())
    data, mime = encode(piece, lossless=case.picture.lossless, quality=92)
    blocks: tuple[Block, ...] = (case.image(data, mime),)
    tokens, how = plan.tokens, f"crop: {region.how}"
    thumb = image.copy()
    thumb.thumbnail((_THUMB, _THUMB))
    small = lowest(thumb.size, case.profile, long_side=_THUMB, levels=case.levels)
    if tokens + small.tokens <= 0.5 * case.tokens:
        data, mime = encode(thumb, lossless=False, quality=80)
        blocks = (case.image(data, mime, small.detail), *blocks)
        tokens, how = tokens + small.tokens, how + ", with a thumbnail"
    boxes = [[round(edge) for edge in box] for box in region.boxes]
    spared = _BY_ROWS if region.by_rows else 1.0
    option = Option(Technique.CROP, tokens, spared, how)
    return _Ready(option, blocks, f"the picture outside {region.how}", {"technique": "crop", "boxes": boxes})


def _low(case: _Case) -> _Ready | None:
    """The whole picture at the provider's cheapest level or small; loss counts only the detail that the model had."""
    size = case.picture.size
    plan = lowest(size, case.profile, levels=case.levels)
    if plan.tokens >= case.tokens:
        return None
    seen = case.profile.seen(*plan.size, plan.detail)
    scale = min(1.0, seen[0] / size[0]) / case.view_scale
    image = case.picture.image
    target = (min(seen[0], size[0]), min(seen[1], size[1]))
    if target != size:
        image = image.resize(target, _lanczos())
        data, mime = min(
            (encode(image, lossless=lossless, quality=85) for lossless in (True, False)), key=lambda m: len(m[0])
        )
    else:
        data, mime = case.picture.data, case.picture.mime
    spared = max(0.05, 1 - scale * scale)
    how = f"{plan.detail or 'small'} level, {target[0]}×{target[1]}"
    option = Option(Technique.FULL_LOW, plan.tokens, spared, how)
    return _Ready(
        option, (case.image(data, mime, plan.detail),), f"fine detail; sent at {how}", {"technique": "full_low"}
    )


def _left(reason: str, tokens: int) -> Planned:
    return Planned(RouteDecision(Technique.PRESERVE, 1.0, reason), tokens, tokens)


def _because(made: RouteDecision, notes: list[str]) -> RouteDecision:
    reason = "; ".join([made.reason, *notes])
    return RouteDecision(
        made.technique,
        made.confidence,
        reason,
        made.image_signals,
        made.query_prediction,
        made.query_confidence,
        made.probabilities,
    )


def _lanczos() -> Any:
    from PIL.Image import Resampling

    return Resampling.LANCZOS
