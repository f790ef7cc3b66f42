"""The floor plan as it is shown."""

import sqlite3
from functools import lru_cache

from controller.store.queries.values import rfc3339
from schemas.floor import FloorPlanSave
from schemas.views import FloorPlan


def floor_plan(db: sqlite3.Connection) -> FloorPlan | None:
    """The plan as it was last saved; None before that."""
    row = db.execute("select * from floor_plan").fetchone()
    return None if row is None else _plan(row["plan"], row["version"], row["updated_at"], row["updated_by"])


@lru_cache(maxsize=2)
def _plan(text: str, version: int, updated_at: int, updated_by: str) -> FloorPlan:
    """Kept, because maps ask often and plans seldom change."""
    plan = FloorPlanSave.model_validate_json(text)
    return FloorPlan.model_construct(
        name=plan.name,
        nodes=plan.nodes,
        edges=plan.edges,
        areas=plan.areas,
        version=version,
        updated_at=rfc3339(updated_at),
        updated_by=updated_by,
    )
