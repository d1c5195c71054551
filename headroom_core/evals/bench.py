"""Everything in one run: quality against tokens and speed, ours and others'; one table, one picture.

    headroom-core bench [--quick] [--only inputs,questions,encoders,images,store,wrapper]
                        [--embedding FOLDER] [--json [FILE]] [--picture FILE]

Tool outputs are made here. Questions over documents, OCR errors and the router need the evaluation data
(HEADROOM_DATA), the peer its own virtual environment (HEADROOM_PEER_PYTHON), the frameworks' embedding filters a folder
of all-MiniLM-L6-v2 (--embedding). What is missing is skipped and said so.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .bench_rows import Row, Told, table

SECTIONS = ("inputs", "questions", "encoders", "images", "store", "wrapper")
ROOT = Path(__file__).resolve().parents[2]


def measured(
    only: Sequence[str] = SECTIONS, *, quick: bool = False, seeds: int = 5, embedding: Path | None = None,
    told: Told = lambda what, done, total: None,
) -> Iterator[Row]:  # fmt: skip
    """The rows of the sections, in order."""
    from . import bench_images, bench_speed, bench_texts

    run: dict[str, Callable[[], Iterator[Row]]] = {
        "inputs": lambda: bench_texts.inputs(quick, seeds, told),
        "questions": lambda: bench_texts.questions(quick, embedding, told),
        "encoders": lambda: bench_speed.encoders(quick, told),
        "images": lambda: bench_images.images(quick, told),
        "store": lambda: bench_speed.store(quick, told),
        "wrapper": lambda: bench_speed.wrapper(quick, told),
    }
    for name in only:
        yield from run[name]()


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, shared with the README's writer."""
    parser = argparse.ArgumentParser(
        prog="headroom-core bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few rounds: a minute or two")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--seeds", type=int, help="how many inputs of each kind (5; quick: 1)")
    parser.add_argument("--embedding", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument(
        "--json",
        nargs="?",
        type=Path,
        const=Path("-"),
        metavar="FILE",
        help="the rows as JSON; - or nothing prints them",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write an SVG")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    for name in options.only:
        if name not in SECTIONS:
            parser.error(f"no section {name!r}; there are {', '.join(SECTIONS)}")
    options.seeds = options.seeds or (1 if options.quick else 5)
    return options


def run(options: argparse.Namespace) -> list[Row]:
    """Measure what the options ask for, with a progress bar where somebody looks on."""
    from headroom_core.cli.options import progress

    with progress(quiet=bool(options.json)) as told:
        return list(
            measured(options.only, quick=options.quick, seeds=options.seeds, embedding=options.embedding, told=told)
        )


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table or JSON; write the picture where one is asked for."""
    options = options_of(arguments)
    rows = run(options)
    if options.picture:
        from .bench_picture import picture

        options.picture.write_text(picture(rows), encoding="utf-8")
    told: list[dict[str, Any]] = [asdict(row) for row in rows]
    if options.json and str(options.json) != "-":
        options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")
    if options.json and str(options.json) == "-":
        print(json.dumps(told))
    else:
        print(table(rows))
