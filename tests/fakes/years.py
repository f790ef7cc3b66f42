"""A yard in which days pass and things are cleared away."""

from pathlib import Path
from typing import Any

from config.clock import Instant
from controller.core_settings import CoreSettings
from controller.store.queries.verify import verify
from tests.fakes.box import DiskYard

DAY = 86_400.0
SETTINGS = CoreSettings(
    retain_jobs_days=10, retain_logs_days=5, retain_artifacts_days=3, retain_audit_days=20, idempotency_days=2
)


class Years(DiskYard):
    """A yard in which days pass."""

    def __init__(self, folder: Path, settings: CoreSettings = SETTINGS) -> None:
        self.wrong, self.text = 0, "hello"
        super().__init__(folder, settings)
        self.must("queue.put", queue="main")
        self.flow()
        self.r1 = self.robot("r1")
        self.sweep()

    def instant(self) -> Instant:
        """The wall clock may be wrong by some days."""
        mono, us = super().instant()
        return Instant(mono, us + self.wrong * 86_400_000_000)

    def done(self, **more: Any) -> str:
        """A job that has succeeded, with log rows."""
        uid = self.submit(**more)
        self.r1.beat()
        self.tick(1, beating=True)
        self.r1.accept()
        log: dict[str, Any] = {"kind": "log", "level": 2, "type": "print", "text": self.text}
        self.r1.say(*[self.r1.about(**log) for _ in range(3)], topic="log")
        self.r1.say(self.r1.about("succeeded"))
        assert self.state(uid) == "succeeded"
        return uid

    def pass_days(self, days: float) -> None:
        """So much later."""
        self.now += days * DAY
        self.core.paused(self.instant())
        self.r1.beat()

    def sweep(self) -> None:
        """The end of one that is under way, and a whole one."""
        for _ in range(2):
            self._to_the_end()

    def _to_the_end(self) -> None:
        self.core.retention._next_at = self.now
        for _ in range(5000):
            self.tick(0.06, 0.06)
            if self.core.retention._sweep is None:
                return
        raise AssertionError("the sweep does not end")

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.connection.execute(f"select count(*) from {table}").fetchone()[0])

    def is_true(self) -> None:
        """The database contradicts itself nowhere."""
        wrong = [(check.name, check.wrong) for check in verify(self.folder / "yardmaster.db") if not check.ok]
        assert wrong == []
