"""What is asked of a box with a long past: paths with values drawn from the data, none of them twice in a row."""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from scripts.benchmark.asking import Asker
from scripts.benchmark.data import DEPLOYMENTS, FLOWS, QUEUES

API = "/api/v1"
SAMPLE = 500
Draw = Callable[[random.Random], str]


@dataclass(frozen=True)
class Ask:
    """One kind of request; `path` makes the next one."""

    name: str
    path: Draw
    is_page: bool = False


@dataclass(frozen=True)
class Facts:
    """What is in the data, to ask for."""

    ended: list[str]
    failed: list[str]
    waiting: list[str]
    robots: list[str]
    first: datetime
    last: datetime

    @classmethod
    def read(cls, db: sqlite3.Connection) -> "Facts":
        """Draw a sample; `db` is the database before a box works on it."""
        dice = random.Random(2)  # noqa: S311 - not for secrets
        last_id = int(db.execute("select max(id) from jobs").fetchone()[0])
        ids = {state: _sample(db, state, last_id, dice) for state in ("succeeded", "failed", "queued")}
        robots = [row[0] for row in db.execute("select id from robots order by id")]
        first, last = db.execute("select min(created_at), max(created_at) from jobs").fetchone()
        return cls(ids["succeeded"], ids["failed"], ids["queued"], robots, _moment(first), _moment(last))

    def period(self, dice: random.Random, days: float) -> dict[str, str]:
        """Some days of the past, or all of it if it is shorter."""
        span = max(0.0, (self.last - self.first) / timedelta(days=1) - days)
        start = self.first + timedelta(days=span * dice.random())
        return {"created_from": _text(start), "created_to": _text(start + timedelta(days=days))}


def _sample(db: sqlite3.Connection, state: str, last_id: int, dice: random.Random) -> list[str]:
    """Public ids from everywhere in the past, each found by one seek."""
    found = set()
    for _ in range(SAMPLE):
        row = db.execute(
            "select uid from jobs indexed by jobs_state where state = ? and id >= ? order by id limit 1",
            (state, dice.randrange(1, last_id + 1)),
        ).fetchone()
        if row is not None:
            found.add(row[0])
    return sorted(found)


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _deployment(dice: random.Random) -> str:
    return f"transport-{dice.randint(1, DEPLOYMENTS):02}"


def lists(facts: Facts) -> list[Ask]:
    """Pages of jobs, and how many there are, with filters as people combine them."""

    def jobs(name: str, given: Callable[[random.Random], dict[str, str]], of: str = "jobs") -> Ask:
        return Ask(name, lambda dice: f"{API}/{of}?{urlencode(given(dice))}")

    def mixed(dice: random.Random) -> dict[str, str]:
        return {"state": "failed", "deployment": _deployment(dice), **facts.period(dice, 7)}

    def started(dice: random.Random) -> dict[str, str]:
        begin, end = facts.period(dice, 1).values()
        return {"started_from": begin, "started_to": end, "source": "handheld"}

    return [
        jobs("jobs, newest first", lambda _: {"limit": "50"}),
        jobs("jobs, 200 of them", lambda _: {"limit": "200"}),
        jobs("jobs, state queued", lambda _: {"state": "queued"}),
        jobs("jobs, state failed", lambda _: {"state": "failed"}),
        jobs("jobs of a robot", lambda dice: {"robot": dice.choice(facts.robots)}),
        jobs("jobs of a queue, failed", lambda dice: {"queue": dice.choice(QUEUES), "state": "failed"}),
        jobs("jobs of a deployment", lambda dice: {"deployment": _deployment(dice)}),
        jobs("jobs of a flow", lambda dice: {"flow": f"flow-{dice.randint(1, FLOWS):02}"}),
        jobs("jobs, part of a deployment's name", lambda dice: {"q": f"port {dice.randint(1, DEPLOYMENTS)}"}),
        jobs("jobs, part of every deployment's name", lambda _: {"q": "transport"}),
        jobs("jobs, a deployment's name with a slip", lambda dice: {"q": f"trasport {dice.randint(10, DEPLOYMENTS)}"}),
        jobs("jobs, how an id begins", lambda dice: {"q": dice.choice(facts.ended)[:18]}),
        jobs("jobs of a day", lambda dice: facts.period(dice, 1)),
        jobs("jobs, failed of a deployment in a week", mixed),
        jobs("jobs, from the handheld and failed", lambda _: {"source": "handheld", "state": "failed"}),
        jobs("jobs, started in a day, by the handheld", started),
        jobs("jobs, last ended first", lambda _: {"order": "ended_newest"}),
        jobs("jobs, oldest first", lambda _: {"order": "oldest"}),
        jobs("count of all jobs", lambda _: {}, "job-counts"),
        jobs("count by state and queue", lambda dice: {"queue": dice.choice(QUEUES), "state": "failed"}, "job-counts"),
        jobs("count of a deployment", lambda dice: {"deployment": _deployment(dice)}, "job-counts"),
        jobs("count, failed of a deployment in a week", mixed, "job-counts"),
    ]


def records(facts: Facts) -> list[Ask]:
    """One job with all that is known of it, and the robots."""

    def of_job(name: str, tail: str, uids: list[str]) -> Ask:
        return Ask(name, lambda dice: f"{API}/jobs/{dice.choice(uids)}{tail}")

    return [
        of_job("a job", "", facts.ended),
        of_job("results of a job", "/results", facts.ended),
        of_job("results of a failed job", "/results", facts.failed),
        of_job("blocks of a job", "/blocks", facts.ended),
        of_job("logs of a job", "/logs", facts.ended),
        of_job("attempts of a job", "/attempts", facts.failed),
        of_job("moves of a job", "/events", facts.failed),
        of_job("why a job waits", "/waiting", facts.waiting),
        Ask("robots", lambda _: f"{API}/robots"),
        Ask("moves of a robot", lambda dice: f"{API}/robots/{dice.choice(facts.robots)}/events"),
        Ask("queues", lambda _: f"{API}/queues"),
        Ask("deployments", lambda _: f"{API}/deployments"),
    ]


def deep(asker: Asker, pages: int) -> list[Ask]:
    """The page behind so many others, reached by its cursor as a reader would; short lists end sooner."""
    return [
        Ask("jobs, a page far down", _far_down(asker, f"{API}/jobs?limit=200", pages)),
        Ask("jobs, failed, a page far down", _far_down(asker, f"{API}/jobs?state=failed&limit=200", pages)),
        Ask("jobs, last ended, a page far down", _far_down(asker, f"{API}/jobs?order=ended_newest&limit=200", pages)),
    ]


def _far_down(asker: Asker, path: str, pages: int) -> Draw:
    at = path
    for _ in range(pages):
        after = asker.json(at)["next"]
        if after is None:
            break
        at = f"{path}&after={after}"
    return lambda _: at


def console(asker: Asker, facts: Facts) -> list[Ask]:
    """Whole pages, as far as this version has them."""
    pages = [
        Ask("page: overview", lambda _: "/", is_page=True),
        Ask("page: jobs", lambda _: "/jobs", is_page=True),
        Ask("page: failed jobs", lambda _: "/jobs?state=failed", is_page=True),
        Ask("page: a job", lambda dice: f"/jobs/{dice.choice(facts.ended)}", is_page=True),
        Ask("page: a waiting job", lambda dice: f"/jobs/{dice.choice(facts.waiting)}", is_page=True),
        Ask("page: robots", lambda _: "/robots", is_page=True),
    ]
    dice = random.Random(3)  # noqa: S311 - not for secrets
    return [page for page in pages if asker.status(page.path(dice)) == 200]
