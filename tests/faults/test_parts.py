"""The parts of the bench: its proxy, its table, what is put around a part, and the names of everything."""

import json
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.__main__ import exit_code
from tests.faults.book import Book
from tests.faults.boxes import JUMPS_S, ClockJumps, fired_wrongly
from tests.faults.campaign import Order, Task, here, judged, mutants
from tests.faults.cheat import CHEAT, shown_wrongly
from tests.faults.defects import uncaught
from tests.faults.liars import grew
from tests.faults.mutants.rules import RULES
from tests.faults.product import wrapped
from tests.faults.proxy import Proxy, Weather, client_id
from tests.faults.row import Row, added, from_json, table
from tests.faults.suites import FAULTS, suites
from tests.faults.syscalls import AgentAtCalls
from tests.model.mutants import MUTANTS
from tests.waiting import wait_for

CONNECT = b"\x10\x18\x00\x04MQTT\x04\x82\x00\x3c\x00\x05agv-1\x00\x05agv-1"


class Echo:
    """A server that says what it hears."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(made,), daemon=True).start()

    def _answer(self, made: socket.socket) -> None:
        try:
            while data := made.recv(65_536):
                made.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that echoes."""
    echo = Echo()
    made = Proxy(echo.address)
    yield made
    made.close()
    echo.close()


def said(proxy: Proxy) -> socket.socket:
    """A robot's connection that has introduced itself."""
    made = socket.create_connection(("127.0.0.1", proxy.port), 5)
    made.sendall(CONNECT)
    assert made.recv(100) == CONNECT
    return made


def hears(connection: socket.socket, seconds: float = 0.3) -> bytes | None:
    """What comes within a while; None if nothing does."""
    connection.settimeout(seconds)
    try:
        return connection.recv(100)
    except TimeoutError:
        return None


def test_who_speaks_is_read_from_the_first_packet() -> None:
    assert client_id(CONNECT) == b"agv-1"


def test_what_is_held_arrives_later(proxy: Proxy) -> None:
    robot = said(proxy)
    proxy.weather = Weather(held=frozenset({"up"}))
    robot.sendall(b"late")
    assert hears(robot) is None
    proxy.weather = Weather()
    assert hears(robot, 5) == b"late"


def test_what_is_swallowed_never_arrives(proxy: Proxy) -> None:
    robot = said(proxy)
    proxy.weather = Weather(swallowed=frozenset({"down"}))
    robot.sendall(b"gone")
    assert hears(robot) is None
    proxy.weather = Weather()
    robot.sendall(b"here")
    assert hears(robot, 5) == b"here"


def test_only_some_robots_are_behind_a_partition() -> None:
    names = [b"r%d" % number for number in range(1000)]
    some = Weather(share=0.4, salt=3)
    assert 300 < sum(some.touches(name) for name in names) < 500
    assert [some.touches(name) for name in names] != [Weather(share=0.4, salt=4).touches(name) for name in names]
    assert all(Weather().touches(name) for name in names)


def test_a_connection_breaks_inside_a_message(proxy: Proxy) -> None:
    robot = said(proxy)
    proxy.weather = Weather(cut_after=3)
    robot.sendall(b"message")
    wait_for(lambda: proxy.cuts, 5, "the cut")
    with pytest.raises(ConnectionResetError):  # now, or after the piece that came through
        _ = [hears(robot, 5) for _ in range(2)]


def test_a_cut_is_a_reset(proxy: Proxy) -> None:
    robot = said(proxy)
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        hears(robot, 5)


def test_a_part_is_wrapped() -> None:
    command = ["python", "-m", "controller.app", "x"]
    assert wrapped(command, {}) == command
    assert wrapped(command, {"before": ["strace"]}) == ["strace", *command]
    mutated = ["python", "-m", "tests.faults.mutants", "no_lock", "controller.app", "x"]
    assert wrapped(command, {"mutant": "no_lock"}) == mutated


def test_rows_add_up() -> None:
    one = Row("a", 2, 10, lost=1, waits=(0.5,), settled_s=4.0, wrong=("x",))
    both = added(one, Row("a", 3, 20, stuck=1, waits=(0.2,), note="n", wrong=("y",)))
    assert both == Row("a", 5, 30, lost=1, stuck=1, waits=(0.5, 0.2), settled_s=4.0, note="n", wrong=("x", "y"))
    assert from_json(both.as_json()) == both
    assert not both.ok
    assert "BROKEN" in table([both])


def test_what_a_book_has_is_not_run_again(tmp_path: Path) -> None:
    book = Book(tmp_path / "book")
    order = Order(full=False, folder=tmp_path, cycles=400, book=book.file)
    rows = [here(order, Task("fuzzed-cores")) for _ in range(2)]
    assert rows[0] == rows[1]
    assert (book.done("fuzzed-cores"), len(book.lines()), book.done("partition")) == (400, 1, 0)


def test_boxes_of_a_book_add_up(tmp_path: Path) -> None:
    book = Book(tmp_path / "book")
    for number in (1, 2):
        book.add(Row("kill-web", 50, 7, waits=(0.1 * number,)), seed=number)
    book.add(Row("kill-broker", 1, 1, lost=1), seed=1)
    assert book.rows()["kill-web"] == Row("kill-web", 100, 14, waits=(0.1, 0.2))
    assert not book.rows()["kill-broker"].ok
    failed, *rest = reversed(book.lines())
    book.file.write_text("\n".join(json.dumps(line) for line in [*rest, failed | {"superseded": "mended"}]))
    assert (book.done("kill-broker"), book.done("kill-web"), len(book.lines())) == (0, 100, 3)


def test_an_interrupted_row_of_calls_is_gone_on_with() -> None:
    fault = AgentAtCalls()
    fault.go_on(1)
    assert (next(fault._turn), next(fault._turn)) == ((2, "fdatasync"), (2, "sendto"))


def test_a_mutant_must_be_caught() -> None:
    task = Task("kill-agent", "agent_journal_after_moving")
    assert not judged(task, Row("kill-agent", 1, 1)).ok
    assert judged(task, Row("kill-agent", 1, 1, lost=1)).ok
    assert judged(task, Row("kill-agent", 0, 0, skipped="no strace")).skipped


def test_strictly_a_skipped_suite_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("kill-web", 3, 9), Row("clock-jumps", 0, 0, skipped="needs faketime")]
    assert (exit_code(rows, strict=False), exit_code(rows[:1], strict=True)) == (0, 0)
    assert exit_code(rows, strict=True) == 1
    assert "clock-jumps" in capsys.readouterr().err
    assert exit_code([Row("kill-web", 3, 9, lost=1)], strict=False) == 1


def test_every_name_is_known() -> None:
    assert list(suites())[: len(FAULTS)] == list(FAULTS)
    assert {task.mutant for task in mutants()} <= {*RULES, *MUTANTS}
    assert all(task.name in FAULTS for task in mutants())


def test_every_suite_has_a_mutant_that_it_must_catch() -> None:
    """But those that measure, and one whose rules stand in for each other (docs/reliability.md)."""
    without = {name for name, fault in FAULTS.items() if not fault.mutants}
    assert without == {"connect-storm", "flooding-robot", "pause-agents"}


TRACEBACK = "Traceback (most recent call last):\n  File x\n    y\n"


@pytest.mark.parametrize("log", ["logs/log", "agents/o-1/log"])
@pytest.mark.parametrize("said", [TRACEBACK + "ValueError: x\n", f"Exception in thread a:\n{TRACEBACK}OSError\n"])
def test_a_traceback_in_any_log_is_a_finding(tmp_path: Path, log: str, said: str) -> None:
    file = tmp_path / log
    file.parent.mkdir(parents=True)
    file.write_text("all is well\nended\n")
    assert list(uncaught(tmp_path)) == []
    file.write_text(f"all is well\n{said}ended\n{said}")
    assert [text.rpartition(" … ")[2] in said for text in uncaught(tmp_path)] == [True]


WELL = {"state": "succeeded", "robot": CHEAT, "counted": 0, "blocks": 0, "root": "monitor.success"}


@pytest.mark.parametrize(
    "shown", [{"state": "failed"}, {"robot": "s-1"}, {"blocks": 1}, {"counted": 1}], ids=lambda shown: next(iter(shown))
)
def test_more_than_a_cheat_said_is_a_finding(shown: dict[str, object]) -> None:
    assert list(shown_wrongly("j", WELL, "succeeded")) == []
    assert len(list(shown_wrongly("j", WELL | shown, "succeeded"))) == 1
    assert len(list(shown_wrongly("j", WELL | {"state": "running"}, "running"))) == 1


def test_a_moment_that_fired_twice_is_a_finding() -> None:
    assert list(fired_wrongly([("08:00:00", "a"), ("08:00:05", "b")])) == []
    assert len(list(fired_wrongly([("08:00:00", "a"), ("08:00:00", "b")]))) == 1
    assert len(list(fired_wrongly([("08:00:00", "a"), ("08:00:05", "a")]))) == 1
    assert len(list(fired_wrongly([]))) == 1


def test_the_small_size_has_the_worst_jumps() -> None:
    year, hour = 31_536_000, 3600
    assert {year, -year, hour, -hour} <= set(JUMPS_S[: ClockJumps.quick.cycles])


def test_memory_may_grow_a_little() -> None:
    assert list(grew({"controller": 19.0, "web": -3.0})) == []
    assert len(list(grew({"controller": 21.0, "web": math.nan}))) == 2
