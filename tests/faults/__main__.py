"""python -m tests.faults: runs suites and prints their table; scripts/faults calls this."""

import argparse
import json
import math
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from config.clock import steady
from tests.faults.isolation import enter, isolation
from tests.faults.row import Row, table
from tests.faults.run import How, run
from tests.faults.suites import FAULTS, suites


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of docs/reliability.md; takes many hours")
    parser.add_argument("--only", action="append", metavar="NAME", help="this suite; may be given several times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here as well, after each suite")
    parser.add_argument("--cycles", type=int, help="so many cycles, with the other sizes as they are")
    parser.add_argument(
        "--minutes", type=float, help="begin no further box after this time; cycles that were run count"
    )
    parser.add_argument("--mutant", metavar="NAME", help="run the suite against this broken variant of the product")
    parser.add_argument("--list", action="store_true", help="name the suites")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work here and leave everything")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """1 if a promise was broken, 2 for a misspelt name."""
    given = _options(arguments)
    known = suites()
    names = given.only or list(known)
    if given.list:
        typer.echo("\n".join(known))
        return 0
    if unknown := [name for name in names if name not in known]:
        typer.echo(f"error: no suite {', '.join(unknown)}; there are {', '.join(known)}", err=True)
        return 2
    enter()
    typer.echo(isolation(), err=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    return _all(given, names)


def _all(given: argparse.Namespace, names: list[str]) -> int:
    folder = given.keep or Path(tempfile.mkdtemp(prefix="faults-"))
    rows: list[Row] = []
    try:
        for name in names:
            rows.append(_one(given, name, folder))
            for line in rows[-1].wrong:
                typer.echo(f"  {line}", err=True)
            if given.json:
                given.json.write_text(json.dumps([row.as_json() for row in rows], indent=1))
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    typer.echo(table(rows))
    return int(not all(row.ok for row in rows))


def _one(given: argparse.Namespace, name: str, folder: Path) -> Row:
    fault = FAULTS.get(name)
    if fault is None:
        return suites()[name](given.full, folder / name)
    fault.is_full = given.full
    size = fault.full if given.full else fault.quick
    if given.cycles:
        size = size._replace(cycles=given.cycles)

    def say(line: str) -> None:
        typer.echo(line, err=True)

    seed = int(os.environ.get("FAULTS_SEED", "1"))
    until = steady() + given.minutes * 60 if given.minutes else math.inf
    return run(fault, size, folder, How(seed, given.mutant, until, say))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
