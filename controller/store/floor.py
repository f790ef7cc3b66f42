"""The floor plan in the database: one row, replaced whole."""

import sqlite3


def saved(db: sqlite3.Connection) -> sqlite3.Row | None:
    """Plan and version as they stand."""
    row: sqlite3.Row | None = db.execute("select plan, version from floor_plan").fetchone()
    return row


def save(db: sqlite3.Connection, plan: str, version: int, who: str, now_us: int) -> None:
    """Replace it; `plan` is a whole `FloorPlanSave` as JSON."""
    db.execute("insert or replace into floor_plan values (1, ?, ?, ?, ?)", (plan, version, now_us, who))
