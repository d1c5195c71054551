"""Pictures, measured: answers that reach the model and what they cost, OCR, router, signals, milliseconds.

    python -m headroom_core.evals.images [--full] [--cache FOLDER] [--only receipts,harm,crop,ocr,router,signals,time,peer]

OCR is slow, so a sample is the default and readings are kept in the cache folder. Needs the data pack (HEADROOM_DATA).
The peer runs beside us where HEADROOM_PEER_PYTHON names the Python of its virtual environment.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from headroom_core.image import Router
from headroom_core.image.query import QueryClassifier

from . import data
from . import images_answers as answers
from . import images_models as models


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables that were asked for."""
    tables: dict[str, Callable[[argparse.Namespace], None]] = {
        "receipts": receipts, "harm": harm, "crop": crop, "ocr": ocr, "router": router, "signals": signals, "time": times,
        "peer": peer,
    }  # fmt: skip
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--full", action="store_true", help="every picture, not a sample")
    options.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "headroom-ocr")
    options.add_argument("--only", default=",".join(tables))
    options.add_argument("--models", type=Path, help="folder of other weights than the bundled ones")
    chosen = options.parse_args(argv)
    if not data.have("images", "index.jsonl"):
        raise SystemExit("The picture data is not at hand; set HEADROOM_DATA to the folder that holds data/images.")
    for name in chosen.only.split(","):
        print(f"\n## {name}\n", flush=True)
        tables[name](chosen)


def receipts(chosen: argparse.Namespace) -> None:
    """Fields of receipts, each asked, against high detail on GPT-4o and Claude."""
    asked = list(answers.receipts(None if chosen.full else 40, phrasings=2 if chosen.full else 1))
    sent = _told(answers.run(asked, ("openai", "anthropic"), cache=chosen.cache, router=_router(chosen)))
    print(
        "| provider | field | questions | reached | read by OCR, then lost | tokens saved |\n|---|---|--:|--:|--:|--:|"
    )
    for provider in ("openai", "anthropic"):
        for field in (*answers.FIELD_QUESTIONS, "all"):
            some = [one for one in sent if one.provider == provider and field in (one.asked.field, "all")]
            made = answers.sums(some)
            print(f"| {provider} | {field} | {made.count} | {made.reached:.1%} | {made.harm:.1%} | {made.saved:.1%} |")
    _techniques(sent)


def harm(chosen: argparse.Namespace) -> None:
    """Answers that OCR reads in the untouched picture and that are gone; tokens saved beside the best possible."""
    few = not chosen.full
    asked = chain(
        answers.rendered(12 if few else 60), answers.scene_text(20 if few else None),
        answers.pages(3 if few else None), answers.receipts(25 if few else None),
    )  # fmt: skip
    sent = _told(answers.run(asked, ("openai", "anthropic"), cache=chosen.cache, router=_router(chosen)))
    print(
        "| provider | kind | questions | readable | reached | harm | tokens saved | best possible |"
        "\n|---|---|--:|--:|--:|--:|--:|--:|"
    )
    for provider in ("openai", "anthropic"):
        for kind in ("receipt", "page", "scene_text", "rendered", "all"):
            some = [one for one in sent if one.provider == provider and kind in (one.asked.kind, "all")]
            made, read = answers.sums(some), sum(one.readable for one in some)
            numbers = f"{made.count} | {read} | {made.reached:.1%} | {made.harm:.2%} | {made.saved:.1%} | {made.best_saved:.1%}"
            print(f"| {provider} | {kind} | {numbers} |")
    _techniques(sent)


def crop(chosen: argparse.Namespace) -> None:
    """Does the crop of a field hold its box, and at what share of the picture's tokens?"""
    from headroom_core.image.codec import Unusable, decode
    from headroom_core.image.crop import Region, find, sized
    from headroom_core.image.layout import rows
    from headroom_core.image.ocr import RapidOcr, Reader
    from headroom_core.image.plan import read
    from headroom_core.tokens.profiles import profile_for

    reader = Reader(RapidOcr(threads=1), folder=chosen.cache)
    print("| provider | fields | box inside | share of tokens |\n|---|--:|--:|--:|")
    for provider in ("openai", "anthropic"):
        profile = profile_for(provider)
        held = count = before = after = 0
        for asked in answers.receipts(None if chosen.full else 40):
            picture = decode(asked.data)
            if asked.box is None or isinstance(picture, Unusable):
                continue
            found = rows(read(picture, profile, reader))
            whole = Region(((0.0, 0.0, float(picture.size[0]), float(picture.size[1])),), "all of it")
            region = find(asked.question, found, picture.size) or whole
            count += 1
            held += any(_inside(asked.box, box) for box in region.boxes)
            before += profile.tokens(*picture.size)
            after += sized(region, found, picture.size, profile).tokens
        print(f"| {provider} | {count} | {held / max(1, count):.1%} | {after / max(1, before):.1%} |", flush=True)


def _inside(box: tuple[float, float, float, float], outer: tuple[float, float, float, float]) -> bool:
    """At least 90 % of the box lies in the outer one (annotated boxes and read ones differ by a pixel or two)."""
    wide = min(box[2], outer[2]) - max(box[0], outer[0])
    high = min(box[3], outer[3]) - max(box[1], outer[1])
    return wide > 0 and high > 0 and wide * high >= 0.9 * (box[2] - box[0]) * (box[3] - box[1])


def ocr(chosen: argparse.Namespace) -> None:
    """Character error rate of each engine."""
    print("| engine | kind | pictures | CER | joined /100 words | split /100 words |\n|---|---|--:|--:|--:|--:|")
    for kind in ("receipt", "page"):
        for name in models.available_engines():
            made = models.ocr_errors(kind, name, cache=chosen.cache, limit=None if chosen.full else 12)
            print(
                f"| {name} | {kind} | {made.pictures} | {made.cer:.2%} | {made.joined:.1f} | {made.split:.1f} |",
                flush=True,
            )


def router(chosen: argparse.Namespace) -> None:
    """Accuracy, calibration and confusion on hand labels and on held-back sources, beside two baselines."""
    sets = {"hand-labelled": models.hand_labelled(), "held-back sources (weak labels)": models.held_back()}
    ask = QueryClassifier(chosen.models)
    classifiers = (("router", ask), ("majority", models.majority_baseline), ("keywords", models.keyword_baseline))
    print("| set | classifier | questions | accuracy | calibration error |\n|---|---|--:|--:|--:|")
    for title, found in sets.items():
        for name, say in classifiers:
            made = models.routed(name, say, [(query, label) for query, label, _ in found])
            print(
                f"| {title} | {name} | {made.count} | {made.accuracy:.1%} | {made.calibration_error:.3f} |", flush=True
            )
    for title, found in sets.items():
        made = models.routed("router", ask, [(query, label) for query, label, _ in found])
        print(f"\n{title}: needed (down) and said (across)\n\n| | {' | '.join(models.NAMES)} |\n|---|--:|--:|--:|--:|")
        for needed in models.NAMES:
            print(f"| {needed} | {' | '.join(str(made.confusion.get((needed, said), 0)) for said in models.NAMES)} |")
        for source in sorted({source for _, _, source in found}):
            some = [(query, label) for query, label, where in found if where == source]
            print(f"- {source}: {models.routed(source, ask, some).accuracy:.1%} of {len(some)}")


def signals(chosen: argparse.Namespace) -> None:
    """AUC of the signals on held-back pictures."""
    print("| signal | pictures | AUC |\n|---|--:|--:|")
    for name, (area, count) in models.signal_auc(chosen.cache, chosen.models).items():
        print(f"| {name} | {count} | {area:.3f} |")


def times(chosen: argparse.Namespace) -> None:
    """Milliseconds for each stage; run it on a machine that does nothing else."""
    print("| stage | median ms | p95 ms | processor ms |\n|---|--:|--:|--:|")
    for name, spent in models.milliseconds(24 if chosen.full else 8).items():
        print(f"| {name} | {spent.median:.1f} | {spent.p95:.1f} | {spent.processor:.1f} |")


def peer(chosen: argparse.Namespace) -> None:
    """Fields of receipts beside the peer: the same questions, readers and token formulas in one run."""
    from headroom_core.image.ocr import RapidOcr, Reader

    from .images_peer import run
    from .peers import peer_python

    python = peer_python()
    if python is None:
        print("no peer: set HEADROOM_PEER_PYTHON to the Python of its virtual environment")
        return
    _aligned(python, 10 if chosen.full else 40)
    asked = list(answers.receipts(None if chosen.full else 15))
    ours = list(answers.run(asked, ("openai", "anthropic"), cache=chosen.cache, router=_router(chosen)))
    found = [
        ("ours", one.provider, one.reached, one.result.original_tokens, one.result.compressed_tokens) for one in ours
    ]
    found += run(asked, ("openai", "anthropic"), python=python, reader=Reader(RapidOcr(threads=1), folder=chosen.cache))
    print("| variant | provider | questions | reached | tokens saved |\n|---|---|--:|--:|--:|")
    for key in sorted({row[:2] for row in found}):
        some = [row for row in found if row[:2] == key]
        saved = 1 - sum(row[4] for row in some) / sum(row[3] for row in some)
        print(f"| {key[0]} | {key[1]} | {len(some)} | {sum(row[2] for row in some) / len(some):.1%} | {saved:.1%} |")


def _aligned(python: Path, every: int) -> None:
    """What is stated of untouched pictures, and what alignment does to them."""
    from . import images_align as align

    files = align.sample(every)
    print(
        "| who | provider | pictures | stated tokens off by | tokens saved | bytes saved | changed | made lossy | enlarged"
        " | worst pixel error |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for who, rows in (("ours", list(align.ours(files))), ("peer", list(align.theirs(files, python)))):
        for provider in align.PROVIDERS:
            made = align.sums([row for name, row in rows if name == provider])
            print(
                f"| {who} | {provider} | {made.count} | {made.off:.1%} | {made.tokens_saved:.1%} | {made.bytes_saved:.1%}"
                f" | {made.changed} | {made.made_lossy} | {made.enlarged} | {made.worst_pixel_error:.2f} |"
            )
    print()


def _told(sent: Iterable[answers.Sent]) -> list[answers.Sent]:
    """All of them; how far it is goes to stderr, with every answer that is lost."""
    done: list[answers.Sent] = []
    for one in sent:
        done.append(one)
        if one.readable and not one.reached:
            print(_lost(one), file=sys.stderr, flush=True)
        if len(done) % 50 == 0:
            made, read = answers.sums(done), sum(one.readable for one in done)
            print(
                f"{len(done)} sent, {read} readable, harm {made.harm:.2%}, saved {made.saved:.1%}",
                file=sys.stderr,
                flush=True,
            )
    return done


def _techniques(sent: Sequence[answers.Sent]) -> None:
    counts: dict[str, int] = {}
    for one in sent:
        counts[one.result.technique.value] = counts.get(one.result.technique.value, 0) + 1
    print(f"\ntechniques: {counts}")
    for one in sent:
        if one.readable and not one.reached:
            print(_lost(one))


def _lost(one: answers.Sent) -> str:
    asked = one.asked
    return f"- lost: {one.provider} {asked.kind} {asked.question!r} → {asked.answer!r} ({one.result.reason})"


def _router(chosen: argparse.Namespace) -> Router | None:
    return Router(folder=chosen.models) if chosen.models else None


if __name__ == "__main__":
    main()
