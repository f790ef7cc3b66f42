"""`yardmaster restore`: puts a backup in the place of a box's database, having said what that means."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.people import Data
from config.sealing import BadKey
from controller import restoring
from controller.owner import become_owner
from controller.restoring import Backup, CannotRestore

FAILED = 1
NAMED = 20
"""Of artifacts that are left out, so many are named."""


def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="The backup.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: Data = None,
) -> None:
    """Put a backup in the place of the database; what was there is kept aside. The box must not run."""
    os.umask(0o077)
    where = (data_dir or Path(os.environ.get("YARDMASTER_DATA_DIR", "var"))).resolve()
    try:
        become_owner(where)
        with restoring.locked(where):
            backup = restoring.check(source.resolve())
            _say(backup, where)
            if not yes:
                typer.confirm("Restore it?", abort=True)
            done = restoring.restore(backup, where)
    except (CannotRestore, BadKey, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    kept = f" What was there is in {done.aside}." if done.aside else ""
    typer.echo(
        f"Restored in {done.seconds:.1f} s.{kept} After the start every robot is on hold until it is heard, and jobs"
        " that were open wait parked for a person: they may have run since.\n"
        "Who may come in is what it was then: credentials of robots, accounts, passwords and tokens are those of the"
        " backup. Whoever was enrolled, revoked, added, closed or changed since: do it again, before others come in."
    )


def _say(backup: Backup, where: Path) -> None:
    """What would be put in place of what."""
    counts, brought = backup.manifest["counts"], backup.manifest["artifacts"]
    typer.echo(
        f"The backup was made {backup.made_at:%Y-%m-%d %H:%M:%S} UTC, {_age(backup.made_at)} ago: {counts['jobs']} jobs"
        f" ({counts['open_jobs']} open), {brought['count']} artifacts. {_how_whole(backup)}"
    )
    if brought["missing"]:
        typer.echo(f"{brought['missing']} artifacts were missing already when it was made.")
    if brought.get("damaged"):
        typer.echo(f"{len(brought['damaged'])} artifacts were damaged already when it was made.")
    for sentence in backup.manifest["wrong"]:
        typer.echo(f"It may not be what was written: {sentence}", err=True)
    _say_what_is_there(where)
    _say_strangers(restoring.strangers(backup, where), where)
    closed = restoring.closed_secrets(backup, where)
    if closed:
        typer.echo(
            f"{where / restoring.KEY} cannot open the secrets of: {', '.join(closed)}."
            " Put back the copy that was kept of the key, or set them anew after the restore.",
            err=True,
        )


def _how_whole(backup: Backup) -> str:
    bad = backup.left_out
    if not bad:
        return "It is whole."
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return (
        f"Its database is whole. {len(bad)} of its artifacts are damaged or missing and will not be there:"
        f" {', '.join(bad[:NAMED])}{more}."
    )


def _say_strangers(robots: list[str], where: Path) -> None:
    if robots:
        typer.echo(
            f"{where / 'tls'} has not the authority that signed the certificates of: {', '.join(robots)}."
            " Put back the copies that were kept of tls/ca.pem, tls/ca.key and tls/issued before the start,"
            " or enrol these robots again.",
            err=True,
        )


def _say_what_is_there(where: Path) -> None:
    database = where / "yardmaster.db"
    if restoring.interrupted(where):
        typer.echo(f"A restore into {where} was cut off; it is begun anew.")
    if not database.exists():
        typer.echo(f"{where} has no database.")
        return
    changed = datetime.fromtimestamp(database.stat().st_mtime, UTC)
    typer.echo(
        f"The database in {where}, changed {_age(changed)} ago, is put aside with its artifacts:"
        " what happened since the backup will be gone."
    )


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit:
            n = seconds // unit
            return f"{n} {name}{'' if n == 1 else 's'}"
    return "0 seconds"
