"""``headroom-core models list | verify | download``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headroom_core.cli.options import json_option, print_json, progress

if TYPE_CHECKING:
    from headroom_core.models.registry import ModelRow


@click.group()
def models() -> None:
    """The models that the library brings along or can use."""


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Name, size, licence and source of each model."""
    from headroom_core.models.registry import MLModelRegistry

    rows = [_told(row) for row in MLModelRegistry()]
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("name", "size", "licence", "source"):
        table.add_column(head, overflow="fold", no_wrap=head != "source")
    for row in rows:
        table.add_row(row["name"], f"{row['bytes'] / 1e6:.1f} MB", row["licence"], row["source"])
    Console().print(table)


@models.command()
@click.argument("names", nargs=-1)
@json_option
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Compare every file of the NAMES, or of all models, with its SHA-256. Exit code 1 where one differs."""
    from headroom_core.errors import ModelError
    from headroom_core.models.registry import MLModelRegistry

    registry = MLModelRegistry()
    rows = [registry.get(name) for name in names] if names else list(registry)
    found: list[dict[str, Any]] = []
    with progress(quiet=as_json) as told:
        for at, row in enumerate(rows, 1):
            state, why = "ok", f"{len(row.files)} files"
            try:
                if row.folder is None:
                    state, why = "absent", "it is not on this machine"
                else:
                    row.verify(row.folder)
            except ModelError as error:
                state, why = "broken", str(error)
            found.append({"name": row.name, "state": state, "told": why})
            told("verifying", at, len(rows))
    if as_json:
        print_json(found)
    else:
        signs = {"ok": "✓", "absent": "·", "broken": "✗"}
        click.echo("\n".join(f"{signs[one['state']]} {one['name']:20} {one['told']}" for one in found))
    raise SystemExit(int(any(one["state"] == "broken" for one in found)))


@models.command()
@click.argument("name")
@click.option("--offline", is_flag=True, help="Look at the local cache alone.")
@json_option
def download(name: str, offline: bool, as_json: bool) -> None:
    """Fetch the model NAME (owner/name on the hub) into the local cache and print its folder."""
    from headroom_core.models.resolve import resolve

    folder = resolve(name, local_only=offline)
    if as_json:
        print_json({"name": name, "folder": str(folder)})
    else:
        click.echo(str(folder))


def _told(row: ModelRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "layout": row.layout,
        "licence": row.licence,
        "source": row.source,
        "bytes": row.bytes,
        "files": dict(row.files),
        "folder": str(row.folder) if row.folder else None,
    }
