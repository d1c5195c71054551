"""From a model's name to a folder on this machine: path, then bundled, then the hub's cache, then the hub."""

from __future__ import annotations

from pathlib import Path

from headroom_core.errors import MissingExtra, ModelError
from headroom_core.models.registry import MLModelRegistry

_PATTERNS = ["*.json", "*.safetensors", "onnx/*", "*.txt", "tokenizer*"]


def resolve(model: str | Path, *, registry: MLModelRegistry | None = None, local_only: bool = False) -> Path:
    """The folder of a model. ``local_only`` never asks the network.

    Raises ``ModelError`` where nothing is found, ``MissingExtra`` where a hub id needs ``huggingface_hub``.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    known = registry or MLModelRegistry()
    if str(model) in known:
        row = known.get(str(model))
        if row.folder is not None:
            row.verify(row.folder)
            return row.folder
    if path.is_absolute() or str(model).count("/") != 1:
        raise ModelError(
            f"There is no model at {model!r}. Give a folder, a hub id (owner/name) or a bundled model's name."
        )
    return _from_hub(str(model), local_only)


def _from_hub(name: str, local_only: bool) -> Path:
    """The snapshot of a hub id, from its cache where it is complete there."""
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ModuleNotFoundError as error:
        raise MissingExtra("huggingface_hub", "hub") from error
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_PATTERNS, local_files_only=True))
    except LocalEntryNotFoundError:
        if local_only:
            raise ModelError(
                f"The model {name!r} is not in the local cache, and the network was not allowed."
            ) from None
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=_PATTERNS))
    except (RepositoryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(f"The model {name!r} could not be fetched: {error}") from error
