"""Visual tokens: does compression cost less time than it saves? End to end, with the clock.

    python -m headroom_core.evals.visual_speed [--ratio 4] [--width 1024] [--layers 4] [--device cuda --dtype bfloat16]

A LLaVA of random weights reads one image and 32 words: vision encoder, projector, compressor, prefill of the language model.
The same model is timed plain and with each module in turn, so that a busy machine slows all; the least of the repeats
counts. The default language model is about a hundredth of a real one: a real one saves more for the same compressor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from headroom_core.visual_tokens.balanced import BalancedPrune
from headroom_core.visual_tokens.base import TokenCompressor, kept_count
from headroom_core.visual_tokens.dominant import DominantContextual
from headroom_core.visual_tokens.hierarchical import HierarchicalPatches
from headroom_core.visual_tokens.merge import ToMe
from headroom_core.visual_tokens.metrics import Layer, attention_speedup, prefill_flops
from headroom_core.visual_tokens.patch import patch
from headroom_core.visual_tokens.pooling import AveragePool
from headroom_core.visual_tokens.prune import AttentionPrune
from headroom_core.visual_tokens.query import QuerySelect
from headroom_core.visual_tokens.scales import MultiScale
from headroom_core.visual_tokens.similarity import SimilarityMerge

from .visual_rows import Rows

MODULES: dict[str, Callable[[float], TokenCompressor]] = {
    "ToMe": ToMe,
    "AttentionPrune": AttentionPrune,
    "BalancedPrune": BalancedPrune,
    "DominantContextual": DominantContextual,
    "QuerySelect": QuerySelect,
    "MultiScale": MultiScale,
    "HierarchicalPatches": HierarchicalPatches,
    "SimilarityMerge": lambda ratio: SimilarityMerge(ratio=ratio),
    "AveragePool": AveragePool,
}
PAYING = ("ToMe", "AttentionPrune", "BalancedPrune")  # must cost less time than they save from 576 tokens on
SIDES = (16, 24, 32, 48)
_WORDS, _IMAGE = 32, 999


@dataclass(frozen=True)
class Row:
    """Seconds of one module at one number of tokens."""

    tokens: int
    kept: int
    module: str
    plain_s: float
    patched_s: float
    module_s: float
    flops: float

    def line(self) -> str:
        """A row of the table."""
        saved = self.plain_s - self.patched_s
        return (
            f"| {self.tokens} | {self.kept} | {self.module} | {self.module_s * 1e3:.1f} | {self.plain_s * 1e3:.0f} "
            f"| {self.patched_s * 1e3:.0f} | {saved * 1e3:+.0f} | {self.plain_s / self.patched_s:.2f} "
            f"| {self.flops:.2f} | {attention_speedup(self.tokens, self.kept):.0f} |"
        )


HEAD = (
    "| tokens | kept | module | module alone, ms | plain, ms | patched, ms | saved, ms | speed-up | by FLOPs (LM) "
    "| attention alone, (n/m)² |\n|---|---|---|---|---|---|---|---|---|---|"
)


def model_of(side: int, width: int, layers: int) -> Any:
    """A LLaVA with ``side`` x ``side`` visual tokens and random weights."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=side * 14,
        patch_size=14,
    )
    heads = max(1, width // 128)
    text = LlamaConfig(
        hidden_size=width,
        intermediate_size=width * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        vocab_size=1000,
    )
    torch.manual_seed(0)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=_IMAGE)
    return LlavaForConditionalGeneration(config).eval()


def inputs_of(side: int, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """One image and a prompt."""
    ids = torch.tensor([[1, *([_IMAGE] * (side * side)), *range(2, 2 + _WORDS)]], device=device)
    pixels = torch.randn(1, 3, side * 14, side * 14, generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "pixel_values": pixels.to(device, dtype), "attention_mask": torch.ones_like(ids)}


def measure(side: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All modules at one number of tokens, as fields of ``Row``."""
    dtype = getattr(torch, options.dtype)
    with torch.device(options.device):  # billions of random weights are drawn where they stay
        model = model_of(side, options.width, options.layers).to(dtype)
    inputs = inputs_of(side, options.device, dtype)
    tokens, layer = side * side, Layer(options.width, options.width * 8 // 3)
    kept = kept_count(tokens, options.ratio)
    flops = [prefill_flops(layer, options.layers, count, _WORDS) for count in (tokens, kept)]
    features = torch.randn(1, tokens, options.width, generator=torch.Generator().manual_seed(1))
    features = features.to(options.device, dtype)
    score = features.float().norm(dim=2)

    def plain() -> object:
        return model(**inputs, logits_to_keep=1)

    calls: list[Callable[[], object]] = []
    for module in (MODULES[name](options.ratio) for name in options.modules):

        def patched(module: TokenCompressor = module) -> object:
            with patch(model, module):
                return plain()

        def alone(module: TokenCompressor = module) -> object:
            return module(features, attention=score, query=features[:, :4], grid=(side, side))

        calls += [patched, alone]
    plain_s, *rest = _least([plain, *calls], options.repeats, options.device)
    return [
        asdict(Row(tokens, kept, name, plain_s, patched_s, alone_s, flops[0] / flops[1]))
        for name, patched_s, alone_s in zip(options.modules, rest[::2], rest[1::2], strict=True)
    ]


def _least(calls: list[Callable[[], object]], repeats: int, device: str) -> list[float]:
    """The shortest time of each call, the calls taken in turn."""
    best = [float("inf")] * len(calls)
    for turn in range(repeats + 1):  # the first turn warms up
        for number, call in enumerate(calls):
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            if turn:
                best[number] = min(best[number], time.perf_counter() - start)
    return best


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    """Print the table, and whether ToMe and pruning pay for themselves from 576 tokens on."""
    parser = argparse.ArgumentParser(prog="python -m headroom_core.evals.visual_speed", description=__doc__)
    parser.add_argument("--ratio", type=float, default=4.0)
    parser.add_argument("--width", type=int, default=1024, help="width of the language model")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES), help="tokens along a side of the image")
    parser.add_argument("--modules", nargs="+", choices=list(MODULES), default=list(MODULES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="where finished rows are kept: a second start goes on from them")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(HEAD)
    about = (options.ratio, options.width, options.layers, options.repeats, options.modules, options.threads)
    kept, rows = Rows(options.cache, "visual_speed", *about, options.device, options.dtype), []
    for side in options.sides:
        for found in kept.get(str(side), partial(measure, side, options)):
            rows.append(Row(**found))
            print(rows[-1].line(), flush=True)
    wanted = [row for row in rows if row.tokens >= 576 and row.module in PAYING]
    losing = [f"{row.module} at {row.tokens}" for row in wanted if row.patched_s >= row.plain_s]
    told = f"cost more than they save: {', '.join(losing)}" if losing else "all save time"
    if wanted:
        print(f"\nToMe and pruning from 576 tokens on: {told}.")


if __name__ == "__main__":
    main()
