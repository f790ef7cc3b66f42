"""The benchmark's figures: medians, goals, the table for people, JSON for later, ratios to another day."""

import os
import select
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.benchmark import __main__ as bench
from scripts.benchmark import machine, report
from scripts.benchmark.figures import Figure, Goal, at_least, at_most, exactly, percentile
from scripts.benchmark.measurements import MEASUREMENTS
from scripts.benchmark.memory import slope
from scripts.benchmark.scale import FULL, QUICK, Plan
from scripts.benchmark.streams import read
from tests.waiting import wait_for

MACHINE = {"processor": "two cores"}


def document(median: float = 4.0) -> dict[str, object]:
    figures = [
        Figure("quick enough", "ms", [median + 1, median, median - 1], at_most(10), {"p50": 1.25}),
        Figure("too few", "jobs/s", [400.0], at_least(500)),
        Figure("only shown", "µs", [0.5, 1234.5]),
    ]
    return report.as_json(
        MACHINE,
        "quick",
        {"first": figures[:2], "second": figures[2:]},
        {"third": "it ended:\n  in line 1\n  no disk"},
        {"first": 0.2, "second": 34.6},
    )


@pytest.mark.parametrize(
    ("goal", "met", "missed"), [(at_most(10), 10, 10.1), (at_least(500), 500, 499), (exactly(503), 503, 200)]
)
def test_a_goal_holds_up_to_its_limit(goal: Goal, met: float, missed: float) -> None:
    assert goal.met(met)
    assert not goal.met(missed)


def test_the_median_counts_not_the_mean() -> None:
    assert Figure("", "", [1, 2, 300], at_most(2)).met
    assert Figure("", "", [1]).met is None


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 1) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234.5, "1,234"),
        (250.4, "250"),
        (25.04, "25.0"),
        (2.504, "2.50"),
        (3.0, "3"),
        (-15.04, "-15.0"),
        (0.004, "0.00"),
    ],
)
def test_three_digits_mean_something(value: float, shown: str) -> None:
    assert report.number(value) == shown


def test_the_table_shows_median_spread_goal_and_what_failed() -> None:
    lines = report.table(document()).splitlines()
    assert lines[0] == "processor: two cores · quick benchmark"
    assert "| **first** | quick enough | **4** ms | 3 to 5 | ≤ 10 | met | p50: 1.25 |" in lines
    assert "|  | too few | **400** jobs/s | one | ≥ 500 | **not met** |  |" in lines
    assert "| **second** | only shown | **618** µs | 0.50 to 1,234 |  |  |  |" in lines
    assert "Used by everything else on the machine meanwhile, percent of a core: first 0, second 35." in lines
    assert lines[-1] == "**third could not be measured:** it ended: … no disk"
    columns = {line.count("|") for line in lines if line.startswith("|")}
    assert columns == {8}, "every row has as many cells as the head"


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "one.json"
    report.write(file, document())
    assert report.read(file) == document()
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match="is not a benchmark's JSON"):
        report.read(tmp_path / "other.json")


def test_two_files_are_compared_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, median in (("old.json", 4.0), ("new.json", 6.0)):
        report.write(tmp_path / name, document(median))
    monkeypatch.setattr("sys.argv", ["bench", "--compare", str(tmp_path / "old.json"), str(tmp_path / "new.json")])
    monkeypatch.setattr(bench, "MEASUREMENTS", {})
    assert bench.main() == 0
    assert "| first | quick enough | 4 | 6 ms | 1.50 |" in capsys.readouterr().out


def test_one_measurement_that_fails_does_not_take_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(plan: Plan) -> list[Figure]:
        raise RuntimeError("it hangs")

    works = {"latency": breaks, "idle": lambda plan: [Figure("size", plan.scale.name, [1.0])]}
    monkeypatch.setattr(bench, "MEASUREMENTS", works)
    file = tmp_path / "kept.json"
    monkeypatch.setattr("sys.argv", ["bench", "--quick", "--json", str(file), "--data", str(tmp_path / "data")])
    assert bench.main() == bench.FAILED
    out = capsys.readouterr().out
    assert "| **idle** | size | **1** quick |" in out
    assert "**latency could not be measured:** RuntimeError: it hangs" in out
    assert report.read(file)["failed"] == {"latency": "RuntimeError: it hangs"}


def test_the_machine_is_described(tmp_path: Path) -> None:
    found = machine.facts(tmp_path)
    assert {"processor", "system", "data on", "Python", "SQLite", "mosquitto", "product"} <= set(found)
    assert all(found.values())


def test_what_others_use_is_a_share_of_the_machine() -> None:
    others = machine.Others()
    done = subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    assert done.returncode == 0
    assert 0 <= others.percent() <= 100 * (os.cpu_count() or 1)


def test_a_slope_is_that_of_most_points() -> None:
    level = [(jobs, 50.0 + (1.0 if jobs in (3_000, 4_000) else 0.0)) for jobs in range(0, 20_000, 1_000)]
    assert slope(level) == 0
    assert slope([(jobs, mb + jobs * 0.002) for jobs, mb in level]) == pytest.approx(0.002, rel=0.01)


def test_every_measurement_is_three_runs_at_least() -> None:
    assert list(MEASUREMENTS) == [
        "throughput",
        "latency",
        "idle",
        "history",
        "restart",
        "memory",
        "dashboards",
        "batch",
        "upkeep",
    ]
    assert min(QUICK.runs, FULL.runs) >= 3


def test_streams_are_read_until_the_reader_is_told_to_end() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    (busy, feed), (closed, end), (quiet, _) = pairs
    reading, writing = os.pipe()
    end.close()
    said = b"retry: 2000\n\nevent: job\ndata: {}\n\nid: 1\nevent: job\ndata: {}\n\n: still here\n\n"
    feed.sendall(said)
    with ThreadPoolExecutor() as pool:
        found = pool.submit(read, [busy, closed, quiet], reading)
        wait_for(lambda: not select.select([busy], [], [], 0)[0], what="all was read")
        os.close(writing)
        came = found.result(30)
    assert came == {"bytes": len(said), "messages": 2, "ended": 1, "with news": 1}
    os.close(reading)
    for one in (one for pair in pairs for one in pair):
        one.close()
