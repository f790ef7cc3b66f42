"""What a person who decides about a failed block has to know."""

import sqlite3

from controller.store.queries.flow_index import FlowIndex
from schemas.flow import ROLLBACK

MOST_UNDONE = 2_000
"""So many of an attempt's newest runs are looked at."""


def failed_path(db: sqlite3.Connection, job: int) -> str | None:
    """Path of the block that failed in debug mode and waits; None if none does."""
    row = db.execute("select failed_path from jobs where id = ?", (job,)).fetchone()
    return None if row is None else row["failed_path"]


def to_undo(db: sqlite3.Connection, attempt: int, index: FlowIndex) -> tuple[str, ...]:
    """Names of the blocks of which a finished run has steps that undo it, the last first, each once."""
    rows = db.execute(
        "select path, state from block_runs where attempt = ? and n > 0 order by n desc limit ?",
        (attempt, MOST_UNDONE),
    )
    places = (index.at(row["path"]) for row in rows if row["state"] == "succeeded")
    found = {
        block.name: None
        for block in places
        if block is not None and any(index[child].branch == ROLLBACK for child in block.children)
    }
    return tuple(found)
