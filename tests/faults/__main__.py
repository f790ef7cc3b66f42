"""Runs suites of the fault bench and prints their table; scripts/faults calls this."""

import argparse
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from tests.faults.book import Book
from tests.faults.campaign import Order, Task, here, keep, mutants, several
from tests.faults.isolation import enter, isolation
from tests.faults.row import Row, markdown, table
from tests.faults.suites import suites

FILES = 65_536
"""Open files that the bench may have; the product gets no more than it would."""


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    add = parser.add_argument
    add("--full", action="store_true", help="the sizes of docs/reliability.md; takes many hours")
    add("--only", action="append", metavar="NAME", help="this suite; may be given several times")
    add("--mutants", action="store_true", help="run broken variants of the product instead; each must be caught")
    add("--mutant", metavar="NAME", help="run the suite against this broken variant")
    add("--json", type=Path, metavar="FILE", help="write the rows here as well, after each suite")
    add("--book", type=Path, metavar="FILE", help="keep each box here; what the book has is not run again")
    add("--table", action="store_true", help="print the book's sums for docs/reliability.md")
    add("--cycles", type=int, help="so many cycles, with the other sizes as they are")
    add("--rest", type=float, default=0.0, help="so many seconds more between faults: no recovery is cut off")
    add("--minutes", type=float, help="begin no further box of a suite after this time")
    add("--seed", type=int, default=1, help="other dice")
    add("--at-once", type=int, default=3, help="suites that run at a time")
    add("--strict", action="store_true", help="a suite that cannot be run here fails as well (exit code 1)")
    add("--list", action="store_true", help="name the suites")
    add("--keep", type=Path, metavar="FOLDER", help="work here and leave everything")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """1 if a promise was broken or a mutant was not caught (strict: or a suite skipped), 2 for a misspelt name."""
    given, known = _options(arguments), suites()
    names = given.only or list(known)
    if given.list:
        typer.echo("\n".join(known))
        return 0
    if given.table:
        typer.echo(markdown(Book(given.book or Path("faults.jsonl")).rows().values()))
        return 0
    if unknown := [name for name in names if name not in known]:
        typer.echo(f"error: no suite {', '.join(unknown)}; there are {', '.join(known)}", err=True)
        return 2
    if given.mutants:
        return _run(given, [task for task in mutants() if task.name in names])
    return _run(given, [Task(name, given.mutant) for name in names])


def _run(given: argparse.Namespace, tasks: list[Task]) -> int:
    if _is_one(given, tasks):
        enter()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        rows = _rows(given, tasks, folder)
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    for row in rows:
        for line in row.wrong:
            typer.echo(f"  {row.name}: {line}", err=True)
    typer.echo(table(rows))
    return exit_code(rows, strict=given.strict)


def exit_code(rows: list[Row], *, strict: bool) -> int:
    """What the rows come to: strictly, what was skipped is no success, and is named."""
    skipped = [row.name for row in rows if row.skipped] if strict else []
    if skipped:
        typer.echo(f"error: not run here: {', '.join(skipped)}", err=True)
    return int(bool(skipped) or not all(row.ok for row in rows))


def _is_one(given: argparse.Namespace, tasks: list[Task]) -> bool:
    return len(tasks) == 1 and not given.mutants


def _rows(given: argparse.Namespace, tasks: list[Task], folder: Path) -> list[Row]:
    order = Order.of(given, folder)
    if not _is_one(given, tasks):
        return several(order, tasks)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, FILES) if hard > 0 else FILES, hard))
    typer.echo(f"{tasks[0].name}: {isolation()}", err=True)
    rows = [here(order, task) for task in tasks]
    keep(order.file, rows)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
