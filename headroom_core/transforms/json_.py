"""JSON, NDJSON and our own compact form: tables without loss, and the rows that matter where losing rows is allowed."""

from __future__ import annotations

import json
from typing import Any

from headroom_core.anchors import asked
from headroom_core.ccr.slices_json import body_starts
from headroom_core.transforms._json.read import read
from headroom_core.transforms._json.values import Lines, NotJson, Value, length, parse
from headroom_core.transforms._json.values import to_json as _to_json
from headroom_core.transforms._json.view import View
from headroom_core.transforms._json.write import flow, write
from headroom_core.types import Context, Part, Rewrite

_SMALL = 800  # tokens: a part up to this size keeps everything
_SMALL_TABLE = 700  # tokens: so does one whose compact form is no larger
_SHARE, _SHARE_BEYOND, _BEND = 0.10, 0.03, 2_500  # tokens of a selection: a tenth, of long documents less
_LEAST, _MOST = 450, 16_000
_COMPACT = ("{", "[", "ndjson[")
_MAP = 16  # keys from which an object looks like a map


class Json:
    """The transform for kind ``json``."""

    name = "json"

    def __call__(self, part: Part, context: Context, /) -> Rewrite | None:
        """Tables without loss; where loss is allowed and the document is large, its rows that matter."""
        try:
            introduction, value = _load(part.text)
            found = _lossy(value, part, context, introduction) if context.strength != "lossless" else None
            return found or _lossless(value, part.text, introduction)
        except (NotJson, RecursionError):
            return None


def _lossy(value: Value, part: Part, context: Context, introduction: str) -> Rewrite | None:
    budget = _budget(part.tokens, context.target_ratio)
    if context.target_ratio is None and part.tokens <= _SMALL:
        return None
    if part.tokens <= 4 * _SMALL or context.target_ratio is not None:
        compact = context.count(write(value))
        if compact <= (_SMALL_TABLE if context.target_ratio is None else budget):
            return None
    sample = _sample(value)
    view = View(context, asked(context.query), context.count(sample) / max(1, len(sample)))
    text = write(view.shrink(value, budget))
    if not view.notes or not _encodable(text):
        return None
    return Rewrite.of(introduction + text, "; ".join(view.notes))


def _document(text: str) -> Value:
    """The value of a text that is one document."""
    try:
        return parse(text)
    except NotJson as error:
        if not text.startswith(_COMPACT):
            raise
        try:
            return read(text)
        except NotJson:
            raise error from None


def _load(text: str) -> tuple[str, Value]:
    """A short introduction (mostly empty) and the document behind it."""
    try:
        return "", _document(text)
    except NotJson as error:
        for start in body_starts(text):
            if text[:start].strip():
                try:
                    return text[:start], parse(text[start:])
                except NotJson:
                    continue
        raise error from None


def _lossless(value: Value, text: str, introduction: str) -> Rewrite | None:
    """The compact form, where the document stands alone: behind an introduction it would not be recognised again."""
    if introduction:
        return None
    compact = write(value)
    if compact == text or len(compact) >= len(text) or not _encodable(compact):
        return None
    return Rewrite.of(compact)


def _budget(tokens: int, ratio: float | None) -> float:
    """Tokens that a selection may take."""
    if ratio is not None:
        return ratio * tokens
    return min(max(_SHARE * tokens, _LEAST), _BEND + _SHARE_BEYOND * tokens, _MOST)


def _sample(value: Value) -> str:
    """Compact text of some of the document, to learn its tokens per character."""
    while type(value) is dict and 0 < len(value) < _MAP:
        value = max(value.values(), key=length)
    rows = list(value.values()) if type(value) is dict else value if isinstance(value, list) else [value]
    return "\n".join([flow(row)[:2_000] for row in rows[:: max(1, len(rows) // 6)][:6]])


def _encodable(text: str) -> bool:
    """A lone surrogate, escaped in JSON, cannot stand in a text that goes to a model."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def to_json(text: str) -> str:
    """Minified JSON of a document in JSON, NDJSON or the compact form; number literals and key order as they stand."""
    return _to_json(_document(text))


def decode(text: str) -> Any:
    """The plain Python value of a document in JSON, NDJSON (a list) or the compact form. ``NotJson`` for other texts."""
    value = _document(text)
    return json.loads(_to_json(list(value) if type(value) is Lines else value))


__all__ = ["Json", "NotJson", "decode", "to_json"]
