"""A compressor as plain data and back, so that LangChain's ``dumpd`` and ``load`` take a whole model through a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from langchain_core.load.load import ALL_SERIALIZABLE_MAPPINGS
from langchain_core.load.serializable import Serializable

from headroom_core.ccr.originals import default_originals
from headroom_core.errors import InvalidInput, StoreError
from headroom_core.options import Options
from headroom_core.pipeline import Compressor

_DEFAULT: Final = Options()


def data_of(compressor: Compressor) -> dict[str, Any] | None:
    """The arguments that make this compressor again, as far as they are not the defaults.

    None where plain data cannot say it: transforms, a counter or an opened store of the caller's own. Listeners are left
    out, as LangChain leaves out callbacks.
    """
    given = {
        field.name: getattr(compressor.options, field.name)
        for field in fields(Options)
        if getattr(compressor.options, field.name) != getattr(_DEFAULT, field.name)
    }
    if compressor.count.name != "estimate":
        given["counter"] = compressor.count.name
    if compressor.options.strength != "lossless" and not _has_default_store(compressor):
        if compressor.originals is not None:
            return None
        given["originals"] = None
    try:
        again = compressor_from(given)
    except InvalidInput:
        return None  # no counter of ours has this name
    return given if (again.fingerprint, again.count) == (compressor.fingerprint, compressor.count) else None


def compressor_from(data: Mapping[str, Any]) -> Compressor:
    """The compressor that ``data_of`` described; lists, which JSON made of tuples, are tuples again."""
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
    }
    return Compressor(**arguments)


def register(model: type[Serializable]) -> None:
    """Add a class to the table by which LangChain finds what it loads.

    ``load`` still refuses it to callers who do not name this package in ``valid_namespaces`` or the class in
    ``allowed_objects``.
    """
    path = tuple(model.lc_id())
    ALL_SERIALIZABLE_MAPPINGS.setdefault(path, path)


def _has_default_store(compressor: Compressor) -> bool:
    try:
        return compressor.originals is default_originals()
    except StoreError:
        return True  # only the default store is opened here, and so can fail here
