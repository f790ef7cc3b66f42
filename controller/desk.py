"""What every part of the core works with: the store, the memory, the present, and what is to be sent after commit."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from config.clock import Instant
from controller.core_settings import CoreSettings
from controller.memory import Hold, Memory, Robot
from controller.store import definitions, events, outbox, robots
from controller.store.connection import Store
from controller.store.definitions import FlowVersion
from controller.store.outbox import Letter
from controller.store.pending import Pending
from schemas.messages import Ack, Control, Heartbeat, Message, Verdict

CONTROLLER = "controller"
"""Who moves a job when no person did."""
RESERVED = frozenset({"yardmaster"})
"""User names on the broker that no robot may have: the controller's own may read and write everything."""

_VERSIONS_KEPT = 256


class Door(StrEnum):
    """What the broker must be told after this turn's commit."""

    RELOAD = "reload"
    RESTART = "restart"
    """It ends no connection whose certificate was revoked."""


@dataclass(frozen=True)
class Outgoing:
    """One message for one robot."""

    robot: str
    kind: str
    payload: bytes
    qos: int = 1
    key: str | None = None
    """Of the letter that it carries."""


def encode(message: Message) -> bytes:
    """A message as it goes on the wire: null means absent."""
    return message.model_dump_json(exclude_none=True, by_alias=True).encode()


class Desk:
    """The working place of one turn; `now` is set by whoever calls the core."""

    def __init__(self, store: Store, settings: CoreSettings) -> None:
        self.store = store
        self.settings = settings
        self.memory = Memory(store)
        self.now = Instant(0.0, 0)
        self.out: list[Outgoing] = []
        self.acks: dict[tuple[str, str, str], int] = {}
        self.fresh: dict[str, None] = {}
        self.versions: dict[int, FlowVersion] = {}
        self.connected = False
        self.doors: set[Door] = set()
        self.tight = False
        """The disk is full and the reserve is used: nothing new begins."""
        self.drained = False
        """Somebody has drained the box: what runs goes on, nothing new is given out."""
        self.counters: Counter[tuple[str, ...]] = Counter()

    @property
    def db(self) -> sqlite3.Connection:
        """The connection of the only writer."""
        return self.store.db

    @property
    def pending(self) -> Pending:
        """What this turn writes at its end."""
        return self.store.pending

    def version(self, version_id: int) -> FlowVersion:
        """A version of a flow by its inner id; the last ones that were asked for are remembered."""
        if version_id not in self.versions:
            if len(self.versions) >= _VERSIONS_KEPT:
                self.versions.pop(next(iter(self.versions)))
            self.versions[version_id] = definitions.version_by_id(self.db, version_id)
        return self.versions[version_id]

    # ------------------------------------------------------------ sending
    def send(self, robot: str, kind: str, payload: bytes) -> None:
        """Have a message leave after commit."""
        self.out.append(Outgoing(robot, kind, payload))

    def ask_now(self, robot: str) -> None:
        """Have a robot send what it has and how it stands, and learn in which life of the box that was asked."""
        self.send(robot, "control", encode(Control(do="report_now", life=self.store.incarnation)))

    def is_of_now(self, beat: Heartbeat) -> bool:
        """Whether it was said after this life of the box began; of agents that do not say, all is believed."""
        return beat.life is None or beat.life >= self.store.incarnation

    def ack(self, robot: str, journal: str, boot: str, upto: int) -> None:
        """Have recorded rows acknowledged after commit; one message a turn carries the newest number."""
        self.acks[(robot, journal, boot)] = upto

    def answer_ask(
        self, robot: str, journal: str, boot: str, attempt: int, ask: int, verdict: Verdict, beat: int | None
    ) -> None:
        """Answer one ask; it has a message of its own."""
        upto = self.memory.journals[(robot, journal)][1]
        ack = Ack(journal=journal, boot=boot, upto=upto, attempt=attempt, ask=ask, verdict=verdict, beat=beat)
        self.send(robot, "ack", encode(ack))
        self.acks.pop((robot, journal, boot), None)

    def flush_acks(self) -> None:
        """Turn what was recorded this turn into messages."""
        for (robot, journal, boot), upto in self.acks.items():
            self.send(robot, "ack", encode(Ack(journal=journal, boot=boot, upto=upto)))
        self.acks.clear()

    def post(self, key: str, robot: str, topic: str, attempt: int, command: int, payload: bytes) -> None:
        """Put a letter into the outbox; it leaves after commit and until dropped."""
        if key in self.memory.letters:
            outbox.drop(self.pending, key)
        letter = outbox.put(self.pending, key, robot, topic, attempt, command, payload, self.now.utc_us)
        self.memory.letters[key] = letter
        self.memory.letters_of[attempt][key] = None
        self.memory.sending.pop(key, None)
        self.fresh[key] = None

    def drop(self, key: str) -> None:
        """A letter has arrived or lost its meaning."""
        letter = self.memory.letters.pop(key, None)
        if letter is not None:
            outbox.drop(self.pending, key)
            self.memory.letters_of[letter.attempt].pop(key, None)
            if not self.memory.letters_of[letter.attempt]:
                del self.memory.letters_of[letter.attempt]
            self.memory.sending.pop(key, None)
            self.fresh.pop(key, None)

    def letters_about(self, attempt: int) -> list[Letter]:
        """Letters of one attempt."""
        keys = self.memory.letters_of.get(attempt)
        return [self.memory.letters[key] for key in keys] if keys else []

    # ------------------------------------------------------------ holds
    def hold(self, robot: Robot, reason: str, attempt: int | None = None, note: str | None = None) -> None:
        """No new work for this robot while the reason stands; nothing happens if it stands already."""
        if robots.add_hold(self.db, robot.id, reason, attempt, note, self.now.utc_us):
            robot.holds.append(Hold(reason, attempt, self.now.utc_us, note))
            if reason == "restored":
                self.memory.restored.add(robot.id)
            self.memory.refresh(robot)
            self.counters[("holds", reason)] += 1
            self.tell("robot", "hold", robot=robot.id, attempt=attempt, new=reason, why=note)

    def end_hold(self, robot: Robot, hold: Hold, why: str, who: str = CONTROLLER) -> None:
        """One reason is gone."""
        robots.end_hold(self.db, robot.id, hold.reason, hold.attempt)
        robot.holds.remove(hold)
        if not robot.restored:
            self.memory.restored.discard(robot.id)
        self.memory.refresh(robot)
        self.tell("robot", "hold ended", who=who, robot=robot.id, attempt=hold.attempt, old=hold.reason, why=why)

    def change_robot(self, robot: Robot, **changes: object) -> None:
        """Change stored facts of a robot, in the store and in the picture of it."""
        columns = {k: json.dumps(sorted(v)) if isinstance(v, frozenset) else v for k, v in changes.items()}
        robots.change(self.db, robot.id, **columns)
        for name, value in changes.items():
            setattr(robot, name, value)
        self.memory.refresh(robot)

    # ------------------------------------------------------------ events
    def tell(
        self,
        topic: str,
        event: str,
        who: str = CONTROLLER,
        *,
        job: int | None = None,
        robot: str | None = None,
        attempt: int | None = None,
        old: str | None = None,
        new: str | None = None,
        code: str | None = None,
        why: str | None = None,
    ) -> None:
        """Write an event of this turn."""
        events.add(
            self.pending,
            self.now.utc_us,
            topic,
            event,
            who,
            job=job,
            robot=robot,
            attempt=attempt,
            old=old,
            new=new,
            code=code,
            why=why,
        )
