"""Finding a job, a robot or a deployment by a piece of its name or id."""

import re
import sqlite3
from itertools import chain, zip_longest

from schemas.views import Found

_LIKE_AN_ID = re.compile(r"[0-9a-f-]{4,36}\Z")
_TAIL, _WHOLE = 6, 36
"""So many characters at least, if they are the last ones of an id; and a whole id has so many."""
MAX_TAILS = 10_000
"""The ends of so many of the newest ids are looked at."""
MAX_NAMES = 10_000
"""So many robots and deployments are looked at; a box has far fewer."""


def find(db: sqlite3.Connection, text: str, limit: int = 8) -> list[Found]:
    """What fits a text: jobs by how their id begins or (newest ones) ends, robots and deployments by a part of a name.

    Upper and lower case are the same. What fits exactly comes first, then the kinds take turns.
    """
    wanted = text.strip().casefold()
    if not wanted:
        return []
    kinds = (_jobs(db, wanted, limit), _robots(db, wanted, limit), _deployments(db, wanted, limit))
    in_turns = [one for one in chain.from_iterable(zip_longest(*kinds)) if one is not None]
    return sorted(in_turns, key=lambda one: wanted not in (one.id.casefold(), one.name.casefold()))[:limit]


def _jobs(db: sqlite3.Connection, text: str, limit: int) -> list[Found]:
    if not _LIKE_AN_ID.match(text):
        return []
    uids = [row["uid"] for row in db.execute(
        "select uid from jobs where uid >= ? and uid < ? order by uid desc limit ?", (text, text + "g", limit)
    )]  # fmt: skip
    if len(uids) < limit and _TAIL <= len(text) < _WHOLE:
        uids += [row["uid"] for row in db.execute(
            "select uid from (select uid from jobs where uid > '' order by uid desc limit ?)"
            " where substr(uid, -length(?)) = ? limit ?",
            (MAX_TAILS, text, text, limit),
        )]  # fmt: skip
    return [_job(db, uid) for uid in dict.fromkeys(uids)]


def _job(db: sqlite3.Connection, uid: str) -> Found:
    row = db.execute(
        "select j.flow, j.state, d.name from jobs j left join deployments d on d.id = j.deployment where j.uid = ?",
        (uid,),
    ).fetchone()
    return Found(kind="job", id=uid, name=row["name"] or row["flow"], state=row["state"])


def _fitting(rows: sqlite3.Cursor, text: str, limit: int) -> list[sqlite3.Row]:
    """Rows whose id or name holds the text, those that begin with it first."""
    found = [row for row in rows if text in row["id"].casefold() or text in row["name"].casefold()]
    starts = [row["id"].casefold().startswith(text) or row["name"].casefold().startswith(text) for row in found]
    return [row for _, row in sorted(zip(starts, found, strict=True), key=lambda pair: not pair[0])][:limit]


def _robots(db: sqlite3.Connection, text: str, limit: int) -> list[Found]:
    rows = db.execute(
        "select id, name, enabled, exists (select 1 from holds h where h.robot = r.id) as held,"
        " exists (select 1 from attempts a indexed by attempts_robot where a.robot = r.id and a.open = 1) as busy"
        " from robots r where removed = 0 order by id limit ?",
        (MAX_NAMES,),
    )
    return [
        Found(kind="robot", id=row["id"], name=row["name"], state=_robot_state(row))
        for row in _fitting(rows, text, limit)
    ]


def _robot_state(row: sqlite3.Row) -> str | None:
    """What is recorded about it; None where only what it says itself would tell."""
    if row["held"]:
        return "on_hold"
    if row["enabled"]:
        return None
    return "draining" if row["busy"] else "disabled"


def _deployments(db: sqlite3.Connection, text: str, limit: int) -> list[Found]:
    rows = db.execute("select id, name, enabled from deployments order by id limit ?", (MAX_NAMES,))
    return [
        Found(kind="deployment", id=row["id"], name=row["name"], state="enabled" if row["enabled"] else "disabled")
        for row in _fitting(rows, text, limit)
    ]
