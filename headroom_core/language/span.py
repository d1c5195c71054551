"""A stretch of a text."""

from __future__ import annotations

Span = tuple[int, int]
"""[start, end) in characters."""
