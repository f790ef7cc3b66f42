"""`yardmaster job batch …` and `job export`: one thing asked of many jobs, and lists as files."""

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.client import REFUSED, usage
from cli.moments import since_when
from cli.options import Desk, Reason, command
from schemas.status import JobState

POLL_S = 0.2
"""How often a batch that is being applied is asked for."""


class Action(StrEnum):
    """What can be asked of many jobs."""

    CANCEL = "cancel"
    PRIORITY = "priority"
    EXECUTE = "execute"


State = Annotated[list[JobState] | None, typer.Option("--state", help="Only this state; may be repeated.")]
Deployment = Annotated[str | None, typer.Option("--deployment", help="Only of this deployment.")]
Robot = Annotated[str | None, typer.Option("--robot", help="Only on this robot.")]
Queue = Annotated[str | None, typer.Option("--queue", help="Only for this queue.")]
Source = Annotated[str | None, typer.Option("--source", help="Only from this source, such as manual or schedule.")]
Search = Annotated[str | None, typer.Option("--search", help="Only of deployments that are called so, or nearly so.")]
Since = Annotated[str | None, typer.Option("--since", help="Created since: 30m, 2h, 1d, or an RFC 3339 time.")]


def filters(**given: Any) -> dict[str, Any]:
    """Filters of a list as the API takes them; what is not given is left out."""
    since, states = since_when(given.pop("since")), [str(one) for one in given.pop("state") or ()]
    found = given | {"state": states or None, "created_from": since, "q": given.pop("search")}
    return {name: value for name, value in found.items() if value is not None and name != "search"}


def register(app: typer.Typer) -> None:
    """Add the commands to those of jobs."""
    command(app, "batch")(batch)
    command(app, "export")(export)


def batch(
    desk: Desk,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="cancel, priority or execute.")],
    jobs: Annotated[list[str] | None, typer.Argument(metavar="[ID…]", help="Jobs, by their ids.")] = None,
    state: State = None,
    deployment: Deployment = None,
    robot: Robot = None,
    queue: Queue = None,
    source: Source = None,
    search: Search = None,
    since: Since = None,
    priority: Annotated[
        int | None, typer.Option("--priority", min=0, max=5000, help="The new priority, with ACTION priority.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only said what would happen.")] = False,
    reason: Reason = None,
) -> None:
    """Cancel many jobs, set their priority or execute them again: by ids, or all that fit the filters, at most 10,000.

    Says what would change, what would not, and why. With --yes exactly that is done; a job that changed meanwhile is
    left alone. Exit 1 if anything was not done.
    """
    chosen = filters(
        state=state, deployment=deployment, robot=robot, queue=queue, source=source, search=search, since=since
    )
    if bool(jobs) == bool(chosen):
        raise usage("give ids, or filters such as --state queued")
    body = {"action": action, "priority": priority} | ({"ids": jobs} if jobs else {"filter": chosen})
    found = desk.client.post("/job-batches", {name: value for name, value in body.items() if value is not None})
    if not yes:
        desk.show(found, _preview)
        return
    if not desk.as_json:
        _preview(found)
    _apply(desk, found, reason)


def _apply(desk: Desk, found: dict[str, Any], reason: str | None) -> None:
    path = f"/job-batches/{found['id']}"
    body = {"hash": found["hash"]} | ({} if reason is None else {"reason": reason})
    done = desk.client.post(f"{path}/apply", body)
    while done["state"] != "applied":
        time.sleep(POLL_S)
        done = desk.client.get(path)
    left = [row for result in ("refused", "changed") for row in desk.client.every(f"{path}/rows", result=result)]
    desk.show(done | {"not_done": left}, _results)
    if left:
        raise typer.Exit(REFUSED)


def _preview(found: dict[str, Any]) -> None:
    parts = (("will", "yes"), ("will_not", "no"))
    lines = [(group["count"], word, group["message"]) for part, word in parts for group in found[part]["groups"]]
    show.table(("jobs", "changes", "what becomes of them"), lines, "no jobs")


def _results(done: dict[str, Any]) -> None:
    show.facts([(name, value) for name, value in done["results"].items() if name != "left"])
    lines = [(row["job"], row["result"], row["state"], show.reason(row["reason"])) for row in done["not_done"]]
    show.table(("id", "result", "state", "why"), lines, "all done")


def export(
    desk: Desk,
    output: Annotated[str, typer.Option("--output", help="The file to write; - is the standard output.")] = "-",
    state: State = None,
    deployment: Deployment = None,
    robot: Robot = None,
    queue: Queue = None,
    source: Source = None,
    search: Search = None,
    since: Since = None,
) -> None:
    """Write jobs, newest first, as a CSV file (RFC 4180, UTF-8)."""
    query = filters(
        state=state, deployment=deployment, robot=robot, queue=queue, source=source, search=search, since=since
    )
    parts = desk.client.download("/exports/jobs.csv", **query)
    if output == "-":
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    first = next(parts)  # what is refused makes no file
    with Path(output).open("wb") as file:
        file.write(first)
        file.writelines(parts)
