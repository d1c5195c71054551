"""Train the text half of the signal net: a map of where letters stand, and has_text from it; ONNX into ``models/bundled``.

    python -m headroom_core.training.signals_text --ocr-cache FOLDER [--batches 2000] [--epochs 7]

First the map is taught on squares of pictures with boxes (``signals_tiles``), so that every part of a picture counts as
an example; then six sums of the map learn ``has_text`` from the hand-checked labels, of real pictures, a variant of
each, and drawn ones. Seeded; about ten minutes on one CPU core. The bundled file was taught in two rounds, of 1,400
batches and of 600 more (``--start-from``).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headroom_core.evals import data
from headroom_core.image.signals import NAME, TEXT_FILE, sheet
from headroom_core.models.registry import BUNDLED

from .router import write_row
from .signals import Sample, auc, real_samples, rendered, varied
from .signals_tiles import Mapped, Tiles, mapped

_BATCH, _ROWS = 16, 32
_SURE, _LETTERS = 0.75, 2


def mapped_samples(samples: Sequence[Sample]) -> list[Mapped]:
    """The pictures with their text maps: annotated words and lines, lines that OCR is sure of, nothing where none is."""
    street = {row["file"]: row["words"] for row in data.rows("images", "scene_text", "annotations.jsonl")}
    receipts = {row["file"]: row["lines"] for row in data.rows("images", "receipt", "annotations.jsonl")}
    return [_mapped(sample, street.get(sample.name), receipts.get(sample.name, ())) for sample in samples]


def _mapped(sample: Sample, words: Sequence[dict[str, Any]] | None, lines: Sequence[dict[str, Any]]) -> Mapped:
    read = sample.lines or ()
    sure = [x for x in read if x.confidence >= _SURE and sum(c.isalnum() for c in x.text) >= _LETTERS]
    boxes = [line.box for line in sure] + [tuple(line["box"]) for line in lines]
    unsure = [line.box for line in read if line not in sure]
    if words is not None:
        around = [(word["readable"], _around(word["polygon"])) for word in words]
        readable, faint = ([box for told, box in around if told is wanted] for wanted in (True, False))
        return mapped(sample.image, readable, faint + [line.box for line in read], known=True)
    if sample.name.startswith("images/photo"):
        if sample.labels[0] == 0.0:
            return mapped(sample.image, (), (), known=True)
        return mapped(sample.image, boxes, unsure, known=bool(boxes))
    scripts = sample.name.startswith("images/page")  # of many scripts, of which OCR reads a few
    return mapped(sample.image, boxes, unsure, known=not scripts or (len(read) >= 5 and not unsure))


def _around(polygon: Sequence[float]) -> tuple[float, float, float, float]:
    return (min(polygon[0::2]), min(polygon[1::2]), max(polygon[0::2]), max(polygon[1::2]))


def build() -> Any:
    """Input sheet [B, 1, H, W] (0–255, H and W multiples of 32) -> has_text [B, 1] in [0, 1]; 0.36 M weights."""
    import torch
    from torch import nn

    def step(entry: int, out: int, stride: int = 1) -> nn.Sequential:
        conv = nn.Conv2d(entry, out, 3, stride=stride, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())

    class TextMap(nn.Module):
        """sheet [B, 1, H, W] (0–255) -> logits of text [B, 1, H/8, W/8]."""

        def __init__(self) -> None:
            super().__init__()
            self.fine = nn.Sequential(step(1, 16, 2), step(16, 32, 2), step(32, 32), step(32, 48, 2), step(48, 48))
            self.middle = nn.Sequential(step(48, 64, 2), step(64, 64), step(64, 64))
            self.coarse = nn.Sequential(step(64, 80, 2), step(80, 80))
            self.joined = nn.Sequential(nn.Conv2d(48 + 64 + 80, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
            self.out = nn.Conv2d(64, 1, 3, padding=1)

        def forward(self, sheet: Any) -> Any:
            fine = self.fine(sheet / 127.5 - 1)
            middle = self.middle(fine)
            coarse = nn.functional.interpolate(self.coarse(middle), scale_factor=4.0)
            return self.out(
                self.joined(torch.cat([fine, nn.functional.interpolate(middle, scale_factor=2.0), coarse], 1))
            )

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text = TextMap()
            self.says = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))

        def seen(self, sheet: Any) -> Any:
            """What the map tells, [B, 6]: its highest cells, its highest calm places, its mean."""
            logits = self.text(sheet)
            calm = nn.functional.avg_pool2d(logits, 3, 1, 1).flatten(1)
            shares = torch.sigmoid(logits).flatten(1)
            best = torch.topk(logits.flatten(1), 12, 1).values
            calmest = torch.topk(calm, 4, 1).values
            sums = [best[:, :1], best.mean(1, True), calmest[:, :1], calmest[:, 3:]]
            return torch.cat([*sums, torch.log(shares.mean(1, True) + 1e-5), shares.mean(1, True)], 1)

        def forward(self, sheet: Any) -> Any:
            return torch.sigmoid(self.says(self.seen(sheet.float()) / 4))

    return Net()


def fit_map(net: Any, pictures: list[Mapped], batches: int, seed: int, rate: float = 3e-3) -> None:
    """Teach the map on tiles drawn from the pictures, in bfloat16."""
    import numpy as np
    import torch

    tiles = Tiles(pictures, random.Random(seed))
    net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.text.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=batches, pct_start=0.1)
    running = 0.0
    net.text.train()
    for at in range(batches):
        drawn = [tiles.draw() for _ in range(_BATCH)]
        sheets = torch.from_numpy(np.stack([tile for tile, _ in drawn])[:, None]).float()
        gold = torch.from_numpy(np.stack([text for _, text in drawn]))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net.text(sheets.contiguous(memory_format=torch.channels_last))[:, 0]
        loss = _map_loss(logits.float(), gold)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.text.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        running += float(loss.detach())
        if at % 100 == 99:
            print(f"map, batch {at + 1}: loss {running / 100:.4f}", flush=True)
            running = 0.0


def _map_loss(logits: Any, gold: Any) -> Any:
    """Cross-entropy over the known cells; the hardest tenth of the empty ones counts again."""
    import torch

    known = ~torch.isnan(gold)
    flat, wanted = logits[known], gold[known]
    losses = torch.nn.functional.binary_cross_entropy_with_logits(flat, wanted, reduction="none")
    empty = losses[wanted == 0]
    hard = empty.topk(max(1, empty.numel() // 10)).values.mean() if empty.numel() else losses.new_zeros(())
    return losses.mean() + 0.3 * hard


def seen_in(net: Any, samples: Sequence[Sample]) -> Any:
    """What the map tells of each picture, [N, 6]."""
    import torch

    net.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        return torch.cat([net.seen(torch.from_numpy(sheet(s.image)[None]).float()).float() for s in samples])


def fit_says(net: Any, samples: Sequence[Sample], epochs: int, seed: int) -> None:
    """Teach ``has_text`` from the sums of the map; the map stays as it is."""
    import torch

    known = [sample for sample in samples if sample.labels[0] is not None]
    seen, gold = seen_in(net, known) / 4, torch.tensor([[float(sample.labels[0] or 0.0)] for sample in known])
    optimiser = torch.optim.AdamW(net.says.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * (len(known) // _ROWS))
    order = random.Random(seed)
    for _ in range(epochs):
        rows = list(range(len(known)))
        order.shuffle(rows)
        for start in range(0, len(rows) - _ROWS + 1, _ROWS):
            some = rows[start : start + _ROWS]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net.says(seen[some]), gold[some])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()


def _mix(train: list[Sample], rng: random.Random) -> Iterator[Sample]:
    """Real pictures, a variant of each, and what is drawn here."""
    photos = [sample.image for sample in train if sample.labels[0] == 0.0]
    yield from train
    yield from (varied(sample, rng) for sample in train)
    yield from rendered(rng, photos, [sample for sample in train if sample.labels[1] == 1.0], 300)


def export(net: Any, file: Path) -> None:
    """fp32 ONNX with uint8 input, dynamic batch and sheet size."""
    import torch

    sample = torch.zeros(1, 1, 256, 320, dtype=torch.uint8)
    axes = {"sheet": {0: "batch", 2: "high", 3: "wide"}, "has_text": {0: "batch"}}
    names: dict[str, Any] = {"input_names": ["sheet"], "output_names": ["has_text"]}
    torch.onnx.export(net.eval(), (sample,), str(file), dynamic_axes=axes, opset_version=17, dynamo=False, **names)


def main() -> None:
    """Train, measure on the held-back split, export."""
    import torch

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ocr-cache", type=Path)
    options.add_argument("--out", type=Path, default=BUNDLED / NAME)
    options.add_argument("--batches", type=int, default=2000)
    options.add_argument("--epochs", type=int, default=7)
    options.add_argument("--keep", type=Path, help="where the map's weights are kept for another round")
    options.add_argument("--start-from", type=Path, help="weights that were kept: teach them further, more gently")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seed", type=int, default=11)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    train, net = list(real_samples("train", chosen.ocr_cache)), build()
    if chosen.start_from:
        net.load_state_dict(torch.load(chosen.start_from, weights_only=True))
    fit_map(net, mapped_samples(train), chosen.batches, chosen.seed, 1.5e-3 if chosen.start_from else 3e-3)
    if chosen.keep:
        torch.save(net.state_dict(), chosen.keep)
    fit_says(net, list(_mix(train, random.Random(chosen.seed))), chosen.epochs, chosen.seed)
    chosen.out.mkdir(parents=True, exist_ok=True)
    export(net, chosen.out / TEXT_FILE)
    dev = [sample for sample in real_samples("dev", chosen.ocr_cache) if sample.labels[0] is not None]
    with torch.no_grad():
        said = torch.sigmoid(net.says(seen_in(net, dev) / 4))[:, 0].tolist()
    print(f"AUC has_text: {auc(said, [float(sample.labels[0] or 0) for sample in dev]):.4f} on {len(dev)}")
    write_row(chosen.out, NAME, "picture-signals", "headroom_core.training.signals and signals_text")


if __name__ == "__main__":
    main()
