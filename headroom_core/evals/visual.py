"""All tables of the visual-token compressors: accuracy on the task, retrieval over codes, and what it costs and saves.

    python -m headroom_core.evals visual --model MINILM_FOLDER [--cache FOLDER]

One thread. With ``--cache`` a command that was stopped goes on where it stopped. The sizes are those of a laptop; each
table's own command takes more scenes, questions, tokens or another device.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import visual_retrieval, visual_speed, visual_task


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the three tables; the middle one needs the folder of all-MiniLM-L6-v2."""
    parser = argparse.ArgumentParser(prog="python -m headroom_core.evals visual", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--scenes", default="400", help="unseen pictures of the task")
    parser.add_argument("--queries", default="1000", help="questions of the retrieval")
    parser.add_argument("--cache", type=Path, help="where vectors and finished rows are kept")
    chosen = parser.parse_args(arguments)
    kept = [] if chosen.cache is None else ["--cache", str(chosen.cache)]
    print("## What compressed tokens still tell\n", flush=True)
    visual_task.main(["--scenes", chosen.scenes, *kept])
    print("\n## Retrieval over codes\n", flush=True)
    visual_retrieval.main(["--model", str(chosen.model), "--half", "--queries", chosen.queries, *kept])
    print("\n## What compression costs and saves\n", flush=True)
    visual_speed.main(["--modules", *visual_speed.PAYING, "--sides", "24", "32", "48", "--repeats", "2", *kept])


if __name__ == "__main__":
    main()
