"""Source code by symbol: ``places(source, "Class.method")`` tells on which lines a definition stands."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from headroom_core.syntax import gutter
from headroom_core.syntax.outline import outline


def symbols(source: str, language: str | None = None) -> dict[str, tuple[int, int]]:
    """Qualified name → (first line, last line), from 1 and inclusive, of the text as given, decorators included.

    A second definition of the same name is ``name#2``. Empty where the text is no code that can be read here.
    """
    numbered = gutter.read(source)
    made = outline(numbered.source if numbered else source, language)
    if made is None:
        return {}
    found: dict[str, tuple[int, int]] = {}
    seen: dict[str, int] = {}
    starts = [-1]
    at = made.data.find(b"\n")
    while at >= 0:
        starts.append(at)
        at = made.data.find(b"\n", at + 1)
    for item in sorted((s for s in made.symbols if s.name), key=lambda s: (s.start, -s.end)):
        seen[item.qualified] = count = seen.get(item.qualified, 0) + 1
        name = item.qualified if count == 1 else f"{item.qualified}#{count}"
        found[name] = (bisect_left(starts, item.start), bisect_left(starts, item.end - 1))
    return found


def places(source: str, name: str) -> list[tuple[int, int]]:
    """First and last line, from 1 and inclusive, of each definition called ``name``, in order.

    ``name`` may be qualified (``Class.method``, ``Class::method``) or not. Empty where nothing is called so.
    """
    known = symbols(source)
    wanted = name.strip().removesuffix("()").replace("::", ".").replace("#", ".") if name not in known else name
    return _matches(known, wanted)


def _matches(known: dict[str, tuple[int, int]], wanted: str) -> list[tuple[int, int]]:
    """By qualified name, else by its last parts, else without regard to case; a match inside another one adds nothing."""
    tests: tuple[Callable[[str], bool], ...] = (
        lambda key: key == wanted,
        lambda key: key.endswith("." + wanted),
        lambda key: key.lower() == wanted.lower() or key.lower().endswith("." + wanted.lower()),
        lambda key: key.rsplit(".", 1)[-1] == wanted.rsplit(".", 1)[-1],
    )
    for test in tests:
        found = sorted({span for key, span in known.items() if test(key.split("#", 1)[0]) or key == wanted})
        if found:
            return [(a, b) for a, b in found if not any(x <= a and b <= y and (x, y) != (a, b) for x, y in found)]
    return []
