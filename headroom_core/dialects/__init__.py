"""One door for message dicts of every provider: read into core blocks, write back in the same dialect.

Nothing is copied until it changes, unknown keys stay, and a block that no reader knows comes out as the same object.
"""

from __future__ import annotations

from .content import read_content, write_content
from .messages import Kept, keep, read_message, read_messages, write_message

__all__ = ["Kept", "keep", "read_content", "read_message", "read_messages", "write_content", "write_message"]
