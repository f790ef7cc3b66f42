"""Bits of an agent's journal that turn over, and logs of it that are gone: the agent refuses, or knows everything."""

import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from edge_agent.journal import Journal, JournalFile
from edge_agent.journal_tables import NoJournal
from tests.fakes.agent_bench import Bench
from tests.faults.row import Row
from tests.faults.storage.flips import turn_over_in
from tests.faults.storage.scenes import work

JOURNAL = "journal.db"
LOG = JOURNAL + "-wal"
TABLES = ("robots", "rows", "held", "runs", "recordings", "ended")


def made(folder: Path) -> tuple[Path, Path]:
    """A journal with a job in hand and reports that wait: after a clean end, and of an agent that was killed."""
    running = folder / "running"
    running.mkdir(parents=True)
    file = JournalFile(running / JOURNAL)
    rows, agent, dice = Journal(file, "r1"), Bench(file=file), random.Random(2)
    for number in range(60):
        with file.transaction():
            rows.append("log", None, b"x" * dice.randrange(400))
        if number % 10 == 1:
            work(agent, 1 + number // 10)
        if number == 50:
            file.read("pragma wal_checkpoint(restart)")
    agent.begin(attempt=50, job="job-50")
    killed = _copy(running, folder / "killed")
    file.close()
    return _copy(running, folder / "ended"), killed


def _copy(source: Path, there: Path) -> Path:
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(source, there)
    return there


def told(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that an agent knows from its journal."""
    with closing(sqlite3.connect(folder / JOURNAL)) as db:
        return {table: db.execute(f"select * from {table}").fetchall() for table in TABLES}


def verdict(folder: Path, expected: dict[str, list[tuple[object, ...]]]) -> str:
    """What a start of the agent makes of a journal: refused, harmless, or SILENT."""
    try:
        JournalFile(folder / JOURNAL).close()
    except NoJournal:
        return "refused"
    return "harmless" if told(folder) == expected else "SILENT"


def journal_flips(folder: Path, count: int, seed: int = 1) -> Row:
    """So many bits, every other one of an agent that was killed; every tenth time its whole log is gone."""
    dice, outcomes, silent = random.Random(seed), Counter[str](), []
    boxes = made(folder)
    known = [told(_copy(box, folder / "known")) for box in boxes]
    for number in range(count):
        left = _copy(boxes[number % 2], folder / "flipped")
        if number % 10 == 9:
            where = "the log is gone"
            (left / LOG).unlink()
        else:
            where = turn_over_in(left, (JOURNAL, LOG), dice)
        said = verdict(left, known[number % 2])
        outcomes[said] += 1
        if said == "SILENT":
            silent.append(f"{where}, and the agent did not notice")
    note = ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
    return Row("journal-flips", count, 0, note=note, wrong=tuple(silent[:12]))
