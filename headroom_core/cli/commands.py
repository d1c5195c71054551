"""The commands. Exit codes: 0 done, 1 the thing asked for is not there or failed, 2 the call was wrong."""

from __future__ import annotations

import sys
from typing import Any

import click

from headroom_core import __version__
from headroom_core.cli.bench import bench
from headroom_core.cli.evaluate import evaluate
from headroom_core.cli.models import models
from headroom_core.cli.options import json_option, print_json
from headroom_core.errors import HeadroomError, InvalidInput

_KINDS = ("json", "log", "search", "diff", "code", "table", "html", "config", "tree", "trace", "prose")


class _WrongValue(click.ClickException):
    """A value that cannot be used is a wrong call."""

    exit_code = 2


class _Commands(click.Group):
    """Errors of ours become one line: exit code 2 for a value that cannot be used, else 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except HeadroomError as error:
            told = _WrongValue if isinstance(error, InvalidInput) else click.ClickException
            raise told(str(error)) from error


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="headroom-core")
def commands() -> None:
    """Cut what an LLM application pays for its context, and keep every original."""


@commands.command()
@click.argument("file", type=click.File("rb"))
@click.option("-q", "--query", help="The question that the text is read for.")
@click.option("--kind", type=click.Choice(_KINDS), help="What the text is; detected where it is not given.")
@click.option("--ratio", type=float, help="Share of tokens to keep, above 0 and at most 1.")
@click.option("--strength", type=click.Choice(["lossless", "reversible", "lossy"]), default="lossy", show_default=True)
@click.option("--diff", is_flag=True, help="Show which lines went, instead of the result.")
@json_option
def compress(
    file: Any, query: str | None, kind: Any, ratio: float | None, strength: Any, diff: bool, as_json: bool
) -> None:
    """Compress FILE, or standard input where FILE is -.

    With --strength reversible the original is stored and the last line names its reference.
    """
    from headroom_core import compress as compress_text
    from headroom_core import open_originals

    raw = file.read().decode("utf-8", "surrogateescape")
    originals = open_originals() if strength == "reversible" else None
    outcome = compress_text(
        raw,
        query=query,
        kind=kind,
        target_ratio=ratio,
        strength=strength,
        originals=originals,
        retrievable=originals is not None,
    )
    if as_json:
        print_json({"text": outcome.text, "explained": outcome.explain().splitlines(), **outcome.as_dict()})
    elif diff:
        _show_diff(raw, outcome.text)
    else:
        sys.stdout.buffer.write(outcome.text.encode("utf-8", "surrogateescape") + b"\n")
    if not as_json:
        click.echo(outcome.explain(), err=True)


def _show_diff(before: str, after: str) -> None:
    """A unified diff of what went and what came, coloured on a terminal; JSON on one line is laid out first."""
    import difflib

    from rich.console import Console
    from rich.syntax import Syntax

    from headroom_core.evaluate.views import lines as laid_out

    lines = difflib.unified_diff(laid_out(before), after.split("\n"), "original", "compressed", lineterm="", n=1)
    text = "\n".join(lines)
    if sys.stdout.isatty():
        Console().print(Syntax(text, "diff", background_color="default"))
    else:
        click.echo(text)


@commands.command()
@click.argument("ref")
@click.option("-q", "--query", help="Passages about this.")
@click.option("--lines", help="Line numbers from 1: 120-164 or 3,17-20.")
@click.option("--rows", help="Row indices from 0 of a JSON array or table.")
@click.option("--pointer", help="A JSON pointer.")
@click.option("--symbol", help="A function or class, for example Order.total.")
@click.option("--page", type=int, default=1, show_default=True)
@click.option("--namespace", help="Whose original it is; the default is this program's own namespace.")
@json_option
def retrieve(ref: str, namespace: str | None, as_json: bool, **selector: Any) -> None:
    """Print the original under REF, or a piece of it."""
    from headroom_core import retrieve as retrieve_original

    found = retrieve_original(ref, namespace=namespace, **selector)
    if as_json:
        told = {name: getattr(found, name) for name in ("ref", "kind", "what", "text", "page", "pages", "total_tokens")}
        print_json(told)
    elif found.image is not None:
        sys.stdout.buffer.write(found.image)
    else:
        sys.stdout.buffer.write(found.text.encode("utf-8", "surrogatepass"))
        click.echo(f"\n{found.heading}", err=True)


@commands.command()
@json_option
def stats(as_json: bool) -> None:
    """What the store of this account holds."""
    from headroom_core import settings
    from headroom_core.ccr.originals import open_blobs

    blobs = open_blobs(settings.store_url())
    keys = blobs.keys()
    originals = [key for key in keys if key.rpartition("/")[2].startswith("o.")]
    namespaces = sorted({key.rpartition("/")[0] for key in originals})
    told = {"store": settings.store_place(), "namespaces": len(namespaces), "originals": len(originals)}
    if as_json:
        print_json(told)
    else:
        click.echo("\n".join(f"{name:12} {value}" for name, value in told.items()))


@commands.command()
@json_option
def doctor(as_json: bool) -> None:
    """What works here, and the pip line for what does not."""
    from headroom_core.cli.doctor import checks, exit_code, table

    found = checks()
    if as_json:
        print_json([vars_of(check) for check in found])
    else:
        click.echo(table(found))
    raise SystemExit(exit_code(found))


def vars_of(check: Any) -> dict[str, Any]:
    """A frozen check as a dict."""
    return {name: getattr(check, name) for name in check.__slots__}


@commands.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    Source it in the shell's start file.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(commands, {}, "headroom-core", "_HEADROOM_CORE_COMPLETE").source())


for command in (models, bench, evaluate):
    commands.add_command(command)
