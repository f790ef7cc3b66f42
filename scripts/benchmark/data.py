"""Makes a database with a long past, for measuring what history costs; definitions go through the product's own core.

python -m scripts.benchmark.data FILE --jobs 1000000
"""

import argparse
import json
import sqlite3
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config.clock import instant
from config.disk import sync
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store.chain import linked
from controller.store.connection import Store, connect, to_json
from schemas.commands import Frame
from schemas.ids import INCARNATION_STEP
from scripts.benchmark.data_records import LONG_FLOW, SCHEDULE, add_firings, lengthen, long_flow
from scripts.benchmark.data_rows import BLOCKS, COLUMNS, Kind, Past, Robot
from scripts.benchmark.work import block, definition, variable

QUEUES = ("north", "south", "rpa")
ROBOTS, FLOWS, DEPLOYMENTS = 60, 12, 40
VERSION = 3
"""Of what is made: raise it with every change, so that cached data is made anew."""
BYTES_A_JOB = 5_500
"""What a job takes on disk with all that belongs to it: 4,800 as measured, and some room."""


@dataclass(frozen=True)
class Shape:
    """How much there is: jobs in all, and of these so many that wait or are held by robots."""

    jobs: int
    queued: int
    held: int

    @property
    def name(self) -> str:
        """For files."""
        return "-".join(str(value) for value in asdict(self).values())

    @property
    def bytes(self) -> int:
        """About so large is the file."""
        return self.jobs * BYTES_A_JOB


def make(file: Path, shape: Shape) -> None:
    """Make the database; it has its name only when it is whole."""
    draft = file.with_name(file.name + ".new")
    for old in (draft, draft.with_name(draft.name + "-wal"), draft.with_name(draft.name + "-shm")):
        old.unlink(missing_ok=True)
    store = Store(connect(draft))
    db = store.db
    db.execute("pragma synchronous = off")  # nothing is lost that could not be made again
    _define(store)
    past = _past(db, store, shape)
    for rows in past.chunks():
        db.execute("begin")
        rows["events"] = linked(db, "events", rows["events"])
        for table, columns in COLUMNS.items():
            names = columns.split()
            marks = ", ".join("?" * len(names))
            db.executemany(f"insert into {table} ({', '.join(names)}) values ({marks})", rows[table])  # noqa: S608
        db.execute("commit")
    _conclude(db, past)
    store.close()
    sync(draft)
    draft.replace(file)


# ------------------------------------------------------------ definitions
def _flow(number: int) -> dict[str, Any]:
    """Four pure blocks; three sets of block kinds among all flows."""
    second = (variable(2), block(2, "TimestampBp"), block(2, "CreateUuidBp"))[number % 3]
    return definition(variable(1), second, block(3, "PrintBp", message=("Simple", "done")), variable(4))


def _define(store: Store) -> None:
    """Queues, robots, flows and deployments as people would save them."""
    core = Core(store, CoreSettings())

    def ask(command: str, **args: Any) -> None:
        with store.transaction():
            answer = core.command(instant(), Frame(id=1, command=command, args=args))
        if answer.error is not None:
            raise RuntimeError(f"{command}: {answer.error}")

    for queue in QUEUES:
        ask("queue.put", queue=queue, name=queue.title())
    for number in range(1, ROBOTS + 1):
        queue = QUEUES[number % len(QUEUES)]
        kind = "rpa" if queue == "rpa" else "agv"
        ask("robot.put", robot=f"{queue}-{number:02}", name=f"{queue.title()} {number}", kind=kind, queues=[queue])
    for number in range(1, FLOWS + 1):
        ask("flow.save", flow=f"flow-{number:02}", name=f"Flow {number}", definition=_flow(number))
    for number in range(1, DEPLOYMENTS + 1):
        target = {"queue": QUEUES[number % len(QUEUES)]}
        name, flow = f"Transport {number}", f"flow-{number % FLOWS + 1:02}"
        ask("deployment.put", deployment=f"transport-{number:02}", name=name, flow=flow, target=target)
    ask("flow.save", flow=LONG_FLOW, name="Long", definition=long_flow())
    ask("schedule.put", schedule=SCHEDULE, name="Shift", deployment="transport-01", every_s=3600, enabled=False)


def _past(db: sqlite3.Connection, store: Store, shape: Shape) -> Past:
    now_us = time.time_ns() // 1000
    kinds = [
        Kind(row["id"], row["flow"], row["version"], row["need"], f"q:{row['queue']}")
        for row in db.execute(
            "select d.id, d.flow, v.id as version, v.need, json_extract(d.body, '$.target.queue') as queue"
            " from deployments d join flows f on f.id = d.flow"
            " join flow_versions v on v.flow = f.id and v.version = f.latest order by d.id"
        )
    ]
    able = to_json(sorted({kind for row in db.execute("select kinds from needs") for kind in json.loads(row["kinds"])}))
    robots = []
    for row in db.execute("select id, json_extract(queues, '$[0]') as queue from robots order by id").fetchall():
        journal = f"{row['id']}-journal"
        db.execute("update robots set journal = ?, capabilities = ? where id = ?", (journal, able, row["id"]))
        done = db.execute(
            "insert into journals (robot, journal, first_seen) values (?, ?, ?)", (row["id"], journal, now_us)
        )
        robots.append(Robot(row["id"], f"q:{row['queue']}", int(done.lastrowid or 0), journal))
    return Past(kinds, robots, shape.jobs, shape.queued, shape.held, store.newest_number, now_us)


# ------------------------------------------------------------ what follows from all rows
def _conclude(db: sqlite3.Connection, past: Past) -> None:
    """Counters, how far each journal is recorded, and what is made of rows that are there."""
    db.execute("begin")
    lengthen(db, BLOCKS)
    add_firings(db)
    # Jobs by state are counted by the table's own triggers; those by the hour look at updates only.
    db.execute(
        "insert into job_hours select ended_at / 3600000000, coalesce(deployment, ''), state, count(*) from jobs"
        " where ended_at is not null group by 1, 2, 3"
    )
    for robots in past.of.values():
        db.executemany("update journals set upto = ? where id = ?", [(one.seq, one.journal) for one in robots])
    db.execute("insert or replace into meta values ('count', ?)", (past.number % INCARNATION_STEP,))
    db.execute("commit")
    db.execute("pragma wal_checkpoint(truncate)")


def main() -> None:
    """Make one file."""
    parser = argparse.ArgumentParser(description="Make a database with a long past.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--queued", type=int, default=1_000)
    parser.add_argument("--held", type=int, default=40)
    chosen = parser.parse_args()
    began = time.monotonic()
    make(chosen.file, Shape(chosen.jobs, chosen.queued, chosen.held))
    size = chosen.file.stat().st_size
    print(
        f"{chosen.file}: {size / 1e6:,.0f} MB, {size / chosen.jobs:,.0f} bytes a job, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
