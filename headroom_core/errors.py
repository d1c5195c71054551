"""Everything the library raises.

HeadroomError
├── InvalidInput            a value that we cannot use (also a ValueError)
├── MissingExtra            an optional package is not installed (also an ImportError); names its pip line
├── StoreError              the originals store failed
│   └── UnknownReference    missing, expired and foreign references alike (also a KeyError)
├── ModelError              a bundled or downloaded model is missing, altered or of another layout
└── TransformError          strict mode: a transform failed; ``__cause__`` is the failure
"""

from __future__ import annotations


class HeadroomError(Exception):
    """Base of all errors of this library."""


class InvalidInput(HeadroomError, ValueError):
    """A value that we cannot use; the message names it and the remedy."""


class MissingExtra(HeadroomError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Install it with: pip install 'headroom-integrations[{extra}]'")


class StoreError(HeadroomError):
    """The originals store failed."""


class UnknownReference(StoreError, KeyError):
    """No original under this reference here: it never existed, has expired, or belongs to another namespace."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ModelError(HeadroomError):
    """A model file is missing, altered or of another layout."""


class TransformError(HeadroomError):
    """Strict mode: a transform failed."""
