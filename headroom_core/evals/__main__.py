"""``python -m headroom_core.evals SUITE [options]``: one command for every measure.

Each suite is a module of this package with ``main(arguments)``; ``python -m headroom_core.evals`` lists them.
"""

from __future__ import annotations

import sys
from importlib import import_module

SUITES = {
    "readme": "measure `inputs` and write its table into README.md",
    "inputs": "all kinds with planted needles, beside the peer and simple ways",
    "tokens": "the token estimate against o200k",
    "kinds": "detection: confusion matrix",
    "json_": "JSON: look-ups, anomalies, agents' payloads",
    "logs": "logs: the lines that explain a failed build",
    "search": "search results: the hit that was asked for",
    "diff": "diffs: every changed line",
    "code": "code: signatures, asked bodies, parse",
    "tables": "tables, HTML, configuration",
    "trees": "listings: the asked file, counts per folder",
    "kompress": "prose: the text model",
    "images": "images: accounting, router, OCR",
    "visual": "visual tokens: the three tables that follow",
    "visual_task": "visual tokens: accuracy of every module on a task that needs them",
    "visual_retrieval": "visual tokens: late interaction over codes",
    "visual_speed": "visual tokens: what compression costs and saves",
    "bench": "everything in one run: one table, one picture",
}


def main() -> int:
    """Run one suite, or say which there are."""
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        print("python -m headroom_core.evals SUITE [options]\n")
        print("\n".join(f"  {name:16} {told}" for name, told in SUITES.items()))
        return 2
    import_module(f"{__package__}.{sys.argv[1]}").main(sys.argv[2:])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
