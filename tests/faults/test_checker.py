"""The checker sees every kind of broken promise: planted one by one into books that are clean."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.evidence import Evidence, Forgotten
from tests.rows import Rows

OFFSET_US = 1_750_000_000_000_000
"""The wall clock of these books at steady 0."""
ROBOT, OTHER = "s-1", "s-2"


class Books:
    """One job that went well, in every book: database, journal, the body's own memory, the customer's log."""

    def __init__(self, folder: Path) -> None:
        rows = Rows(folder)
        self.store, self.folder = rows.store, folder
        self.db = rows.store.db
        self.lines: list[dict[str, Any]] = []
        job = rows.job("succeeded", parameters=json.dumps({"key": "k1"}), created_at=OFFSET_US)
        self.uid = rows.uid(job)
        self.attempt(job, 1, ROBOT, 0, 10)
        for number, path in ((1, "-1/1"), (2, "-1/3")):
            rows.run(1, number, path)
            self.move(ROBOT, 1, number, path, number * 2.0, number * 2.0 + 1)
        for move in ((None, "queued"), ("queued", "assigned"), ("assigned", "running"), ("running", "succeeded")):
            self.event(job, *move)
        self.audit(self.uid)
        self.report(upto=2, head=2)
        self.evidence = Evidence(
            rows.path, [self.journal_file()], [folder / "motions.jsonl"], {"k1": self.uid},
            asked={"k1": 0.0}, offset_us=OFFSET_US,
        )  # fmt: skip

    def attempt(self, job: int, number: int, robot: str, start: float, end: float) -> None:
        """An attempt that has ended."""
        times = [OFFSET_US + int(at * 1e6) for at in (start, end)]
        self.db.execute(
            "insert into attempts (number, job, robot, open, state, created_at, ended_at)"
            " values (?, ?, ?, 0, 'x', ?, ?)",
            (number, job, robot, *times),
        )

    def move(self, robot: str, attempt: int, n: int, path: str, start: float, end: float, **more: Any) -> None:
        """A motion as the body counted it."""
        key = {"robot": robot, "attempt": attempt, "n": n, "what": "w", "then": {}}
        began = {"path": path, "start": start, "until": end, "will": "succeeded", "outputs": {}, "reason": None}
        self.lines.append(key | began | {"try": more.get("try_", 0)})
        self.lines.append(key | {"end": end, "outcome": more.get("outcome", "succeeded"), "reason": None})

    def event(self, job: int, old: str | None, new: str, who: str = "controller") -> None:
        """A move of a job."""
        self.db.execute(
            "insert into events (at, topic, event, job, who, old, new) values (1, 'job', 'x', ?, ?, ?, ?)",
            (job, who, old, new),
        )

    def audit(self, uid: str) -> None:
        """Who made a job."""
        self.db.execute(
            "insert into audit (at, who, role, action, subject, chain) values (1, 'li', 'admin', 'job.submit', ?, '')",
            (f"job:{uid}",),
        )

    def report(self, upto: int, head: int) -> None:
        """A journal's reports as the box has them, and its head as the agent has it."""
        self.head = head
        self.db.execute("insert into journals values (1, ?, 'j', ?, 1)", (ROBOT, upto))
        for seq in range(1, upto + 1):
            self.db.execute("insert into reports values (1, ?, 1, 'block', '{}', 1)", (seq,))

    def journal_file(self) -> Path:
        """The agent's own file."""
        path = self.folder / "journal.db"
        with sqlite3.connect(path) as db:
            db.execute("create table robots (robot text, journal text, head integer)")
            db.execute("create table rows (robot text, seq integer)")
            db.execute("insert into robots values (?, 'j', ?)", (ROBOT, self.head))
        return path

    def found(self) -> list[str]:
        """What the checker says, as kind and invariant."""
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        (self.folder / "motions.jsonl").write_text(text)
        return sorted({f"{finding.kind} {finding.text.split()[0]}" for finding in check(self.evidence)})


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """Clean books."""
    return Books(tmp_path)


def test_clean_books_are_clean(books: Books) -> None:
    assert books.found() == []


def second_job(books: Books, key: str = "k1", state: str = "succeeded") -> int:
    """One more job with its moves and its author."""
    number = Rows(books.folder).job(state, parameters=json.dumps({"key": key}), created_at=OFFSET_US)
    uid = books.db.execute("select uid from jobs where id = ?", (number,)).fetchone()[0]
    books.audit(uid)
    books.event(number, None, state)
    return number


def _lost_job(books: Books) -> None:
    books.evidence.accepted = {"k1": books.uid, "k2": "gone"}


def _two_answers(books: Books) -> None:
    books.evidence.again = {"k1": "another"}


def _two_jobs(books: Books) -> None:
    second_job(books)


def _nobody_asked(books: Books) -> None:
    second_job(books, key="k9")


def _stuck(books: Books) -> None:
    second_job(books, state="running")


def _letter(books: Books) -> None:
    books.db.execute("insert into outbox (key, robot, topic, payload, created_at) values ('a', 's-1', 'assign', '', 1)")


def _hold(books: Books) -> None:
    books.db.execute("insert into holds (robot, reason, since) values ('s-1', 'silent', 1)")


def _ended_twice(books: Books) -> None:
    books.event(1, "succeeded", "queued")
    books.event(1, "queued", "succeeded")


def _chain_broken(books: Books) -> None:
    books.db.execute("delete from events where new = 'assigned'")


def _no_author(books: Books) -> None:
    books.db.execute("update events set who = '' where new = 'running'")


def _not_audited(books: Books) -> None:
    books.db.execute("delete from audit")


def _two_attempts(books: Books) -> None:
    books.attempt(second_job(books, key="k2"), 2, ROBOT, 5, 12)
    books.evidence.asked = {"k1": 0.0, "k2": 0.0}


def _report_lost(books: Books) -> None:
    books.db.execute("delete from reports where seq = 2")


def _report_unsent(books: Books) -> None:
    with sqlite3.connect(books.evidence.journals[0]) as db:
        db.execute("insert into rows values ('s-1', 3)")


def _report_behind(books: Books) -> None:
    with sqlite3.connect(books.evidence.journals[0]) as db:
        db.execute("update robots set head = 5")


def _gap(books: Books) -> None:
    books.db.execute("insert into gaps values (1, 1, 1, 1)")


def _began_twice(books: Books) -> None:
    books.move(ROBOT, 1, 1, "-1/1", 6, 7)


def _try_twice(books: Books) -> None:
    books.move(ROBOT, 1, 3, "-1/1", 6, 7)
    Rows(books.folder).run(1, 3, "-1/1")


def _not_recorded(books: Books) -> None:
    books.db.execute("update block_runs set state = 'failed' where n = 2")


def _never_moved(books: Books) -> None:
    Rows(books.folder).run(1, 4, "-1/3")


def _not_done(books: Books) -> None:
    books.db.execute("update jobs set flow = 'short', robot = 's-1', attempt = 1")
    books.lines = books.lines[:2]
    books.db.execute("delete from block_runs where n = 2")


def _together(books: Books) -> None:
    books.attempt(1, 2, OTHER, 11, 12)
    Rows(books.folder).run(2, 1, "-1/1")
    books.move(OTHER, 2, 1, "-1/1", 4.5, 6)


def _two_at_once(books: Books) -> None:
    job = second_job(books, key="k2")
    books.evidence.asked = {"k1": 0.0, "k2": 0.0}
    books.attempt(job, 2, ROBOT, 11, 12)
    Rows(books.folder).run(2, 1, "-1/1")
    books.move(ROBOT, 2, 1, "-1/1", 4.5, 6)


def _never_given(books: Books) -> None:
    books.move(OTHER, 77, 1, "-1/1", 4.5, 6)


def _moved_on(books: Books) -> None:
    job = second_job(books, key="k2", state="cancelled")
    books.evidence.asked = {"k1": 0.0, "k2": 0.0}
    books.attempt(job, 2, OTHER, 11, 12)
    books.db.execute("update jobs set ended_at = ? where id = ?", (OFFSET_US + 13_000_000, job))
    Rows(books.folder).run(2, 1, "-1/1")
    books.move(OTHER, 2, 1, "-1/1", 12, 13.5)


PLANTED: dict[Callable[[Books], None], str] = {
    _lost_job: "lost I1", _two_jobs: "duplicated I1",
    _two_answers: "duplicated I1", _nobody_asked: "wrong I1", _stuck: "stuck I10",
    _letter: "stuck I12", _hold: "stuck I10", _ended_twice: "wrong I2", _chain_broken: "wrong I22",
    _no_author: "wrong I22", _not_audited: "wrong I22", _two_attempts: "overlap I5", _report_lost: "lost I3",
    _report_unsent: "lost I3", _report_behind: "lost I3", _gap: "lost I3", _began_twice: "duplicated I8",
    _try_twice: "duplicated I8", _not_recorded: "lost I4", _never_moved: "wrong I4", _not_done: "wrong T",
    _together: "overlap I7",
    _two_at_once: "overlap I5", _never_given: "lost I4", _moved_on: "overlap I9",
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_planted_violation_is_seen(books: Books, plant: Callable[[Books], None]) -> None:
    plant(books)
    assert PLANTED[plant] in books.found()


def test_after_a_restore_what_came_after_the_backup_is_not_promised(books: Books) -> None:
    _lost_job(books)
    books.evidence.again = {"k2": "made anew"}
    _report_lost(books)
    books.db.execute("insert into gaps values (1, 2, 2, 1)")
    books.evidence.restored = True
    books.evidence.forgotten = Forgotten({"k2"}, {(ROBOT, "j"): [(2, 2)]})
    assert books.found() == []


@pytest.mark.parametrize(("plant", "found"), [(_lost_job, "lost I1"), (_report_lost, "lost I3"), (_gap, "lost I3")])
def test_after_a_restore_what_came_before_the_backup_is(
    books: Books, plant: Callable[[Books], None], found: str
) -> None:
    plant(books)
    books.evidence.restored = True
    books.evidence.forgotten = Forgotten({"k3"}, {(ROBOT, "j"): [(3, 9)]})
    assert found in books.found()
