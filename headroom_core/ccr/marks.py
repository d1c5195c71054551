"""The marker: the last line of a shortened text, which says what was left out and how to call it back.

    [left out: 188 of 200 rows (status=completed) · headroom_retrieve(ref="hr_mzxw6ytboi2dgnbv") #k5ux2tslmn]

Anybody can write such a line. What makes one ours is the seal after ``#``: a MAC over the reference and every byte
before the seal. A marker that fails it, or stands anywhere but on the last line, is plain data.

Pure: no store, no clock. Every check looks at the last line only and takes time linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_OPEN = "[left out: "
_CALL = ' · headroom_retrieve(ref="'
_REF = r"hr_[a-z2-7]{16}"
_SEAL = r"[a-z2-7]{10}"
_TAIL = re.compile(re.escape(_CALL) + rf'({_REF})"\) #({_SEAL})\]')  # of fixed length: nothing to backtrack
_TAIL_LENGTH = len(_CALL) + 19 + 4 + 10 + 1
_LONGEST_LINE = 4000  # of what was left out
_IS_REF = re.compile(_REF)


@dataclass(frozen=True, slots=True)
class Mark:
    """A text that ends in something of the shape of a marker. Its shape proves nothing: see ``is_own``."""

    body: str
    left_out: str
    ref: str
    seal: str
    sealed: str
    """Every character before the seal."""


class Sealed(Protocol):
    """Who can tell whether a seal is ours: ``Originals``."""

    def verifies(self, ref: str, text: str, seal: str, *, namespace: str) -> bool:
        """Is this seal over reference and text ours, in this namespace?"""
        ...


def is_ref(text: object) -> bool:
    """Has this the shape of a reference?"""
    return isinstance(text, str) and _IS_REF.fullmatch(text) is not None


def caption(body: str, left_out: str) -> str:
    """The body and a last line that says what was left out, without a way back (strength ``lossy``)."""
    return _above(body) + f"{_OPEN}{one_line(left_out)}]"


def mark(body: str, left_out: str, ref: str, seal: Callable[[str, str], str], *, beside: str = "") -> str:
    """The body and its marker line.

    ``seal(ref, text)`` gives the MAC. ``beside`` is a digest of what stands beside the text and belongs to the same
    result (a shrunk picture); the seal then covers it too.
    """
    sealed = f'{_above(body)}{_OPEN}{one_line(left_out)}{_CALL}{ref}") #'
    return f"{sealed}{seal(ref, sealed + beside)}]"


def read_mark(text: str) -> Mark | None:
    """What the last line says, if it has the shape of a marker."""
    tail = _TAIL.fullmatch(text[-_TAIL_LENGTH:])
    if tail is None:
        return None
    start = text.rfind("\n", 0, len(text) - _TAIL_LENGTH) + 1
    left_out = text[start + len(_OPEN) : -_TAIL_LENGTH]
    if not text.startswith(_OPEN, start) or len(left_out) > _LONGEST_LINE:
        return None
    body = text[: start - 1] if start else ""
    return Mark(body, left_out, tail[1], tail[2], text[: -len(tail[2]) - 1])


def is_own(text: str, originals: Sealed, namespace: str, *, beside: str = "") -> bool:
    """Did we, in this namespace, put out exactly this text (and this beside it)?"""
    found = read_mark(text)
    return found is not None and originals.verifies(found.ref, found.sealed + beside, found.seal, namespace=namespace)


def one_line(left_out: str) -> str:
    """The text on one line without square brackets, cut at 4,000 characters: what may stand inside a marker."""
    flat = " ".join(left_out.split()).replace("[", "(").replace("]", ")")
    return flat if len(flat) <= _LONGEST_LINE else flat[: _LONGEST_LINE - 1] + "…"


def _above(body: str) -> str:
    return f"{body}\n" if body else ""
