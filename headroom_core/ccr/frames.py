"""How an original lies in a store: kind, index and data in one compressed frame that says how long it is."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

from headroom_core.errors import InvalidInput, StoreError

_HEAD = struct.Struct(">4sBIQI")  # magic, form, length of the header, length of the data, CRC-32 of both
_MAGIC = b"hrm1"
_PLAIN, _DEFLATED = 0, 1
_LEVEL = 3  # of zlib: half the time of the default level for a few per cent of the size
_DAMAGED = "An original is damaged in the store. Forget its reference; the part goes out anew when it is sent again."


def pack(data: bytes, kind: str, index: Mapping[str, object]) -> bytes:
    """One frame. Raises ``InvalidInput`` for an index that JSON cannot hold."""
    try:
        header = json.dumps({"kind": kind, "index": dict(index)}, separators=(",", ":"), sort_keys=True).encode("ascii")
    except (TypeError, ValueError) as error:
        raise InvalidInput("The index of an original holds a value that JSON cannot hold. Use plain values.") from error
    content = header + data
    deflated = zlib.compress(content, _LEVEL)
    form, payload = (_DEFLATED, deflated) if len(deflated) < len(content) else (_PLAIN, content)
    return _HEAD.pack(_MAGIC, form, len(header), len(data), zlib.crc32(content)) + payload


def unpack(frame: bytes, max_bytes: int | None) -> tuple[bytes, str, dict[str, object]]:
    """Data, kind and index. Never inflates more than the frame says, nor more than ``max_bytes`` of data.

    Raises ``StoreError`` for a damaged frame.
    """
    try:
        magic, form, header_length, data_length, check = _HEAD.unpack_from(frame)
    except struct.error as error:
        raise StoreError(_DAMAGED) from error
    if magic != _MAGIC or (max_bytes is not None and data_length > max_bytes):
        raise StoreError(_DAMAGED)
    content = _content(form, frame[_HEAD.size :], header_length + data_length)
    if zlib.crc32(content) != check:
        raise StoreError(_DAMAGED)
    try:
        header = json.loads(content[:header_length])
        return content[header_length:], str(header["kind"]), dict(header["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(_DAMAGED) from error


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
