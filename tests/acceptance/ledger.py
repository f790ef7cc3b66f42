"""The books of a shift: what was accepted, what the database says, what the robots physically did; and their audit."""

import collections
import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ENDED = ("succeeded", "failed", "cancelled")


class Books(NamedTuple):
    """Where the books of one box and its simulated fleet lie."""

    database: Path
    motions: Path
    journal: Path

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What the box's database says now."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            return db.execute(sql, values).fetchall()

    def unsent(self) -> int:
        """Reports that some agent still keeps."""
        with sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True) as db:
            return int(db.execute("select count(*) from rows").fetchone()[0])

    def lines(self) -> Iterator[dict[str, Any]]:
        """What the robots' own counts say, begin and end of each motion."""
        for line in self.motions.read_text().splitlines():
            yield json.loads(line)


def audit(books: Books, accepted: dict[str, str]) -> list[str]:
    """Everything that is wrong; `accepted` is the job that each key was answered with."""
    jobs = {row["uid"]: row for row in books.rows("select * from jobs")}
    wrong = [f"accepted and lost: {uid}" for uid in accepted.values() if uid not in jobs]
    if len(jobs) != len(accepted):
        wrong.append(f"{len(accepted)} keys made {len(jobs)} jobs")
    wrong += [f"not ended: {uid} is {row['state']}" for uid, row in jobs.items() if row["state"] not in ENDED]
    wrong += _moves(books) + _motions(books) + _reports(books)
    return wrong


def _moves(books: Books) -> list[str]:
    ends = books.rows(
        "select job, count(*) as n from events where new in ('succeeded', 'failed', 'cancelled') and topic = 'job'"
        " group by job having n > 1"
    )
    return [f"job {row['job']} ended {row['n']} times" for row in ends]


def _motions(books: Books) -> list[str]:
    """Each motion began once and stands in the records as it was; no job moved two robots at one time."""
    begun: collections.Counter[tuple[int, int]] = collections.Counter()
    ends: dict[tuple[int, int], str] = {}
    spans: dict[tuple[int, int], list[float]] = {}
    for line in books.lines():
        key = (line["attempt"], line["n"])
        if "start" in line:
            begun[key] += 1
            spans[key] = [line["start"], line["start"]]
        if line.get("outcome"):
            ends[key] = line["outcome"]
            spans[key][1] = line["end"] or spans[key][0]
    runs = {(r["attempt"], r["n"]): r for r in books.rows("select * from block_runs where n > 0")}
    wrong = [f"motion {key} began {n} times" for key, n in begun.items() if n > 1]
    for key, outcome in ends.items():
        state = runs[key]["state"] if key in runs else None
        if (outcome == "succeeded") != (state == "succeeded"):
            wrong.append(f"motion {key} {outcome}, recorded as {state}")
    return wrong + _overlaps(books, spans)


def _overlaps(books: Books, spans: dict[tuple[int, int], list[float]]) -> list[str]:
    jobs = {row["number"]: row["job"] for row in books.rows("select number, job from attempts")}
    of_job: dict[int, list[tuple[float, float, int]]] = collections.defaultdict(list)
    for (attempt, _), (start, end) in spans.items():
        of_job[jobs[attempt]].append((start, end, attempt))
    wrong = []
    for job, times in of_job.items():
        times.sort()
        for (_, end, first), (start, _, second) in itertools.pairwise(times):
            if first != second and start < end:
                wrong.append(f"job {job} moved in attempts {first} and {second} at once")
    return wrong


def _reports(books: Books) -> list[str]:
    wrong = [f"journal {r['journal']} has a gap" for r in books.rows("select * from gaps")]
    short = books.rows(
        "select j.robot, j.upto, count(r.seq) as n from journals j left join reports r on r.journal = j.id"
        " group by j.id having n <> j.upto and not exists"
        " (select 1 from reports d where d.journal = j.id and d.kind = 'dropped')"
    )
    wrong += [f"{row['robot']}: {row['n']} reports recorded of {row['upto']}" for row in short]
    if books.unsent():
        wrong.append(f"{books.unsent()} reports never arrived")
    return wrong
