"""`yardmaster job …`: submit, look at and command jobs."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import batch
from cli.client import ENDED_BADLY, REFUSED, Client, Refused, usage
from cli.main import plain_app
from cli.moments import since_when
from cli.options import Desk, JobId, JobIds, MustSay, Reason, command, render
from cli.parameters import Param, Params, parameters
from cli.record import job_table, show_parts
from schemas.status import TERMINAL, JobState

app = plain_app(no_args_is_help=True, help="Submit, list, show and command jobs.")
WAIT_POLL_S = 0.5


class Outcome(StrEnum):
    """What a person may say of a job whose robot does not answer."""

    CANCELLED = "cancelled"
    FAILED = "failed"


ENDED = frozenset(str(state) for state in TERMINAL)


@command(app, "submit")
def submit(
    desk: Desk,
    deployment: Annotated[str | None, typer.Option("--deployment", help="Run this deployment.")] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="Run this flow; needs --queue or --robot.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Any free robot of this queue.")] = None,
    robot: Annotated[list[str] | None, typer.Option("--robot", help="This robot; repeat it: one job for each.")] = None,
    priority: Annotated[int | None, typer.Option("--priority", min=0, max=5000, help="Larger goes first.")] = None,
    param: Param = None,
    params: Params = None,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key: asked twice, made once.")] = None,
    mock: Annotated[bool, typer.Option("--mock", help="Dry run: nothing moves.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="A block that fails pauses the job for you.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit 5 unless all succeeded.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids only, for scripts.")] = False,
) -> None:
    """Submit a job: of a deployment, or of a flow for a queue or for named robots."""
    body: dict[str, Any] = {"deployment": deployment, "flow": flow, "target": _target(queue, robot)}
    body |= {"priority": priority, "parameters": parameters(param, params), "mock": mock or None}
    body |= {"debug": debug or None}
    _check_submit(deployment, flow, body["target"])
    made = desk.client.post("/jobs", {name: value for name, value in body.items() if value is not None}, key=key)
    finish(desk, made, wait=wait, ids=ids)


def _target(queue: str | None, robots: list[str] | None) -> dict[str, Any] | None:
    if queue and robots:
        raise usage("give --queue or --robot, not both")
    return {"queue": queue} if queue else {"robots": robots} if robots else None


def _check_submit(deployment: str | None, flow: str | None, target: dict[str, Any] | None) -> None:
    if (deployment is None) == (flow is None):
        raise usage("give --deployment, or --flow with --queue or --robot")
    if flow and target is None:
        raise usage("a flow needs --queue or --robot")


def finish(desk: Desk, made: dict[str, Any], *, wait: bool, ids: bool = False) -> None:
    """Show jobs that were made; with `wait`, once they have ended, and exit 5 unless all succeeded."""
    jobs = [wait_for_end(desk.client, job["id"]) for job in made["items"]] if wait else made["items"]
    desk.show(made | {"items": jobs}, (_print_ids if ids else lambda answer: job_table(answer["items"])))
    if wait and any(job["state"] != JobState.SUCCEEDED for job in jobs):
        raise typer.Exit(ENDED_BADLY)


def _print_ids(answer: dict[str, Any]) -> None:
    for job in answer["items"]:
        typer.echo(job["id"])


def wait_for_end(client: Client, job: str) -> dict[str, Any]:
    """Ask until the job has ended."""
    while True:
        found: dict[str, Any] = client.get(f"/jobs/{job}")
        if found["state"] in ENDED:
            return found
        time.sleep(WAIT_POLL_S)


@command(app, "list")
def list_jobs(
    desk: Desk,
    state: Annotated[list[JobState] | None, typer.Option("--state", help="Only this state; may be repeated.")] = None,
    deployment: Annotated[str | None, typer.Option("--deployment", help="Only of this deployment.")] = None,
    robot: Annotated[str | None, typer.Option("--robot", help="Only on this robot.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Only for this queue.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Created since: 30m, 2h, 1d, or an RFC 3339 time.")
    ] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Only what a restore has parked for a person.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
) -> None:
    """List jobs, newest first."""
    states = [str(one) for one in state or ()]
    query = {"state": states, "deployment": deployment, "robot": robot, "queue": queue}
    query |= {"parked": "true" if parked else None}
    found = list(desk.client.every("/jobs", limit=limit, created_from=since_when(since), **query))
    desk.show({"items": found}, lambda answer: job_table(answer["items"]))


@command(app, "show")
def show_job(
    desk: Desk,
    job: JobId,
    results: Annotated[bool, typer.Option("--results", help="The nested result, block by block.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="What was logged.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Every move: when, who, why.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Why it waits, robot by robot.")] = False,
) -> None:
    """Show one job."""
    answer: dict[str, Any] = {"job": desk.client.get(f"/jobs/{job}")}
    if results:
        answer["results"] = desk.client.get(f"/jobs/{job}/results", iterations="all")
    if logs:
        answer["logs"] = list(desk.client.every(f"/jobs/{job}/logs"))
    if events:
        answer["events"] = list(desk.client.every(f"/jobs/{job}/events"))
    if waiting:
        answer["waiting"] = desk.client.get(f"/jobs/{job}/waiting")
    desk.show(answer, show_parts)


def each(desk: Desk, ids: list[str], ask: Callable[[str], dict[str, Any]], table: Callable[[Any], None]) -> None:
    """Command several one by one; a refusal of one does not keep the others waiting, the first decides the exit."""
    done: list[dict[str, Any]] = []
    refusals: list[Refused] = []
    for one in ids:
        try:
            done.append(ask(one))
        except Refused as refused:
            refusals.append(refused)
            render(
                Refused(refused.exit_code, refused.code, f"{one}: {refused.message}", refused.details),
                as_json=desk.as_json,
            )
    if done or not refusals:
        desk.show({"items": done}, lambda answer: table(answer["items"]))
    if refusals:
        raise typer.Exit(refusals[0].exit_code or REFUSED)


def _register(name: str, sentence: str) -> None:
    def run(desk: Desk, jobs: JobIds, reason: Reason = None) -> None:
        body = {} if reason is None else {"reason": reason}
        each(desk, jobs, lambda job: dict(desk.client.post(f"/jobs/{job}/{name}", body)), job_table)

    run.__doc__ = sentence
    command(app, name)(run)


_register("cancel", "Cancel jobs: queued ones at once, others once the robot has stopped.")
_register("pause", "Pause jobs at their next block boundary, or at once where the robot can.")
_register("resume", "Resume paused jobs.")


_register("rollback", "Leave debug mode: the robot undoes what has finished, in reverse order, and the job fails.")


@command(app, "rerun-block")
def rerun_block(
    desk: Desk,
    job: JobId,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of the failed block run; absent: the one that waits.")
    ] = None,
    reason: Reason = None,
) -> None:
    """Run the block again that failed in debug mode."""
    found = run or desk.client.get(f"/jobs/{job}")["failed_run"]
    if found is None:
        raise usage("no block of this job has failed and waits; see `job show`")
    answer = desk.client.post(f"/jobs/{job}/blocks/{found}/rerun", {"reason": reason} if reason else {})
    desk.show(answer, lambda shown: job_table([shown]))


@command(app, "priority")
def priority(
    desk: Desk, job: JobId, value: Annotated[int, typer.Argument(metavar="N", min=0, max=5000)], reason: Reason = None
) -> None:
    """Change the priority of a queued job."""
    body = {"priority": value} | ({"reason": reason} if reason else {})
    desk.show(desk.client.patch(f"/jobs/{job}", body), lambda answer: job_table([answer]))


@command(app, "force")
def force(
    desk: Desk,
    job: JobId,
    outcome: Annotated[Outcome, typer.Option("--outcome", help="How it ended, as far as you saw.")],
    reason: MustSay,
) -> None:
    """End a job whose robot does not answer; the robot is held until it is proven idle."""
    answer = desk.client.post(f"/jobs/{job}/force", {"outcome": outcome, "reason": reason})
    desk.show(answer, lambda found: job_table([found]))


@command(app, "release")
def release(desk: Desk, job: JobId, reason: MustSay) -> None:
    """Let a job that a restore has parked be dispatched again."""
    answer = desk.client.post(f"/jobs/{job}/release", {"reason": reason})
    desk.show(answer, lambda found: job_table([found]))


batch.register(app)
