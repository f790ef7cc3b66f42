"""An agent core on a bench: a scripted driver, a controller's memory of rows, and crashes at chosen moments."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_agent.effects import DriverResume, DriverStart, DriverStop, DriverTidy, Effect, Send
from edge_agent.journal import Journal, JournalFile
from edge_agent.operations import Key, Operation, OperationEvent, Telemetry
from edge_agent.profile import Profile, Timing
from edge_agent.protocol import AgentCore
from schemas.messages import AttemptRow
from schemas.reading import BadRow, read, read_rows
from tests.fakes.flow_bench import block, flow

TWO_BLOCKS = flow(
    block(1, "CAgvOperationBp", p_targetSiteLabel="A"),
    block(2, "PrintBp", p_message="half way"),
    block(3, "CAgvOperationBp", p_targetSiteLabel="B"),
)


class Crash(Exception):
    """The process is gone at this point."""


@dataclass
class ScriptedDriver:
    """Moves what it is told to, until the test says how that ends; it lives on when its agent dies."""

    stoppable: bool = True
    survives: bool = True
    """What it does goes on while its agent is away."""
    busy: bool = False
    """Something of an earlier life still moves."""
    moving: dict[Key, Operation] = field(default_factory=dict)
    started: list[tuple[Key, str]] = field(default_factory=list)
    ends: dict[Key, OperationEvent] = field(default_factory=dict)
    events: list[OperationEvent] = field(default_factory=list)
    capabilities: tuple[str, ...] = ("CAgvOperationBp", "stops_with_agent")
    shown: Telemetry = field(default_factory=Telemetry)
    holds: bool = False
    """What it ends leaves something behind."""
    deaf: bool = False
    """It does not hear `stop`."""

    def __post_init__(self) -> None:
        self.emit: Callable[[OperationEvent], None] = self.events.append

    def start(self, operation: Operation) -> None:
        self.moving[operation.key] = operation
        self.started.append((operation.key, operation.path))
        self.say(operation.key, "taken")
        self.say(operation.key, "carried")

    def stop(self, key: Key) -> None:
        if self.deaf:
            return
        if not self.stoppable:
            self.say(key, "not_stoppable")
        elif key in self.moving:
            self.end(key, "stopped")

    def resume(self, operation: Operation) -> None:
        if operation.key in self.moving:
            self.say(operation.key, "carried")
        else:
            self.events.append(self.ends.get(operation.key, OperationEvent(operation.key, "unknown")))

    def tidy(self, key: Key) -> None:
        self.events.append(OperationEvent(key, "tidied"))

    def rehearse(self, operation: Operation) -> str | None:
        return "there is no such site" if operation.inputs.get("targetSiteLabel") == "nowhere" else None

    def idle(self) -> bool:
        return not self.moving and not self.busy

    def telemetry(self) -> Telemetry:
        return self.shown

    def close(self) -> None:
        if not self.survives:
            self.moving.clear()

    def say(self, key: Key, what: Any, **more: Any) -> None:
        self.emit(OperationEvent(key, what, **more))

    def end(self, key: Key, what: Any, **more: Any) -> None:
        self.moving.pop(key, None)
        self.ends[key] = OperationEvent(key, what, **({"holds": self.holds} | more))
        self.events.append(self.ends[key])


class Bench:
    """One agent and what a controller would remember of it.

    `step` is one transaction and its effects. `crash_at` counts moments down (before the commit, after it, before and
    after each effect) and then the process dies there.
    """

    core_class: type[AgentCore] = AgentCore

    def __init__(
        self, *, profile: Profile | None = None, timing: Timing | None = None, max_rows: int = 20_000,
        file: JournalFile | None = None, driver: ScriptedDriver | None = None,
    ) -> None:  # fmt: skip
        self.file = file or JournalFile(":memory:")
        self.profile, self.timing, self.max_rows = profile or Profile(), timing or Timing(), max_rows
        self.driver = driver or ScriptedDriver()
        self.now, self.crash_at = 1000.0, -1
        self.sent: list[Send] = []
        self.rows: dict[tuple[str, int], dict[str, Any]] = {}
        """What the controller has recorded, by journal and seq; in order, as it must."""
        self.upto: dict[str, int] = {}
        self.seeds = 0
        self.boot()

    # ------------------------------------------------------------ the process
    def boot(self) -> None:
        self.seeds += 1
        self.journal = Journal(self.file, "agv-01", self.max_rows)
        self.core = self.core_class(
            "agv-01", self.journal, self.driver, self.profile, self.timing, random.Random(self.seeds), lambda: 0
        )
        self.driver.events.clear()
        self.step("boot")
        self.step("connected")

    def restart(self) -> None:
        """The process dies between two turns and starts again."""
        self.driver.close()
        self.sent.clear()
        self.boot()

    def moment(self) -> None:
        self.crash_at -= 1
        if self.crash_at == 0:
            raise Crash

    def step(self, method: str, *args: Any) -> None:
        with self.file.transaction():
            getattr(self.core, method)(*args, self.now)
            self.moment()
        self.moment()
        for effect in self.core.take():
            self.perform(effect)
            self.moment()

    def perform(self, effect: Effect) -> None:
        match effect:
            case DriverStart(operation):
                self.driver.start(operation)
            case DriverStop(key):
                self.driver.stop(key)
            case DriverResume(operation):
                self.driver.resume(operation)
            case DriverTidy(key):
                self.driver.tidy(key)
            case Send():
                self.sent.append(effect)

    def settle(self) -> None:
        """What the driver has to say."""
        while self.driver.events:
            self.step("operation", self.driver.events.pop(0))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.step("tick")
        self.settle()

    # ------------------------------------------------------------ the controller
    def tell(self, kind: str, **fields: Any) -> None:
        self.step("receive", kind, json.dumps({"v": 1} | fields).encode())
        self.settle()

    def assign(self, attempt: int = 1, job: str = "job-1", **fields: Any) -> None:
        self.tell("assign", job=job, attempt=attempt, **({"flow": {"id": "f", "version": 1} | TWO_BLOCKS} | fields))

    def cancel(self, command: int, attempt: int = 1, job: str = "job-1", reason: str = "user") -> None:
        self.tell("cancel", job=job, attempt=attempt, command=command, reason=reason)

    def control(self, do: str, command: int, attempt: int = 1, job: str = "job-1", **fields: Any) -> None:
        self.tell("control", do=do, job=job, attempt=attempt, command=command, **fields)

    def ack(self, **fields: Any) -> None:
        whose = {"journal": self.journal.id, "boot": self.core.boot_id, "upto": self.upto.get(self.journal.id, 0)}
        self.tell("ack", **(whose | fields))

    def read(self) -> list[tuple[int, int]]:
        """Record what was sent, as the controller does: rows in order only; gives back (attempt, ask) pairs."""
        asks: list[tuple[int, int]] = []
        for send in self.sent:
            if send.kind in ("block-status", "log"):
                asks += self._record(send)
            elif send.kind == "heartbeat":
                beat: Any = read("heartbeat", send.payload)
                asks += [(held.attempt, held.ask) for held in beat.holds if held.ask]
        self.sent.clear()
        return asks

    def _record(self, send: Send) -> list[tuple[int, int]]:
        batch = read_rows(send.payload)
        asks: list[tuple[int, int]] = []
        for row in batch.rows:
            assert not isinstance(row, BadRow), row
            known = max(self.upto.get(batch.journal, 0), batch.first - 1)
            if row.seq == known + 1:
                self.rows[batch.journal, row.seq] = row.model_dump(exclude_none=True, by_alias=True)
                self.upto[batch.journal] = getattr(row, "to", row.seq)
            if isinstance(row, AttemptRow) and row.ask:
                asks.append((row.attempt, row.ask))
        return asks

    def answer(self, verdict: str = "grant") -> None:
        """Record what was sent, acknowledge it, and answer every ask."""
        asks = self.read()
        self.ack()
        for attempt, ask in asks:
            self.ack(attempt=attempt, ask=ask, verdict=verdict)

    def begin(self, **fields: Any) -> Key:
        """An attempt whose first operation is going on."""
        self.assign(**fields)
        self.answer()
        return self.going()

    def going(self) -> Key:
        (key,) = self.driver.moving
        return key

    def end(self, what: str = "succeeded", **more: Any) -> None:
        """The operation that is going on ends like this."""
        self.driver.end(self.going(), what, **more)
        self.settle()

    def finish(self) -> None:
        """Everything goes well from here on."""
        for _ in range(20):
            self.wait(2)
            self.answer()
            if self.driver.moving:
                self.end()

    # ------------------------------------------------------------ what came of it
    def words(self) -> list[str]:
        """What the controller has recorded, oldest first."""
        self.answer()
        return [_word(row) for row in self.rows.values()]

    def about(self, attempt: int = 1) -> list[str]:
        """Recorded rows about the attempt as a whole."""
        self.answer()
        rows = [row for row in self.rows.values() if row.get("attempt") == attempt]
        return [_word(row) for row in rows if row["kind"] not in ("block", "log")]

    def beats(self) -> list[Any]:
        """Heartbeats that left since somebody looked."""
        return [read("heartbeat", send.payload) for send in self.sent if send.kind == "heartbeat"]


def _word(row: dict[str, Any]) -> str:
    if row["kind"] == "block":
        return f"{row['path']}.{row['try']} {row['status']}"
    return f"{row['kind']} {row['reason']}" if "reason" in row else str(row["kind"])
