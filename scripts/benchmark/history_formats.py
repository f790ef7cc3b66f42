"""What other systems ask of a long past, in their own formats, and the nested results of a job of 1,000 blocks."""

import random
import sqlite3
from dataclasses import dataclass

from scripts.benchmark.data_records import LONG_FLOW, SCHEDULE
from scripts.benchmark.history_asks import API, Ask, Facts

RECORD = "/api/vwed-task-record"


@dataclass(frozen=True)
class Beyond:
    """What is asked for beside jobs: attempts with a number, firings, the long job."""

    attempts: list[int]
    firings: list[str]
    long: str

    @classmethod
    def read(cls, db: sqlite3.Connection) -> "Beyond":
        """Draw a sample; `db` is the database before a box works on it."""
        attempts = [row[0] for row in db.execute("select number from attempts order by number % 997 limit 500")]
        firings = [row[0] for row in db.execute("select uid from firings order by id % 997 limit 500")]
        long = db.execute("select uid from jobs where flow = ?", (LONG_FLOW,)).fetchone()[0]
        return cls(attempts, firings, long)


def formats(facts: Facts, beyond: Beyond) -> list[Ask]:
    """Every reading call of the three formats."""

    def record(name: str, tail: str) -> Ask:
        return Ask(f"AGV record: {name}", lambda dice: f"{RECORD}/{tail}/{dice.choice(facts.ended)}")

    def firing(offset: int) -> Ask:
        def path(dice: random.Random) -> str:
            record = dice.choice(beyond.firings)
            return f"/v2/site/scheduled-tasks/{SCHEDULE}/records/{record}?offset={offset}&limit=100"

        return Ask(f"scheduled-task record, from row {offset}", path)

    return [
        record("detail", "detail"),
        record("blocks", "blocks"),
        record("nested results", "execution/block/results"),
        Ask("AGV record: a block", lambda dice: f"{RECORD}/block/{dice.choice(beyond.attempts)}.1"),
        Ask("tasks of a process", lambda dice: f"/task?processInstanceId={dice.choice(facts.ended)}"),
        Ask("a task", lambda dice: f"/task/{dice.choice(beyond.attempts) * 100_000 + 1}"),
        firing(0),
        firing(50),
    ]


def long_job(beyond: Beyond) -> list[Ask]:
    """One job of 1,000 blocks, whole."""
    return [
        Ask("1,000 blocks: nested results", lambda _: f"{API}/jobs/{beyond.long}/results"),
        Ask("1,000 blocks: AGV record, nested results", lambda _: f"{RECORD}/execution/block/results/{beyond.long}"),
        Ask("1,000 blocks: tasks of the process", lambda _: f"/task?processInstanceId={beyond.long}"),
    ]
