"""Attempts of a job as they stand below its row: the newest first, offers that were refused among them uncounted."""

from dataclasses import dataclass

from controller.store import queries
from schemas.views import Attempt, Job
from web.errors import not_found

FIRST = 3
"""So many are shown at first."""
MOST = 200
"""So many are shown in a list; the job's own page has all."""


@dataclass(frozen=True)
class Line:
    """An attempt; `k` of the job's retries, None for an offer that no robot began."""

    attempt: Attempt
    k: int | None


@dataclass(frozen=True)
class Lines:
    """Attempts below a row: how many there are before those shown, and after."""

    job: Job
    shown: list[Line]
    newer: int
    more: int


def read_lines(db: queries.Connection, uid: str, *, top: int | None = None, skip: int = 0, count: int = FIRST) -> Lines:
    """`count` attempts from the one numbered `top` on (None: the newest), leaving out `skip`; raises `ApiError`."""
    found, number = queries.jobs_by_uid(db, [uid]), queries.job_id(db, uid)
    if not found or number is None:
        raise not_found("job", uid)
    lines: list[Line] = []
    left = found[0].attempt_count
    for attempt in queries.page_of_attempts(db, number, limit=MOST).items:
        lines.append(Line(attempt, left if attempt.counted else None))
        left -= attempt.counted
    known = [line for line in lines if top is None or line.attempt.number <= top]
    shown = known[skip : skip + count]
    return Lines(found[0], shown, len(lines) - len(known), len(known) - skip - len(shown))
