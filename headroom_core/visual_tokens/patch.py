"""Put a compressor into a Hugging Face vision-language model.

    with patch(model, ToMe(ratio=4)):
        model.generate(**inputs, max_new_tokens=64)

Image features are compressed after the projector, before the language model sees them. The placeholders of dropped tokens
leave ``input_ids``, masks, labels, token types and position ids. Plain positions close the gap; M-RoPE positions (Qwen) are
kept: a token stays where it stood in the image. ``generate`` gives back the prompt as it came in, followed by the new
tokens, so code that cuts the prompt off by its length goes on working.
"""

from __future__ import annotations

import functools
import inspect
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from headroom_core.errors import InvalidInput
from headroom_core.visual_tokens.condense import Condensed, condense
from headroom_core.visual_tokens.pictures import READERS
from headroom_core.visual_tokens.types import VisualCompressor

_STATE = "_headroom_visual_tokens"
_WRAPPED = ("forward", "generate", "prepare_inputs_for_generation")


class Patch:
    """A compressor at work in a model; as a context manager it takes itself out at the end.

    Attributes:
        before, after: visual tokens of the last call with images, as the model made them and as it read them.
    """

    def __init__(self, model: Any, compressor: VisualCompressor) -> None:
        self.model = model
        self.compressor = compressor
        self.before = 0
        self.after = 0
        self.previous = {name: vars(model)[name] for name in _WRAPPED if name in vars(model)}

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unpatch(self.model)

    def condensed(self, inputs: dict[str, Any]) -> Condensed | None:
        """The shortened inputs, or None where there is nothing to compress."""
        found = condense(self.model, self.compressor, inputs)
        if found is not None:
            self.before, self.after = found.before, found.after
        return found


def patch(model: Any, compressor: VisualCompressor) -> Patch:
    """Compress the visual tokens of ``model`` from now on; a model that is patched already gets the new compressor.

    ``model`` is a ``...ForConditionalGeneration`` of LLaVA, LLaVA-NeXT, Idefics3, SmolVLM, Qwen2-VL, Qwen2.5-VL or PaliGemma.
    """
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    if kind not in READERS or not hasattr(model, "generate") or not hasattr(model, "model"):
        raise InvalidInput(f"{type(model).__name__} ({kind}) cannot be patched; known are {', '.join(READERS)}.")
    unpatch(model)
    found = Patch(model, compressor)
    vars(model)[_STATE] = found  # past nn.Module.__setattr__: a compressor's weights are no part of the model
    vars(model)["forward"] = _forward(found)
    vars(model)["generate"] = _generate(found)
    if "inputs_embeds" not in inspect.signature(model.prepare_inputs_for_generation).parameters:
        vars(model)["prepare_inputs_for_generation"] = _prepare(found)
    return found


def unpatch(model: Any) -> None:
    """Take the compressor out; the model is as it was. Does nothing to a model that is not patched."""
    found = vars(model).pop(_STATE, None)
    if found is None:
        return
    for name in _WRAPPED:
        vars(model).pop(name, None)
    vars(model).update(found.previous)


def _forward(state: Patch) -> Any:
    plain = state.model.forward

    @functools.wraps(plain)
    def forward(input_ids: Tensor | None = None, *args: Any, **inputs: Any) -> Any:
        given = {"input_ids": input_ids, **inputs}
        found = None if args else state.condensed(given)
        if found is None:
            return plain(input_ids, *args, **inputs)
        return plain(**found.inputs)

    return forward


def _generate(state: Patch) -> Any:
    plain: Any = state.model.generate

    @functools.wraps(plain)
    def generate(inputs: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
        given = {**kwargs, "input_ids": kwargs.get("input_ids") if inputs is None else inputs}
        with torch.no_grad():
            found = state.condensed(given)
        if found is None:
            return plain(inputs, *args, **kwargs)
        prompt: Tensor = given["input_ids"]
        positions = found.inputs.get("position_ids")
        if positions is not None and positions.shape[0] == 3 and positions.ndim == 3:
            found.inputs["position_ids"] = torch.cat([_plain_positions(found), positions])
        removed = prompt.shape[1] - found.ids.shape[1]
        for bound in ("max_length", "min_length"):  # they count the prompt
            if kwargs.get(bound) is not None:
                found.inputs[bound] = kwargs[bound] - removed
        return _whole(plain(found.ids, *args, **found.inputs), prompt, found.ids.shape[1])

    return generate


def _prepare(state: Patch) -> Any:
    """PaliGemma's own takes ``inputs_embeds`` but does not name it, so that ``generate`` would refuse them."""
    plain: Any = state.model.prepare_inputs_for_generation

    def prepare_inputs_for_generation(input_ids: Tensor, inputs_embeds: Tensor | None = None, **kwargs: Any) -> Any:
        return plain(input_ids, inputs_embeds=inputs_embeds, **kwargs)

    return prepare_inputs_for_generation


def _plain_positions(found: Condensed) -> Tensor:
    """(1, B, L) counted over the attended tokens: the row that M-RoPE models put before their own three in ``generate``."""
    mask = found.inputs.get("attention_mask")
    mask = torch.ones_like(found.ids) if mask is None else mask.long()
    return (mask.cumsum(dim=1) - 1).masked_fill(mask == 0, 0).unsqueeze(0)


def _whole(output: Any, prompt: Tensor, cut: int) -> Any:
    """The output with the prompt as the caller gave it, in place of the ``cut`` tokens of the shortened one."""
    sequences = output if isinstance(output, Tensor) else output.sequences
    copies = sequences.shape[0] // prompt.shape[0]
    whole = torch.cat([prompt.repeat_interleave(copies, dim=0), sequences[:, cut:]], dim=1)
    if isinstance(output, Tensor):
        return whole
    output.sequences = whole
    return output
