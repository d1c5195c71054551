"""A part of a kept picture: the region that a retrieval asks for, as bytes of a picture of its own."""

from __future__ import annotations

from headroom_core.errors import InvalidInput


def region(data: bytes, where: str) -> tuple[bytes, str]:
    """The pixels of ``where`` ("bottom right", "top", or "x0,y0,x1,y1" in pixels or fractions) and their MIME type.

    Lossless sources give a PNG, others a JPEG of high quality. Raises ``InvalidInput`` for a region that is not
    understood and for a picture that cannot be cut.
    """
    from headroom_core.image.codec import Unusable, decode, encode
    from headroom_core.image.crop import Region, box_of, cut

    picture = decode(data)
    if isinstance(picture, Unusable):
        raise InvalidInput(f"This picture cannot be cut ({picture.reason}); retrieve it whole, without region=.")
    box = box_of(where, picture.size)
    if box is None:
        wide, high = picture.size
        raise InvalidInput(
            f"region={where!r} is not understood; say a place such as 'bottom right' or four numbers "
            f"'x0,y0,x1,y1' inside {wide}×{high} pixels."
        )
    return encode(cut(picture.image, Region((box,), where)), lossless=picture.lossless, quality=95)
