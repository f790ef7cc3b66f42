"""The log lines of a job: of one attempt or of all, from a level on, with a text in them; newest first."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.store import queries
from controller.store.queries.artifacts import artifacts_by_uid
from schemas.blocks import sentence
from schemas.views import Artifact, LogRow, Total
from web.console.job_address import Address
from web.console.job_attempts import Played
from web.console.language import N_, _, spoken
from web.console.text import clock

PAGE, MOST, MOST_OUTPUT = 50, 500, 4_000
_SHOWN = {"image/png": "picture", "image/jpeg": "picture", "video/webm": "video"}
LEVELS: tuple[tuple[str, str], ...] = (
    ("none", N_("debug")),
    ("none", N_("info")),
    ("hold", N_("warning")),
    ("failed", N_("error")),
)
"""Shape and word of each level."""
SWITCH = (N_("All"), N_("Info+"), N_("Warning+"), N_("Error"))
TYPES = {
    "system": N_("system"),
    "block": N_("block"),
    "print": N_("print"),
    "driver": N_("driver"),
    "artifact": N_("artifact"),
}


@dataclass(frozen=True)
class Line:
    """A log line as it is shown; `name` is its block's."""

    row: LogRow
    text: str
    name: str | None
    k: int | None
    artifact: Artifact | None = None
    """What the robot recorded, as far as the box has heard of it."""

    @property
    def shows(self) -> str | None:
        """How what was recorded is shown: picture, video, file, coming, refused; None: nothing was recorded."""
        if self.row.artifact is None:
            return None
        if self.artifact is None or self.artifact.state == "open":
            return "coming"
        if self.artifact.state == "refused":
            return "refused"
        return _SHOWN.get(self.artifact.type or "", "file")

    @property
    def output(self) -> str | None:
        """What was put out with it, as JSON."""
        if self.row.output is None:
            return None
        return json.dumps(self.row.output, ensure_ascii=False, indent=2)[:MOST_OUTPUT]

    @property
    def level(self) -> int:
        """0 debug to 3 error; what is beyond counts as the next that is known."""
        return min(max(self.row.level, 0), len(LEVELS) - 1)

    @property
    def clock(self) -> str:
        """The robot's own time, to the millisecond; as it came if it is no time."""
        try:
            moment = datetime.fromisoformat(self.row.time).astimezone()
        except (ValueError, OverflowError):
            return self.row.time
        return f"{clock(moment)}.{moment.microsecond // 1000:03}"

    @property
    def icon(self) -> str:
        """The level's shape."""
        return LEVELS[self.level][0]

    @property
    def word(self) -> str:
        """The level's word."""
        return _(LEVELS[self.level][1])

    @property
    def kind(self) -> str:
        """The word of its type."""
        return _(TYPES.get(self.row.type, self.row.type))


@dataclass(frozen=True)
class Lines:
    """A page of lines; `older`: where the next page begins; `counts`: by the least level; `k`: whose lines."""

    lines: Sequence[Line]
    older: str | None
    counts: Sequence[Total]
    k: int | None
    again: bool = False
    """What was shown before is further back than can be shown at once: begin anew."""


def lines(
    db: queries.Connection,
    number: int,
    played: Sequence[Played],
    index: object,
    address: Address,
    *,
    after: str | None = None,
    upto: int | None = None,
) -> Lines:
    """Raises `BadCursor`; `upto`: down to this line, which was the last on the screen."""
    chosen = None if address.every else chosen_of(played, address)
    attempt = None if chosen is None else chosen.attempt.number
    page = queries.page_of_logs(
        db, number, attempt=attempt, level=address.level, type_=address.type or None, block=address.block or None,
        q=address.q or None, limit=PAGE if upto is None else MOST, after=after,
    )  # fmt: skip
    rows, older, again = page.items, page.next, False
    if upto is not None:
        kept = [row for row in rows if row.id >= upto]
        again = len(kept) == len(rows) and older is not None
        rows, older = (rows[:PAGE], older) if again else (kept, None)
    numbers = {one.attempt.number: one.k for one in played}
    recorded = artifacts_by_uid(db, [row.artifact for row in rows if row.artifact is not None])
    found = [
        Line(row, text_of(row), _name(index, row), numbers.get(row.attempt or 0), recorded.get(row.artifact or ""))
        for row in rows
    ]
    counts = queries.count_logs(db, number, attempt)
    return Lines(found, None if again else older, counts, None if chosen is None else chosen.k, again)


def chosen_of(played: Sequence[Played], address: Address) -> Played | None:
    """The attempt that the address names, else the last."""
    if address.attempt is not None:
        return next((one for one in played if one.k == address.attempt), None)
    return played[-1] if played else None


def text_of(row: LogRow) -> str:
    """A sentence of the flow in the language of the page; what a flow prints stands as it is."""
    if row.message is not None:
        return sentence(row.message, row.args if isinstance(row.args, dict) else {}, spoken())
    return row.text or ""


def _name(index: object, row: LogRow) -> str | None:
    if row.path is None or index is None:
        return row.block
    block = index.at(row.path)  # type: ignore[attr-defined]
    return block.name if block is not None and block.path != "-1" else row.block if row.path != "-1" else None
