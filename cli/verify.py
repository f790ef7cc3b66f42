"""`yardmaster verify`: does a box's data tell the truth? One line a check, with the box running or not."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.client import REFUSED, USAGE
from cli.people import caller
from config.settings import BadSettings, load
from controller import accepting
from controller.direct import DATABASE
from controller.owner import become_owner
from controller.restoring import CannotRestore, locked
from controller.store.pages import Damaged, gone
from controller.store.queries.verify import Check
from controller.store.queries.verify import verify as checks_of


def verify(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Folder the box keeps its data in.")] = None,
    artifacts: Annotated[bool, typer.Option("--artifacts", help="Read every kept artifact, too.")] = False,
    accept_pages: Annotated[
        bool, typer.Option("--accept-pages", help="Take changed pages as they are, if all else is sound; box stopped.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON, for machines.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file.")] = None,
) -> None:
    """Check the data of a box, running or not: lost work, pages, structure, chains, states, counters; exit 1 if bad."""
    database = _database(data_dir, config)
    if accept_pages:
        _accept(database.parent.resolve(), yes=yes)
        return
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


def _database(data_dir: Path | None, config: Path | None) -> Path:
    """Where it is, opened by nobody but its owner."""
    try:
        database = load(config, data_dir=data_dir).data_dir / DATABASE
        become_owner(database.parent)  # a look at a write-ahead log makes files, too
    except BadSettings as bad:
        typer.echo("\n".join(f"error: {line}" for line in bad.lines), err=True)
        raise typer.Exit(USAGE) from bad
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    if (said := gone(database)) is not None:
        typer.echo(f"error: {said}", err=True)
        raise typer.Exit(REFUSED)
    if not database.exists():
        typer.echo(f"error: there is no database at {database}", err=True)
        raise typer.Exit(USAGE)
    return database


def _accept(data_dir: Path, *, yes: bool) -> None:
    """Another program has folded the log of a stopped box: having checked all else, and asked."""
    os.umask(0o077)
    try:
        with locked(data_dir):
            pages = accepting.changed_pages(data_dir)
            typer.echo(
                f"{len(pages)} pages are not what the box has written; all else is sound: no turn is missing,"
                " structure, references, chains, states and counters hold. A program that may write and has opened the"
                " database while the box was stopped leaves it so. A bit that the disk has turned over inside a row"
                " looks the same, and accepting it makes it true. If you do not know of such a program,"
                " restore a backup instead."
            )
            if not yes:
                typer.confirm("Take the pages as they are?", abort=True)
            accepting.accept(data_dir, pages, caller())
    except (accepting.NotAccepted, CannotRestore, Damaged, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    typer.echo("Taken as they are; it stands in the audit. Start the box, and make a backup.")


def _print(check: Check) -> None:
    typer.echo(f"{'ok  ' if check.ok else 'BAD '}  {check.name}: {check.number} {check.unit}")
    for sentence in check.wrong:
        typer.echo(f"      {sentence}")
