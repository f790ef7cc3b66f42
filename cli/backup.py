"""`yardmaster backup`: a checked copy of the box, made while it runs or does not."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.people import Data, folder, plain
from config.settings import BadSettings, load
from controller import backups

FAILED, USAGE = 1, 2


@plain
def backup(
    to: Annotated[Path | None, typer.Option("--to", help="Folder of the backups; unset: `backup_dir`.")] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="How many to keep; unset: `backup_keep`.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings (docs/settings.md).")] = None,
    data_dir: Data = None,
) -> None:
    """Copy database and artifacts into a folder of their own, check the copy, and remove the oldest ones."""
    os.umask(0o077)
    where = folder(data_dir).resolve()
    try:
        settings = load(config, data_dir=where)
    except BadSettings as bad:
        typer.echo("\n".join(f"error: {line}" for line in bad.lines), err=True)
        raise typer.Exit(USAGE) from bad
    try:
        made = backups.make(where, to or settings.backup_dir, keep or settings.backup_keep)
    except (backups.BackupFailed, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    for sentence in made.wrong:
        typer.echo(f"it may not be what was written, so no older backup is removed: {sentence}", err=True)
    if made.damaged:
        typer.echo(
            f"{len(made.damaged)} artifacts are left out, since their files are not what was uploaded:"
            " `yardmaster verify --artifacts` names them",
            err=True,
        )
    lost = f"; {made.missing} artifacts were not there any more" if made.missing else ""
    typer.echo(
        f"{made.folder}: {made.bytes / 1e6:.1f} MB of database and {made.artifacts} artifacts"
        f" in {made.seconds:.1f} s{lost}. The key is not in it: keep a copy of {where / 'key'} elsewhere."
    )
