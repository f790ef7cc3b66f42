"""Batches in a yard: previewed, applied, let come to their end."""

from typing import Any

from tests.fakes.yard import Yard


def preview(yard: Yard, action: str, jobs: list[str], **more: Any) -> dict[str, Any]:
    """A preview that has been made wholly; its row."""
    uid = yard.must("batch.preview", action=action, ids=jobs, **more)["batch"]
    for _ in range(200):
        if row(yard, uid)["state"] != "collecting":
            break
        yard.tick(0.02, step=0.02)
    return row(yard, uid)


def row(yard: Yard, uid: str) -> dict[str, Any]:
    """A batch as stored."""
    return dict(yard.connection.execute("select * from batches where uid = ?", (uid,)).fetchone())


def rows(yard: Yard, batch: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its rows by job."""
    found = yard.connection.execute("select * from batch_rows where batch = ? order by n", (batch["id"],))
    return {one["uid"]: dict(one) for one in found}


def apply(yard: Yard, batch: dict[str, Any], **more: Any) -> dict[str, dict[str, Any]]:
    """Apply a preview and let it come to its end; what became of each job."""
    yard.must("batch.apply", batch=batch["uid"], hash=batch["hash"], **more)
    finish(yard, batch)
    return rows(yard, batch)


def finish(yard: Yard, batch: dict[str, Any]) -> None:
    """Turn after turn until it is applied."""
    for _ in range(2000):
        if row(yard, batch["uid"])["state"] == "applied":
            return
        yard.tick(0.02, step=0.02)
    raise AssertionError("the batch does not come to its end")
