"""`scripts/bench`: measures, prints one table, keeps JSON, compares with another day."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scripts.benchmark import report
from scripts.benchmark.figures import Figure
from scripts.benchmark.machine import ROOT, Others, facts
from scripts.benchmark.measurements import MEASUREMENTS
from scripts.benchmark.scale import FULL, QUICK, Plan

FAILED = 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure whole boxes on this machine.")
    parser.add_argument("--quick", action="store_true", help="about 4 minutes instead of 20, with smaller numbers")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument(
        "--data", type=Path, help="folder for boxes and made-up data, which is kept there for next time"
    )
    parser.add_argument("--json", type=Path, help="where the figures are kept (default: build/bench/TIME.json)")
    parser.add_argument(
        "--compare", nargs="+", type=Path, metavar="JSON", help="print ratios to an earlier run; two: do not measure"
    )
    chosen = parser.parse_args()
    if chosen.compare and len(chosen.compare) > 2:
        parser.error("--compare takes one file or two")
    return chosen


def main() -> int:
    """The exit code: 0 when everything could be measured, whatever came out."""
    chosen = _arguments()
    if chosen.compare and len(chosen.compare) == 2:
        print(report.comparison(*map(report.read, chosen.compare)))
        return 0
    old = report.read(chosen.compare[0]) if chosen.compare else None
    file = chosen.json or ROOT / "build" / "bench" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    document = _measure_in(chosen, file)
    print(report.table(document))
    print(f"kept in {file}")
    if old is not None:
        print("\n" + report.comparison(old, document))
    return FAILED if document["failed"] else 0


def _measure_in(chosen: argparse.Namespace, file: Path) -> dict[str, Any]:
    scale, names = QUICK if chosen.quick else FULL, chosen.only or list(MEASUREMENTS)
    if chosen.data is not None:
        chosen.data.mkdir(parents=True, exist_ok=True)
        return _measure(Plan(scale, chosen.data.resolve()), names, file)
    with tempfile.TemporaryDirectory(prefix="yardmaster-bench-") as folder:
        return _measure(Plan(scale, Path(folder)), names, file)


def _measure(plan: Plan, names: list[str], file: Path) -> dict[str, Any]:
    """All of them; what is known is kept in the file after each, so that an interruption costs one measurement."""
    document: dict[str, Any] = {}
    machine, found, failed = facts(plan.folder), dict[str, list[Figure]](), dict[str, str]()
    others: dict[str, float] = {}
    for name in names:
        began, beside = time.monotonic(), Others()
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            found[name] = MEASUREMENTS[name](plan)
        except Exception as error:  # noqa: BLE001 - the others are measured all the same
            failed[name] = f"{type(error).__name__}: {error}"
            print(f"{name}: {failed[name]}", file=sys.stderr)
        others[name] = beside.percent()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        document = report.as_json(machine, plan.scale.name, found, failed, others)
        report.write(file, document)
    return document


if __name__ == "__main__":
    sys.exit(main())
