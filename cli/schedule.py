"""`yardmaster schedule …`: save, list, switch and remove schedules; what became of each time."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.deployment import read_named
from cli.main import plain_app
from cli.options import Desk, Reason, command

app = plain_app(no_args_is_help=True, help="Save, list, enable, disable and remove schedules; show their firings.")
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Schedule as JSON, or a list of them.", exists=True, dir_okay=False)
]
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="Schedule, by its id.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]


@command(app, "save")
def save(desk: Desk, file: File) -> None:
    """Save schedules, new or changed; one that is new, or whose times changed, begins now."""
    saved = [desk.client.put(f"/schedules/{name}", body) for name, body in read_named(file)]
    desk.show({"items": saved}, lambda answer: _table(answer["items"]))


@command(app, "list")
def list_schedules(desk: Desk) -> None:
    """List schedules with their next fire."""
    found = list(desk.client.every("/schedules"))
    desk.show({"items": found}, lambda answer: _table(answer["items"]))


def _table(schedules: list[dict[str, Any]]) -> None:
    heads = ("id", "name", "deployment", "when", "zone", "overlap", "enabled", "next fire (UTC)")
    show.table(heads, [_row(schedule) for schedule in schedules], "no schedules")


def _row(schedule: dict[str, Any]) -> tuple[Any, ...]:
    following = (schedule.get("next_fires") or [None])[0]
    same = [schedule.get(name) for name in ("id", "name", "deployment")]
    ends = [schedule.get(name) for name in ("zone", "overlap", "enabled")]
    return (*same, _when(schedule), *ends, show.moment(following))


def _when(schedule: dict[str, Any]) -> str | None:
    if schedule.get("cron"):
        return str(schedule["cron"])
    return f"every {schedule['every_s']} s" if schedule.get("every_s") else show.moment(schedule.get("at"))


def _register(name: str, sentence: str) -> None:
    def run(desk: Desk, schedule: ScheduleId, reason: Reason = None) -> None:
        answer = desk.client.post(f"/schedules/{schedule}/{name}", {} if reason is None else {"reason": reason})
        desk.show(answer, lambda found: _table([found]))

    run.__doc__ = sentence
    command(app, name)(run)


_register("enable", "Have a schedule fire from now on; what was due while it was disabled does not fire.")
_register("disable", "Have a schedule fire no more; jobs that it made go on.")


@command(app, "remove")
def remove(desk: Desk, schedule: ScheduleId) -> None:
    """Remove a schedule; its firings and jobs stay."""
    desk.client.delete(f"/schedules/{schedule}")
    desk.show({"id": schedule, "removed": True}, lambda _: typer.echo(f"{schedule} is removed"))


@command(app, "firings")
def firings(desk: Desk, schedule: ScheduleId, limit: Limit = 20) -> None:
    """List the times that a schedule was due, newest first, with what became of their targets."""
    found = list(desk.client.every(f"/schedules/{schedule}/firings", limit=limit))
    heads = ("id", "due (UTC)", "targets", "why")
    rows = [
        (one["id"], show.moment(one["due_at"]), _states(one["states"]), show.reason(one["reason"])) for one in found
    ]
    desk.show({"items": found}, lambda _: show.table(heads, rows, "it was never due yet"))


def _states(states: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(states.items()))


@command(app, "firing")
def firing(desk: Desk, firing: Annotated[str, typer.Argument(metavar="ID", help="Firing, by its id.")]) -> None:
    """Show one firing: a row for each target with its job, or why there is none."""
    found = desk.client.get(f"/firings/{firing}")
    heads = ("target", "state", "job", "robot", "why")
    rows = [(one["n"], one["state"], one["job"], one["robot"], show.reason(one["reason"])) for one in found["rows"]]
    desk.show(found, lambda _: show.table(heads, rows))
