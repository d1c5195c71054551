"""One temperature for the query classifier's probabilities, fitted to the int8 file that is shipped.

    python -m headroom_core.training.router_calibrate [--folder FOLDER]

``FOLDER`` holds a folder ``technique_router``; default: the bundled one. Of every source of the development questions
at most 400 are taken, none of which the evaluation reports on (the hand-labelled ones and its rows of the held-back
sources). It also prints the calibration error of those rows where each source has a temperature fitted without it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from math import log
from pathlib import Path

from headroom_core.evals import data
from headroom_core.evals.images_models import hand_labelled, held_back, routed
from headroom_core.image.decision import Technique
from headroom_core.image.query import NAME, QueryClassifier, calibrated
from headroom_core.models.registry import BUNDLED

from .router_rule import row_id, weak_label

_PER_SOURCE = 400
_STEPS = [step / 20 for step in range(10, 61)]

Asked = tuple[str, Technique, Mapping[Technique, float]]
"""A question, what it needs, and what the net alone says."""


def calibration_rows() -> list[tuple[str, str, str]]:
    """(question, weak label, source) of development questions on which nothing is reported."""
    reported = {query for query, _, _ in (*hand_labelled(), *held_back())}
    taken: dict[str, dict[str, str]] = {}
    for row in sorted(data.rows("images", "queries_dev.jsonl.gz"), key=row_id):
        some = taken.setdefault(row["source"], {})
        if row["query"] not in reported and len(some) < _PER_SOURCE:
            some.setdefault(row["query"], weak_label(row))
    return [(query, label, source) for source, some in taken.items() for query, label in some.items()]


def best_temperature(rows: Sequence[Asked]) -> float:
    """The temperature with the least log loss; words that leave little doubt weigh in as they do in use."""
    return min(_STEPS, key=lambda temperature: _log_loss(rows, temperature))


def _log_loss(rows: Iterable[Asked], temperature: float) -> float:
    return -sum(log(max(1e-9, calibrated(query, said, temperature)[needed])) for query, needed, said in rows)


def _print_strangers(ask: QueryClassifier, by_source: Mapping[str, Sequence[Asked]]) -> None:
    """The error on held-back sources as if each were met for the first time."""
    rows, shares, fitted = held_back(), {}, dict[str, float]()
    for query, _, source in rows:
        if source not in fitted:
            fitted[source] = best_temperature(
                [row for other, some in by_source.items() if other != source for row in some]
            )
        shares[query] = calibrated(query, ask.net(query), fitted[source])
    made = routed("router", shares.__getitem__, [(query, label) for query, label, _ in rows])
    print(f"temperatures without the source itself: {fitted}; calibration error {made.calibration_error:.3f}")


def main() -> None:
    """Fit, print, and write the temperature beside the weights."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=BUNDLED)
    folder: Path = options.parse_args().folder
    ask, by_source = QueryClassifier(folder), dict[str, list[Asked]]()
    for query, label, source in calibration_rows():
        by_source.setdefault(source, []).append((query, Technique(label), ask.net(query)))
    _print_strangers(ask, by_source)
    every = [row for rows in by_source.values() for row in rows]
    temperature = best_temperature(every)
    manifest = folder / NAME / "model.json"
    made = {**json.loads(manifest.read_text("utf-8")), "temperature": temperature}
    manifest.write_text(json.dumps(made, indent=2) + "\n", "utf-8")
    print(f"temperature {temperature} on {len(every)} questions", flush=True)


if __name__ == "__main__":
    main()
