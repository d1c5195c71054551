"""One transform for each kind of part, loaded when its kind first appears."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from headroom_core.types import Kind, Transform

_ROWS: dict[Kind, tuple[str, str]] = {
    "json": ("json_", "Json"),
    "log": ("logs", "Log"),
    "search": ("search", "Search"),
    "diff": ("diff", "Diff"),
    "code": ("code", "Code"),
    "table": ("table", "Table"),
    "html": ("html", "Html"),
    "config": ("config", "Config"),
    "tree": ("tree", "Tree"),
    "trace": ("trace", "Trace"),
    "prose": ("prose", "Prose"),
    "image": ("picture", "Picture"),
}


@cache
def transform_for(kind: Kind) -> Transform | None:
    """The library's own transform for ``kind``; None where a kind is always left as it is."""
    row = _ROWS.get(kind)
    if row is None:
        return None
    made: Transform = getattr(import_module(f"{__name__}.{row[0]}"), row[1])()
    return made


@cache
def mixture() -> Transform:
    """The transform for texts of several kinds: it asks the others for each segment."""
    from headroom_core.transforms.mixed import Mixed

    return Mixed()
