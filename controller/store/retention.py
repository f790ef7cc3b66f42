"""Clearing away by age, a few rows at a time; each function takes what it may and says how much that was.

Moments are UTC microseconds. Nothing that an open job, a hold or a letter needs is ever taken.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from controller.store import artifacts, assets, chain
from schemas.status import TERMINAL, JobState

Place = tuple[int, int]
"""(moment of the end, inner id) of the last job that was looked at."""
BEGIN: Place = (-(2**62), 0)


class Old(NamedTuple):
    """A job that may go."""

    id: int
    run: str
    firing: str | None
    place: Place


_OLD_JOBS = """select j.id, j.run, j.firing, j.ended_at, (j.created_at < ?4 and j.parked = 0
        and not exists (select 1 from jobs c where c.parent = j.id)
        and not exists (select 1 from attempts a where a.job = j.id and (a.open = 1
            or exists (select 1 from outbox o where o.attempt = a.number)
            or exists (select 1 from holds h where h.attempt = a.number)))) as may
    from jobs j indexed by jobs_ended
    where j.ended_at is not null and j.ended_at < ?3 and (j.ended_at, j.id) > (?1, ?2)
    order by j.ended_at, j.id limit ?5"""


def old_jobs(
    db: sqlite3.Connection, after: Place, ended: int, created: int, limit: int
) -> tuple[list[Old], Place | None]:
    """Ended jobs that may go, oldest end first, and from where to go on; None when there are no more.

    Their end was before `ended` and they were made before `created`; nobody decides about them or waits for them.
    """
    rows = db.execute(_OLD_JOBS, (*after, ended, created, limit)).fetchall()
    found = [Old(r["id"], r["run"], r["firing"], (r["ended_at"], r["id"])) for r in rows if r["may"]]
    last = (rows[-1]["ended_at"], rows[-1]["id"]) if len(rows) == limit else None
    return found, last


def shrink_job(db: sqlite3.Connection, job: int, limit: int) -> int:
    """Take log rows and block runs of a job; 0 when none are left."""
    done = db.execute("delete from logs where id in (select id from logs where job = ? limit ?)", (job, limit)).rowcount
    if done < limit:
        done += db.execute(
            "delete from block_runs where (attempt, n) in (select b.attempt, b.n from attempts a"
            " join block_runs b on b.attempt = a.number where a.job = ? limit ?)",
            (job, limit - done),
        ).rowcount
    return done


def take_job(db: sqlite3.Connection, old: Old) -> list[str]:
    """Take a job with its attempts and all that is left of it; the ids of artifacts whose files can go."""
    gone = artifacts.delete_of_job(db, old.id)
    db.execute("delete from attempts where job = ?", (old.id,))
    if old.firing is not None:
        db.execute(
            "delete from firing_rows where firing = (select id from firings where uid = ?) and job = ?",
            (old.firing, old.id),
        )
    db.execute("delete from jobs where id = ?", (old.id,))
    if db.execute("select 1 from jobs where run = ? limit 1", (old.run,)).fetchone() is None:
        assets.forget(db, old.run)
    return gone


_OPEN = "exists (select 1 from jobs j where j.id = t.job and j.ended_at is null)"


def old_logs(db: sqlite3.Connection, after: int, before: int, limit: int) -> tuple[int, int | None]:
    """Take log rows of jobs that have ended; how many, and the id to go on after, None at the end."""
    rows = db.execute(
        f"select t.id, t.recorded_at, {_OPEN} as needed from logs t where t.id > ? order by t.id limit ?",  # noqa: S608
        (after, limit),
    ).fetchall()
    old = [(row["id"],) for row in rows if row["recorded_at"] < before and not row["needed"]]
    db.executemany("delete from logs where id = ?", old)
    return len(old), _next(rows, "recorded_at", before, limit)


def old_artifacts(db: sqlite3.Connection, after: int, before: int, limit: int) -> tuple[list[str], int | None]:
    """Take artifacts of jobs that have ended; their ids, so that their files can go, and where to go on."""
    rows = db.execute(
        f"select t.id, t.uid, t.created_at, t.state, {_OPEN} as needed from artifacts t"  # noqa: S608
        " where t.id > ? order by t.id limit ?",
        (after, limit),
    ).fetchall()
    old = [row for row in rows if row["created_at"] < before and not row["needed"] and row["state"] != "open"]
    db.executemany("delete from artifacts where id = ?", [(row["id"],) for row in old])
    return [row["uid"] for row in old], _next(rows, "created_at", before, limit)


def _next(rows: Sequence[sqlite3.Row], moment: str, before: int, limit: int) -> int | None:
    """They were written in the order of time: behind one that is young there are no old ones."""
    return None if len(rows) < limit or rows[-1][moment] >= before else int(rows[-1]["id"])


def old_firings(db: sqlite3.Connection, after: int, before: int, limit: int) -> tuple[int, int | None]:
    """Take firings none of whose jobs is left; how many, and where to go on."""
    rows = db.execute(
        "select f.id, f.fired_at, exists (select 1 from jobs j indexed by jobs_firing"
        " where j.firing = f.uid and j.firing is not null) as needed"
        " from firings f where f.id > ? order by f.id limit ?",
        (after, limit),
    ).fetchall()
    ids = [(row["id"],) for row in rows if row["fired_at"] < before and not row["needed"]]
    db.executemany("delete from firing_rows where firing = ?", ids)
    db.executemany("delete from firings where id = ?", ids)
    return len(ids), _next(rows, "fired_at", before, limit)


def journals(db: sqlite3.Connection) -> list[int]:
    """All journals, by their inner ids."""
    return [row["id"] for row in db.execute("select id from journals order by id")]


def old_reports(db: sqlite3.Connection, journal: int, before: int, limit: int) -> int:
    """Take reports of a journal from its beginning; what they said is in attempts and runs."""
    rows = db.execute(
        "select r.seq, r.recorded_at from reports r join journals k on k.id = r.journal"
        " where r.journal = ? and r.seq <= k.upto order by r.seq limit ?",
        (journal, limit),
    ).fetchall()
    old = 0
    for row in rows:
        if row["recorded_at"] >= before:
            break
        old = row["seq"]
    if not old:
        return 0
    return db.execute("delete from reports where journal = ? and seq <= ?", (journal, old)).rowcount


_CLOCK, _BEHIND = "retention clock", ("behind earliest", "behind since", "behind until")
_READ_CLOCK = "select key, value from meta where key in (?, ?, ?, ?)"


def clock(db: sqlite3.Connection) -> tuple[int | None, tuple[int, int, int] | None]:
    """How late it is for what goes by age, as it was kept, and what `controller.age.Behind` holds; None: never."""
    known = {row["key"]: int(row["value"]) for row in db.execute(_READ_CLOCK, (_CLOCK, *_BEHIND))}
    earliest, since, until = (known.get(name) for name in _BEHIND)
    behind = None if earliest is None or since is None or until is None else (earliest, since, until)
    return known.get(_CLOCK), behind


def set_clock(db: sqlite3.Connection, us: int, behind: tuple[int, int, int] | None) -> None:
    """Keep both."""
    rows = [(_CLOCK, us), *zip(_BEHIND, behind or (), strict=False)]
    db.executemany("insert or replace into meta values (?, ?)", rows)


def first_move(db: sqlite3.Connection, none: int) -> int:
    """When the first move was written that is still here; `none` if there is none."""
    row = db.execute("select at from events order by id limit 1").fetchone()
    return none if row is None else int(row["at"])


def old_keys(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Take keys that were answered before a moment."""
    return db.execute(
        "delete from idempotency where (caller, key) in"
        " (select caller, key from idempotency indexed by idempotency_at where at < ? limit ?)",
        (before, limit),
    ).rowcount


def old_small(db: sqlite3.Connection, before: int, sessions: int, limit: int) -> int:
    """Take a few rows of what grows slowly: gaps, unreadable messages, counts of hours, sessions that are over."""
    done = 0
    for sql, moment in (
        ("delete from gaps where rowid in (select rowid from gaps where at < ? limit ?)", before),
        ("delete from quarantine where id in (select id from quarantine where at < ? order by id limit ?)", before),
        (
            "delete from job_hours where (hour, deployment, outcome) in"
            " (select hour, deployment, outcome from job_hours where hour < ? order by hour limit ?)",
            before // 3_600_000_000,
        ),
        ("delete from sessions where hash in (select hash from sessions where expires_at < ? limit ?)", sessions),
    ):
        done += db.execute(sql, (moment, limit)).rowcount
    return done


# ---------------------------------------------------------------- books with chains
_OPEN_STATES = tuple(state.value for state in JobState if state not in TERMINAL)


def oldest_open(db: sqlite3.Connection) -> int | None:
    """When the oldest job was made that has not ended: ids are given in the order of time."""
    firsts = [
        db.execute("select min(id) from jobs indexed by jobs_state where state = ?", (state,)).fetchone()[0]
        for state in _OPEN_STATES
    ]
    known = [first for first in firsts if first is not None]
    if not known:
        return None
    return int(db.execute("select created_at from jobs where id = ?", (min(known),)).fetchone()["created_at"])


def oldest_job(db: sqlite3.Connection, none: int) -> int:
    """When the oldest job was made that is still here; `none` if there is no job."""
    row = db.execute("select created_at from jobs indexed by jobs_created order by created_at limit 1").fetchone()
    return none if row is None else int(row["created_at"])


def old_days(db: sqlite3.Connection, book: str, before: int) -> list[int]:
    """Days of a book that lie wholly before a moment and of which rows are left."""
    day = before // chain.DAY_US
    rows = db.execute("select day from chain_days where book = ? and day < ? and rows > 0 order by n", (book, day))
    return [row["day"] for row in rows]


def drop_day(db: sqlite3.Connection, book: str, day: int, limit: int) -> int:
    """Take rows of a day, which counts as dropped from the first one on; 0 when none are left. Its hash is kept."""
    row = db.execute("select rows from chain_days where book = ? and day = ?", (book, day)).fetchone()
    left = int(row["rows"])
    done = chain.drop(db, book, day, min(limit, left)) if left else 0  # never more: it would look through all others
    db.execute("update chain_days set rows = ? where book = ? and day = ?", (left - done if done else 0, book, day))
    return done


def drop_unchained(db: sqlite3.Connection, book: str, before: int, limit: int) -> int:
    """Take rows of the time before there were days."""
    return db.execute(
        f"delete from {book} where id in (select id from (select id, at from {book} where id <"  # noqa: S608
        " (select min(first) from chain_days where book = ?) order by id limit ?) where at < ?)",
        (book, limit, before),
    ).rowcount


def used_bytes(db: sqlite3.Connection) -> int:
    """How much of the database's file is in use; what was cleared away is used again before the file grows."""
    pages, free, size = (
        int(db.execute(f"pragma {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
