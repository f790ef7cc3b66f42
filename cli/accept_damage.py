"""`yardmaster accept-damage`: a person takes a database that was found damaged as it is."""

import typer

from cli.options import Desk, Reason, with_desk


def _accept_damage(desk: Desk, reason: Reason = None) -> None:
    """End `store.damaged`, so that backups are made again; for a box that has no backup from before the damage."""
    desk.client.post("/accept-damage", {} if reason is None else {"reason": reason})
    desk.show({}, lambda _answer: typer.echo("the database is taken as it is; what is still wrong is found again"))


accept_damage = with_desk(_accept_damage)
