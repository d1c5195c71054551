"""All tables of the visual-token compressors: accuracy on the task, retrieval over codes, and what it costs and saves.

    python -m headroom_core.evals visual --model MINILM_FOLDER

The sizes are those of a laptop; each table's own command takes more scenes, questions, tokens or another device.
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
    chosen = parser.parse_args(arguments)
    visual_task.main(["--scenes", chosen.scenes])
    visual_retrieval.main(["--model", str(chosen.model), "--half"])
    visual_speed.main([])
