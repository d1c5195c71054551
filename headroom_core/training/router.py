"""Train the query classifier: a small MiniLM on weakly labelled questions, int8, into ``models/bundled``.

    python -m headroom_core.training.router --base MINILM_FOLDER [--layers 6] [--epochs 3]

``MINILM_FOLDER`` holds all-MiniLM-L6-v2 (model.safetensors, tokenizer.json; Apache-2.0). Rows: clean sources of the
query sets, labelled by ``router_rule``, and the questions of ``router_templates``. Seeded; torch is needed only here.
``router_calibrate`` then fits the temperature of the probabilities.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headroom_core.evals import data
from headroom_core.image.query import NAME
from headroom_core.models.registry import BUNDLED

from .router_rule import TECHNIQUES, row_id, weak_label
from .router_templates import templates

MAX_TOKENS = 64
_FILES = ("model.onnx", "text.onnx", "tokenizer.json")
_CAPS = {"screenqa_short": 5000, "screenqa_complex": 3500, "okvqa": 5000, "viscot_dude": 6000}
_TWICE = ("charxiv_reasoning_val", "charxiv_descriptive_val")
_SPOKEN = 1200
_VOCABULARY = 9000
_AVERAGE = 0.994
_BATCH = 96
_FROZEN = 2
_FRAMES = (
    "Can you tell me {}?", "Please tell me {}.", "I would like to know {}.", "{}, please", "Hi, {}? Thank you.",
    "Look at this image. {}?", "Based on the picture, {}?", "hey, {}", "{}? Answer briefly.", "Question: {}?",
)  # fmt: skip


def training_rows(seed: int = 7) -> list[tuple[str, str]]:
    """(question, technique): deduplicated questions of clean sources, capped by source, and our own templates."""
    by_source: dict[str, dict[str, dict[str, Any]]] = {}
    for row in data.rows("images", "queries_train.jsonl.gz"):
        if row["licence_clean"]:
            by_source.setdefault(row["source"], {}).setdefault(row["query"].lower(), row)
    rows = list(templates())
    for source in sorted(by_source):
        ranked = sorted(by_source[source].values(), key=row_id)[: _CAPS.get(source, 1 << 30)]
        rows += [(row["query"], weak_label(row)) for row in ranked] * (2 if source in _TWICE else 1)
    rows += [(text, "preserve") for text in spoken(_SPOKEN)]
    rng = random.Random(seed)
    rows = [(_worn(text, rng), label) for text, label in rows]
    rng.shuffle(rows)
    return rows


def _worn(text: str, rng: random.Random) -> str:
    """Now and then the words as people speak and type them: in a frame, without the mark, with a slip of the keys."""
    ending = rng.random()  # a full stop tells nothing: sentences of meetings have one, typed requests seldom
    if text.endswith(".") and ending < 0.5:
        text = text[:-1]
    elif text[-1:].isalnum() and ending < 0.4:
        text += "."
    chance = rng.random()
    if chance < 0.06:
        return rng.choice(_FRAMES).format(text[:1].lower() + text[1:].rstrip(" ?."))
    if chance < 0.10:
        return text.rstrip(" ?.")
    if chance < 0.13 and len(text) > 12:
        at = rng.randrange(1, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


def spoken(count: int) -> list[str]:
    """Short sentences of meetings (AMI, CC-BY-4.0) that ask nothing: what comes in when a request is not one."""
    found: dict[str, str] = {}
    for row in data.rows("text", "extractive.jsonl.gz"):
        if row["source"] != "ami_extractive" or row["split"] != "train":
            continue
        for start, end in row["units"]:
            text = re.sub(r"\{\w+\}|\s+(?=[.,])", "", row["text"][start:end].split(":", 1)[-1]).strip()
            if 2 <= len(text.split()) <= 14 and "?" not in text:
                found.setdefault(hashlib.sha1(text.lower().encode(), usedforsecurity=False).hexdigest(), text)
    return [found[key] for key in sorted(found)[:count]]


def dev_rows() -> list[tuple[str, str, str]]:
    """(question, hand label, source) of the hand-labelled questions; words come from the data pack by digest."""
    words = {row_id(row): row["query"] for row in data.rows("images", "queries_dev.jsonl.gz")}
    file = Path(__file__).parent / "data" / "router_dev_labels.jsonl"
    labels = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [(words[row["id"]], row["label"], row["source"]) for row in labels]


def prune_vocabulary(tokenizer: Path, texts: Sequence[str], size: int) -> tuple[dict[str, Any], list[int]]:
    """A tokenizer.json with the pieces that the texts use (characters always), and the old ids that are kept.

    Words that lost their piece fall back to smaller ones, so nothing becomes unknown that was not.
    """
    from tokenizers import Tokenizer

    made = json.loads(tokenizer.read_text("utf-8"))
    vocabulary: dict[str, int] = made["model"]["vocab"]
    full = Tokenizer.from_file(str(tokenizer))
    full.no_padding()
    full.no_truncation()
    used = Counter(piece for text in texts for piece in full.encode(text).tokens)
    always = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    always += [p for p in vocabulary if len(p.removeprefix("##")) == 1 and p.isascii()]
    ranked = [piece for piece, _ in used.most_common() if piece in vocabulary]
    common = sorted((p for p in vocabulary if p.isalpha() and p.isascii()), key=vocabulary.__getitem__)
    kept = list(dict.fromkeys([*always, *ranked, *common]))[:size]
    kept.sort(key=vocabulary.__getitem__)
    ids = [vocabulary[piece] for piece in kept]
    made["model"]["vocab"] = {piece: at for at, piece in enumerate(kept)}
    for token in made.get("added_tokens", []):
        token["id"] = made["model"]["vocab"][token["content"]]
    for token in made.get("post_processor", {}).get("special_tokens", {}).values():
        token["ids"] = [made["model"]["vocab"][name] for name in token["tokens"]]
    made["truncation"] = {"direction": "Right", "max_length": MAX_TOKENS, "strategy": "LongestFirst", "stride": 0}
    made["padding"] = None
    return made, ids


def build(base: Path, ids: list[int], layers: int) -> Any:
    """The first layers of MiniLM over the kept pieces, mean pooling, and a linear head; a torch module.

    Word pieces and the lowest layers stay as they are.
    """
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig.from_pretrained(base)
    encoder = BertModel.from_pretrained(base, config=config, add_pooling_layer=False, attn_implementation="eager")
    encoder.encoder.layer = encoder.encoder.layer[:layers]
    for part in (encoder.embeddings, *encoder.encoder.layer[:_FROZEN]):
        part.requires_grad_(False)
    words = encoder.embeddings.word_embeddings.weight.data[ids].clone()
    embedding = torch.nn.Embedding(words.shape[0], words.shape[1], _weight=words, _freeze=True)
    encoder.embeddings.word_embeddings = embedding
    encoder.config.vocab_size, encoder.config.num_hidden_layers = len(ids), layers

    class QueryNet(torch.nn.Module):
        """ids, mask [B, T] int64 -> probabilities [B, 4]."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.dropout = torch.nn.Dropout(0.1)
            self.head = torch.nn.Linear(config.hidden_size, len(TECHNIQUES))

        def logits(self, ids: Any, mask: Any) -> Any:
            hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            return self.head(self.dropout((hidden * weight).sum(1) / weight.sum(1)))

        def forward(self, ids: Any, mask: Any) -> Any:
            return torch.softmax(self.logits(ids, mask), -1)

    return QueryNet()


def batches(encoded: list[list[int]], size: int, order: Sequence[int]) -> list[list[int]]:
    """Row numbers in batches of similar length."""
    chunks = [
        sorted(order[at : at + size * 32], key=lambda i: len(encoded[i])) for at in range(0, len(order), size * 32)
    ]
    return [chunk[at : at + size] for chunk in chunks for at in range(0, len(chunk), size)]


def padded(rows: list[list[int]]) -> tuple[Any, Any]:
    """Ids and mask as int64 tensors."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def fit(net: Any, encoded: list[list[int]], labels: list[int], epochs: int, seed: int) -> None:
    """AdamW in bfloat16, warm-up and linear decay, label smoothing, weights against class imbalance; ends on an average."""
    import torch

    counts = Counter(labels)
    weight = torch.tensor([(len(labels) / len(counts) / counts[at]) ** 0.5 for at in range(len(TECHNIQUES))])
    loss_of = torch.nn.CrossEntropyLoss(weight=weight, label_smoothing=0.03)
    trained = [p for p in net.parameters() if p.requires_grad]
    head = set(net.head.parameters())
    groups = [{"params": [p for p in trained if p not in head], "lr": 1.6e-4}, {"params": list(head), "lr": 1e-3}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    rng, order = random.Random(seed), list(range(len(encoded)))
    steps = epochs * (len(encoded) // _BATCH + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1.0, s / 60, max(0.0, (steps - s) / steps)))
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(_AVERAGE)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=ema)
    net.train()
    for epoch in range(epochs):
        rng.shuffle(order)
        todo, running = batches(encoded, _BATCH, order), 0.0
        rng.shuffle(todo)
        for rows in todo:
            ids, mask = padded([encoded[i] for i in rows])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net.logits(ids, mask)
            loss = loss_of(logits.float(), torch.tensor([labels[i] for i in rows]))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            average.update_parameters(net)
            running += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {running / len(todo):.3f}", flush=True)
    net.load_state_dict(average.module.state_dict())


def export(net: Any, file: Path) -> None:
    """int8 ONNX with dynamic batch and length; raises where onnx is missing."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    draft = file.with_suffix(".fp32.onnx")
    axes = {"ids": {0: "batch", 1: "length"}, "mask": {0: "batch", 1: "length"}, "probabilities": {0: "batch"}}
    sample = (torch.ones(2, 7, dtype=torch.int64), torch.ones(2, 7, dtype=torch.int64))
    names: dict[str, Any] = {"input_names": ["ids", "mask"], "output_names": ["probabilities"]}
    torch.onnx.export(net.eval(), sample, str(draft), dynamic_axes=axes, opset_version=17, dynamo=False, **names)
    quantize_dynamic(str(draft), str(file), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"])
    draft.unlink()


def main() -> None:
    """Train, export, and write the numbers beside the weights."""
    import torch

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--base", type=Path, required=True)
    options.add_argument("--out", type=Path, default=BUNDLED / NAME)
    options.add_argument("--layers", type=int, default=6)
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seed", type=int, default=7)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    rows = training_rows(chosen.seed)
    made, ids = prune_vocabulary(chosen.base / "tokenizer.json", [text for text, _ in rows], _VOCABULARY)
    chosen.out.mkdir(parents=True, exist_ok=True)
    words = chosen.out / "tokenizer.json"
    words.write_text(json.dumps(made, ensure_ascii=False, separators=(",", ":")), "utf-8")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(words))
    encoded = [encoding.ids for encoding in tokenizer.encode_batch([text for text, _ in rows])]
    labels = [TECHNIQUES.index(label) for _, label in rows]
    print(f"{len(rows)} rows, {Counter(label for _, label in rows)}, {len(ids)} pieces", flush=True)
    net = build(chosen.base, ids, chosen.layers)
    fit(net, encoded, labels, chosen.epochs, chosen.seed)
    file = chosen.out / "model.onnx"
    export(net, file)
    source = "all-MiniLM-L6-v2 (Apache-2.0), first layers, fine-tuned by headroom_core.training.router"
    write_row(chosen.out, NAME, "query-technique", source)
    print(f"{file.stat().st_size:,} bytes; run headroom_core.training.router_calibrate next", flush=True)


def write_row(folder: Path, name: str, layout: str, source: str) -> None:
    """The registry's row of a bundled model: its files with their SHA-256."""
    files = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.name in _FILES
    }
    row = {"name": name, "layout": layout, "licence": "Apache-2.0", "source": source, "files": files}
    (folder / "model.json").write_text(json.dumps({"row": row}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
