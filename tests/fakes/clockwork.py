"""A yard whose wall clock can be set while the steady one goes on, with schedules to look at."""

from typing import Any

from config.clock import Instant
from schemas.schedule import microseconds
from tests.fakes.yard import Yard

START = "2026-01-31T07:59:00.000000Z"
SECOND = 1_000_000


class Clockwork(Yard):
    """Its wall clock says `START` in the beginning."""

    def __init__(self) -> None:
        self.offset = microseconds(START) - 1_000 * SECOND
        super().__init__()
        self.must("queue.put", queue="main")
        self.flow()
        self.must("deployment.put", deployment="d", name="D", flow="hello", target={"queue": "main"})

    def instant(self) -> Instant:
        """The present on both clocks."""
        return Instant(self.now, self.offset + int(self.now * SECOND))

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock; then a turn is made."""
        self.offset += int(seconds * SECOND)
        self.tick()

    def down(self, seconds: float) -> None:
        """The box is off for a while."""
        self.now += seconds
        self.boot()
        self.tick()

    def schedule(self, name: str = "s", **values: Any) -> str:
        """Save a schedule of the deployment `d`."""
        given = {"name": "S", "deployment": "d", "zone": "UTC"} | values
        self.must("schedule.put", schedule=name, **given)
        return name

    def firings(self, name: str = "s") -> list[dict[str, Any]]:
        """Firings of a schedule in the order in which they were made."""
        return [row for row in self.rows("firings") if row["schedule"] == name]

    def due(self, name: str = "s") -> list[str]:
        """When the firings of a schedule were due, as HH:MM:SS of the first day."""
        begin = microseconds("2026-01-31T00:00:00.000000Z")
        seconds = [(row["due_at"] - begin) // SECOND for row in self.firings(name)]
        return [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in seconds]

    def made(self, name: str = "s") -> list[dict[str, Any]]:
        """The jobs that a schedule made."""
        return [row for row in self.rows("jobs") if row["created_by"] == f"schedule:{name}"]

    def outcome(self, name: str = "s") -> list[tuple[str | None, str | None]]:
        """(target or None, code) of every row of the schedule's firings."""
        ids = {row["id"] for row in self.firings(name)}
        return [(row["robot"], row["code"]) for row in self.rows("firing_rows") if row["firing"] in ids]
