"""``headroom-core bench``: the measures, one table, one picture; or one suite of them."""

from __future__ import annotations

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("suite", default="bench")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(suite: str, arguments: tuple[str, ...]) -> None:
    """Quality against tokens and speed, ours and others'.

    One run, one table, one picture. Options: --quick, --only NAMES, --json FILE, --picture FILE. With the name of a SUITE, its measures alone.
    """
    from importlib import import_module

    from headroom_core.evals.__main__ import SUITES

    given = list(arguments)
    if suite.startswith("-"):
        suite, given = "bench", [suite, *given]
    suites = {"bench", *SUITES}
    if suite not in suites:
        raise click.UsageError(f"no suite {suite!r}; there are {', '.join(sorted(suites))}")
    import_module(f"headroom_core.evals.{suite}").main(given)
