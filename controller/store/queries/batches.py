"""Batches as they are shown, and the jobs that a filter leads a new one to."""

import json
import sqlite3
from typing import Any

from controller.store.queries.job_filters import JobFilter
from controller.store.queries.job_lists import plan
from controller.store.queries.values import rfc3339
from controller.store.queries.walk import Key, bind, cursor, read_cursor, take
from schemas.batch import RowResult, sentence
from schemas.status import JobState
from schemas.views.answers import Reason
from schemas.views.batches import Batch, BatchGroup, BatchPart, BatchResults, BatchRow, BatchRowPage

MAX_LOOKS = 100
"""A filter is followed over so many pages of the walk (a million rows); beyond that it has to be narrowed."""


class TooWide(ValueError):
    """A filter that leads too far to be followed."""


def matching(db: sqlite3.Connection, f: JobFilter, limit: int) -> list[str]:
    """Public ids of the jobs that fit, newest first, at most `limit`; raises `TooWide`."""
    chosen, after, found = plan(db, f, "newest"), None, list[Key]()
    for _ in range(MAX_LOOKS):
        walks = chosen.walks(f, descending=True, after=after)
        keys, after = take(db, walks, limit - len(found))
        found += keys
        if after is None or len(found) >= limit:
            return _uids(db, [key[-1] for key in found])
    raise TooWide("more rows would have to be looked at than a batch may")


def _uids(db: sqlite3.Connection, ids: list[int]) -> list[str]:
    rows = db.execute("select id, uid from jobs where id in (select value from json_each(?))", (json.dumps(ids),))
    named = {row["id"]: str(row["uid"]) for row in rows}
    return [named[one] for one in ids]


def batch(db: sqlite3.Connection, uid: str) -> Batch | None:
    """One batch."""
    row = db.execute("select * from batches where uid = ?", (uid,)).fetchone()
    if row is None:
        return None
    args = json.loads(row["args"])
    same = {name: row[name] for name in ("action", "state", "reason", "hash", "created_by", "applied_by")}
    return Batch(
        id=row["uid"],
        priority=args["priority"],
        filter=args["filter"],
        total=args["jobs"],
        results=_results(db, row),
        **same,
        **_parts(db, row),
        **{name: rfc3339(row[name]) for name in ("created_at", "expires_at", "applied_at", "ended_at")},
    )


def _parts(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, BatchPart]:
    counts = db.execute(
        "select will, code, count(*) as n from batch_rows where batch = ? group by will, code order by n desc, code",
        (row["id"],),
    ).fetchall()

    def part(*, will: bool) -> BatchPart:
        groups = [
            BatchGroup(code=one["code"], message=sentence(one["code"]), count=one["n"])
            for one in counts
            if bool(one["will"]) == will
        ]
        return BatchPart(count=row["will" if will else "will_not"], groups=groups)

    return {"will": part(will=True), "will_not": part(will=False)}


def _results(db: sqlite3.Connection, row: sqlite3.Row) -> BatchResults | None:
    if row["applied_at"] is None:
        return None
    counts = dict.fromkeys(("done", "refused", "changed"), 0)
    for one in db.execute(
        "select result, count(*) as n from batch_rows where batch = ? and result is not null group by result",
        (row["id"],),
    ):
        counts[one["result"]] = one["n"]
    return BatchResults(**counts, unchanged=row["will_not"], left=row["will"] - sum(counts.values()))


_ROWS = (
    "select r.*, j.state as state_now, j.priority as priority_now, j.robot,"
    " coalesce(nullif(d.name, ''), j.flow) as name"
    " from batch_rows r left join jobs j on j.id = r.job left join deployments d on d.id = j.deployment"
)


def page_of_batch_rows(
    db: sqlite3.Connection,
    uid: str,
    *,
    will: bool | None = None,
    code: str | None = None,
    result: RowResult | None = None,
    limit: int = 50,
    after: str | None = None,
) -> BatchRowPage | None:
    """Rows in the order of the preview; None if there is no such batch. Raises `BadCursor`."""
    row = db.execute("select id, applied_at from batches where uid = ?", (uid,)).fetchone()
    if row is None:
        return None
    binding = bind("batch", uid, will, code, result)
    begin = read_cursor(after, binding, {"n": 1})[1][0] if after else 0
    fits, values = _fits(will, code, result, applied=row["applied_at"] is not None)
    rows = db.execute(
        f"{_ROWS} where r.batch = ? and r.n > ?{fits} order by r.n limit ?",
        (row["id"], begin, *values, limit + 1),
    ).fetchall()
    items = [_row(one, applied=row["applied_at"] is not None) for one in rows[:limit]]
    return BatchRowPage(items=items, next=cursor(binding, "n", (items[-1].n,)) if len(rows) > limit else None)


def _fits(will: bool | None, code: str | None, result: RowResult | None, *, applied: bool) -> tuple[str, list[Any]]:
    given: list[tuple[str, Any]] = []
    if will is not None:
        given.append((" and r.will = ?", int(will)))
    if code is not None:
        given.append((" and r.code = ?", code))
    if result == "unchanged":
        given.append((" and r.will = ?", 0 if applied else -1))
    elif result is not None:
        given.append((" and r.result = ?", result))
    return "".join(sql for sql, _ in given), [value for _, value in given]


def _row(row: sqlite3.Row, *, applied: bool) -> BatchRow:
    result, code = row["result"], row["result_code"]
    if applied and not row["will"]:
        result, code = "unchanged", row["code"]
    return BatchRow(
        n=row["n"],
        job=row["uid"],
        name=row["name"],
        robot=row["robot"],
        state=_state(row["state_now"]),
        was=_state(row["state"]),
        priority=row["priority_now"],
        had_priority=row["priority"],
        will=bool(row["will"]),
        outlook=Reason(code=row["code"], message=sentence(row["code"])),
        result=result,
        reason=None if code is None else Reason(code=code, message=sentence(code)),
        made=row["made"],
    )


def _state(text: str | None) -> JobState | None:
    return None if text is None else JobState(text)
