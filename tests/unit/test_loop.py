"""The order of a turn: nothing is acknowledged, sent or answered before the commit, whatever happens."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config.clock import Instant, steady
from controller.desk import Outgoing
from controller.link import Received
from controller.loop import OWN_PAUSE_S, Loop
from controller.socket import Request
from schemas.commands import Answer, Frame
from schemas.topics import Topics

TOPICS = Topics("t")


def trouble(code: int = sqlite3.SQLITE_FULL) -> sqlite3.OperationalError:
    """What SQLite raises when the disk is full."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    return error


class Yard:
    """A core, store, link and command socket in one; `said` is what happened, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.counters: Counter[tuple[str, ...]] = Counter()
        self.connected, self.connection = False, 0
        self.wake_at = float("inf")
        self.commit_error: Exception | None = None
        self.poison: str | None = None
        self.out: list[Outgoing] = []
        self.answers: dict[int, Answer] = {}
        self.loop = Loop(self, self, self, self, TOPICS)  # type: ignore[arg-type]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.said.append("begin")
        try:
            yield
            if self.commit_error is not None:
                raise self.commit_error
        except BaseException:
            self.said.append("rollback")
            raise
        self.said.append("commit")

    def _do(self, what: str) -> None:
        self.said.append(what)
        if what == self.poison:
            raise KeyError(what)

    # ---- core
    def start(self, now: Instant) -> None: ...
    def broker(self, connected: bool, now: Instant) -> None:
        self._do(f"broker {connected}")

    def paused(self, now: Instant) -> None:
        self._do("paused")

    def receive(self, now: Instant, robot: str, kind: str, payload: bytes, retained: bool) -> None:
        self.out.append(Outgoing(robot, "ack", payload))
        self._do(f"receive {robot} {kind} {payload.decode()}")

    def foreign(self, topic: str) -> None:
        self._do(f"foreign {topic}")

    def command(self, now: Instant, frame: Frame) -> Answer:
        self._do(f"command {frame.command}")
        return Answer(id=frame.id, ok={})

    def tick(self, now: Instant) -> None:
        self._do("tick")

    def undo(self) -> None:
        self.out.clear()
        self._do("undo")

    # ---- core's letters, link and socket
    def take(self) -> list[Any]:
        out, self.out = self.out, []
        return out

    def drive(self) -> None: ...
    def flush(self) -> None: ...
    def sweep(self) -> None: ...
    def ack(self, message: Received) -> None:
        self.said.append(f"ack {message.mid}")

    def publish(self, topic: str, payload: bytes, qos: int) -> bool:
        self.said.append(f"publish {topic} {payload.decode()}")
        return True

    def answer(self, request: Request, answer: Answer) -> None:
        self.answers[request.frame.id] = answer
        self.said.append(f"answer {request.frame.id} {answer.error.code if answer.error else 'ok'}")

    # ---- the test's side
    def turn(self, *commands: str, at: float = 1.0) -> list[str]:
        """One turn; what was said in it."""
        self.said.clear()
        frames = [Frame(id=number, command=name) for number, name in enumerate(commands, 1)]
        self.loop.turn(Instant(at, 0), [Request(None, frame) for frame in frames])  # type: ignore[arg-type]
        return list(self.said)

    def arrives(self, mid: int, text: str = "x", topic: str = "t/r1/log", qos: int = 1) -> None:
        """A message is waiting when the next turn begins."""
        self.loop._kept.append(Received(topic, text.encode(), False, mid, qos, 1))


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_a_turn_commits_before_anything_leaves(yard: Yard) -> None:
    yard.arrives(7, "a")
    yard.arrives(8, "b")
    assert yard.turn("queue.put") == [
        "begin", "receive r1 log a", "receive r1 log b", "command queue.put", "tick", "commit",
        "ack 7", "ack 8", "publish t/r1/ack a", "publish t/r1/ack b", "answer 1 ok",
    ]  # fmt: skip


def leaves_early(said: list[str]) -> list[str]:
    """What was acknowledged, sent or answered without a commit before it."""
    done = said.index("commit") if "commit" in said else len(said)
    return [word for word in said[:done] if word.startswith(("ack", "publish", "answer")) and "store.full" not in word]


def test_doors_are_shut_after_the_commit_and_before_anybody_is_told(yard: Yard) -> None:
    yard.loop.after_commit = lambda: yard.said.append("doors")
    yard.arrives(7)
    said = yard.turn("robot.revoke")
    assert said[said.index("commit") :][:3] == ["commit", "doors", "ack 7"]
    yard.commit_error = trouble()
    assert "doors" not in yard.turn("robot.revoke")


class AcknowledgesFirst(Loop):
    """The mutant that loses messages: it says thank you before it has written anything down."""

    def _carry_out(self, now: Instant, messages: list[Received], commands: list[Request], **how: Any) -> list[Answer]:
        for message in messages:
            self._link.ack(message)
        return super()._carry_out(now, messages, commands, **how)


@pytest.mark.parametrize("error", [None, trouble()])
@pytest.mark.parametrize("kind", [Loop, AcknowledgesFirst])
def test_nothing_leaves_early(yard: Yard, kind: type[Loop], error: Exception | None) -> None:
    yard.loop = kind(yard, yard, yard, yard, TOPICS)  # type: ignore[arg-type]
    yard.arrives(7)
    yard.commit_error = error
    assert bool(leaves_early(yard.turn("queue.put"))) is (kind is AcknowledgesFirst)


def test_nothing_to_do_is_no_transaction(yard: Yard) -> None:
    assert yard.turn() == []
    yard.wake_at = 0.5
    assert yard.turn() == ["begin", "tick", "commit"]


def test_a_foreign_topic_is_counted_and_acknowledged(yard: Yard) -> None:
    yard.arrives(7, topic="elsewhere")
    assert yard.turn() == ["begin", "foreign elsewhere", "tick", "commit", "ack 7"]


def test_a_full_disk_acknowledges_nothing_and_recovers_by_itself(yard: Yard) -> None:
    yard.arrives(7, "a")
    yard.arrives(0, "beat", "t/r1/heartbeat", qos=0)
    yard.commit_error = trouble()
    said = yard.turn("queue.put")
    assert said[-2:] == ["rollback", "answer 1 store.full"]
    assert not [word for word in said if word.startswith(("ack", "publish"))]
    assert yard.loop.trouble is not None
    assert yard.turn("queue.put", at=1.5) == ["answer 1 store.full"], "not tried again at once"
    assert yard.turn(at=2.1)[-1] == "rollback"
    yard.commit_error = None
    assert yard.turn(at=3.2) == [
        "undo", "begin", "paused", "receive r1 log a", "tick", "commit", "ack 7", "publish t/r1/ack a",
    ]  # fmt: skip
    assert yard.loop.trouble is None


def test_queries_are_answered_on_a_full_disk(yard: Yard) -> None:
    yard.loop.reports = {"system.health": lambda: {"state": "degraded"}}
    yard.arrives(7)
    yard.commit_error = trouble()
    yard.turn()
    yard.commit_error = None  # reading works
    said = yard.turn("robot.live", "system.health", at=1.2)
    assert said == ["undo", "begin", "command robot.live", "commit", "answer 1 ok", "answer 2 ok"]
    assert yard.answers[2].ok == {"state": "degraded"}
    assert yard.loop.kept == 1


def test_one_defect_costs_one_message(yard: Yard) -> None:
    for mid in (1, 2, 3):
        yard.arrives(mid, str(mid))
    yard.poison = "receive r1 log 2"
    said = yard.turn("queue.put")
    assert said.count("rollback") == 2, "the whole turn, then the culprit alone"
    acked = [word for word in said if word.startswith("ack")]
    assert acked == ["ack 1", "ack 2", "ack 3"], "the culprit is given up, or it would come back for ever"
    assert said.index("ack 1") > said.index("commit")
    assert [word for word in said if word.startswith("publish")] == ["publish t/r1/ack 1", "publish t/r1/ack 3"]
    assert yard.answers[1].error is None
    assert yard.loop.defects == 1


def test_one_defect_costs_one_command(yard: Yard) -> None:
    yard.poison = "command queue.delete"
    yard.turn("queue.put", "queue.delete", "robot.put")
    codes = {number: answer.error.code if answer.error else "ok" for number, answer in yard.answers.items()}
    assert codes == {1: "ok", 2: "internal", 3: "ok"}


def test_a_defect_in_a_query_is_answered(yard: Yard) -> None:
    yard.poison = "command robot.live"
    assert yard.turn("robot.live")[-1] == "answer 1 internal"


def test_a_tick_that_fails_by_itself_ends_the_process(yard: Yard) -> None:
    yard.poison, yard.wake_at = "tick", 0.0
    with pytest.raises(KeyError):
        yard.turn()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_damage_is_never_silent(yard: Yard, code: int) -> None:
    yard.arrives(7)
    yard.commit_error = trouble(code)
    with pytest.raises(sqlite3.OperationalError):
        yard.turn("queue.put")
    assert not [word for word in yard.said if word.startswith(("ack", "answer"))]


def test_trouble_while_a_defect_is_looked_for_keeps_the_rest(yard: Yard) -> None:
    yard.arrives(1, "1")
    yard.arrives(2, "2")
    yard.poison = "receive r1 log 1"
    original = yard.receive

    def then_full(*args: Any) -> None:
        if args[3] == b"2":
            yard.commit_error = trouble()
        original(*args)

    yard.receive = then_full  # type: ignore[method-assign, assignment]
    said = yard.turn("queue.put")
    assert "ack 2" not in said
    assert said[-1] == "answer 1 store.full"
    assert yard.loop.kept == 1


def test_the_core_hears_of_the_connection_once_it_is_committed(yard: Yard) -> None:
    yard.connected, yard.connection = True, 1
    assert yard.turn() == ["begin", "broker True", "tick", "commit"]
    assert yard.turn() == []
    yard.connection = 2  # lost and found again between two turns
    yard.commit_error = trouble()
    assert yard.turn() == ["begin", "broker False", "broker True", "tick", "rollback"]
    yard.commit_error = None
    assert yard.turn(at=3)[:4] == ["undo", "begin", "broker False", "broker True"]
    yard.connected = False
    assert yard.turn(at=4) == ["begin", "broker False", "tick", "commit"]


def test_an_own_pause_starts_all_clocks_anew(yard: Yard) -> None:
    yard.loop._last = steady() - OWN_PAUSE_S - 1
    yard.loop._notice_pause()
    assert yard.turn() == ["begin", "paused", "tick", "commit"]
    yard.loop._notice_pause()
    assert yard.turn() == []
