"""Pictures in message dicts, made cheaper one by one; every original kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from headroom_core.dialects import read_messages, write_message
from headroom_core.errors import InvalidInput, MissingExtra, ModelError, StoreError
from headroom_core.tokens.profiles import profile_for
from headroom_core.tokens.text import counter
from headroom_core.types import Block, Bytes, Image, Message, Text, TokenCounter, Url

from .decision import RouteDecision, Technique
from .ocr import Reader, open_engine
from .plan import Planned, Planner, aligned, tokens_of
from .router import Router

if TYPE_CHECKING:
    from headroom_core.ccr.originals import Originals

_LEVEL_TYPES = ("image_url", "input_image")
_LEVEL_PARTS = ("inline_data", "inlineData")
_QUERY_CHARS = 2000


class _DefaultStore:
    """Stands for the store of this user account."""


_DEFAULT_STORE: Final = _DefaultStore()


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one picture, or of all of them (then ``technique`` is the one that saved most).

    ``at`` is (message, block); ``ref`` calls the original back; ``decision`` holds signals and probabilities.
    """

    technique: Technique
    original_tokens: int
    compressed_tokens: int
    confidence: float
    reason: str = ""
    at: tuple[int, int] | None = None
    ref: str | None = None
    decision: RouteDecision | None = field(default=None, repr=False)
    bytes_saved: int = 0

    @property
    def savings_percent(self) -> float:
        """Share of the pictures' tokens that is saved, in per cent."""
        if self.original_tokens == 0:
            return 0.0
        return 100.0 * (self.original_tokens - self.compressed_tokens) / self.original_tokens


class ImageCompressor:
    """Compresses the pictures of messages: OCR, crop, low detail, or nothing, each with the question that concerns it.

    ``use_siglip``: see :class:`Router`. ``ocr`` names an engine; ``ocr_cache`` is a folder for readings. ``align``
    sends untouched pictures on the provider's own pixel grid where that has fewer bytes and loses nothing.
    ``originals`` defaults to the store of this user account; None keeps nothing. Adding this class is asking for lossy
    results: no marker is written, the reference stands on the result. ``fetch`` gives the bytes behind a URL, such as
    ``headroom_core.image.fetch.fetch_image``, or raises ``OSError``; without it no URL is ever fetched.
    """

    def __init__(
        self,
        *,
        use_siglip: bool | None = None,
        siglip_model: str | Path | None = None,
        ocr: str | None = None,
        ocr_cache: str | Path | None = None,
        align: bool = True,
        originals: Originals | _DefaultStore | None = _DEFAULT_STORE,
        namespace: str | None = None,
        router: Router | None = None,
        reader: Reader | None = None,
        count: TokenCounter | None = None,
        fetch: Callable[[str], bytes] | None = None,
    ) -> None:
        self.router = router or Router(use_siglip=use_siglip, siglip_model=siglip_model)
        if reader is None and ocr_cache is not None:
            reader = Reader(open_engine(ocr), folder=ocr_cache)
        self._planner = Planner(self.router, reader, engine=ocr)
        self._align = align
        self._originals = originals
        self._namespace = namespace
        self._count = count or counter()
        self._fetch = fetch
        self.results: list[ImageResult] = []
        self.last_result: ImageResult | None = None

    def __enter__(self) -> ImageCompressor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the models; the next call loads them again."""
        self.router = Router(use_siglip=self.router.use_siglip)
        self._planner = Planner(self.router)

    def compress(
        self,
        messages: Sequence[Mapping[str, Any]],
        provider: str = "openai",
        model: str | None = None,
        query: str | None = None,
    ) -> list[Any]:
        """The messages with cheaper pictures; a message without a change is the same object.

        ``query`` is the question for all pictures; without it each picture has the text beside it in its message, or
        the last user text before it. Without a model, OpenAI counts as gpt-4o.
        """
        if isinstance(messages, (str, bytes, Mapping)):
            raise InvalidInput("compress() takes a list of messages; wrap a single message in a list.")
        read = read_messages(messages)
        self.results = []
        out: list[Any] = []
        for m, message in enumerate(read):
            after: list[Sequence[Block]] = [[block] for block in message.blocks]
            for b, block in enumerate(message.blocks):
                if isinstance(block, Image):
                    asked = query if query is not None else _question(read, m, b)
                    made = self._one(
                        block, asked, provider, model, (m, b), _has_levels(messages[m], block, provider, model)
                    )
                    after[b] = made if made is not None else [block]
            changed = any(len(new) != 1 or new[0] is not old for old, new in zip(message.blocks, after, strict=True))
            out.append(write_message(message, after) if changed else messages[m])
        self.last_result = _summed(self.results) if self.results else None
        return out

    @property
    def last_savings(self) -> float:
        """Per cent of the pictures' tokens that the last call saved."""
        return self.last_result.savings_percent if self.last_result else 0.0

    def extract_image_data(self, messages: Sequence[Mapping[str, Any]]) -> bytes | None:
        """The bytes of the first picture that is at hand, or None."""
        for message in read_messages(messages):
            for block in message.blocks:
                if isinstance(block, Image) and isinstance(block.source, Bytes):
                    return block.source.data
        return None

    def _get_router(self) -> Router:
        """The name that the public documentation of the field uses for ``router``."""
        return self.router

    _extract_image_data = extract_image_data

    def _one(
        self, block: Image, query: str | None, provider: str, model: str | None, at: tuple[int, int], levels: bool
    ) -> list[Block] | None:
        """The blocks that replace this one, or None; the result is noted."""
        if block.protected:
            self._keep(block, block.protected, provider, model, at)
            return None
        linked = isinstance(block.source, Url)
        try:
            block = self._at_hand(block)
        except OSError as error:
            self._keep(block, f"its url was not fetched: {error}", provider, model, at)
            return None
        try:
            planned = self._planner.plan(block, query, count=self._count, provider=provider, model=model, levels=levels)
        except (ModelError, MissingExtra) as error:
            self._keep(block, f"a model is not at hand: {error}", provider, model, at)
            return None
        if planned.blocks is not None:
            blocks: list[Block] | None = _closed(planned)
        else:
            blocks = None if linked else self._aligned(block, provider, model)
        if blocks is None:
            self._note(planned, at)
            return None
        try:
            ref = self._stored(block)
        except StoreError as error:
            self._keep(block, f"its original could not be stored: {error}", provider, model, at)
            return None
        self._note(planned, at, ref, _bytes_of([block]) - _bytes_of(blocks))
        return blocks

    def _at_hand(self, block: Image) -> Image:
        """The block with the bytes behind its URL, where the caller allows that; else the block itself."""
        if self._fetch is None or not isinstance(block.source, Url):
            return block
        return replace(block, source=Bytes(self._fetch(block.source.url)), mime=None)

    def _aligned(self, block: Image, provider: str, model: str | None) -> list[Block] | None:
        made = aligned(block, provider, model) if self._align else None
        return None if made is None else [made]

    def _note(self, planned: Planned, at: tuple[int, int], ref: str | None = None, fewer: int = 0) -> None:
        made = planned.decision
        reason = made.reason + (
            f"; aligned to the provider's grid: {fewer:,} bytes fewer" if fewer and not planned.blocks else ""
        )
        tokens = (planned.original_tokens, planned.tokens)
        self.results.append(ImageResult(made.technique, *tokens, made.confidence, reason, at, ref, made, fewer))

    def _keep(self, block: Image, reason: str, provider: str, model: str | None, at: tuple[int, int]) -> None:
        tokens = tokens_of(block, provider, model)
        self.results.append(ImageResult(Technique.PRESERVE, tokens, tokens, 1.0, reason, at))

    def _stored(self, block: Image) -> str | None:
        """Keep the original; its reference, or None where nothing is to be kept."""
        originals = self._originals
        if isinstance(originals, _DefaultStore):
            from headroom_core.ccr.originals import default_originals

            originals = default_originals()
        if originals is None or not isinstance(block.source, Bytes):
            return None
        from headroom_core import settings

        return originals.put(block.source.data, namespace=self._namespace or settings.namespace(), kind="image")


def compress_images(
    messages: Sequence[Mapping[str, Any]],
    provider: str = "openai",
    model: str | None = None,
    query: str | None = None,
    **options: Any,
) -> list[Any]:
    """One call: a temporary :class:`ImageCompressor` (whose keyword arguments ``options`` are), closed afterwards."""
    with ImageCompressor(**options) as compressor:
        return compressor.compress(messages, provider=provider, model=model, query=query)


def _closed(planned: Planned) -> list[Block]:
    """The planned blocks; text says in one line what is gone."""
    blocks = list(planned.blocks or ())
    last = blocks[-1]
    if isinstance(last, Text) and planned.left_out:
        blocks[-1] = Text(f"{last.text}\n(left out: {planned.left_out})", last.path, last.role, last.tool)
    return blocks


def _question(messages: Sequence[Message], m: int, b: int) -> str | None:
    """The question that concerns a picture: text beside it in a user message, else the last user text before it."""
    own = messages[m]
    if own.role == "user" and own.blocks[b].role in (None, "user"):  # type: ignore[union-attr]
        beside = _beside(own.blocks, b)
        if beside:
            return beside[-_QUERY_CHARS:]
    for message in reversed(messages[: m + 1]):
        if message.role == "user":
            texts = [
                x.text for x in message.blocks if isinstance(x, Text) and x.role in (None, "user") and x.text.strip()
            ]
            if texts:
                return "\n".join(texts)[-_QUERY_CHARS:]
    return None


def _beside(blocks: Sequence[Block], b: int) -> str | None:
    """Where pictures and texts alternate one to one, each picture has its own text; else all text is for all."""
    kinds = "".join(
        "i" if isinstance(x, Image) else "t" if isinstance(x, Text) and x.text.strip() else "" for x in blocks
    )
    texts = [x.text for x in blocks if isinstance(x, Text) and x.text.strip()]
    nth = sum(isinstance(x, Image) for x in blocks[:b])
    pictures = kinds.count("i")
    if pictures > 1 and kinds in ("it" * pictures, "ti" * pictures):
        return texts[nth]
    return "\n".join(texts) or None


def _has_levels(raw: Mapping[str, Any], block: Image, provider: str, model: str | None) -> bool:
    """Can this block's dialect ask for a detail level? A Gemini part only where Gemini counts it."""
    node: Any = raw.get("content", raw.get("parts", raw.get("output"))) if isinstance(raw, Mapping) else None
    for step in block.path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return False
    if not isinstance(node, Mapping):
        return False
    if any(key in node for key in _LEVEL_PARTS):
        return profile_for(provider, model).provider == "google"
    return node.get("type") in _LEVEL_TYPES


def _bytes_of(blocks: Sequence[Block]) -> int:
    return sum(len(_data) for _data in _payloads(blocks))


def _payloads(blocks: Sequence[Block]) -> Iterator[bytes]:
    for block in blocks:
        if isinstance(block, Image) and isinstance(block.source, Bytes):
            yield block.source.data
        elif isinstance(block, Text):
            yield block.text.encode("utf-8", "surrogatepass")


def _summed(results: Sequence[ImageResult]) -> ImageResult:
    """The whole call: sums, the technique that saved most, the least confidence."""
    most = max(results, key=lambda result: result.original_tokens - result.compressed_tokens)
    return ImageResult(
        most.technique,
        sum(result.original_tokens for result in results),
        sum(result.compressed_tokens for result in results),
        min(result.confidence for result in results),
        most.reason,
        most.at if len(results) == 1 else None,
        most.ref if len(results) == 1 else None,
        most.decision,
        sum(result.bytes_saved for result in results),
    )
