"""What a journal leaves out because it is not true any more at the commit must never be missed."""

import random
from dataclasses import replace
from typing import Any

import pytest

from edge_agent.journal import Journal, JournalFile, NotWritten
from edge_agent.operations import BlockReport, PastRun
from edge_agent.records import Ended, Held
from schemas.status import Phase

ROBOTS = ("a", "b")
PHASES = (Phase.START_BEGIN, Phase.MONITOR_BEGIN, Phase.MONITOR_SUCCESS)


class Twin:
    """A journal file beside what it should hold, both changed in the same way at random."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.file = JournalFile(":memory:")
        self.held: dict[tuple[str, int], Held] = {}
        self.runs: dict[tuple[str, int, str, int], PastRun] = {}
        self.rows: list[tuple[str, int]] = []
        self.attempts = 0
        self.open()
        self.file.commit()
        self.safe = self.state()

    def open(self) -> None:
        self.journals = {robot: Journal(self.file, robot) for robot in ROBOTS}

    def state(self) -> Any:
        return {key: replace(held) for key, held in self.held.items()}, dict(self.runs), list(self.rows)

    def act(self) -> None:
        robot = self.dice.choice(ROBOTS)
        mine = [attempt for whose, attempt in self.held if whose == robot]
        if not mine or self.dice.random() < 0.1:
            self.hold(robot)
        else:
            act = self.dice.choice((self.keep, self.run, self.run, self.end, self.report))
            act(robot, self.dice.choice(mine))

    def hold(self, robot: str) -> None:
        self.attempts += 1
        held = Held(self.attempts, f"job-{self.attempts}", b"{}")
        self.held[robot, held.attempt] = held
        self.journals[robot].hold(held)

    def keep(self, robot: str, attempt: int) -> None:
        held = self.held[robot, attempt]
        held.started, held.command, held.elapsed = True, held.command + 1, self.dice.random()
        held.pause, held.stop = self.dice.choice((None, 5)), self.dice.choice((None, "cancel"))
        self.journals[robot].keep(held)

    def run(self, robot: str, attempt: int) -> None:
        path, try_ = self.dice.choice(("-1/1", "-1/2")), self.dice.choice((0, 1))
        some: Any = self.dice.choice((None, {"x": self.attempts}))
        report = BlockReport(path, self.attempts, try_, self.dice.choice(PHASES), some, self.dice.choice((None, {})))
        old = self.runs.get((robot, attempt, path, try_), PastRun(0, Phase.START_BEGIN))
        inputs = old.inputs if report.inputs is None else report.inputs
        outputs = old.outputs if report.outputs is None else report.outputs
        self.runs[robot, attempt, path, try_] = PastRun(report.n, report.status, inputs, outputs)
        self.journals[robot].run(attempt, report)

    def end(self, robot: str, attempt: int) -> None:
        held = self.held.pop((robot, attempt))
        self.runs = {key: run for key, run in self.runs.items() if key[:2] != (robot, attempt)}
        self.journals[robot].end(Ended(attempt, held.job, "failed"))

    def report(self, robot: str, attempt: int) -> None:
        journal = self.journals[robot]
        self.rows.append((robot, journal.append("block", attempt, b"{}")))
        if self.dice.random() < 0.3:
            upto = self.dice.randint(journal.first - 1, journal.head)
            journal.acknowledge(upto)
            self.rows = [(whose, seq) for whose, seq in self.rows if whose != robot or seq > upto]

    def commit(self) -> None:
        if self.dice.random() < 0.2:
            self.file._db.execute("pragma query_only = on")
            with pytest.raises(NotWritten):
                self.file.commit()
            self.file._db.execute("pragma query_only = off")
        else:
            self.file.commit()
            self.safe = self.state()

    def die(self) -> None:
        for robot in ROBOTS:
            self.file.discard(robot)
        self.held, self.runs, self.rows = self.safe
        self.safe = self.state()
        self.open()

    def check(self) -> None:
        held, runs, rows = self.safe
        found = {(robot, one.attempt): one for robot in ROBOTS for one in self.journals[robot].held()}
        assert found == held
        past = {
            (robot, attempt, *key): run
            for robot in ROBOTS
            for attempt in range(1, self.attempts + 1)
            for key, run in self.journals[robot].past(attempt).items()
        }
        assert past == runs
        assert sorted(self.file.read("select robot, seq from rows")) == sorted(rows)


@pytest.mark.parametrize("seed", range(30))
def test_after_any_commit_the_file_holds_what_was_told(seed: int) -> None:
    twin = Twin(seed)
    for _ in range(150):
        for _ in range(twin.dice.choice((1, 3, 12))):
            twin.act()
        if twin.file._touched:
            twin.commit()
        twin.check()
        if twin.dice.random() < 0.05:
            twin.die()
            twin.check()


def test_an_attempt_that_came_and_went_is_never_written() -> None:
    file = JournalFile(":memory:")
    journal = Journal(file, "a")
    said: list[str] = []
    file.commit()
    file._db.set_trace_callback(said.append)
    journal.hold(Held(1, "job", b"{}"))
    journal.run(1, BlockReport("-1/1", 1, 0, Phase.START_BEGIN))
    journal.end(Ended(1, "job", "rejected"))
    file.commit()
    assert [sql for sql in said if "held" in sql or "runs" in sql] == []


def test_statements_of_many_robots_run_together_and_those_of_one_in_order() -> None:
    file = JournalFile(":memory:")
    robots = [Journal(file, f"r{i}") for i in range(20)]
    for journal in robots:
        journal.append("block", 1, b"{}")
        journal.acknowledge(1)
        journal.append("log", 1, b"{}")
    assert len(file._batches) == 3
    file.commit()
    assert file.read("select count(*), min(seq), max(seq) from rows") == [(20, 2, 2)]


def test_values_that_json_cannot_carry_are_made_readable() -> None:
    file = JournalFile(":memory:")
    journal = Journal(file, "a")
    journal.run(1, BlockReport("-1/1", 1, 0, Phase.START_BEGIN, inputs={"x": "\ud800!"}))
    journal.end(Ended(2, "job", "succeeded", None, {"y": "\udfff"}))
    file.commit()
    assert journal.past(1)["-1/1", 0].inputs == {"x": "?!"}
    assert Journal(file, "a").ended(2) == Ended(2, "job", "succeeded", None, {"y": "?"})


def test_nothing_is_remembered_of_attempts_that_are_over() -> None:
    file = JournalFile(":memory:")
    journal = Journal(file, "a")
    for attempt in range(1, 5):
        journal.hold(Held(attempt, "job", b"{}"))
        file.commit()
        journal.end(Ended(attempt, "job", "failed"))
        file.commit()
    assert journal.unwritten._in_file == set()
    assert list(journal.unwritten.statements()) == []
