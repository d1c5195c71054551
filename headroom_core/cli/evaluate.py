"""``headroom-core evaluate PATH``: what compression does to the user's own traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headroom_core.cli.options import json_option, print_json, progress

if TYPE_CHECKING:
    from headroom_core.evaluate import Prices, Report

_PRESETS = ("anthropic", "openai", "google", "no-cache")


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--strength", type=click.Choice(["lossless", "reversible", "lossy"]), default="reversible", show_default=True
)
@click.option("--counter", default="estimate", show_default=True, help="estimate, o200k, cl100k, ...")
@click.option("--ratio", "target_ratio", type=float, help="Share of tokens to keep, above 0 and at most 1.")
@click.option("--min-tokens", type=int, help="Leave smaller outputs alone.")
@click.option(
    "--exclude-tool", "exclude_tools", multiple=True, help="Leave the outputs of this tool alone; repeatable."
)
@click.option(
    "--provider", type=click.Choice(_PRESETS), help="Whose prices to start from. Check them against your bill."
)
@click.option("--price-input", type=float, help="$ for a million new prompt tokens.")
@click.option("--price-cached", type=float, help="$ for a million prompt tokens read from the cache.")
@click.option("--price-write", type=float, help="$ for a million prompt tokens written to the cache.")
@click.option("--price-output", type=float, help="$ for a million tokens that the model writes.")
@click.option("--cache-minimum", type=int, help="Fewest prompt tokens that the provider caches.")
@click.option(
    "--live", metavar="MODEL", help="Ask openai:NAME or anthropic:NAME with and without compression. Costs money."
)
@click.option("--live-limit", type=int, default=20, show_default=True, help="At most so many conversations.")
@click.option("--judge", metavar="MODEL", help="Who compares live answers; the same model otherwise.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a self-contained page.")
@click.option("--cases", type=int, default=20, show_default=True, help="How many of the worst cases to show.")
@click.option("--no-contents", is_flag=True, help="Numbers alone: no text and no value of the conversations.")
@click.option("--check", is_flag=True, help="Exit with 1 where a used value is lost or the calls get dearer.")
@json_option
def evaluate(
    path: Path, live: str | None, live_limit: int, judge: str | None, html: Path | None, cases: int, no_contents: bool,
    check: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Measure compression on your own traffic under PATH.

    Nothing leaves this machine unless --live asks a model.

    PATH is a file or a folder of .json, .jsonl and .parquet: conversations of OpenAI, Anthropic, Gemini, Bedrock, LangChain or
    LlamaIndex, LangSmith runs, OpenTelemetry (OTLP JSON, GenAI conventions), or lines with a question and documents.
    """
    from headroom_core.evaluate import evaluate as run

    prices = _prices(
        {name: options.pop(name) for name in list(options) if name.startswith(("price", "cache", "provider"))}
    )
    given = {name: value for name, value in options.items() if value not in (None, ())}
    with progress(quiet=as_json) as told:
        report = run(
            path, prices=prices, live=_model(live), judge=_model(judge), live_limit=live_limit, progress=told, **given
        )
    if html:
        from headroom_core.evaluate.page import page

        html.write_text(page(report, contents=not no_contents, cases=cases), encoding="utf-8")
    if as_json:
        print_json(report.as_dict(contents=not no_contents, cases=cases))
    else:
        _show(report, html, contents=not no_contents, cases=min(cases, 5))
    if check and (report.saved_money < 0 or any(piece.lost for piece in report.pieces)):
        raise SystemExit(1)


def _show(report: Report, html: Path | None, *, contents: bool, cases: int) -> None:
    from rich.console import Console

    from headroom_core.evaluate.terminal import show

    show(report, Console(), contents=contents, cases=cases)
    if html:
        click.echo(f"\nThe page with all cases: {html}")


def _prices(given: dict[str, Any]) -> Prices | None:
    """The preset with whatever was named on top of it; None where nothing was: the traffic's format decides then."""
    from dataclasses import replace

    from headroom_core.evaluate import PRESETS

    provider = given.pop("provider")
    named = {name.removeprefix("price_").replace("cache_", ""): v for name, v in given.items() if v is not None}
    if provider is None and not named:
        return None
    preset = PRESETS[provider or "openai"]
    if "input" in named and provider is None:  # the preset's other prices are for another model: keep its proportions
        share = named["input"] / preset.input
        preset = replace(preset, cached=preset.cached * share, write=preset.write * share, output=preset.output * share)
    return replace(preset, **named)


def _model(name: str | None) -> Any:
    if name is None:
        return None
    from headroom_core.evaluate.live import open_model

    return open_model(name)
