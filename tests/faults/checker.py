"""Holds what was promised against the evidence; each broken promise is a finding with its invariant."""

import collections
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from tests.faults.evidence import MOVED_ON_S, Evidence, Span
from tests.faults.fleet import MOTIONS, MOVING_PATHS, OUTSIDER

Kind = Literal["lost", "duplicated", "stuck", "overlap", "wrong"]
ENDED = ("succeeded", "failed", "cancelled")


GAPS = "select g.*, j.robot, j.journal as name from gaps g join journals j on j.id = g.journal where j.robot <> ?"


class Finding(NamedTuple):
    """A broken promise."""

    kind: Kind
    text: str


Check = Callable[[Evidence], Iterator[Finding]]


def check(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong."""
    return [finding for one in CHECKS for finding in one(evidence)]


# ---------------------------------------------------------------- requests and jobs
def accepted(e: Evidence) -> Iterator[Finding]:
    """I1: what was answered with 2xx is there, and once; nothing is there that nobody asked for."""
    jobs: dict[str, list[str]] = collections.defaultdict(list)
    for row in e.rows("select uid, parameters from jobs"):
        key = json.loads(row["parameters"]).get("key")
        if key is not None:
            jobs[key].append(row["uid"])
    for key, uid in e.again.items():
        if uid != e.accepted[key] and key not in e.forgotten.keys:
            yield Finding("duplicated", f"I1 key {key} made {e.accepted[key]}, and {uid} when it was sent again")
        if uid not in jobs.get(key, ()) and key not in e.forgotten.keys:
            yield Finding("lost", f"I1 key {key} was answered with job {uid} the second time, which is not there")
    for key, uid in e.accepted.items():
        if uid not in jobs.get(key, ()) and key not in e.forgotten.keys:
            yield Finding("lost", f"I1 key {key} was answered with job {uid}, which is not there")
    for key, uids in jobs.items():
        if len(uids) > 1:
            yield Finding("duplicated", f"I1 key {key} made {len(uids)} jobs")
        if key not in e.asked:
            yield Finding("wrong", f"I1 nobody asked for job {uids[0]}")


def stuck(e: Evidence) -> Iterator[Finding]:
    """I10: everything has ended, nothing waits to be sent, no robot is kept from work."""
    for row in e.rows(f"select uid, state, parked, reason from jobs where state not in {ENDED}"):
        yield Finding("stuck", f"I10 job {row['uid']} is {row['state']} (parked {row['parked']}, {row['reason']})")
    for row in e.rows("select robot, key from outbox where robot <> ?", OUTSIDER):
        yield Finding("stuck", f"I12 {row['key']} for {row['robot']} never left")
    for row in e.rows("select robot, reason, note from holds where robot <> ?", OUTSIDER):
        yield Finding("stuck", f"I10 {row['robot']} is on hold: {row['reason']} ({row['note']})")
    for row in e.rows("select number, robot from attempts where open = 1"):
        yield Finding("stuck", f"I10 attempt {row['number']} of {row['robot']} is still open")


def moves(e: Evidence) -> Iterator[Finding]:
    """I2, I22: the moves of a job are an unbroken chain with who and when, and it ends once."""
    states = {row["id"]: row["state"] for row in e.rows("select id, state from jobs")}
    now: dict[int, str] = {}
    ended: set[int] = set()
    sql = "select id, job, old, new, who, at from events where topic = 'job' and new is not null order by id"
    for row in e.rows(sql):
        job = row["job"]
        if now.get(job) != row["old"]:
            yield Finding("wrong", f"I22 job {job} moves from {row['old']} but was {now.get(job)}")
        if job in ended:
            yield Finding("wrong", f"I2 job {job} moves to {row['new']} after its end")
        if not row["who"] or not row["at"]:
            yield Finding("wrong", f"I22 a move of job {job} has no author or time")
        now[job] = row["new"]
        if row["new"] in ENDED:
            ended.add(job)
    for job, state in states.items():
        if now.get(job) != state:
            yield Finding("wrong", f"I22 job {job} is {state}, its last move says {now.get(job)}")


def audited(e: Evidence) -> Iterator[Finding]:
    """I22: each job that somebody asked for stands in the audit, once (one of a schedule stands in its firing)."""
    told = collections.Counter(
        row["subject"] for row in e.rows("select subject from audit where action = 'job.submit'")
    )
    for row in e.rows("select uid from jobs where source_type <> 'schedule'"):
        if told[f"job:{row['uid']}"] != 1:
            yield Finding(
                "wrong", f"I22 the making of job {row['uid']} is in the audit {told['job:' + row['uid']]} times"
            )


def one_attempt(e: Evidence) -> Iterator[Finding]:
    """I5: on record no robot had two attempts at a time, and no job."""
    for owner in ("robot", "job"):
        sql = (
            f"select {owner} as owner, number, created_at, coalesce(ended_at, 9e18) as ended_at from attempts"
            " where coalesce(ended_by, '') not like 'late %' and robot <> 'station' order by owner, number"
        )
        for first, second in itertools.pairwise(e.rows(sql)):
            if first["owner"] == second["owner"] and first["ended_at"] > second["created_at"]:
                yield Finding(
                    "overlap", f"I5 {owner} {first['owner']}: {first['number']} and {second['number']} at once"
                )


# ---------------------------------------------------------------- reports
def reports(e: Evidence) -> Iterator[Finding]:
    """I3: every report of every journal was recorded once, and none was passed over."""
    known = {
        (row["robot"], row["journal"]): row
        for row in e.rows(
            "select id, robot, journal, upto, (select count(*) from reports r where r.journal = j.id) as n,"
            " exists (select 1 from reports r where r.journal = j.id and r.kind = 'dropped') as thinned from journals j"
        )
    }
    for robot, journal, head, left in e.kept():
        row = known.get((robot, journal))
        if left:
            yield Finding("lost", f"I3 {left} reports of {robot} never arrived")
        if head and (row is None or row["upto"] != head):
            yield Finding("lost", f"I3 {robot} has written {head} reports, recorded up to {row and row['upto']}")
    for (robot, journal), row in known.items():
        if robot != OUTSIDER and row["n"] != row["upto"] and not row["thinned"]:
            missing = [seq for seq in _missing(e, row) if not e.forgotten.excuses(robot, journal, seq)]
            if missing:
                yield Finding("lost", f"I3 {robot}: {row['n']} reports recorded of {row['upto']}, not {missing[:5]}")
    for row in e.rows(GAPS, OUTSIDER):
        if not all(e.forgotten.excuses(row["robot"], row["name"], seq) for seq in range(row["first"], row["last"] + 1)):
            yield Finding("lost", f"I3 journal {row['journal']} has a gap, {row['first']} to {row['last']}")


def _missing(e: Evidence, journal: sqlite3.Row) -> list[int]:
    there = {row["seq"] for row in e.rows("select seq from reports where journal = ?", journal["id"])}
    return [seq for seq in range(1, journal["upto"] + 1) if seq not in there]


# ---------------------------------------------------------------- motions
def begun_once(e: Evidence) -> Iterator[Finding]:
    """I8: no block run began twice."""
    for key, count in e.starts().items():
        if count > 1:
            yield Finding("duplicated", f"I8 motion {key} began {count} times")
    tries = collections.Counter((span.attempt, span.path, span.try_) for span in e.spans())
    for run, count in tries.items():
        if count > 1:
            yield Finding("duplicated", f"I8 try {run} began {count} times")


def recorded(e: Evidence) -> Iterator[Finding]:
    """I4: what moved stands in the records as it was, and nothing else stands there."""
    if e.restored:
        return
    sql = "select attempt, n, path, state from block_runs where n > 0"
    runs = {(row["attempt"], row["n"]): row for row in e.rows(sql)}
    done = {(span.attempt, span.n): span for span in e.spans()}
    for key, span in done.items():
        state = runs[key]["state"] if key in runs else None
        if span.outcome is not None and (span.outcome == "succeeded") != (state == "succeeded"):
            yield Finding("lost", f"I4 motion {key} {span.outcome}, recorded as {state}")
    for key, row in runs.items():
        if row["path"] in MOVING_PATHS and row["state"] == "succeeded" and key not in done:
            yield Finding("wrong", f"I4 run {key} is recorded as succeeded and nothing moved")


def truly(e: Evidence) -> Iterator[Finding]:
    """Nothing is shown better than it was: a job that succeeded has moved in its last attempt, up to its end."""
    done = collections.Counter(span.attempt for span in e.spans() if span.outcome == "succeeded")
    robots = {span.robot for span in e.spans()}
    sql = "select uid, attempt, robot, flow from jobs where state = 'succeeded'"
    for row in () if e.restored else e.rows(sql):
        if row["robot"] in robots and done[row["attempt"]] < MOTIONS.get(row["flow"], 0):
            yield Finding("wrong", f"T job {row['uid']} is shown as succeeded, and {row['robot']} was not done")


def alone(e: Evidence) -> Iterator[Finding]:
    """I7 and I5 in the world: no job moved two robots at a time, no robot did two jobs at a time."""
    jobs = {row["number"]: row["job"] for row in e.rows("select number, job from attempts")}
    spans = e.spans()
    by_job: dict[int, list[Span]] = collections.defaultdict(list)
    by_robot: dict[str, list[Span]] = collections.defaultdict(list)
    for span in spans:
        by_robot[span.robot].append(span)
        if span.attempt in jobs:
            by_job[jobs[span.attempt]].append(span)
        elif not e.restored:
            yield Finding("wrong", f"I5 {span.robot} moved for attempt {span.attempt}, which was never given")
    for name, groups in (("I7 job", by_job), ("I5 robot", by_robot)):
        for owner, group in groups.items():
            yield from _overlaps(f"{name} {owner}", group)


def _overlaps(owner: str, spans: list[Span]) -> Iterator[Finding]:
    spans.sort(key=lambda span: span.start)
    latest: Span | None = None
    for span in spans:
        if latest is not None and latest.attempt != span.attempt and span.start < latest.end - MOVED_ON_S:
            late = latest.end - span.start
            yield Finding(
                "overlap", f"{owner}: attempts {latest.attempt} and {span.attempt} moved together {late:.3f} s"
            )
        if latest is None or span.end > latest.end:
            latest = span


def cancelled_stands(e: Evidence) -> Iterator[Finding]:
    """I9: at the commit of *cancelled* nothing of the job moved, unless a person forced it."""
    if e.offset_us is None:
        return
    sql = (
        "select a.number, j.uid, j.ended_at from jobs j join attempts a on a.job = j.id"
        " where j.state = 'cancelled' and coalesce(j.reason_code, '') <> 'forced'"
    )
    ended = {row["number"]: row for row in e.rows(sql)}
    for span in e.spans():
        row = ended.get(span.attempt)
        if row is not None and span.end * 1e6 + e.offset_us > row["ended_at"] + MOVED_ON_S * 1e6:
            late = span.end + (e.offset_us - row["ended_at"]) / 1e6
            yield Finding("overlap", f"I9 job {row['uid']} was cancelled, and {span.robot} moved on for {late:.3f} s")


CHECKS: tuple[Check, ...] = (
    accepted, stuck, moves, audited, one_attempt, reports, begun_once, recorded, truly, alone, cancelled_stands,
)  # fmt: skip
