"""The torch backend of the bundled network: the same weights as the int8 graphs, in full precision, for GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headroom_core.errors import MissingExtra, ModelError
from headroom_core.kompress.scorer import Floats, Ints, Mask, Scores, kinds_of, score_rows


def torch_or_raise() -> Any:
    """The torch module."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "torch") from error
    return torch


class TorchScorer:
    """Full-precision scores.

    On the CPU row by row, as ONNX; on a GPU in batches, rounded to 1/64 of a logit so that a row's company hardly ever
    changes a decision.
    """

    name = "torch"

    def __init__(self, model: Any, device: str | None = None) -> None:
        torch = torch_or_raise()
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).eval()

    @classmethod
    def of_bundle(cls, folder: Path, device: str | None = None) -> TorchScorer:
        """From the bundle's own graphs: their int8 weights, widened."""
        torch = torch_or_raise()
        from headroom_core.kompress.model import Kompress

        state = {name: torch.from_numpy(array) for name, array in weights_of(folder).items()}
        model = Kompress()
        missing = model.load_state_dict(state, strict=False)
        if missing.missing_keys:
            raise ModelError(f"The bundle at {folder} lacks {', '.join(missing.missing_keys[:3])}.")
        return cls(model, device)

    def early(self, ids: Ints, kinds: Ints, /) -> tuple[Scores, object]:
        """Scores of the early exit, and the rows for ``late`` with the states for ``states``."""
        tokens, relevance, states = self._raw(ids, kinds, None, "early")
        return Scores.of_columns(tokens, relevance), (ids, kinds, states)

    def late(self, hidden: object, /) -> Scores:
        """Scores of the last layer."""
        assert isinstance(hidden, tuple)
        tokens, relevance, _ = self._raw(hidden[0], hidden[1], None, "late")
        return Scores.of_columns(tokens, relevance)

    def states(self, hidden: object, /) -> Floats:
        """What the early exit read."""
        assert isinstance(hidden, tuple)
        return np.asarray(hidden[2].float().cpu().numpy())

    def __call__(self, ids: Ints, mask: Mask, /) -> Scores:
        """Scores of a padded batch."""
        if self.device == "cpu":
            return score_rows(self, ids, mask)
        kinds = kinds_of(ids)
        asked = kinds.any(axis=1)
        columns = np.zeros((*ids.shape, 7), np.float32)
        relevance = np.zeros(len(ids), np.float32)
        for rows, exit_ in ((np.flatnonzero(~asked), "early"), (np.flatnonzero(asked), "late")):
            if len(rows):
                found, relevance[rows], _ = self._raw(ids[rows], kinds[rows], mask[rows], exit_)
                columns[rows] = np.round(found * 64) / 64
        return Scores.of_columns(columns * mask[..., None], relevance)

    def _raw(self, ids: Ints, kinds: Ints, mask: Mask | None, exit_: str) -> tuple[Floats, Floats, Any]:
        """Token outputs, relevance, and the early exit's states (None for the late one)."""
        torch = torch_or_raise()
        arrays = [torch.from_numpy(a).to(self.device) for a in (ids, kinds)]
        shown = None if mask is None else torch.from_numpy(mask).to(self.device)
        with torch.inference_mode():
            out = self.model(*arrays, shown, exit_)
        tokens, relevance = (out[f"{exit_}_{name}"].float().cpu().numpy() for name in ("tokens", "relevance"))
        return tokens, relevance, out.get(f"{exit_}_states")


def weights_of(folder: Path) -> dict[str, Any]:
    """The network's tensors out of the bundle's graphs, int8 weights widened to float32."""
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "torch") from error
    found: dict[str, Any] = {}
    for stage in ("early", "late"):
        graph = onnx.load(str(folder / f"{stage}.onnx")).graph
        raw = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        for name, array in raw.items():
            base, _, part = name.rpartition(".")
            if part == "q":
                scale = raw[f"{base}.s"]
                wide = array.astype(np.float32) * scale
                if f"{base}.m" in raw:  # channels that the graph divides down have weights that undo it
                    wide = wide * raw[f"{base}.m"][:, None]
                found[f"{base}.weight"] = wide if base == "word" else wide.T
            elif part == "r":
                blocks = (array.astype(np.float32) - 128) * raw[f"{base}.s"].reshape(array.shape[0], -1, 1)
                found[f"{base}.weight"] = blocks.reshape(array.shape[0], -1)
            elif name.endswith((".qkv.b", ".up.b")):
                found[f"{base}.bias"] = array
            elif name.endswith(".added"):
                layer, norm = base.rsplit(".", 1)
                found[f"{layer}.{'out' if norm == 'norm1' else 'down'}.bias"] = array
            elif name in ("place.w", "kind.w"):
                found[f"{base}.weight"] = array.astype(np.float32)
            elif part in ("weight", "bias"):
                dense = array.astype(np.float32)
                turned = dense.ndim == 2 and name.split(".")[0] in ("early", "late")
                found[name] = dense.T if turned else dense
    return {name: np.array(array, order="C") for name, array in found.items()}
