"""Whether the database tells the truth: its structure, what refers to what, its chains, sums and parts."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from controller.store import chain, sums_file
from controller.store.mark import read_mark
from controller.store.pages import bad_pages
from controller.store.queries.reader import Reader, Unreadable
from schemas.artifact import FOLDER, place_of
from schemas.ids import INCARNATION_STEP

NAMED = 20
"""Of what is wrong, so many are named; the rest is counted."""
_CHUNK = 1 << 20


class Check(NamedTuple):
    """What was looked at: its name, how much of it there is and of what, sentences about what is wrong."""

    name: str
    number: int
    unit: str
    wrong: list[str]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def verify(database: Path, *, artifacts: bool = False) -> Iterator[Check]:
    """Every check of a database file, in use or not, each as of one moment, as they are done; nothing is changed.

    `artifacts` reads every kept file, too. A check that cannot be made because of damage says so.
    """
    yield pages(database)  # before this process has a connection (see `wal`)
    reader = Reader(database)
    try:
        yield _marked(reader, database.parent)
        for name, look in CHECKS:
            yield _with(reader, name, look)
        if artifacts:
            yield _with(reader, "artifacts", lambda db: kept_files(db, database.parent))
    finally:
        reader.close()


def _with(reader: Reader, name: str, look: Callable[[sqlite3.Connection], Check]) -> Check:
    try:
        with reader.reading() as db:
            return looked(name, db, look)
    except Unreadable as error:
        return Check(name, 0, "rows", [str(error)])


def looked(name: str, db: sqlite3.Connection, look: Callable[[sqlite3.Connection], Check]) -> Check:
    """A check, also of what a flipped bit has made another kind of value."""
    try:
        return look(db)
    except (TypeError, ValueError, ArithmeticError) as error:
        return Check(name, 0, "rows", [f"a value in it is not of its kind: {error}"])


def bounded(name: str, count: int, unit: str, wrong: list[str]) -> Check:
    """A check whose sentences are few."""
    more = [f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
    return Check(name, count, unit, wrong[:NAMED] + more)


# ---------------------------------------------------------------- one function a check
def pages(database: Path) -> Check:
    """Each page of the file is what the box has written there."""
    try:
        known = sums_file.load(database)
        wrong = [f"page {page} is not what was written" for page in bad_pages(database)]
    except (sums_file.Unusable, OSError) as error:
        return Check("pages", 0, "pages", [str(error)])
    return bounded("pages", 0 if known is None else len(known.sums) // sums_file.SUM, "pages with a sum", wrong)


def _marked(reader: Reader, folder: Path) -> Check:
    mark = read_mark(folder)  # first: a commit in between only makes the database newer
    return _with(reader, "turns", lambda db: turns(db, mark or 0))


def turns(db: sqlite3.Connection, mark: int) -> Check:
    """No commit that was acknowledged is missing."""
    row = db.execute("select value from meta where key = 'turns'").fetchone()
    count = int(row[0]) if row else 0
    lost = [f"the last {mark - count} of {mark} turns are missing"] if count < mark else []
    return Check("turns", count, "turns", lost)


def structure(db: sqlite3.Connection) -> Check:
    """What SQLite says about every page, row and index."""
    count = int(db.execute("pragma page_count").fetchone()[0])
    said = [str(row[0]) for row in db.execute(f"pragma integrity_check({NAMED})")]
    return Check("structure", count, "pages", [] if said == ["ok"] else said)


_REFERENCES = (
    ("jobs", "need", "needs", "id"),
    ("jobs", "parent", "jobs", "id"),
    ("jobs", "attempt", "attempts", "number"),
    ("attempts", "job", "jobs", "id"),
    ("attempts", "robot", "robots", "id"),
    ("block_runs", "attempt", "attempts", "number"),
    ("holds", "robot", "robots", "id"),
    ("reports", "journal", "journals", "id"),
    ("gaps", "journal", "journals", "id"),
    ("flow_versions", "flow", "flows", "id"),
    ("flow_versions", "need", "needs", "id"),
    ("firing_rows", "firing", "firings", "id"),
    ("batch_rows", "batch", "batches", "id"),
    ("artifacts", "attempt", "attempts", "number"),
    ("artifacts", "job", "jobs", "id"),
    ("sessions", "user", "users", "id"),
)


def references(db: sqlite3.Connection) -> Check:
    """What a row names is there."""
    count, wrong = 0, []
    for table, column, target, key in _REFERENCES:
        count += int(db.execute(f"select count({column}) from {table}").fetchone()[0])  # noqa: S608 - the words above
        gone = db.execute(
            f"select {column} as it, count(*) as n from {table} where {column} is not null"  # noqa: S608
            f" and not exists (select 1 from {target} t where t.{key} = {table}.{column}) group by 1"
        )
        wrong += [f"{row['n']} of {table} name {target} {row['it']}, which is not there" for row in gone]
    return bounded("references", count, "references", wrong)


def chained(db: sqlite3.Connection, book: str, name: str) -> Check:
    """Every row is what was written, and follows on the one that was written before it."""
    found = chain.check(db, book)
    wrong = [f"row {row}: {what}" if row else what for row, what in found.wrong]
    return bounded(name, found.rows, "rows with a hash", wrong)


def states(db: sqlite3.Connection) -> Check:
    """Each job is in the state to which its last move brought it."""
    cleared = db.execute("select 1 from chain_days where book = 'events' and dropped = 1 limit 1").fetchone()
    rows = db.execute(
        """select j.uid, j.state, (select e.new from events e indexed by events_job
            where e.job = j.id and e.topic = 'job' and e.new is not null order by e.id desc limit 1) as last
        from jobs j"""
    )
    count, wrong = 0, []
    for row in rows:
        count += 1
        if row["state"] != row["last"] and not (cleared and row["last"] is None):
            wrong.append(f"job {row['uid']} is {row['state']}, its last move made it {row['last'] or 'nothing'}")
    return bounded("states", count, "jobs", wrong)


def counters(db: sqlite3.Connection) -> Check:
    """What is counted as it changes is what there is."""
    kept = {(row[0], row[1]): row[2] for row in db.execute("select target, state, n from job_counts where n <> 0")}
    real = {(row[0], row[1]): row[2] for row in db.execute("select target, state, count(*) from jobs group by 1, 2")}
    wrong = [
        f"{state} jobs of {target}: {kept.get((target, state), 0)} counted, there are {real.get((target, state), 0)}"
        for target, state in sorted(kept.keys() | real.keys())
        if kept.get((target, state)) != real.get((target, state))
    ]
    space = db.execute("select bytes from artifact_space").fetchone()[0]
    bytes_ = db.execute("select coalesce(sum(size), 0) from artifacts where state <> 'refused'").fetchone()[0]
    if space != bytes_:
        wrong.append(f"artifacts: {space} bytes counted, there are {bytes_}")
    return bounded("counters", len(real) + 1, "counters", wrong + list(_numbers(db)))


def _numbers(db: sqlite3.Connection) -> Iterator[str]:
    """No number was given that the one counter has not reached."""
    meta = {row["key"]: row["value"] for row in db.execute("select key, value from meta")}
    newest = int(meta.get("incarnation", 0)) * INCARNATION_STEP + int(meta.get("count", 0))
    highest = db.execute("select coalesce(max(number), 0) from attempts").fetchone()[0]
    if highest > newest:
        yield f"attempt {highest} has a number that was not given yet (the newest is {newest})"


def kept_files(db: sqlite3.Connection, data_dir: Path) -> Check:
    """The file of each artifact is there, and is what was uploaded."""
    count, wrong = 0, []
    for row in db.execute("select uid, size, sha256 from artifacts where state = 'complete' order by id"):
        count += 1
        problem = _file_trouble(data_dir / FOLDER / place_of(row["uid"]), row["sha256"])
        if problem is not None:
            wrong.append(f"artifact {row['uid']}: {problem}")
    return bounded("artifacts", count, "files", wrong)


def _file_trouble(path: Path, sha256: str) -> str | None:
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except OSError as error:
        return f"its file cannot be read ({error.strerror})"
    return None if found.hexdigest() == sha256 else "its file is not what was uploaded"


CHECKS: tuple[tuple[str, Callable[[sqlite3.Connection], Check]], ...] = (
    ("structure", structure),
    ("references", references),
    ("moves", lambda db: chained(db, "events", "moves")),
    ("audit", lambda db: chained(db, "audit", "audit")),
    ("states", states),
    ("counters", counters),
)
"""What can be said from one connection, with the name it goes by."""
