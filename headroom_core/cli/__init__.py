"""The command line: ``headroom-core compress | retrieve | stats | models | doctor | bench | evaluate``."""

from __future__ import annotations


def main() -> None:
    """Entry point; names the pip line where the packages of the command line are missing."""
    from importlib.util import find_spec

    for name in ("click", "rich"):
        if find_spec(name) is None:
            raise SystemExit(
                f"The command line needs {name}. Install it with: pip install 'headroom-integrations[report]'"
            )
    from headroom_core.cli.commands import commands

    commands()
