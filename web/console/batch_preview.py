"""What would become of many jobs, in the words of the page: a stored preview by outcome, with its first rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.store.queries import Connection
from controller.store.queries import batches as queries
from schemas.batch import BatchAction
from schemas.views.batches import Batch, BatchRow
from web.console.language import N_, _

LISTED = 50
"""So many rows of a group are listed; of the others the number is said."""
ORDER = (
    "at_once", "told_first", "stops", "silent", "again", "set", "made", "ended", "held_up", "equal", "taken",
    "not_ended", "not_found",
)  # fmt: skip
SAYS: dict[str, tuple[str, str]] = {
    "at_once": (N_("ended at once"), N_("Held by no robot.")),
    "told_first": (
        N_("robot is told first"),
        N_("It has not moved for the job yet; its answer ends the job as cancelled."),
    ),
    "stops": (
        N_("robot stops, then the job ends"),
        N_("What a robot carries stays on it. If it finishes first, the job ends as succeeded."),
    ),
    "silent": (
        N_("robot is told when it is heard again"),
        N_("It is silent, so nobody knows what it does. Until then the job is shown as cancelling."),
    ),
    "again": (N_("robot is told once more"), N_("It was told to stop and has not answered yet.")),
    "set": (N_("get the new priority"), N_("Held by no robot.")),
    "made": (N_("executed again"), N_("A new job is made with the same deployment, parameters and target.")),
    "ended": (N_("unchanged"), N_("Ended already.")),
    "held_up": (
        N_("unchanged"),
        N_("They may have run before the box was restored, and a robot that is on hold may be running them still."),
    ),
    "equal": (N_("unchanged"), N_("This is the priority already.")),
    "taken": (N_("unchanged"), N_("Held by a robot already.")),
    "not_ended": (N_("unchanged"), N_("Not ended yet.")),
    "not_found": (N_("unchanged"), N_("There is no such job any more.")),
}
"""What happens to a group, and why; about one job or many."""
SHAPES: dict[str, str] = {
    "at_once": "queued",
    "told_first": "assigned",
    "stops": "running",
    "silent": "uncertain",
    "again": "cancelling",
    "set": "queued",
    "made": "queued",
}
REFUSED: dict[str, str] = {
    "changed": N_("It has changed since it was shown, so it was left alone."),
    "job.parked": SAYS["held_up"][1],
    "internal": N_("A defect; the log has more."),
}
"""Why a row was not carried out, beside the reasons of the groups."""


@dataclass(frozen=True)
class Group:
    """Jobs of which the same becomes; `rows` are the first of `count`."""

    code: str
    stays: bool
    count: int
    rows: tuple[BatchRow, ...]

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.count - len(self.rows)


@dataclass(frozen=True)
class Preview:
    """A stored preview as the dialog shows it."""

    batch: Batch
    groups: tuple[Group, ...]

    @property
    def action(self) -> BatchAction:
        """What would be asked."""
        return self.batch.action

    @property
    def will(self) -> int:
        """Of how many jobs."""
        return self.batch.will.count


def read_preview(db: Connection, batch: Batch) -> Preview:
    """A batch with the first rows of each group."""
    parts = [(group, False) for group in batch.will.groups] + [(group, True) for group in batch.will_not.groups]
    groups = []
    for group, stays in sorted(parts, key=lambda pair: ORDER.index(pair[0].code)):
        page = queries.page_of_batch_rows(db, batch.id, code=group.code, limit=LISTED)
        groups.append(Group(group.code, stays, group.count, tuple(page.items if page else ())))
    return Preview(batch, tuple(groups))


def why(row: BatchRow) -> str:
    """Why nothing was done, in the language of the page."""
    code = row.reason.code if row.reason is not None else None
    return _(_SENTENCES.get(code or "", REFUSED["internal"]))


_SENTENCES: Mapping[str, str] = {code: says[1] for code, says in SAYS.items()} | REFUSED | {
    "job.state": N_("In its state now this is not possible."),
}  # fmt: skip


def became(action: BatchAction, row: BatchRow, priority: int | None) -> str:
    """What came of a row that was carried out, in the language of the page."""
    if action == "priority":
        return f"{row.had_priority} → {priority}"
    if action == "execute":
        return _("A new job was made.")
    if row.outlook.code == "at_once":
        return _("The job is cancelled.")
    return _("%(robot)s is told to stop.", robot=row.robot or "–")
