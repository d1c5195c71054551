"""The command line: ``headroom-core compress | retrieve | stats | models | doctor | bench | evaluate``."""

from __future__ import annotations


def main() -> None:
    """Entry point; names the pip line where the packages of the command line are missing."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"The command line needs {error.name}. Install it with: pip install 'headroom-integrations[report]'"
        ) from None
    from headroom_core.cli.commands import commands

    commands()
