"""`yardmaster verify`: does a box's data tell the truth? One line a check, with the box running or not."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.client import REFUSED, USAGE
from config.settings import BadSettings, load
from controller.direct import DATABASE
from controller.owner import become_owner
from controller.store.queries.verify import Check
from controller.store.queries.verify import verify as checks_of


def verify(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Folder the box keeps its data in.")] = None,
    artifacts: Annotated[bool, typer.Option("--artifacts", help="Read every kept artifact, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON, for machines.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file.")] = None,
) -> None:
    """Check the data of a box, running or not: lost work, pages, structure, chains, states, counters; exit 1 if bad."""
    try:
        database = load(config, data_dir=data_dir).data_dir / DATABASE
    except BadSettings as bad:
        typer.echo("\n".join(f"error: {line}" for line in bad.lines), err=True)
        raise typer.Exit(USAGE) from bad
    try:
        become_owner(database.parent)  # a look at a write-ahead log makes files, too
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    if not database.exists():
        typer.echo(f"error: there is no database at {database}", err=True)
        raise typer.Exit(USAGE)
    done = []
    for check in checks_of(database, artifacts=artifacts):
        done.append(check)
        if not as_json:
            _print(check)
    if as_json:
        items = [{**check._asdict(), "ok": check.ok} for check in done]
        typer.echo(json.dumps({"items": items}, ensure_ascii=False, indent=2))
    if not all(check.ok for check in done):
        raise typer.Exit(REFUSED)


def _print(check: Check) -> None:
    typer.echo(f"{'ok  ' if check.ok else 'BAD '}  {check.name}: {check.number} {check.unit}")
    for sentence in check.wrong:
        typer.echo(f"      {sentence}")
