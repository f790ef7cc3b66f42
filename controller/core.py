"""The controller without sockets and clocks: what every message, command and tick does to the store."""

import logging
from collections import Counter

from config.clock import Instant
from controller.beats import Beats, introduce
from controller.core_settings import CoreSettings
from controller.desk import RESERVED, Desk, Outgoing
from controller.dispatcher import Dispatcher
from controller.firing import Firings
from controller.memory import Robot
from controller.moves import Moves
from controller.reports import Reports
from controller.restore import park_everything
from controller.retention import Retention
from controller.scheduler import Scheduler
from controller.service import Service
from controller.store import jobs, reports, standing
from controller.store.connection import A_BACKUP, Store
from schemas.commands import COMMANDS, QUERIES, Answer, Frame
from schemas.messages import Heartbeat, Presence
from schemas.reading import BadMessage, read, read_rows
from schemas.topics import ROW_TOPICS

logger = logging.getLogger(__name__)


class Core:
    """Every method but `take` runs inside a transaction of the store; what is to be sent waits for its commit."""

    def __init__(self, store: Store, settings: CoreSettings) -> None:
        self.store = store
        self.settings = settings
        self.desk = Desk(store, settings)
        self.moves = Moves(self.desk)
        self.reports = Reports(self.desk, self.moves)
        self.beats = Beats(self.desk, self.moves, self.reports)
        self.dispatcher = Dispatcher(self.desk, self.moves)
        self.service = Service(self.desk, self.moves, self.dispatcher)
        self.scheduler = Scheduler(self.desk, Firings(self.desk, self.service.submit))
        self.retention = Retention(self.desk)
        self._hint_due = True

    @property
    def counters(self) -> Counter[tuple[str, ...]]:
        """What happened since the process started."""
        return self.desk.counters

    @property
    def tight(self) -> bool:
        """The disk is full and the reserve is used: nothing new may begin."""
        return self.desk.tight

    @tight.setter
    def tight(self, tight: bool) -> None:
        self.desk.tight = tight

    @property
    def wake_at(self) -> float:
        """When `tick` is wanted next, on the steady clock."""
        if self.desk.tight:  # what waits for room must not be asked for again and again
            return min(self.dispatcher.look_at, self.retention.wake_at)
        return min(self.dispatcher.look_at, self.service.batches.wake_at, self.retention.wake_at)

    # ------------------------------------------------------------ life of the process
    def start(self, now: Instant) -> None:
        """A fresh process: all clocks begin anew; a restored database is parked first."""
        self.desk.now = now
        if self.store.restored:
            park_everything(self.desk, self.moves, self.store.why or A_BACKUP)
            self.store.parked()
        self.desk.drained = standing.drained(self.store.db) is not None
        self.service.batches.start()
        self.retention.start()
        self._wake_queued(now)
        self.dispatcher.begin_clocks_anew()

    def _wake_queued(self, now: Instant) -> None:
        """Remember every queued job whose wait ends by itself, as far as it is not remembered already."""
        memory = self.desk.memory
        known = memory.to_look_at
        for row in jobs.timed_waiting(self.store.db):
            if not row["ready"] and ("ready", row["id"]) not in known:
                memory.wake(now.mono + self.settings.retry_first_s, "ready", row["id"])
            if row["queue_timeout_s"] is not None and ("queue", row["id"]) not in known:
                memory.wake(now.mono + row["queue_timeout_s"], "queue", row["id"])

    def broker(self, connected: bool, now: Instant) -> None:
        """The connection came or went."""
        self.desk.now = now
        self.desk.connected = connected
        if connected:
            self.dispatcher.begin_clocks_anew()
            if self._hint_due:
                self._hint_due = False
                for robot in self.desk.memory.robots.values():
                    if not robot.removed:
                        self.desk.ask_now(robot.id)

    def paused(self, now: Instant) -> None:
        """This process did not run for a while: the silence was ours."""
        self.desk.now = now
        self.desk.counters[("own pauses",)] += 1
        self.dispatcher.begin_clocks_anew()

    def undo(self) -> None:
        """After a rollback: what memory believes is read from the store again, nothing of the turn leaves."""
        self.desk.out.clear()
        self.desk.acks.clear()
        self.desk.fresh.clear()
        self.desk.versions.clear()  # an id that was rolled back will be given again
        self.desk.memory.load()
        self.desk.drained = standing.drained(self.store.db) is not None
        self.service.batches.load()
        self.retention.undo()
        self._wake_queued(self.desk.now)

    # ------------------------------------------------------------ what arrives
    def foreign(self, topic: str) -> None:
        """A message on a topic that is not ours."""
        self.desk.counters[("bad messages", "foreign", "topic")] += 1
        logger.warning("message on a foreign topic", extra={"topic": topic[:200]})

    def receive(self, now: Instant, robot: str, kind: str, payload: bytes, retained: bool) -> None:
        """One message; whatever it holds, nothing is raised and every refusal is counted."""
        self.desk.now = now
        self.desk.counters[("messages", kind)] += 1
        if kind in ROW_TOPICS:
            self.service.batches.happened()
        try:
            if retained and kind != "presence":
                raise BadMessage("retained", "only presence may be retained")
            self._read(robot, kind, payload)
        except BadMessage as error:
            self._unreadable(robot, kind, payload, error)

    def _read(self, name: str, kind: str, payload: bytes) -> None:
        """Raises `BadMessage` before anything is written, so nothing has to be taken back."""
        if kind == "presence":
            self._presence(name, payload)
            return
        robot = self.desk.memory.robots.get(name)
        if robot is None or robot.removed:
            robot = self._stranger(name, kind, payload)
        if robot is None:
            return
        if kind == "heartbeat":
            beat = read(kind, payload)
            if isinstance(beat, Heartbeat):
                self.beats.receive(robot, beat)
        elif kind in ROW_TOPICS:
            self._rows(robot, kind, payload)
        else:
            raise BadMessage("direction", f"{kind} is not for the controller")

    def _rows(self, robot: Robot, kind: str, payload: bytes) -> None:
        batch = read_rows(payload)
        if batch.journal == robot.journal:  # any message of its known journal is contact
            robot.heard = robot.silent_from = self.desk.now.mono
        self.reports.receive(robot, batch, kind)

    def _presence(self, name: str, payload: bytes) -> None:
        """A hint for the screen; it never changes a job or a robot."""
        message = read("presence", payload)
        known = name in self.desk.memory.robots or len(self.desk.memory.presence) < self.settings.unknown_robots
        if isinstance(message, Presence) and known:
            self.desk.memory.presence[name] = message.online

    def _stranger(self, name: str, kind: str, payload: bytes) -> Robot | None:
        """A robot nobody declared: counted and shown; added only where that is allowed."""
        self.desk.counters[("unknown robots",)] += 1
        removed = name in self.desk.memory.robots
        if kind != "heartbeat":
            return None
        beat = read(kind, payload)
        if not isinstance(beat, Heartbeat):
            return None
        if self.settings.auto_accept and not removed and name not in RESERVED:
            if self.store.incarnation > 1 and not self.desk.is_of_now(beat):
                self.desk.ask_now(name)  # said before the restore, perhaps: it may be moving by now
                return None
            introduce(self.desk, name, beat)
            return self.desk.memory.robots[name]
        if name in self.desk.memory.unknown or len(self.desk.memory.unknown) < self.settings.unknown_robots:
            self.desk.memory.unknown[name] = (beat.kind, self.desk.now.utc_us)
        return None

    def _unreadable(self, name: str, kind: str, payload: bytes, error: BadMessage) -> None:
        """Nothing of it can be used: kept, counted, and the robot gets no new work until it makes sense again."""
        self.desk.counters[("bad messages", kind, error.reason)] += 1
        robot = self.desk.memory.robots.get(name)
        if robot is None or error.reason == "retained":
            return
        reports.quarantine(
            self.store.db, name, kind, None, None, str(error), payload, self.desk.now.utc_us,
            self.settings.quarantine_rows,
        )  # fmt: skip
        if kind != "presence":
            self.desk.hold(robot, "unreadable", None, str(error)[:200])

    def command(self, now: Instant, frame: Frame) -> Answer:
        """One command or query of the web or the command line; never raises for what it holds."""
        self.desk.now = now
        self.desk.counters[("commands", frame.command if frame.command in COMMANDS else "?")] += 1
        if frame.command not in QUERIES:
            self.service.batches.happened(asked=True)
            self.retention.asked()
        return self.service.answer(frame)

    # ------------------------------------------------------------ what happens by itself
    def tick(self, now: Instant) -> None:
        """Once a turn, after everything that arrived: a part of what batches ask, expire, dispatch, resend."""
        self.desk.now = now
        if not self.desk.tight:
            self.service.batches.turn()
            self.scheduler.tick()
        self.retention.turn()
        self.dispatcher.tick()

    def unsent(self, out: Outgoing) -> None:
        """A message that could not leave; acknowledgements and hints are drawn anew by the other side's repeats."""
        if out.key is not None:
            self.dispatcher.unsent(out.key)

    def take_gone(self) -> list[str]:
        """After commit: artifacts whose files can go now."""
        gone, self.retention.gone = self.retention.gone, []
        return gone

    def take(self) -> list[Outgoing]:
        """After commit: what may leave now."""
        out, self.desk.out = self.desk.out, []
        return out
