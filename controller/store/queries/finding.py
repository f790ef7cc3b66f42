"""Finding a job, a robot or a deployment by a piece of its name or id."""

import json
import re
import sqlite3
from itertools import chain, zip_longest

from controller.store.queries.likeness import Fit, named
from schemas.views import Found

_LIKE_AN_ID = re.compile(r"[0-9a-f-]{4,36}\Z")
_TAIL, _WHOLE = 6, 36
"""So many characters at least, if they are the last ones of an id; and a whole id has so many."""
MAX_TAILS = 10_000
"""The ends of so many of the newest ids are looked at."""


def find(db: sqlite3.Connection, text: str, limit: int = 8) -> list[Found]:
    """What fits a text: jobs by how their id begins or (newest ones) ends, robots and deployments by a part of a name.

    Names are compared as `likeness` does. What fits exactly comes first, then the kinds take turns.
    """
    wanted = text.strip().casefold()
    if not wanted:
        return []
    robots, deployments = named(db, "robot", wanted), named(db, "deployment", wanted)
    if any(fit.found and not fit.similar for fit in (robots, deployments)):  # then nearly is not enough
        robots, deployments = (Fit() if fit.similar else fit for fit in (robots, deployments))
    kinds = (
        _jobs(db, wanted, limit),
        _robots(db, _best(robots, wanted, limit)),
        _deployments(db, _best(deployments, wanted, limit)),
    )
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


def _best(fit: Fit, text: str, limit: int) -> list[str]:
    """Ids of what the text names, those first that begin with it."""
    if fit.similar:
        return list(fit.ids[:limit])
    starts = {one for one, name in fit.found if one.casefold().startswith(text) or name.casefold().startswith(text)}
    return sorted(fit.ids, key=lambda one: one not in starts)[:limit]


def _robots(db: sqlite3.Connection, ids: list[str]) -> list[Found]:
    rows = _in_order(
        db,
        ids,
        "select id, name, enabled, exists (select 1 from holds h where h.robot = r.id) as held,"
        " exists (select 1 from attempts a indexed by attempts_robot where a.robot = r.id and a.open = 1) as busy"
        " from robots r where id in (select value from json_each(?))",
    )
    return [Found(kind="robot", id=row["id"], name=row["name"], state=_robot_state(row)) for row in rows]


def _in_order(db: sqlite3.Connection, ids: list[str], sql: str) -> list[sqlite3.Row]:
    found = {row["id"]: row for row in db.execute(sql, (json.dumps(ids),))}
    return [found[one] for one in ids]


def _robot_state(row: sqlite3.Row) -> str | None:
    """What is recorded about it; None where only what it says itself would tell."""
    if row["held"]:
        return "on_hold"
    if row["enabled"]:
        return None
    return "draining" if row["busy"] else "disabled"


def _deployments(db: sqlite3.Connection, ids: list[str]) -> list[Found]:
    rows = _in_order(
        db,
        ids,
        "select id, name, enabled from deployments where id in (select value from json_each(?))",
    )
    return [
        Found(kind="deployment", id=row["id"], name=row["name"], state="enabled" if row["enabled"] else "disabled")
        for row in rows
    ]
