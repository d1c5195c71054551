"""How an original lies in a store: kind, index and data in one compressed frame with a tag that proves them genuine."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping

from headroom_core.errors import InvalidInput, StoreError

_HEAD = struct.Struct(">4sBIQ16s")  # magic, form, length of the header, length of the data, tag
_MAGIC = b"hrm2"
_PLAIN, _DEFLATED = 0, 1
_LEVEL = 1  # of zlib: 6 per cent more bytes than level 3, in down to a third of its time
_LONGEST_HEADER = 16 << 20  # bytes
_LONGEST = 1 << 62  # bytes: what a length may say at all
_DAMAGED = "An original is damaged in the store. Forget its reference; the part goes out anew when it is sent again."
_ALTERED = (
    "What the store holds under this reference is not what was put there: it was altered, or written with another key. "
    "Check HEADROOM_KEY and HEADROOM_OLD_KEYS, or forget the reference."
)


def pack(data: bytes, kind: str, index: Mapping[str, object], tag: Callable[[bytes], bytes]) -> bytes:
    """One frame. ``tag`` gives 16 bytes that belong to the header. Raises ``InvalidInput`` for an index that JSON cannot hold."""
    try:
        header = json.dumps({"kind": kind, "index": dict(index)}, separators=(",", ":"), sort_keys=True).encode("ascii")
    except (TypeError, ValueError) as error:
        raise InvalidInput("The index of an original holds a value that JSON cannot hold. Use plain values.") from error
    if len(header) > _LONGEST_HEADER:
        raise InvalidInput(f"The index of an original takes {len(header)} bytes; {_LONGEST_HEADER} is the most.")
    content = header + data
    deflated = zlib.compress(content, _LEVEL)
    form, payload = (_DEFLATED, deflated) if len(deflated) < len(content) else (_PLAIN, content)
    return _HEAD.pack(_MAGIC, form, len(header), len(data), tag(header)) + payload


def unpack(
    frame: bytes, max_bytes: int | None, genuine: Callable[[bytes, bytes, bytes], bool]
) -> tuple[bytes, str, dict[str, object]]:
    """Data, kind and index. Never inflates more than the frame says, nor more than ``max_bytes`` of data.

    ``genuine(header, data, tag)`` decides before anything is read from the header. Raises ``StoreError`` for a frame
    that is damaged or not genuine.
    """
    try:
        magic, form, header_length, data_length, tag = _HEAD.unpack_from(frame)
    except struct.error as error:
        raise StoreError(_DAMAGED) from error
    most = _LONGEST if max_bytes is None else max_bytes
    if magic != _MAGIC or form not in (_PLAIN, _DEFLATED) or header_length > _LONGEST_HEADER or data_length > most:
        raise StoreError(_DAMAGED)
    content = _content(form, frame[_HEAD.size :], header_length + data_length)
    header, data = content[:header_length], content[header_length:]
    if not genuine(header, data, tag):
        raise StoreError(_ALTERED)
    said = json.loads(header)
    return data, str(said["kind"]), dict(said["index"])


def _content(form: int, payload: bytes, length: int) -> bytes:
    if form == _DEFLATED:
        inflate = zlib.decompressobj()
        try:
            payload = inflate.decompress(payload, length + 1)
        except zlib.error as error:
            raise StoreError(_DAMAGED) from error
        if not inflate.eof or inflate.unused_data:
            raise StoreError(_DAMAGED)
    if len(payload) != length:
        raise StoreError(_DAMAGED)
    return payload
