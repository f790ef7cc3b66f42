"""Runs suites: one in this process, several as processes of their own, each in its own namespaces, a few at a time."""

import argparse
import json
import math
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import typer

from config.clock import steady
from tests.faults.book import Book
from tests.faults.row import Row, from_json
from tests.faults.run import How, run
from tests.faults.suites import FAULTS, suites


class Task(NamedTuple):
    """A suite, against the product or against a mutant of it."""

    name: str
    mutant: str | None = None


@dataclass(frozen=True)
class Order:
    """How suites are to be run."""

    full: bool
    folder: Path
    cycles: int | None = None
    rest: float = 0.0
    minutes: float | None = None
    seed: int = 1
    at_once: int = 2
    file: Path | None = None
    """Where the rows go as JSON, after each suite."""
    book: Path | None = None
    """A long campaign: boxes that it has are not run again."""

    @classmethod
    def of(cls, given: argparse.Namespace, folder: Path) -> "Order":
        """As the command line says."""
        return cls(folder=folder, file=given.json, full=given.full, at_once=given.at_once, **_passed_on(given))


def _passed_on(order: "argparse.Namespace | Order") -> dict[str, Any]:
    """What a suite in a process of its own is told as it was told here."""
    return {name: getattr(order, name) for name in ("cycles", "rest", "minutes", "seed", "book")}


def mutants() -> list[Task]:
    """Every mutant with the suite that must catch it."""
    return [Task(name, mutant) for name, fault in FAULTS.items() for mutant in fault.mutants]


def here(order: Order, task: Task) -> Row:
    """One suite, in this process."""
    fault, book = FAULTS.get(task.name), Book(order.book) if order.book else None
    if fault is None:
        return _whole(order, task.name, book)
    fault.is_full = order.full
    if task.mutant:
        fault.sharpen()
    size = (fault.full if order.full else fault.quick)._replace(rest_s=order.rest)
    if order.cycles:
        size = size._replace(cycles=order.cycles)
    until = steady() + order.minutes * 60 if order.minutes else math.inf
    if book is None:
        return run(fault, size, order.folder, How(order.seed, task.mutant, 0, until, _say))
    done = book.done(task.name)
    if done < size.cycles:
        run(fault, size, order.folder, How(order.seed, task.mutant, done, until, _say, book.add))
    return book.rows()[task.name]


def _whole(order: Order, name: str, book: Book | None) -> Row:
    """A suite without boxes is in a book or not."""
    if book and book.done(name):
        return book.rows()[name]
    row = suites()[name](order.full, order.folder / name)
    if book:
        book.add(row, order.seed)
    return row


def several(order: Order, tasks: Sequence[Task]) -> list[Row]:
    """Many suites, `at_once` at a time, in the order of the tasks; what is done is kept on file at once."""
    rows: dict[Task, Row] = {}
    lock = threading.Lock()

    def do(task: Task) -> None:
        row = _elsewhere(order, task)
        with lock:
            rows[task] = judged(task, row) if task.mutant else row
            keep(order.file, [rows[one] for one in tasks if one in rows])

    with ThreadPoolExecutor(order.at_once) as pool:
        list(pool.map(do, tasks))
    return [rows[task] for task in tasks]


def _elsewhere(order: Order, task: Task) -> Row:
    where = order.folder / "-".join(filter(None, task))
    where.mkdir(parents=True, exist_ok=True)
    file = where / "row.json"
    command = [sys.executable, "-m", "tests.faults", "--only", task.name, "--json", str(file), "--keep", str(where)]
    command += ["--full"] if order.full else []
    for name, value in (_passed_on(order) | {"mutant": task.mutant}).items():
        command += [] if value is None else [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if not file.exists():
        return Row(task.name, 0, 0, wrong=(f"the bench itself failed with exit code {done.returncode}",))
    return from_json(json.loads(file.read_text())[0])


def judged(task: Task, row: Row) -> Row:
    """What a mutant's row means: a broken promise is what was wanted."""
    name = f"{task.name}, {task.mutant}"
    if row.skipped:
        return Row(name, 0, 0, skipped=row.skipped)
    if row.ok:
        return Row(name, row.cycles, row.jobs, wrong=("the mutant was not caught",))
    return Row(name, row.cycles, row.jobs, note=f"caught: {(*row.wrong, 'by its counts')[0][:80]}")


def keep(file: Path | None, rows: Sequence[Row]) -> None:
    """Write rows as JSON, if that is wanted."""
    if file is not None:
        file.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")


def _say(line: str) -> None:
    typer.echo(line, err=True)
