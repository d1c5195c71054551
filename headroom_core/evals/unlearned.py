"""Networks of a given size with random weights: what a forward pass costs does not depend on what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def network(name: str, **sizes: Any) -> torch.nn.Module:
    """A model of transformers, for example ``ModernBert``, ready in a second or two: initialising by its own rules takes a minute.

    The vocabulary is small, since no pass reads more than a few rows of it.
    """
    import torch
    import transformers

    special = {"pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
    options = {"vocab_size": 2000, "attn_implementation": "eager", **special, **sizes}
    config = getattr(transformers, f"{name}Config")(**options)
    with torch.device("meta"):
        model: torch.nn.Module = getattr(transformers, f"{name}Model")(config)
    model = model.to_empty(device="cpu").eval()
    chance = torch.Generator().manual_seed(0)
    for name_of, values in (*model.named_parameters(), *model.named_buffers()):
        if values.is_floating_point():
            values.data.uniform_(0.001, 0.05, generator=chance)
        elif name_of.endswith("position_ids"):
            values.data.copy_(torch.arange(values.numel()).view(values.shape))
        else:
            values.data.zero_()
    return model
