"""Train the picture-signal net: real pictures with hand-checked labels, rendered and composed ones; ONNX into ``models/bundled``.

    python -m headroom_core.training.signals --ocr-cache FOLDER
    python -m headroom_core.training.signals --ocr-cache FOLDER --start-from model.onnx --epochs 4

Labels: ``data/signal_labels.jsonl`` (looked at one by one: has_text of photos and charts, is_complex and
has_small_details of photos, charts, screens and street scenes; null where the looker was not sure), the kind of
picture for is_document, the heights of read lines for receipts and pages. Text density is the share of the area that
lines cover, from annotations or cached OCR. The split is the data pack's own (by group). Seeded.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from headroom_core.evals import data
from headroom_core.image.codec import Unusable, decode
from headroom_core.image.ocr import Line, Reader
from headroom_core.image.signals import NAME, inputs
from headroom_core.models.registry import BUNDLED

from .router import write_row

NAMES = ("has_text", "is_document", "is_complex", "has_small_details", "text_density")
_DOCUMENTS = ("receipt", "page")
Labels = tuple[float | None, ...]


class _CachedOnly:
    """An engine that reads nothing: pictures without a cached reading have no density label."""

    name = "rapidocr"

    def __call__(self, image: Any, /) -> list[Line]:
        raise LookupError("not read before")


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture and its labels in the order of ``NAMES``; None is not known."""

    image: Any
    labels: Labels
    name: str = ""
    lines: tuple[Line, ...] | None = None


def real_samples(split: str, cache: Path | None) -> Iterator[Sample]:
    """The pictures of one split of the pack."""
    file = Path(__file__).parent / "data" / "signal_labels.jsonl"
    checked = {row["file"]: row for row in map(json.loads, file.read_text("utf-8").splitlines())}
    reader = Reader(_CachedOnly(), folder=cache)
    for row in data.rows("images", "index.jsonl"):
        if row["split"] != split:
            continue
        picture = decode((data.path() / row["file"]).read_bytes())
        if isinstance(picture, Unusable):
            continue
        try:
            lines = reader.read(picture.image).sure(0.5)
        except LookupError:
            lines = None
        labels = _labels(row, checked[row["file"].removeprefix("images/")], picture.image, lines)
        yield Sample(picture.image, labels, row["file"], lines)


def _labels(row: dict[str, Any], checked: dict[str, Any], image: Any, lines: tuple[Line, ...] | None) -> Labels:
    text, complex_, small = (checked.get(name) for name in ("has_text", "is_complex", "has_small_details"))
    if text is None and lines is not None:
        text = any(line.confidence >= 0.9 and sum(c.isalnum() for c in line.text) >= 3 for line in lines)
    if lines is not None and row["kind"] in _DOCUMENTS:
        heights = [line.height for line in lines] or [0.0]
        complex_, small = len(lines) >= 60, median(heights) < 0.022 * max(image.size)
    area = image.size[0] * image.size[1]
    density = None if lines is None else sum((x.box[2] - x.box[0]) * x.height for x in lines) / area
    flags = (text, row["kind"] in _DOCUMENTS, complex_, small)
    return (*(None if flag is None else float(flag) for flag in flags), density)


def cuttings(samples: list[Sample], rng: random.Random, each: int) -> Iterator[Sample]:
    """Parts of pictures that hold a whole sure line of text, or none at all: hard cases for ``has_text``."""
    for sample in samples:
        if sample.lines is None:
            continue
        wide, high = sample.image.size
        for _ in range(each):
            w, h = (int(side * rng.uniform(0.25, 0.7)) for side in (wide, high))
            if min(w, h) < 64:
                continue
            x, y = rng.randint(0, wide - w), rng.randint(0, high - h)
            touched = [
                b for b in sample.lines if b.box[0] < x + w and b.box[2] > x and b.box[1] < y + h and b.box[3] > y
            ]
            inside = [b for b in touched if b.box[0] >= x and b.box[2] <= x + w and b.box[1] >= y and b.box[3] <= y + h]
            sure = [b for b in inside if b.confidence >= 0.85 and sum(c.isalnum() for c in b.text) >= 3]
            if touched and not sure:
                continue
            density = sum((b.box[2] - b.box[0]) * b.height for b in inside) / (w * h)
            document = sample.labels[1] if sure or not sample.labels[1] else None
            labels = (float(bool(sure)), document, None, None, density)
            yield Sample(sample.image.crop((x, y, x + w, y + h)), labels, sample.name)


def rendered(rng: random.Random, photos: list[Any], pages: list[Sample], count: int) -> Iterator[Sample]:
    """Pages and screens drawn here, documents laid on photos, plain patterns: kinds that the pack holds few of."""
    makers = (_drawn_page, _drawn_words, _pattern)
    for at in range(count):
        if at % 4 == 3 and pages and photos:
            yield _on_photo(rng, rng.choice(photos), rng.choice(pages))
        else:
            yield makers[at % 4 % 3](rng, photos)


def _sentence(rng: random.Random, words: int) -> str:
    syllables = re.findall(r"\w+", "ta ne ri so lu ma ke vo pi sha der ing ment pro con al ty be ran os")
    made = ("".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(words))
    return " ".join(word if rng.random() > 0.12 else str(rng.randint(1, 9999)) for word in made)


def _font(rng: random.Random, size: int) -> Any:
    """A font of this size: any TrueType font of this machine's Python packages, else Pillow's own."""
    from PIL import ImageFont

    found = _fonts()
    return ImageFont.truetype(rng.choice(found), size) if found and rng.random() < 0.7 else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _fonts() -> tuple[str, ...]:
    """Paths of the fonts that matplotlib carries, where it is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return ()
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return tuple(sorted(str(file) for file in folder.glob("DejaVu*.ttf") if "Display" not in file.name))


def _drawn_page(rng: random.Random, photos: list[Any]) -> Sample:
    from PIL import Image, ImageDraw

    wide, high = rng.choice([(620, 877), (827, 1169), (480, 1100), (1000, 750), (1240, 1754)])
    paper = rng.choice([(255, 255, 255), (250, 246, 235), (238, 238, 238), (226, 220, 205)])
    page = Image.new("RGB", (wide, high), paper)
    draw = ImageDraw.Draw(page)
    size = rng.randint(max(9, high // 90), max(12, high // 34))
    ink = rng.choice([(0, 0, 0), (40, 40, 60), (70, 70, 70)])
    columns = rng.choice([1, 1, 2])
    lines = 0
    for column in range(columns):
        left, y = int(wide * (0.06 + column / columns)), int(high * 0.05)
        while y < high * rng.uniform(0.75, 0.96):
            if rng.random() < 0.12:
                y += size
            text = _sentence(rng, max(2, int(wide / columns / size / 3.2)))
            draw.text((left, y), text, fill=ink, font=_font(rng, size))
            lines += 1
            y += int(size * 1.4)
    draw.rectangle((int(wide * 0.97), 0, wide, high), fill=paper)
    density = min(1.0, lines * size * 1.1 * (wide / columns * 0.85) / (wide * high))
    return Sample(page, (1.0, 1.0, float(lines > 60), float(size * 1.2 < 0.022 * max(wide, high)), density))


def _drawn_words(rng: random.Random, photos: list[Any]) -> Sample:
    """A few words on a photo or a plain ground: text without a document."""
    from PIL import Image, ImageDraw

    ground = rng.choice(photos).convert("RGB").copy() if photos and rng.random() < 0.7 else Image.new(
        "RGB", (rng.randint(300, 900), rng.randint(300, 900)), tuple(rng.randint(0, 255) for _ in range(3)))  # fmt: skip
    draw, covered = ImageDraw.Draw(ground), 0.0
    wide, high = ground.size
    for _ in range(rng.randint(1, 3)):
        size, text = rng.randint(14, max(20, high // 8)), _sentence(rng, rng.randint(1, 3))
        spot = (rng.randint(0, wide // 2), rng.randint(0, max(1, high - size - 2)))
        shade = rng.choice([(255, 255, 255), (0, 0, 0), (250, 220, 0), (200, 0, 0)])
        draw.text(
            spot, text, fill=shade, font=_font(rng, size), stroke_width=rng.choice([0, 1]), stroke_fill=(90, 90, 90)
        )
        covered += size * min(wide - spot[0], 0.55 * size * len(text))
    return Sample(ground, (1.0, 0.0, None, None, min(1.0, covered / (wide * high))))


def _pattern(rng: random.Random, photos: list[Any]) -> Sample:
    """Shapes, stripes, grids and noise without a letter."""
    import numpy as np
    from PIL import Image, ImageDraw

    wide, high = rng.randint(200, 1200), rng.randint(200, 1200)
    if rng.random() < 0.25:
        noise = np.random.default_rng(rng.randint(0, 1 << 30)).integers(
            0, 255, (high // 8, wide // 8, 3), dtype="uint8"
        )
        return Sample(Image.fromarray(noise).resize((wide, high)), (0.0, 0.0, 0.0, None, 0.0))
    picture = Image.new("RGB", (wide, high), tuple(rng.randint(150, 255) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.randint(4, 60)):
        x, y, r = rng.randint(0, wide), rng.randint(0, high), rng.randint(4, 120)
        colour = tuple(rng.randint(0, 255) for _ in range(3))
        shape = rng.choice((draw.ellipse, draw.rectangle))
        if rng.random() < 0.4:
            draw.line((x, y, rng.randint(0, wide), rng.randint(0, high)), fill=colour, width=rng.randint(1, 6))
        else:
            shape((x, y, x + r, y + rng.randint(4, 120)), fill=colour if rng.random() < 0.6 else None, outline=colour)
    return Sample(picture, (0.0, 0.0, None, None, 0.0))


def _on_photo(rng: random.Random, photo: Any, page: Sample) -> Sample:
    """A page or receipt lying on a photo, a little turned."""
    ground = photo.convert("RGB").resize((rng.randint(600, 1000), rng.randint(700, 1100)))
    sheet = page.image.convert("RGB")
    scale = min(ground.size[0] / sheet.size[0], ground.size[1] / sheet.size[1]) * rng.uniform(0.7, 0.97)
    sheet = sheet.resize((max(1, int(sheet.size[0] * scale)), max(1, int(sheet.size[1] * scale))))
    mask = sheet.convert("L").point(lambda _: 255)
    angle = rng.uniform(-8, 8)
    sheet, mask = sheet.rotate(angle, expand=True), mask.rotate(angle, expand=True)
    spot = tuple(max(0, rng.randint(0, max(0, ground.size[k] - sheet.size[k]))) for k in (0, 1))
    ground.paste(sheet, spot, mask)
    share = sheet.size[0] * sheet.size[1] / (ground.size[0] * ground.size[1])
    density = None if page.labels[4] is None else page.labels[4] * min(1.0, share)
    return Sample(ground, (1.0, 1.0, page.labels[2], None, density))


def varied(sample: Sample, rng: random.Random) -> Sample:
    """The same picture otherwise: cropped a little, resized, brightened, as JPEG, mirrored where nothing is to be read."""
    from PIL import Image, ImageEnhance

    image = sample.image.convert("RGB")
    wide, high = image.size
    cut = [rng.uniform(0, 0.08) for _ in range(4)]
    image = image.crop((int(cut[0] * wide), int(cut[1] * high), int((1 - cut[2]) * wide), int((1 - cut[3]) * high)))
    scale = rng.uniform(0.75, 1.3)
    image = image.resize((max(32, int(image.size[0] * scale)), max(32, int(image.size[1] * scale))))
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.75, 1.2))
    if rng.random() < 0.2:
        image = image.convert("L").convert("RGB")
    if sample.labels[0] == 0.0 and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=rng.randint(45, 90))
        image = Image.open(io.BytesIO(out.getvalue())).convert("RGB")
    return Sample(image, sample.labels, sample.name)


def build() -> Any:
    """Inputs thumb [B,3,224,224], patches [B,4,112,112] (0–255) -> [B,5] in [0,1]; about 0.3 M weights."""
    import torch
    from torch import nn

    def step(entry: int, out: int) -> nn.Sequential:
        conv = nn.Conv2d(entry, out, 3, stride=2, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.thumb = nn.Sequential(*(step(a, b) for a, b in ((3, 16), (16, 32), (32, 48), (48, 64), (64, 96))))
            self.patch = nn.Sequential(*(step(a, b) for a, b in ((1, 16), (16, 32), (32, 64), (64, 96))))
            self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(96 * 4, 64), nn.ReLU(), nn.Linear(64, len(NAMES)))

        def logits(self, thumb: Any, patches: Any) -> Any:
            wide = self.thumb(thumb / 127.5 - 1)
            near = self.patch(patches.reshape(-1, 1, 112, 112) / 127.5 - 1).mean((2, 3)).reshape(-1, 4, 96)
            seen = torch.cat([wide.mean((2, 3)), wide.amax((2, 3)), near.mean(1), near.amax(1)], 1)
            return self.head(seen)

        def forward(self, thumb: Any, patches: Any) -> Any:
            return torch.sigmoid(self.logits(thumb.float(), patches.float()))

    return Net()


def continue_from(net: Any, file: Path) -> None:
    """Load exported weights: convolutions in order (their norms are folded into them), then the head."""
    import onnx
    import torch
    from onnx import numpy_helper

    stored = [torch.from_numpy(numpy_helper.to_array(x).copy()) for x in onnx.load(str(file)).graph.initializer]
    linear, convolved = stored[:4], stored[4:]
    blocks = [*net.thumb, *net.patch]
    with torch.no_grad():
        for at, (conv, norm, _) in enumerate(blocks):
            conv.weight.copy_(convolved[2 * at])
            norm.running_var.fill_(1 - norm.eps)
            norm.bias.copy_(convolved[2 * at + 1])
        for target, weight in zip((net.head[1], net.head[3]), (linear[:2], linear[2:]), strict=True):
            target.weight.copy_(weight[0])
            target.bias.copy_(weight[1])


def fit(net: Any, made: list[tuple[Any, Any, Labels]], epochs: int, seed: int, *, second: bool = False) -> None:
    """Adam with cosine decay; unknown labels weigh nothing. The ``second`` stage is gentler and keeps the norms."""
    import numpy as np
    import torch

    rng = random.Random(seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=6e-4 if second else 2e-3, weight_decay=1e-3)
    steps = epochs * (len(made) // 32 + 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    gold = torch.tensor([[0.0 if x is None else x for x in labels] for *_, labels in made])
    known = torch.tensor([[float(x is not None) for x in labels] for *_, labels in made])
    order = list(range(len(made)))
    net.train()
    for module in net.modules():
        if second and isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    for epoch in range(epochs):
        rng.shuffle(order)
        total = 0.0
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            if len(rows) < 2:
                continue
            thumb = torch.from_numpy(np.stack([made[i][0] for i in rows])).float()
            patches = torch.from_numpy(np.stack([made[i][1] for i in rows])).float()
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                net.logits(thumb, patches), gold[rows], reduction="none"
            )
            loss = (losses * known[rows]).sum() / known[rows].sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total / (len(order) // 32 + 1):.4f}", flush=True)


def auc(scores: list[float], gold: list[float]) -> float:
    """Area under the ROC curve by ranks; ties count half."""
    yes = [s for s, g in zip(scores, gold, strict=True) if g >= 0.5]
    no = [s for s, g in zip(scores, gold, strict=True) if g < 0.5]
    if not yes or not no:
        return float("nan")
    return sum((y > n) + 0.5 * (y == n) for y in yes for n in no) / (len(yes) * len(no))


def export(net: Any, file: Path) -> None:
    """fp32 ONNX with uint8 inputs and dynamic batch."""
    import torch

    sample = (torch.zeros(2, 3, 224, 224, dtype=torch.uint8), torch.zeros(2, 4, 112, 112, dtype=torch.uint8))
    axes = {"thumb": {0: "batch"}, "patches": {0: "batch"}, "signals": {0: "batch"}}
    names: dict[str, Any] = {"input_names": ["thumb", "patches"], "output_names": ["signals"]}
    torch.onnx.export(net.eval(), sample, str(file), dynamic_axes=axes, opset_version=17, dynamo=False, **names)


def _first(train: list[Sample], photos: list[Any], pages: list[Sample], rng: random.Random) -> Iterator[Sample]:
    """First stage: real pictures, their variants, and what is drawn here."""
    yield from train
    for sample in train:
        yield varied(sample, rng)
        yield varied(sample, rng)
    yield from (varied(sample, rng) for sample in pages)
    yield from rendered(rng, photos, pages, 700)


def _second(train: list[Sample], photos: list[Any], pages: list[Sample], rng: random.Random) -> Iterator[Sample]:
    """Second stage: parts of pictures with and without text, and more photos."""
    yield from train
    yield from cuttings(train, rng, 3)
    yield from (varied(sample, rng) for sample in train if sample.name.startswith("images/photo"))
    yield from rendered(rng, photos, pages, 300)


def main() -> None:
    """Train, measure on the held-back split, export."""
    import numpy as np
    import torch

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--ocr-cache", type=Path)
    options.add_argument("--out", type=Path, default=BUNDLED / NAME)
    options.add_argument("--epochs", type=int, default=14)
    options.add_argument("--start-from", type=Path, help="exported weights: run the second stage on them")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seed", type=int, default=11)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    rng = random.Random(chosen.seed)
    train = list(real_samples("train", chosen.ocr_cache))
    photos = [s.image for s in train if s.labels[0] == 0.0]
    pages = [s for s in train if s.labels[1] == 1.0]
    mix = _second if chosen.start_from else _first
    made = [(*inputs(sample.image), sample.labels) for sample in mix(train, photos, pages, rng)]
    print(f"{len(train)} real, {len(made)} in all", flush=True)
    net = build()
    if chosen.start_from:
        continue_from(net, chosen.start_from)
    fit(net, made, chosen.epochs, chosen.seed, second=bool(chosen.start_from))
    chosen.out.mkdir(parents=True, exist_ok=True)
    file = chosen.out / "model.onnx"
    export(net, file)
    dev = list(real_samples("dev", chosen.ocr_cache))
    with torch.no_grad():
        out = [net(*(torch.from_numpy(np.asarray(x)[None]) for x in inputs(s.image)))[0].tolist() for s in dev]
    for at, name in enumerate(NAMES[:4]):
        rows = [(o[at], s.labels[at]) for o, s in zip(out, dev, strict=True) if s.labels[at] is not None]
        print(f"AUC {name}: {auc([r[0] for r in rows], [float(r[1] or 0) for r in rows]):.4f} on {len(rows)}")
    write_row(chosen.out, NAME, "picture-signals", "headroom_core.training.signals")
    print(f"{file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
