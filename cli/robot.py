"""`yardmaster robot …`: look at, declare and command robots."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.client import REFUSED
from cli.main import plain_app
from cli.options import Desk, MustSay, Reason, RobotId, command
from cli.robot_credential import SECRETS, show_credential, write_credential

app = plain_app(no_args_is_help=True, help="List, add, enrol, drain, enable, disable, release and revoke robots.")


@command(app, "list")
def list_robots(desk: Desk) -> None:
    """List robots: what they do, what they hold, how they are."""
    unknown = desk.client.get("/robots", limit=1).get("unknown", [])
    found = list(desk.client.every("/robots"))
    desk.show({"items": found, "unknown": unknown}, _listed)


def _listed(answer: dict[str, Any]) -> None:
    robot_table(answer["items"])
    if answer["unknown"]:
        show.heading("heard, but not added: they get no work (yardmaster robot add ID)")
        rows = [(one["robot"], one.get("kind"), show.moment(one.get("since"))) for one in answer["unknown"]]
        show.table(("id", "kind", "since"), rows)


def robot_table(robots: list[dict[str, Any]]) -> None:
    """Print robots, one line each."""
    heads = ("id", "kind", "state", "queues", "tags", "job", "battery", "last seen", "note")
    show.table(heads, [_robot_row(robot) for robot in robots], "no robots")


def _robot_row(robot: dict[str, Any]) -> tuple[Any, ...]:
    held = [str(one["job"]) for one in robot.get("held") or ()]
    battery = robot.get("battery")
    ends = (None if battery is None else f"{battery:.0f} %", show.moment(robot.get("last_seen")), _note(robot))
    return (robot["id"], robot["kind"], robot["state"], robot.get("queues"), robot.get("tags"), held, *ends)


def _note(robot: dict[str, Any]) -> str | None:
    holds = [f"hold: {hold['reason']}" for hold in robot.get("holds") or ()]
    return "; ".join([*holds, *([robot["note"]] if robot.get("note") else [])]) or None


@command(app, "add")
def add(
    desk: Desk,
    robot: RobotId,
    kind: Annotated[str, typer.Option("--kind", help="agv, rpa, station or a word of your own.")] = "agv",
    queue: Annotated[list[str] | None, typer.Option("--queue", help="Takes work of this queue; repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Has this tag; repeatable.")] = None,
) -> None:
    """Declare a robot, or change what was declared; its agent may be known already or come later."""
    body = {"kind": kind, "queues": queue or [], "tags": tag or []}
    desk.show(desk.client.put(f"/robots/{robot}", body), lambda answer: robot_table([answer]))


def _register(name: str, sentence: str) -> None:
    def run(desk: Desk, robot: RobotId, reason: Reason = None) -> None:
        answer = desk.client.post(f"/robots/{robot}/{name}", {} if reason is None else {"reason": reason})
        desk.show(answer, lambda found: robot_table([found]))

    run.__doc__ = sentence
    command(app, name)(run)


_register("drain", "Let a robot finish what it has and give it nothing new: a pause.")
_register("enable", "Give a robot work again.")
_register("disable", "Let a robot finish what it has and give it nothing new: out of use.")


@command(app, "release")
def release(desk: Desk, robot: RobotId, reason: MustSay) -> None:
    """End all holds of a robot; say who saw that it stands still."""
    answer = desk.client.post(f"/robots/{robot}/release", {"reason": reason})
    desk.show(answer, lambda found: robot_table([found]))


@command(app, "enrol")
def enrol(
    desk: Desk,
    robot: RobotId,
    *,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="A certificate signed by the box instead of a password.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder for the secret and the settings, instead of the terminal.")
    ] = None,
) -> None:
    """Give a robot what it shows to the broker, its only credential from now on; it is not shown again."""
    body = {"kind": "certificate" if certificate else "password"}
    found = desk.client.post(f"/robots/{robot}/credential", body)
    if into is not None:
        settings = write_credential(found, into)
        found = {key: value for key, value in found.items() if key not in SECRETS} | {"settings": str(settings)}
        desk.show(found, lambda _: typer.echo(f"written: {settings}"))
    else:
        desk.show(found, show_credential)
    if found["without"]:
        typer.echo(
            f"The broker lets in no robot without a credential. These have none: {_few(found['without'])}", err=True
        )


def _few(names: list[str], most: int = 10) -> str:
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


@command(app, "revoke")
def revoke(desk: Desk, robot: RobotId, reason: Reason = None) -> None:
    """End a robot's credential, tokens and connection, and give it no more work; exit 1: it may still come in."""
    found = desk.client.delete(f"/robots/{robot}/credential", reason=reason)
    desk.show(found, _tell_revoked)
    if not found["shut"]:
        raise typer.Exit(REFUSED)


def _tell_revoked(found: dict[str, Any]) -> None:
    ended = [found["credential"]] if found["credential"] else []
    ended += [f"{found['tokens']} token{'' if found['tokens'] == 1 else 's'}"] if found["tokens"] else []
    typer.echo(f"{found['robot']}: disabled; ended: {' and '.join(ended) or 'nothing'}")
    for note in found["notes"]:
        typer.echo(note, err=True)
