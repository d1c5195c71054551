"""Outlines: the definitions of a source text, by byte offsets into its UTF-8 form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from headroom_core.syntax import guess

_MAX_CHARS: Final = 2_000_000
_MAX_LINE_CHARS: Final = 20_000
_MAX_NAME_CHARS: Final = 300
_FEW_ERRORS: Final = 3  # lines to a syntax error, at least

Span: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Symbol:
    """A definition. ``start``/``end`` hold decorators and modifiers too; ``fold`` is what a folded body replaces.

    ``style`` says how: a Python suite, braces, an expression in a place that takes braces, a macro, or plain lines.
    ``parent`` is the index of the definition around it, or -1. ``statement`` can be moved to stand directly in the
    body of an outer function, where a language allows that. ``clean``: no syntax error inside.
    """

    name: str
    kind: Literal["function", "class"]
    start: int
    end: int
    fold: Span
    inner: Span
    style: Literal["suite", "braces", "expression", "macro", "lines"]
    parent: int = -1
    qualified: str = ""
    doc: Span | None = None
    statement: Span | None = None
    direct: bool = False
    wrapper: bool = False
    clean: bool = True


@dataclass(slots=True)
class Outline:
    """All that folding needs; ``engine`` tells who read the text, ``broken`` that it has syntax errors.

    ``comment`` opens a comment where no grammar says how.
    """

    data: bytes
    language: str
    engine: Literal["tree-sitter", "ast", "plain"]
    symbols: list[Symbol]
    comments: list[Span] = field(default_factory=list)
    docs: list[Span] = field(default_factory=list)
    literals: list[tuple[Span, list[Span]]] = field(default_factory=list)
    texts: list[Span] = field(default_factory=list)
    broken: int = 0
    comment: bytes = b""


def outline(source: str, language: str | None = None) -> Outline | None:
    """The outline of ``source``; None where the text is no code that anyone here can read.

    ``language`` is a name of ``languages.LANGUAGES``; without it the text itself decides.
    """
    if len(source) > _MAX_CHARS or not source.strip() or "\x00" in source:
        return None
    if len(source) > _MAX_LINE_CHARS and max(map(len, source.split("\n"))) > _MAX_LINE_CHARS:
        return None
    try:
        data = source.encode("utf-8")
    except UnicodeEncodeError:
        return None
    candidates = (language,) if language else guess.languages(source)
    found = _read(data, source, candidates)
    if found is not None and (not found.broken or _mostly_read(found)):
        return found
    from headroom_core.syntax._plain import read

    return read(data) or found


def _mostly_read(found: Outline) -> bool:
    """Errors here and there, and definitions without any: else the text is in another language."""
    few = found.broken * _FEW_ERRORS <= found.data.count(b"\n")
    return few and any(symbol.clean for symbol in found.symbols)


def _read(data: bytes, source: str, candidates: tuple[str, ...]) -> Outline | None:
    """By the first grammar that reads all of it, else by the one with the fewest errors if those are few."""
    from headroom_core.syntax import _tree

    best: Outline | None = None
    for name in candidates:
        found = _tree.read(data, name)
        if found is None and name == "python":
            from headroom_core.syntax import _ast

            found = _ast.read(data, source)
        if found is not None and (best is None or found.broken < best.broken):
            best = found
        if best is not None and not best.broken:
            break
    return best


def qualify(symbols: list[Symbol]) -> None:
    """Give each symbol its qualified name from the nearest named symbol around it, which comes before it."""
    for symbol in symbols:
        at = symbol.parent
        while at >= 0 and not symbols[at].name and symbols[at].parent >= 0:
            at = symbols[at].parent
        around = symbols[at].qualified if at >= 0 else ""
        prefix = f"{around}." if around and len(around) < _MAX_NAME_CHARS else ""
        symbol.qualified = prefix + symbol.name if symbol.name else around
