"""How jobs are printed: a line each, or one with its results, logs, moves and what it waits for."""

from collections.abc import Callable
from typing import Any

from cli import show

PARKED = "parked by a restore: look, then release or cancel it"


def job_table(jobs: list[dict[str, Any]]) -> None:
    """Print jobs, one line each."""
    heads = ("id", "state", "priority", "what", "robot", "created", "took", "reason")
    show.table(heads, [_job_row(job) for job in jobs], "no jobs")


def _job_row(job: dict[str, Any]) -> tuple[Any, ...]:
    what = job.get("deployment") or job.get("flow")
    took = show.duration(job.get("duration_ms"))
    why = PARKED if job.get("parked") else show.reason(job.get("reason"))
    ends = (job.get("robot"), show.moment(job.get("created_at")), took, why)
    return (job["id"], job["state"], job["priority"], what, *ends)


def _facts(job: dict[str, Any]) -> None:
    hidden = {"reason", "created_at", "assigned_at", "started_at", "ended_at", "duration_ms", "version"}
    show.facts([(name, value) for name, value in job.items() if name not in hidden])
    times = [(name, show.moment(job.get(f"{name}_at"))) for name in ("created", "assigned", "started", "ended")]
    show.facts([("reason", show.reason(job.get("reason"))), *times, ("took", show.duration(job.get("duration_ms")))])


def _logs(rows: list[dict[str, Any]]) -> None:
    # The box answers newest first; people read downwards.
    heads = ("time", "level", "type", "where", "text")
    lines = [(show.moment(r.get("time")), r.get("level"), r.get("type"), r.get("path"), _words(r)) for r in rows]
    show.table(heads, reversed(lines), "no logs")


def _words(row: dict[str, Any]) -> Any:
    return row.get("text") or " ".join(str(part) for part in (row.get("message"), row.get("args")) if part)


def _events(rows: list[dict[str, Any]]) -> None:
    heads = ("time", "event", "old", "new", "who", "robot", "why")
    lines = [
        (show.moment(row.get("at") or row.get("time")), *(row.get(name) for name in (*heads[1:-1], "why")))
        for row in rows
    ]
    show.table(heads, reversed(lines), "no events")


def _waiting(answer: dict[str, Any]) -> None:
    show.facts([("position", answer.get("position"))])
    heads = ("robot", "code", "why", "since")
    lines = [(r.get("robot"), r.get("code"), r.get("message"), show.moment(r.get("since"))) for r in answer["reasons"]]
    show.table(heads, lines, "it is not waiting")


PARTS: dict[str, Callable[[Any], None]] = {
    "job": _facts,
    "results": show.results,
    "logs": _logs,
    "events": _events,
    "waiting": _waiting,
}
"""Part of a shown job to what prints it."""


def show_parts(answer: dict[str, Any]) -> None:
    """Print a job and the parts of its record that were asked for."""
    for part, value in answer.items():
        if part != "job":
            show.heading(part)
        PARTS[part](value)
